"""Rows of one instrument as they have come: the columns that a backtest would have of them, growing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

import numpy as np

from marketprism_application.backtesting.columns import BarColumns, TickColumns
from marketprism_application.backtesting.errors import OffGridError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.tables import Steps, bars_of_records, settlements_of, ticks_of_records
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick

Record: TypeAlias = Tick | Bar | Gap  # what arrives
_NO_INTS = np.array([], dtype=np.int64)


def no_ticks() -> TickColumns:
    """Columns of ticks without a row."""
    return TickColumns(*(_NO_INTS for _ in TickColumns.__dataclass_fields__))


def no_bars(interval: str) -> BarColumns:
    """Columns of bars without a row."""
    none = _NO_INTS
    return BarColumns(interval, none, none, none, none, none, none, none, none, np.array([], dtype=np.bool_))


class TickSeries:
    """Ticks of one instrument, in the order of their numbers."""

    def __init__(self, instrument: Instrument, steps: Steps) -> None:
        self._instrument, self._steps = instrument, steps
        self._blocks = [no_ticks()]
        self.last: Tick | None = None
        self.off_grid = 0  # rows with a number between two steps, which are left out
        self.settlements: dict[str, Decimal] = {}  # by trading day (YYYYMMDD), as far as rows have said them
        self.settled_before: dict[str, Decimal] = {}

    def take(self, ticks: Sequence[Tick]) -> TickColumns | None:
        """Columns of rows that have come; None where none of them is taken."""
        found = self._of(ticks)
        if found is None:
            return None
        self._blocks.append(found)
        for known, new in zip((self.settlements, self.settled_before), settlements_of(ticks), strict=True):
            known.update(new)
        return found

    def _of(self, ticks: Sequence[Tick]) -> TickColumns | None:
        try:
            return self._columns(ticks)
        except OffGridError:
            if len(ticks) == 1:
                self.off_grid += 1
                return None
        # Which of them it is, is asked for only where one is.
        return joined_ticks([each for tick in ticks if (each := self._of([tick])) is not None])

    def _columns(self, ticks: Sequence[Tick]) -> TickColumns:
        """Volumes are differences from the row before: it stands in front of the new ones, and is taken off again."""
        before = [] if self.last is None else [self.last]
        columns, _ = ticks_of_records(self._instrument, [*before, *ticks], self._steps)
        self.last = ticks[-1]
        return TickColumns(*(each[len(before) :] for each in columns.values()))

    def whole(self) -> TickColumns:
        """All rows that have come."""
        self._blocks = [joined_ticks(self._blocks) or no_ticks()]
        return self._blocks[0]


def joined_ticks(blocks: Sequence[TickColumns]) -> TickColumns | None:
    """Blocks one behind another; None for none."""
    if not blocks:
        return None
    return TickColumns(*(np.concatenate(parts) for parts in zip(*(each.values() for each in blocks), strict=True)))


class BarSeries:
    """Bars of one instrument and interval, each in the last revision that has come."""

    def __init__(self, instrument: Instrument, interval: str, steps: Steps) -> None:
        self._instrument, self.interval, self._steps = instrument, interval, steps
        self.columns = no_bars(interval)
        self._revisions: dict[int, int] = {}  # by opening
        self.last = -1  # opening of the newest
        self.off_grid = 0

    def revision_of(self, ts_open: int) -> int:
        """The revision of a bar that has come, -1 for one that has not."""
        return self._revisions.get(ts_open, -1)

    def take(self, bar: Bar) -> BarColumns | None:
        """Columns of a bar that has come behind the others; None where it is not taken."""
        found = self._of(bar)
        if found is not None:
            self._revisions[bar.ts_open], self.last = bar.revision, bar.ts_open
            pairs = zip(self.columns.values(), found.values(), strict=True)
            self.columns = BarColumns(self.interval, *(np.concatenate(pair) for pair in pairs))  # type: ignore[arg-type]
        return found

    def revise(self, bar: Bar) -> tuple[int, ...] | None:
        """Another revision of a bar that has come: its row as whole numbers, without the opening's place. None where it
        is not taken."""
        found = self._of(bar)
        if found is None:
            return None
        self._revisions[bar.ts_open] = bar.revision
        row = int(np.searchsorted(self.columns.ts_open, bar.ts_open))
        changed = {}
        for name in ("open", "high", "low", "close", "volume", "gap"):
            column = getattr(self.columns, name).copy()
            column[row] = getattr(found, name)[0]
            changed[name] = column
        self.columns = replace(self.columns, **changed)
        ts_open, ts_close, day, *numbers = (int(each[0]) for each in found.values())
        return ts_close, ts_open, day, *numbers

    def _of(self, bar: Bar) -> BarColumns | None:
        try:
            return bars_of_records(self._instrument, self.interval, [bar], self._steps).columns
        except OffGridError:
            self.off_grid += 1
            return None


__all__ = ["BarSeries", "Record", "TickSeries", "no_bars", "no_ticks"]
