"""Reports of runs as one report of a market, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MOST_FAILURES = 5
_COUNTS = ("messages", "normalised", "sequence_gaps", "resyncs", "updates", "without_book", "repeats")
_OF_MARKET = ("frames", "answers", "instruments", "snapshots", "rejected")


def merged(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What several inspectors of one market found, added up."""
    first, *others = reports
    rows = {(row["symbol"], row["kind"]): row for row in first["streams"]}
    for report in others:
        for name in _OF_MARKET:
            first[name] += report[name]
        _add(first["controls"], report["controls"])
        first["examples"] = {**report["examples"], **first["examples"]}
        for row in report["streams"]:
            mine = rows.setdefault((row["symbol"], row["kind"]), row)
            if mine is not row:
                _merge(mine, row)
    first["streams"] = [rows[key] for key in sorted(rows)]
    return first


def _add(mine: dict[str, int], theirs: dict[str, int]) -> None:
    for name, count in theirs.items():
        mine[name] = mine.get(name, 0) + count


def _merge(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in _COUNTS:
        if name in theirs:
            mine[name] = mine.get(name, 0) + theirs[name]
    _add(mine["rejected"], theirs["rejected"])
    mine["first"] = min(filter(None, (mine["first"], theirs["first"])), default=0)
    mine["last"] = max(mine["last"], theirs["last"])
    if "unapplied" in theirs:
        mine["unapplied"] = mine.get("unapplied", False) or theirs["unapplied"]
    for name, check in theirs.get("checks", {}).items():
        ours = mine.setdefault("checks", {}).setdefault(name, {"made": 0, "failed": 0})
        for what, value in check.items():
            if what == "failures":
                ours[what] = (ours.get(what, []) + value)[:_MOST_FAILURES]
            else:
                ours[what] = ours.get(what, 0) + value


def faults_of(report: dict[str, Any]) -> list[str]:
    """Why a report is not all right, in words; empty when it is."""
    found: list[str] = []
    if report["rejected"]:
        found.append(f"{report['rejected']} messages rejected")
    if not (report["instruments"] or report["snapshots"] or any(row["normalised"] for row in report["streams"])):
        found.append(f"nothing normalised of {report['frames']} frames and {report['answers']} answers")
    for row in report["streams"]:
        where = f"{row['symbol']} {row['kind']}"
        if row.get("unapplied"):
            found.append(
                f"{where}: no update was applied to a book, {row['without_book']} of {row['messages']} came without one"
            )
        for name, check in row.get("checks", {}).items():
            if check["failed"]:
                found.append(f"{where}: {check['failed']} of {check['made']} checks of {name} failed")
    return found
