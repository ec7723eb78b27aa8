"""What is expected as columns, and where the rows of a series lie in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from marketprism_application.integrity.exact_numbers import Flags, Ints
from marketprism_domain.integrity.expectation import Expectation
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from marketprism_domain.sessions.trading_days import CHINA_OFFSET_NS, EPOCH, NANOS_PER_DAY, day_of
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

Index = NDArray[np.intp]
NOWHERE = -1


@dataclass(frozen=True)
class Grid:
    """The bars of an expectation in order: when each opens and closes, its trading day (an index into `days`), and
    whether it must be there. `aliases` are other times by which some name the bars, each in the bars' order."""

    ts_open: Ints
    ts_close: Ints
    day: NDArray[np.int32]
    required: Flags
    days: tuple[str, ...]
    aliases: tuple[Ints, ...] = ()

    def __len__(self) -> int:
        return len(self.ts_open)

    @classmethod
    def of(cls, expectation: Expectation) -> Grid:
        """The grid of what is expected."""
        opens: list[Ints] = []
        closes: list[Ints] = []
        numbers: list[NDArray[np.int32]] = []
        required: list[Flags] = []
        for number, day in enumerate(expectation.days):
            for run in day.runs:
                ts = run.ts_first + run.step_ns * np.arange(run.bars, dtype=np.int64)
                opens.append(ts)
                closes.append(ts + run.length_ns)
                numbers.append(np.full(run.bars, number, dtype=np.int32))
                required.append(np.full(run.bars, run.required, dtype=np.bool_))
        if not opens:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, none.astype(np.int32), none.astype(np.bool_), expectation.trading_days)
        grid = cls(
            np.concatenate(opens),
            np.concatenate(closes),
            np.concatenate(numbers),
            np.concatenate(required),
            expectation.trading_days,
        )
        aliases = _aliases(grid, Interval.parse(expectation.dataset.interval), expectation.dataset.venue)
        return cls(grid.ts_open, grid.ts_close, grid.day, grid.required, grid.days, aliases)

    def inside(self, holes: Sequence[tuple[int, int]]) -> Flags:
        """Which bars lie whole in one of the ranges [ts_from, ts_to)."""
        if not holes:
            return np.zeros(len(self), dtype=np.bool_)
        ordered = np.array(sorted(holes), dtype=np.int64).reshape(-1, 2)
        ends = np.maximum.accumulate(ordered[:, 1])  # of all that begin so early, the one that lasts longest
        before = np.searchsorted(ordered[:, 0], self.ts_open, side="right") - 1
        found: Flags = (before >= 0) & (ends[np.maximum(before, 0)] >= self.ts_close)
        return found

    def without(self, holes: Sequence[tuple[int, int]]) -> Grid:
        """The same grid, bars that lie whole in one of the ranges not required."""
        return replace(self, required=self.required & ~self.inside(holes)) if holes else self

    def with_daily_aliases(self) -> Grid:
        """The same grid, of days, with the times by which some name a bar of a day."""
        dates = np.array([(day_of(day) - EPOCH).days for day in self.days], dtype=np.int64)[self.day]
        utc = dates * NANOS_PER_DAY
        return replace(self, aliases=(utc - CHINA_OFFSET_NS, utc, self.ts_close))

    def place(self, ts: Ints) -> Index:
        """Where bars of these times lie, NOWHERE where none is expected."""
        found = _found(self.ts_open, ts)
        for alias in self.aliases:
            left = found == NOWHERE
            if not left.any():
                break
            found[left] = _found(alias, ts[left])
        return found

    def place_ends(self, ts: Ints) -> Index:
        """Where bars lie that end at these times, NOWHERE where none does."""
        return _found(self.ts_close, ts)

    @cached_property
    def day_starts(self) -> Index:
        """The first bar of each day that has one, in order."""
        return np.flatnonzero(np.r_[True, self.day[1:] != self.day[:-1]]) if len(self) else np.zeros(0, dtype=np.intp)

    def trading_day(self, at: int) -> str:
        """Trading day of a bar."""
        return self.days[int(self.day[at])]

    def day_at(self, ts: int) -> str:
        """Trading day of the first bar that ends behind an instant, empty behind the last one."""
        at = int(np.searchsorted(self.ts_close, ts, side="right"))
        return self.trading_day(at) if at < len(self) else ""


def _found(times: Ints, ts: Ints) -> Index:
    if not len(times):
        return np.full(len(ts), NOWHERE, dtype=np.intp)
    at = np.searchsorted(times, ts)
    at[at == len(times)] = 0
    found: Index = np.where(times[at] == ts, at, NOWHERE)
    return found


def _aliases(grid: Grid, interval: Interval, venue: str) -> tuple[Ints, ...]:
    """Times that bars are known by elsewhere. A day's bar by the midnight of its date, of China or of UTC, or by its
    end; a week's by its Monday; a bar that a section cuts by the wall clock's window that it is a part of."""
    if interval.unit in "dw":
        dates = np.array([(day_of(day) - EPOCH).days for day in grid.days], dtype=np.int64)[grid.day]
        utc = dates * NANOS_PER_DAY
        if interval.unit == "w":
            monday = (dates - (dates + 3) % 7) * NANOS_PER_DAY  # 1970-01-01 was a Thursday
            friday = monday + 4 * NANOS_PER_DAY
            if venue not in EXCHANGES:
                return (monday, utc)
            of_china = tuple(each - CHINA_OFFSET_NS for each in (monday, utc, friday))
            return (*of_china, monday, utc, grid.ts_close)
        if venue not in EXCHANGES:
            return (utc,)
        return (utc - CHINA_OFFSET_NS, utc, grid.ts_close)
    if interval.nanos == NANOS_PER_MINUTE or venue not in EXCHANGES:
        return ()
    from_midnight = (grid.ts_open + CHINA_OFFSET_NS) % NANOS_PER_DAY
    return (grid.ts_open - from_midnight % interval.nanos,)


def runs_of(index: Index, *groups: NDArray[np.int32] | Index) -> Iterator[tuple[int, int]]:
    """Runs of indices that follow one another, as positions [first, last] in `index`, which is in order; a run ends
    where a group's value changes too."""
    if not len(index):
        return
    breaks = index[1:] != index[:-1] + 1
    for group in groups:
        breaks = breaks | (group[1:] != group[:-1])
    edges = np.flatnonzero(breaks)
    yield from zip(np.r_[0, edges + 1].tolist(), np.r_[edges, len(index) - 1].tolist(), strict=True)
