"""`marketprism inspect`: what recordings of venues hold, and whether the books in them come out right."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from marketprism_adapters.venues.recordings.discovery import found_recordings
from marketprism_adapters.venues.recordings.inspection import inspected
from marketprism_services.cli.inspect_counters import are_of_counters, inspect_counters
from marketprism_services.cli.options import err, out
from marketprism_services.platform.exits import Exit

_PIPED = 160  # columns, where nobody says how many there are
_FOLDED = {0: 8, 1: 9, 7: 10}  # columns of words, and the width down to which they fold


def inspect_command(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders with all below them, or globs.")],
    market: Annotated[str, typer.Option(help="The market, where the frames do not tell it.")] = "",
    partial: Annotated[bool, typer.Option(help="Read damaged or cut off files as far as they are whole.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Messages, rejections with reasons, sequence gaps, book resyncs and book checks, by venue, symbol and kind.

    Exit 0 only when every check came out right and nothing was rejected. What a folder holds besides recordings is
    named, and changes nothing. Of recordings of counters: ticks by instrument, and the rows that are none.
    """
    if not market and are_of_counters(recordings):
        if not inspect_counters(recordings, partial=partial, as_json=as_json):
            raise typer.Exit(Exit.FAILED)
        return
    found = found_recordings(recordings, market, partial=partial)
    reports = inspected(found.recordings)
    ok = all(report["ok"] for report in reports)
    result = {
        "recordings": [str(recording.path) for recording in found.recordings],
        "unread": [{"path": str(each.path), "reason": each.reason} for each in found.unread],
        "markets": reports,
        "ok": ok,
    }
    if as_json:
        json.dump(result, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for report in reports:
            table, least = _table(report)
            wide = Console(file=out.file, width=max(least, out.width if out.is_terminal else _PIPED))
            wide.print(out.translated(table))
            _print_report(report)
        for each in found.unread:
            out.print(f"not read: {each.path}: {each.reason}", highlight=False, markup=False, soft_wrap=True)
    for recording in found.recordings:
        if recording.market_by == "assumed":
            err.print(
                f"note: {recording.path}: nothing in it tells the market, read as {recording.market}; --market says it",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    if not ok:
        raise typer.Exit(Exit.FAILED)


def _table(report: dict[str, Any]) -> tuple[Table, int]:
    """The table, and the least width at which no number is cut: names and times fold, numbers never do."""
    rows = [_cells(row) for row in report["streams"]]
    heads = ("symbol", "kind", "messages", "rejected", "gaps", "resyncs", "checks", "from, to (UTC)")
    table = Table(
        title=f"{report['market']}: {report['frames']} frames, {report['answers']} answers",
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    least = 2 * (len(heads) - 1)
    for at, name in enumerate(heads):
        words = at in _FOLDED
        width = _FOLDED.get(at) or max(len(name), *(len(row[at]) for row in rows), 0)
        table.add_column(
            name, justify="left" if words else "right", no_wrap=not words, overflow="fold", min_width=width
        )
        least += width
    for row in rows:
        table.add_row(*row)
    return table, least


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    checks = row.get("checks", {}).values()
    made, failed = (sum(check[what] for check in checks) for what in ("made", "failed"))
    return (
        row["symbol"],
        row["kind"],
        str(row["messages"]),
        str(sum(row["rejected"].values()) or ""),
        str(row["sequence_gaps"] or ""),
        str(row.get("resyncs") or ""),
        f"{made - failed}/{made}" if made else "",
        f"{_time(row['first'])} {_time(row['last'], after=row['first'])}".strip(),
    )


def _print_report(report: dict[str, Any]) -> None:
    def say(text: str) -> None:
        out.print(text, highlight=False, markup=False, soft_wrap=True)

    for fault in report["faults"]:
        say(f"not right: {fault}")
    for reason, text in report["examples"].items():
        say(f"rejected ({reason}): {text}")
    for what, count in report["controls"].items():
        say(f"{count} x {what}")
    for row in report["streams"]:
        if row.get("without_book"):
            say(f"{row['symbol']}: {row['without_book']} of {row['messages']} updates came without a book")
    for what, count in report["lines_passed_over"].items():
        say(f"{count} lines passed over: {what}")


def _time(ts: int, after: int = 0) -> str:
    if not ts:
        return ""
    moment = datetime.fromtimestamp(ts / 1e9, UTC)
    same_day = after and datetime.fromtimestamp(after / 1e9, UTC).date() == moment.date()
    return moment.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")
