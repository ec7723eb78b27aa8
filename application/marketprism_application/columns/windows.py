"""Windows of bars as columns of whole numbers, and what they are in the builder's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketprism_application.columns.decimals import Flags, Ints, decimal_of, units_of
from marketprism_domain.bars.cascade import Gaps, Minute, Window
from marketprism_domain.marketdata.bar import Bar


class Windows(NamedTuple):
    """What windows of one instrument amount to, one row each."""

    ts_open: Ints
    ts_close: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    turnover: Ints
    interest: Ints
    has_interest: Flags
    ticks: Ints
    gap: Flags
    source: Ints
    epoch: Ints
    ts_recv: Ints
    ts_pub: Ints

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.ts_open)

    def taken(self, rows: Ints | slice) -> Windows:
        """Some of the rows, in this order."""
        return Windows._make([column[rows] for column in self])

    def then(self, more: Windows) -> Windows:
        """These, and others behind them."""
        return Windows(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))

    def merged(self, starts: Ints) -> Windows:
        """One row of the rows from each start to the next one; its window is the first one's."""
        ends = np.append(starts[1:], self.size) - 1
        newest = np.maximum.accumulate(np.where(self.has_interest, np.arange(self.size), -1))[ends]
        known = newest >= starts
        return Windows(
            self.ts_open[starts],
            self.ts_close[starts],
            self.open[starts],
            np.maximum.reduceat(self.high, starts),
            np.minimum.reduceat(self.low, starts),
            self.close[ends],
            np.add.reduceat(self.volume, starts),
            np.add.reduceat(self.turnover, starts),
            self.interest[np.where(known, newest, ends)],
            known,
            np.add.reduceat(self.ticks, starts),
            np.logical_or.reduceat(self.gap, starts),
            self.source[ends],
            self.epoch[ends],
            self.ts_recv[ends],
            self.ts_pub[ends],
        )


def meets(ts_open: Ints, ts_close: Ints, gaps: Gaps) -> Flags:
    """Which windows any of the ranges touches, as `Window.meets` has it."""
    found = np.zeros(len(ts_open), np.bool_)
    for start, end in gaps:
        found |= (start < ts_close) & (ts_open <= end)
    return found


class Units(NamedTuple):
    """How many places the numbers of `Windows` have, and the names behind their sources."""

    price: int
    volume: int
    turnover: int
    interest: int
    sources: list[str]

    def windows(self, minutes: Sequence[Minute]) -> Windows:
        """Rows of what the builder has. Raises InexactColumn: a number that has no place in these units."""
        return self._rows([(each.window.ts_open, each.window.ts_close, each) for each in minutes])

    def windows_of_bars(self, bars: Sequence[Bar]) -> Windows:
        """Rows of bars. Raises InexactColumn: a number that has no place in these units."""
        return self._rows([(bar.ts_open, bar.ts_close, bar) for bar in bars])

    def _rows(self, values: list[tuple[int, int, Minute | Bar]]) -> Windows:
        rows = [
            (
                ts_open,
                ts_close,
                *(units_of(price, self.price) for price in (each.open, each.high, each.low, each.close)),
                units_of(each.volume, self.volume),
                units_of(each.turnover, self.turnover),
                units_of(each.open_interest, self.interest),
                each.open_interest is not None,
                each.ticks,
                each.gap,
                self.code(each.source),
                each.epoch,
                each.ts_recv,
                each.ts_pub,
            )
            for ts_open, ts_close, each in values
        ]
        flags = {Windows._fields.index("has_interest"), Windows._fields.index("gap")}
        columns = enumerate(zip(*rows, strict=True))
        return Windows._make([np.array(column, np.bool_ if at in flags else np.int64) for at, column in columns])

    def code(self, source: str) -> int:
        """The number of a source, which is added where it is new."""
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)

    def minutes(self, rows: Windows, trading_day: Ints) -> list[Minute]:
        """Rows in the builder's words, of revision 0; `trading_day` has each one's digits."""
        columns = [column.tolist() for column in rows]
        return [self._minute(f"{day:08d}", *row) for day, *row in zip(trading_day.tolist(), *columns, strict=True)]

    def _minute(
        self,
        trading_day: str,
        ts_open: int,
        ts_close: int,
        opened: int,
        high: int,
        low: int,
        close: int,
        volume: int,
        turnover: int,
        interest: int,
        has_interest: bool,
        ticks: int,
        gap: bool,
        source: int,
        *received: int,
    ) -> Minute:
        price = self.price
        return Minute(
            Window(ts_open, ts_close, trading_day),
            decimal_of(opened, price),
            decimal_of(high, price),
            decimal_of(low, price),
            decimal_of(close, price),
            decimal_of(volume, self.volume),
            decimal_of(turnover, self.turnover),
            decimal_of(interest, self.interest) if has_interest else None,
            ticks,
            gap,
            0,
            self.sources[source],
            *received,
        )
