"""Verdicts about a report, plans and results of repairs, as they are written down and answered."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.verdicts import JudgedDefect, Verdict

MOST_CHANGES = 200  # that a result shows; what it counts is never cut
MOST_DIFFERENCES = 100  # that a refusal shows


class LedgerEntry(NamedTuple):
    """What was written into the gap ledger: [ts_from, ts_to), nanoseconds UTC."""

    ts_from: int
    ts_to: int
    cause: str


class Recheck(msgspec.Struct, frozen=True, kw_only=True):
    """A report, judged: each of its defects, or each part of one, with its verdict.

    `dense` and `against` are how the series was checked, and is checked again: `against` are the other sources (daily,
    kline, trade, ticks) that it was held against. `requests` is how often witnesses were asked.
    """

    dataset: Dataset
    dense: bool
    against: tuple[str, ...] = ()
    judged: tuple[JudgedDefect, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    requests: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many bars each verdict is of, of every verdict."""
        found: Counter[str] = Counter()
        for each in self.judged:
            found[each.verdict] += each.defect.total
        return {verdict.value: found[verdict] for verdict in Verdict}


class PlannedRange(NamedTuple):
    """A range that is fetched from one witness, [ts_from, ts_to), nanoseconds UTC; `bars` of it are to be mended."""

    ts_from: int
    ts_to: int
    bars: int
    witness: str


class RepairPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair fetches and what that costs; nothing is fetched before. `left` bars are ours, and no revision mends
    them: those that should not be there."""

    dataset: Dataset
    ranges: tuple[PlannedRange, ...] = ()
    requests: int = 0
    seconds: float = 0.0
    left: int = 0

    @property
    def bars(self) -> int:
        """How many bars are to be mended."""
        return sum(each.bars for each in self.ranges)


class SeriesState(NamedTuple):
    """What a report comes to: `rows` is how many bars its defects count."""

    defects: int
    rows: int
    missing: int
    score: float
    grade: str


class ValueChange(NamedTuple):
    """A value of a bar that a repair replaced, or would replace; numbers as text, empty where there was none."""

    ts: int
    field: str
    before: str
    after: str


class RepairResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a repair.

    `after` is None where nothing was written. `revisions` are bars that were replaced, `inserted` those that had not
    been there, `longer` bars of longer intervals that were made again. `undone`: the proof failed, and what was
    replaced has its former values again; bars that were inserted stay. `error` says why a repair is none.
    """

    job: str
    before: SeriesState
    after: SeriesState | None = None
    revisions: int = 0
    inserted: int = 0
    longer: int = 0
    changes: tuple[ValueChange, ...] = ()
    changes_total: int = 0
    ledger: tuple[LedgerEntry, ...] = ()
    requests: int = 0
    pages: int = 0
    undone: bool = False
    error: str = ""

    @property
    def is_proved(self) -> bool:
        """Whether a check afterwards found fewer defects and none that is new, or there was nothing to do."""
        return not self.error


__all__ = [
    "MOST_CHANGES",
    "MOST_DIFFERENCES",
    "LedgerEntry",
    "PlannedRange",
    "Recheck",
    "RepairPlan",
    "RepairResult",
    "SeriesState",
    "ValueChange",
]
