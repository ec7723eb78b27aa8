"""`marketprism archive`: what is archived, and what people want of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.jobs_of_storage import done_by_storage
from marketprism_services.cli.options import DataDir, NatsUrl, connected, nats_of, out, storage_leader
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_ANSWER_S, _HOLD_S = 20.0, 120.0

archive = typer.Typer(
    help="Old rows in files: what is archived, moved, checked, restored and held.", no_args_is_help=True
)
First = Annotated[str, typer.Argument(help="First day, 2025-03-03.")]
Last = Annotated[str, typer.Argument(help="Last day, included.")]
Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be given several times.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class Unit(msgspec.Struct):
    """One partition of a table, as the storage leader shows it."""

    table: str
    partition: str
    state: str
    revision: int
    rows: int
    bytes: int
    hot_bytes: int
    files: int
    ts_first: int
    ts_last: int
    hold: str


class Status(msgspec.Struct):
    """What `archive_status` answers."""

    place: str
    days: dict[str, int]
    keep_days: int
    units: list[Unit]


@archive.command()
def status(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Where the archive is, and every partition in it: how far its move is, rows, bytes, whether it is held."""

    async def look(connection: NatsConnection) -> Status:
        answer = await storage_leader(connection).call("archive_status", timeout_s=_ANSWER_S)
        return msgspec.convert(answer, Status)

    found = connected(nats_of(data_dir, nats_url), look)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    out.print(f"archive: {found.place}", highlight=False, markup=False)
    if not found.units:
        out.print("nothing is archived")
        return
    columns = ("table", "partition", "state", "revision", "rows", "bytes", "files", "hold")
    rows = [{name: getattr(unit, name) for name in columns} for unit in found.units]
    show_table(out, rows, columns, Look("partitions", drop=("revision", "files"), last=len(rows)))
    rows_in = sum(unit.rows for unit in found.units)
    size, hot = sum(unit.bytes for unit in found.units), sum(unit.hot_bytes for unit in found.units)
    out.print(f"{count_of(rows_in, 'row')}, {size / 1e6:.1f} MB in files, {hot / 1e6:.1f} MB before", highlight=False)


@archive.command()
def run(
    table: Tables = None,
    older_than: Annotated[int, typer.Option(help="Days; 0: those of the settings.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be moved.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Move what is old enough, now; each partition is verified before its hot rows go."""
    body = {"tables": table or [], "older_than": older_than, "dry_run": dry_run}
    _done("archive", body, data_dir, nats_url)


@archive.command()
def verify(first: First, last: Last, table: Tables = None, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Read archived files of some days back, and compare them with what was written of them."""
    _done("verify_archive", {"first": first, "last": last, "tables": table or []}, data_dir, nats_url)


@archive.command()
def restore(
    first: First,
    last: Last,
    table: Tables = None,
    days: Annotated[int, typer.Option(help="For so many days it stays; then it may be moved again.", min=1)] = 30,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Put archived partitions of some days back into the store; the files stay too."""
    _done("restore", {"first": first, "last": last, "tables": table or [], "days": days}, data_dir, nats_url)


@archive.command()
def retain(
    keep_days: Annotated[int, typer.Option(help="Days; 0: those of the settings.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Delete what is archived for longer than it is to be kept, but for what is held."""
    _done("retain", {"keep_days": keep_days, "dry_run": dry_run}, data_dir, nats_url)


@archive.command()
def hold(
    first: First,
    last: Last,
    reason: Annotated[str, typer.Option(help="Why, as a case or a request.")],
    table: Tables = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Keep archived partitions of some days, whatever their age, until they are released."""
    if not reason.strip():
        raise Stop(Exit.USAGE, "--reason: expected a text, was none")
    _held({"first": first, "last": last, "tables": table or [], "reason": reason}, data_dir, nats_url)


@archive.command()
def release(first: First, last: Last, table: Tables = None, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Let archived partitions of some days be deleted again once they are too old."""
    _held({"first": first, "last": last, "tables": table or []}, data_dir, nats_url)


def _held(body: dict[str, object], data_dir: DataDir, nats_url: NatsUrl) -> None:
    async def ask(connection: NatsConnection) -> dict[str, list[str]]:
        answer = await storage_leader(connection).call("archive_hold", body, timeout_s=_HOLD_S)
        return msgspec.convert(answer, dict[str, list[str]])

    units = connected(nats_of(data_dir, nats_url), ask)["units"]
    for unit in units:
        out.print(unit, highlight=False, markup=False)
    if not units:
        raise Stop(Exit.FAILED, "first: expected days of which something is archived, was none")


def _done(handler: str, body: dict[str, object], data_dir: DataDir, nats_url: NatsUrl) -> None:
    done_by_storage(handler, body, data_dir, nats_url, "an archive (archive.place)")


__all__ = ["archive"]
