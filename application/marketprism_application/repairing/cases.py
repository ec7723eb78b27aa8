"""Defects as cases: which bars each is about, and what is known of each bar so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.repairing.checking import family_of
from marketprism_application.repairing.ranges import between
from marketprism_application.repairing.rows import NONE, Rows
from marketprism_domain.integrity.report import Defect, IntegrityReport, Severity
from marketprism_domain.integrity.verdicts import JudgedDefect, Testimony, Verdict

OF_DAYS = "volume_mismatch"  # about every bar of a day, of which some are wrong
# About rows that should not be there, flags that no other source has, and numbers of trades.
SURPLUS = frozenset({"unexpected_bar", "wrong_zone"})
OF_FLAGS = frozenset({"gap_overlap", "gap_unknown"})
UNJUDGED = {
    "gap_overlap": "what a bar says of gaps is held against the gap ledger, no other source has it",
    "gap_unknown": "what a bar says of gaps is held against the gap ledger, no other source has it",
    "missing_trades": "no witness has trades one by one; download them again",
    "checksum": "it is about a file",
}


@dataclass
class Case:
    """A defect that is still there and the bars that it is about, by when they open. `verdicts` are what is decided of
    them, each with the witness that decided; `tentative` is what holds if no later witness knows better."""

    defect: Defect
    keys: Ints
    verdicts: dict[int, tuple[Verdict, str]] = field(default_factory=dict)
    tentative: dict[int, tuple[Verdict, str]] = field(default_factory=dict)

    @property
    def is_hole(self) -> bool:
        """Whether its bars are not there."""
        return family_of(self.defect.code) == "missing"

    @property
    def pending(self) -> list[int]:
        """Bars of which nothing is decided."""
        return [ts for ts in self.keys.tolist() if ts not in self.verdicts]


@dataclass
class Ground:
    """What the bars of a series are: the places that it may have, and the rows that are stored near its defects."""

    grid: Grid
    stored: Rows
    length: int

    def closes(self, opens: Ints) -> Ints:
        """When bars end; of one that the calendar does not have, its length behind its begin."""
        if not len(self.grid):
            return opens + self.length
        at = np.searchsorted(self.grid.ts_open, opens)
        at[at == len(self.grid)] = 0
        found: Ints = np.where(self.grid.ts_open[at] == opens, self.grid.ts_close[at], opens + self.length)
        return found

    def keys_of(self, defect: Defect) -> Ints:
        """The bars that a defect is about."""
        if defect.code == "missing_trades":
            return NONE
        if family_of(defect.code) == "missing" or defect.code == OF_DAYS:
            return between(self.grid.ts_open, defect.ts_from, defect.ts_to)
        return between(self.times, defect.ts_from, defect.ts_to)

    @cached_property
    def times(self) -> Ints:
        """When the stored bars open, in order."""
        return np.array(sorted(self.stored), dtype=np.int64)


class Findings:
    """The defects of a check, to be looked up by what they are and where."""

    def __init__(self, report: IntegrityReport) -> None:
        self._found: dict[str, list[Defect]] = {}
        for each in sorted(report.defects, key=lambda one: one.ts_from):
            self._found.setdefault(family_of(each.code), []).append(each)
        self._ends = {family: np.array([each.ts_to for each in found]) for family, found in self._found.items()}

    def still_there(self, defect: Defect) -> tuple[list[Defect], list[tuple[int, int]]]:
        """What is found of an earlier defect, cut to its range, and the ranges of it in which nothing is."""
        family = family_of(defect.code)
        cut: list[Defect] = []
        rest: list[tuple[int, int]] = []
        at = defect.ts_from
        found = self._found.get(family, [])
        first = int(np.searchsorted(self._ends[family], defect.ts_from, side="right")) if found else 0
        for each in found[first:]:
            if each.ts_from >= defect.ts_to:
                break
            if each.ts_from > at:
                rest.append((at, each.ts_from))
            at = max(at, each.ts_to)
            cut.append(each._replace(ts_from=max(each.ts_from, defect.ts_from), ts_to=min(each.ts_to, defect.ts_to)))
        if at < defect.ts_to:
            rest.append((at, defect.ts_to))
        return cut, rest


def part_of(defect: Defect, ts_from: int, ts_to: int, total: int, day: str = "") -> Defect:
    """The part of a defect in a range, with the samples that lie there."""
    code = defect.code
    if family_of(code) == "missing" and code != "missing_trades":
        code = "missing_bar" if total == 1 else "missing_range"
    rows = tuple(row for row in defect.rows if ts_from <= row.ts < ts_to)
    return defect._replace(
        code=code, ts_from=ts_from, ts_to=ts_to, total=total, rows=rows, trading_day=day or defect.trading_day
    )


def parts(
    case: Case, ground: Ground, testimonies: Callable[[list[int]], tuple[Testimony, ...]], day_of: Callable[[int], str]
) -> Iterator[JudgedDefect]:
    """The runs of bars of a case that are judged alike."""
    keys = [ts for ts in case.keys.tolist() if ts in case.verdicts]
    if not keys:
        return
    run = [keys[0]]
    place = {ts: number for number, ts in enumerate(case.keys.tolist())}
    for ts in [*keys[1:], -1]:
        if ts != -1 and case.verdicts[ts] == case.verdicts[run[0]] and place[ts] == place[run[-1]] + 1:
            run.append(ts)
            continue
        verdict, witness = case.verdicts[run[0]]
        end = int(ground.closes(np.array(run[-1:], dtype=np.int64))[0])
        part = part_of(case.defect, run[0], end, len(run), day_of(run[0]))
        yield JudgedDefect(part, verdict, witness, testimonies(run))
        run = [ts]


def is_wrong(report: IntegrityReport) -> list[Defect]:
    """The findings of a report by which a row of a witness fails."""
    return [
        each
        for each in report.defects
        if each.severity is not Severity.NOTICE and each.code not in OF_FLAGS and family_of(each.code) != "missing"
    ]


__all__ = [
    "OF_DAYS",
    "OF_FLAGS",
    "SURPLUS",
    "UNJUDGED",
    "Case",
    "Findings",
    "Ground",
    "is_wrong",
    "part_of",
    "parts",
]
