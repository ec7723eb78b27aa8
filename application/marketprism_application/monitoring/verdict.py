"""The verdict of one run: what became of everything that was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.monitoring.progress import Progress


class Stored(NamedTuple):
    """What the store holds of a run's sources: rows, different ticks, ticks that a query reads back, bars."""

    rows: int = 0
    distinct_ticks: int = 0
    read_back: int = 0
    bars: int = 0


class KindCount(NamedTuple):
    """Messages of one kind in a run, how many have a row, and how many were set aside."""

    published: int
    stored: int
    set_aside: int


class Run(NamedTuple):
    """What was started: its source, ticks that it holds by name (empty where that is not known before it is read), rows
    of it that are no tick by reason, intervals of bars in the order they are shown, and restarts of services."""

    source: str
    rows: Mapping[str, int]
    skipped: Mapping[str, int]
    intervals: Sequence[str]
    restarts: int
    seconds: float


def verdict_of(
    run: Run, progress: Progress, stored: Stored, kinds: Mapping[str, KindCount], problems: Sequence[str]
) -> dict[str, Any]:
    """What became of every tick: read, published, rejected, stored, read back; lost and doubled. Of the other kinds:
    published and stored. `problems` is what the reconciliation finds beside."""
    rejected = sum(progress.rejected.values())
    read = sum(run.rows.values()) if run.rows else sum(progress.rows.values())
    bars = sum(progress.bars.values())
    missing = max(0, read - progress.accepted - rejected) + max(0, progress.accepted - stored.distinct_ticks)
    doubled = max(0, stored.read_back - stored.distinct_ticks) + max(0, progress.accepted + rejected - read)
    lacking = sum(
        max(0, of.published - of.stored - of.set_aside)
        for name, of in kinds.items()
        if "seq" in KINDS[name].order_by  # a running kline is one row, however often it was told
    )
    return {
        "source": run.source,
        "ticks_read": read,
        "published": progress.accepted,
        "rejected": dict(sorted(progress.rejected.items())),
        "skipped": run.skipped or progress.skipped,
        "stale": progress.stale,
        "redelivered": progress.redelivered,
        "bars": {interval: progress.bars[interval] for interval in run.intervals if interval in progress.bars},
        "kinds": {name: of._asdict() for name, of in kinds.items()},
        "bars_stored": stored.bars,
        "rows_stored": stored.rows,
        "rows_read_back": stored.read_back,
        "duplicates": doubled + max(0, stored.bars - bars),
        "missing": missing + max(0, bars - stored.bars) + lacking,
        "problems": list(problems),
        "seconds": round(run.seconds, 3),
        "ticks_per_second": round(read / run.seconds, 1),
        "restarts": run.restarts,
        "ok": not (missing or doubled or lacking or problems or bars != stored.bars),
    }


__all__ = ["KindCount", "Run", "Stored", "verdict_of"]
