"""`marketprism inspect`: what recordings of venues hold, and whether the books in them come out right."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from marketprism_adapters.recordings.replay import recording_paths
from marketprism_adapters.venues.inspect import inspect_recordings
from marketprism_adapters.venues.replay import is_venue_recording
from marketprism_services.cli import app, out
from marketprism_services.exits import Exit


@app.command("inspect")
def inspect_command(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders or globs.")],
    market: Annotated[str, typer.Option(help="The market, where the frames do not tell it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Messages, rejections with reasons, sequence gaps, book resyncs and book checks, by venue, symbol and kind.

    Exit 0 only when every check came out right and nothing was rejected.
    """
    paths = [path for pattern in recordings for path in recording_paths(pattern, also=is_venue_recording)]
    reports = inspect_recordings(paths, market)
    failed = sum(_failed(report) for report in reports)
    result = {"recordings": [str(path) for path in paths], "markets": reports, "ok": not failed}
    if as_json:
        json.dump(result, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for report in reports:
            out.print(_table(report))
            _said(report)
    if failed:
        raise typer.Exit(Exit.FAILED)


def _failed(report: dict[str, Any]) -> int:
    checks = [check for row in report["streams"] for check in row.get("checks", {}).values()]
    return int(report["rejected"]) + sum(int(check["failed"]) for check in checks)


def _table(report: dict[str, Any]) -> Table:
    table = Table(title=f"{report['market']}: {report['frames']} frames, {report['answers']} answers")
    for name in ("symbol", "kind"):
        table.add_column(name, no_wrap=True)
    for name in ("messages", "rejected", "gaps", "resyncs", "checks"):
        table.add_column(name, justify="right")
    table.add_column("from, to (UTC)", no_wrap=True)
    for row in report["streams"]:
        checks = row.get("checks", {}).values()
        made, failed = (sum(check[what] for check in checks) for what in ("made", "failed"))
        shown = f"{made - failed}/{made}" if made else ""
        table.add_row(
            row["symbol"], row["kind"], str(row["messages"]), str(sum(row["rejected"].values()) or ""),
            str(row["sequence_gaps"] or ""), str(row.get("resyncs") or ""), shown,
            f"{_time(row['first'])} {_time(row['last'])[11:]}",
        )  # fmt: skip
    return table


def _said(report: dict[str, Any]) -> None:
    for reason, text in report["examples"].items():
        out.print(f"rejected ({reason}): {text}", highlight=False)
    for what, count in report["controls"].items():
        out.print(f"{count} x {what}", highlight=False)


def _time(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S") if ts else ""
