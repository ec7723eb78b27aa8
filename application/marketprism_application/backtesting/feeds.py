"""Series of rows, each with one view that it moves on: chunks of plain numbers, the fastest that Python has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

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


def _rows(columns: tuple[Ints | Flags, ...]) -> Iterator[tuple[int, ...]]:
    """Rows of columns as plain numbers, a chunk at a time."""
    return chain.from_iterable(
        zip(*(column[start : start + CHUNK].tolist() for column in columns), strict=True)
        for start in range(0, len(columns[0]), CHUNK)
    )


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
        self._rows = _rows(
            (
                columns.ts_close,
                columns.ts_open,
                columns.day,
                columns.open,
                columns.high,
                columns.low,
                columns.close,
                columns.volume,
                columns.gap,
            )
        )
        self._next = next(self._rows, None)

    @property
    def head(self) -> int:
        """When the next bar is there: at its end, and the time until it is published."""
        row = self._next
        return FAR_AWAY if row is None else row[0] + self._delay

    def drive(self) -> None:
        """Deliver the next bar, and those after it that are due before the clock's limit."""
        clock, market, view, rows, delay = self._clock, self.market, self._view, self._rows, self._delay
        match, deliver, columns, ctx, progress = self._match, self._deliver, self._columns, self._ctx, self._progress
        sets_price, working, day = match is not None, market.working, market.day
        row = self._next
        while row is not None:
            end, start, row_day, first, high, low, last, volume, gap = row
            clock.now = end + delay
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
            if row is None or row[0] + delay >= clock.limit:
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
        self._every = every
        names = ("ts", "seq", "day", "last", "bid", "bid_size", "ask", "ask_size", "volume", "turnover")
        more = ("limit_up", "limit_down", "phase")
        time = columns.ts_recv if received else columns.ts
        self._rows = _rows((time, *(getattr(columns, name) for name in (*names, *more))))
        self._next = next(self._rows, None)

    @property
    def head(self) -> int:
        """When the next row is there, by the clock of the run."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

    def drive(self) -> None:
        """Deliver the next row, and those after it that are due before the clock's limit."""
        clock, market, rows = self._clock, self.market, self._rows
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
        self._rows = _rows((columns.ts, columns.seq, columns.day, columns.price, columns.quantity, columns.taker))
        self._next = next(self._rows, None)

    @property
    def head(self) -> int:
        """When the next trade is there."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

    def drive(self) -> None:
        """Deliver the next trade, and those after it that are due before the clock's limit."""
        clock, market, rows, view = self._clock, self.market, self._rows, self._view
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
