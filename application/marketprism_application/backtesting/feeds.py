"""Series of rows, each with one view that it moves on: chunks of plain numbers, the fastest that Python has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

import numpy as np

from marketprism_application.backtesting.bar_fills import BarRow
from marketprism_application.backtesting.clock import FAR_AWAY, Clock
from marketprism_application.backtesting.columns import (
    CHUNK,
    NO_PRICE,
    BarColumns,
    Flags,
    Ints,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.history import Progress
from marketprism_application.backtesting.market import Market

TRADE_RANK, TICK_RANK, BAR_RANK = 5, 6, 7


class Feed(Protocol):
    """A series of rows in order of time."""

    rank: int
    market: Market

    @property
    def head(self) -> int:
        """When its next row is due, nanoseconds UTC; far away behind the last one."""
        ...

    def drive(self) -> None:
        """Deliver the next row, and those after it that are due before the clock's limit."""
        ...


class Rows:
    """Rows of columns as plain numbers, a chunk at a time; more may be added behind them while it is read."""

    def __init__(self, columns: tuple[Ints | Flags, ...]) -> None:
        self._waiting = deque([columns])
        self.plain = self._plain()

    def _plain(self) -> Iterator[tuple[int, ...]]:
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterator[tuple[int, ...]]]:
        while self._waiting:
            columns = self._waiting.popleft()
            for start in range(0, len(columns[0]), CHUNK):
                yield zip(*(column[start : start + CHUNK].tolist() for column in columns), strict=True)

    def add(self, columns: tuple[Ints | Flags, ...], following: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Put rows behind those that are there. `following` is the row that was read last and not delivered; returns
        the one that is next now."""
        self._waiting.append(columns)
        if following is not None:
            return following
        self.plain = self._plain()
        return next(self.plain, None)


class BarFeed:
    """Bars of one instrument and interval. `match`: they are what fills its orders."""

    rank = BAR_RANK

    def __init__(
        self,
        clock: Clock,
        market: Market,
        columns: BarColumns,
        *,
        delay: int,
        match: Callable[[Market, BarRow], None] | None,
        deliver: Callable[[Context, BarView], None] | None,
        ctx: Context,
        guard: Callable[[Market, int, int, int], None],
        progress: Progress,
        new_day: Callable[[Market, int], None],
    ) -> None:
        self._ctx = ctx
        self.market, self._clock, self._columns, self._delay = market, clock, columns, delay
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._view, self._progress = BarView(market, columns.interval), progress
        self._rows = Rows(self._columns_of(columns, 0))
        self._next = next(self._rows.plain, None)

    def _columns_of(self, columns: BarColumns, not_before: int) -> tuple[Ints | Flags, ...]:
        time = np.maximum(columns.ts_close + self._delay, not_before)
        prices = (columns.open, columns.high, columns.low, columns.close)
        return (time, columns.ts_close, columns.ts_open, columns.day, *prices, columns.volume, columns.gap)

    def more(self, columns: BarColumns, not_before: int) -> None:
        """Bars that have come since: each is there at its time, and not before an instant."""
        self._next = self._rows.add(self._columns_of(columns, not_before), self._next)

    def revise(self, row: tuple[int, ...], revision: int) -> None:
        """Deliver another revision of a bar that was delivered: its columns without the time."""
        if self._deliver is not None:
            self._show(row)
            self._view.revision = revision
            self._deliver(self._ctx, self._view)
            self._view.revision = 0

    def _show(self, row: tuple[int, ...]) -> None:
        view = self._view
        view.ts_close, view.ts_open, _, view.open_ticks, view.high_ticks, view.low_ticks, *more = row
        view.close_ticks, view.volume_steps, view.gap = more[0], more[1], bool(more[2])

    @property
    def head(self) -> int:
        """When the next bar is there: at its end, and the time until it is published."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

    def drive(self) -> None:
        """Deliver the next bar, and those after it that are due before the clock's limit."""
        clock, market, view, rows = self._clock, self.market, self._view, self._rows.plain
        match, deliver, columns, ctx, progress = self._match, self._deliver, self._columns, self._ctx, self._progress
        sets_price, working, day = match is not None, market.working, market.day
        row = self._next
        while row is not None:
            clock.now, end, start, row_day, first, high, low, last, volume, gap = row
            if row_day != day:
                self._new_day(market, row_day)
                day = row_day
            if working and match is not None:
                match(market, BarRow(columns.interval, start, end, first, high, low, last, volume))
            if sets_price:
                if market.guarded and (low <= market.liquidated_below or high >= market.liquidated_above):
                    self._guard(market, low, high, start)
                market.last = last
            progress.rows += 1
            if deliver is not None:
                view.ts_open, view.ts_close, view.volume_steps, view.gap = start, end, volume, bool(gap)
                view.open_ticks, view.high_ticks, view.low_ticks, view.close_ticks = first, high, low, last
                deliver(ctx, view)
            row = next(rows, None)
            if row is None or row[0] >= clock.limit:
                break
        self._next = row


class TickFeed:
    """Snapshots or quotes of one instrument. `match`: they fill its orders; `every`: also without one."""

    rank = TICK_RANK

    def __init__(
        self,
        clock: Clock,
        market: Market,
        columns: TickColumns,
        *,
        received: bool,
        every: bool,
        match: Callable[[Market, TickView], None] | None,
        deliver: Callable[[Context, TickView], None] | None,
        ctx: Context,
        guard: Callable[[Market, int, int, int], None],
        new_day: Callable[[Market, int], None],
    ) -> None:
        self.market, self._clock, self._ctx = market, clock, ctx
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._every, self._received = every, received
        self._rows = Rows(self._columns_of(columns, 0))
        self._next = next(self._rows.plain, None)

    def _columns_of(self, columns: TickColumns, not_before: int) -> tuple[Ints, ...]:
        names = ("ts", "seq", "day", "last", "bid", "bid_size", "ask", "ask_size", "volume", "turnover")
        more = ("limit_up", "limit_down", "phase")
        time = np.maximum(columns.ts_recv if self._received else columns.ts, not_before)
        return (time, *(getattr(columns, name) for name in (*names, *more)))

    def more(self, columns: TickColumns, not_before: int) -> None:
        """Rows that have come since: each is there at its time, and not before an instant."""
        self._next = self._rows.add(self._columns_of(columns, not_before), self._next)

    @property
    def head(self) -> int:
        """When the next row is there, by the clock of the run."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

    def drive(self) -> None:
        """Deliver the next row, and those after it that are due before the clock's limit."""
        clock, market, rows = self._clock, self.market, self._rows.plain
        view, match, deliver, ctx = market.view, self._match, self._deliver, self._ctx
        working, day, every = market.working, market.day, self._every
        row = self._next
        while row is not None:
            (
                clock.now,
                view.ts,
                view.seq,
                row_day,
                last,
                view.bid_ticks,
                view.bid_size,
                view.ask_ticks,
                view.ask_size,
                view.volume_steps,
                view.turnover_units,
                upper,
                lower,
                view.phase_code,
            ) = row
            view.last_ticks = last
            if row_day != day:
                self._new_day(market, row_day)
                day = row_day
            if upper != market.limit_up or lower != market.limit_down:
                market.limit_up = view.limit_up_ticks = upper
                market.limit_down = view.limit_down_ticks = lower
            if (working or every) and match is not None:
                match(market, view)
            if last != NO_PRICE:
                market.last = last
                if market.guarded and not market.liquidated_below < last < market.liquidated_above:
                    self._guard(market, last, last, view.ts)
            if deliver is not None:
                deliver(ctx, view)
            row = next(rows, None)
            if row is None or row[0] >= clock.limit:
                break
        self._next = row


class TradeFeed:
    """Trades of a tape of one instrument."""

    rank = TRADE_RANK

    def __init__(
        self,
        clock: Clock,
        market: Market,
        columns: TradeColumns,
        *,
        match: Callable[[Market, TradeView], None] | None,
        deliver: Callable[[Context, TradeView], None] | None,
        ctx: Context,
        guard: Callable[[Market, int, int, int], None],
        new_day: Callable[[Market, int], None],
    ) -> None:
        self.market, self._clock, self._ctx, self._view = market, clock, ctx, TradeView(market)
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._rows = Rows((columns.ts, columns.seq, columns.day, columns.price, columns.quantity, columns.taker))
        self._next = next(self._rows.plain, None)

    @property
    def head(self) -> int:
        """When the next trade is there."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

    def drive(self) -> None:
        """Deliver the next trade, and those after it that are due before the clock's limit."""
        clock, market, rows, view = self._clock, self.market, self._rows.plain, self._view
        row = self._next
        while row is not None:
            clock.now, view.seq, day, view.price_ticks, view.quantity_steps, view.taker = row
            view.ts = clock.now
            if day != market.day:
                self._new_day(market, day)
            if market.working and self._match is not None:
                self._match(market, view)
            market.last = view.price_ticks
            if market.guarded and not market.liquidated_below < market.last < market.liquidated_above:
                self._guard(market, market.last, market.last, clock.now)
            if self._deliver is not None:
                self._deliver(self._ctx, view)
            row = next(rows, None)
            if row is None or row[0] >= clock.limit:
                break
        self._next = row


__all__ = ["BarFeed", "Feed", "TickFeed", "TradeFeed"]
