"""`marketprism order-tables`: what orders are calculated by, and venues' own lists as tables."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from marketprism_application.contracts.orders import ImportedShown, ImportTable, RemoveTable
from marketprism_application.errors import DefinitionError
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.answers import emit
from marketprism_services.cli.clocks import day_of_text
from marketprism_services.cli.options import DataDir, NatsUrl, Who, connected, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

order_tables = typer.Typer(
    help="Reference tables of orders: what they hold, and venues' own lists as tables.", no_args_is_help=True
)
T = TypeVar("T")
_ASK_S = 30.0
AsOf = Annotated[str, typer.Option(help="Day of the answer, YYYY-MM-DD; without, the day of the file.")]
Folder = Annotated[Path | None, typer.Option("--tables", help="A folder of table files beside those of the program.")]


@order_tables.command("show")
def show_tables(
    venue: Annotated[str, typer.Argument(help="A venue; without, the venues that there are tables of.")] = "",
    tables: Folder = None,
) -> None:
    """Every row of a venue's tables, with its day and its source."""
    from marketprism_adapters.trading_tables.files import FileTables  # noqa: PLC0415 (only here)

    try:
        found = FileTables.read(tables)
    except DefinitionError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    if venue not in found.venues():
        if venue:
            raise Stop(Exit.USAGE, f"venue: expected one of {', '.join(found.venues())}, was {venue!r}")
        out.print(", ".join(found.venues()), highlight=False, markup=False)
        return
    rows: list[dict[str, object]] = [
        {
            "table": row.source.table,
            "symbols": " ".join(row.symbols),
            "as_of": row.source.as_of.isoformat(),
            "source": row.source.text,
        }
        for row in found.rows(venue)
    ]
    show_table(out, rows, ["table", "symbols", "as_of", "source"], Look(venue, last=len(rows), drop=("source",)))


@order_tables.command("import")
def import_table(
    kind: Annotated[
        str,
        typer.Argument(help="leverage-bracket, position-tiers, risk-limit, commission-rate or margin-rate."),
    ],
    file: Annotated[Path, typer.Argument(help="What the venue or the counter answered, as JSON.")],
    venue: Annotated[str, typer.Option(help="The venue that the table is of.")],
    output: Annotated[
        Path | None, typer.Option(help="Write a table file, for the folder of `order.tables`, and import nothing.")
    ] = None,
    as_of: AsOf = "",
    who: Who = "",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Have orders calculated by a venue's own list, from its day on: in the platform, or as a table file."""
    from marketprism_adapters.trading_tables.documents import encode_document  # noqa: PLC0415 (only here)
    from marketprism_adapters.trading_tables.files import FileTables  # noqa: PLC0415
    from marketprism_adapters.trading_tables.importers import IMPORTERS, import_document  # noqa: PLC0415

    if kind not in IMPORTERS:
        raise Stop(Exit.USAGE, f"kind: expected one of {', '.join(IMPORTERS)}, was {kind!r}")
    if output is not None and output.suffix != ".json":
        raise Stop(Exit.USAGE, f"--output {output}: expected a name that ends in .json")
    try:
        data = file.read_bytes()
        day = day_of_text(as_of, "--as-of") if as_of else datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
        document = import_document(kind, data, venue, day, FileTables.read())
        answer = data.decode()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file}: expected a readable file: {error.strerror}") from error
    except (DefinitionError, ValueError) as error:
        raise Stop(Exit.USAGE, f"{file}: {error}") from error
    if output is not None:
        emit(encode_document(document), output)
        return
    asked = ImportTable(venue, kind, day.isoformat(), answer, who or getpass.getuser())
    found = _service(data_dir, nats_url, "import_table", asked, ImportedShown)
    text = f"{found.venue}: {found.kind} of {found.as_of} holds, {found.rows} rows"
    out.print(text, highlight=False, markup=False, soft_wrap=True)


@order_tables.command("list")
def list_imported(data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """What was imported into the platform, by whom and when."""
    found = _service(data_dir, nats_url, "imported", {}, list[ImportedShown])
    if not found:
        out.print("no table was imported: orders are calculated by those of files", highlight=False, markup=False)
        return
    rows: list[dict[str, object]] = [
        {
            "venue": each.venue,
            "list": each.kind,
            "as_of": each.as_of,
            "rows": each.rows,
            "by": each.by,
            "imported": datetime.fromtimestamp(each.at // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        }
        for each in found
    ]
    show_table(out, rows, list(rows[0]), Look("", last=len(rows)))


@order_tables.command("remove")
def remove_table(
    kind: Annotated[str, typer.Argument(help="The list, as `list` shows it.")],
    as_of: Annotated[str, typer.Argument(help="Its day, YYYY-MM-DD.")],
    venue: Annotated[str, typer.Option(help="The venue that the table is of.")],
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Take an imported table out of the platform: the one before holds again."""
    _service(data_dir, nats_url, "remove_table", RemoveTable(venue, kind, as_of), dict[str, object])


def _service(data_dir: Path | None, nats_url: str | None, method: str, asked: object, kind: type[T]) -> T:
    """What the order service answers. Raises Stop: it refuses, or none runs."""

    async def ask(connection: NatsConnection) -> object:
        calls = RpcClient(NatsBus(connection))
        return await calls.call("order", method, msgspec.to_builtins(asked), timeout_s=_ASK_S)

    try:
        return msgspec.convert(connected(nats_of(data_dir, nats_url), ask), kind)
    except NoResponders as error:
        raise Stop(Exit.NATS, "no order service runs here; `marketprism run order` starts one") from error
    except RemoteError as error:
        raise Stop(Exit.USAGE, str(error)) from error


__all__ = ["order_tables"]
