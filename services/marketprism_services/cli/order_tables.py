"""`marketprism order-tables`: what orders are calculated by, and venues' own lists as tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from marketprism_application.errors import DefinitionError
from marketprism_services.cli.answers import emit
from marketprism_services.cli.options import out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

order_tables = typer.Typer(
    help="Reference tables of orders: what they hold, and venues' own lists as tables.", no_args_is_help=True
)
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
    output: Annotated[Path, typer.Option(help="The table file to write, in the folder of `order.tables`.")],
    as_of: Annotated[str, typer.Option(help="Day of the answer, YYYY-MM-DD; without, the day of the file.")] = "",
) -> None:
    """Make a table file of a venue's own list."""
    from marketprism_adapters.trading_tables.documents import encode_document  # noqa: PLC0415 (only here)
    from marketprism_adapters.trading_tables.importers import IMPORTERS, Asked  # noqa: PLC0415

    if kind not in IMPORTERS:
        raise Stop(Exit.USAGE, f"kind: expected one of {', '.join(IMPORTERS)}, was {kind!r}")
    if output.suffix != ".json":
        raise Stop(Exit.USAGE, f"--output {output}: expected a name that ends in .json")
    try:
        data = file.read_bytes()
        day = date.fromisoformat(as_of) if as_of else datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
        document = IMPORTERS[kind](data, Asked(venue, day))
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file}: expected a readable file: {error.strerror}") from error
    except (DefinitionError, ValueError) as error:
        raise Stop(Exit.USAGE, f"{file}: {error}") from error
    emit(encode_document(document), output)


__all__ = ["order_tables"]
