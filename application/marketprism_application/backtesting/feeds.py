"""Series of rows, each with one view that it moves on: chunks of plain numbers, the fastest that Python has.

A feed is a generator inside, so that going on with it costs a step and not the setting up of a loop: with many
instruments every row is such a step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
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
    InstrumentData,
    Ints,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.history import Progress
from marketprism_application.backtesting.market import Market

TRADE_RANK, TICK_RANK, BAR_RANK = 5, 6, 7
_ROWS_AT_ONCE, _LEAST_CHUNK = 65_536, 512


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


class Chunks:
    """How many rows each feed makes into plain numbers at once: fewer where there are many feeds, so that all of them
    together take no more memory than a few."""

    def __init__(self, feeds: int = 1) -> None:
        self._size = min(CHUNK, max(_LEAST_CHUNK, _ROWS_AT_ONCE // max(1, feeds)))

    def rows(self, data: InstrumentData, columns: tuple[Ints | Flags, ...]) -> Rows:
        """Rows of columns as plain numbers, a chunk at a time; more can be put behind them. What is mapped is let go
        behind each chunk."""
        return Rows(self, data, columns)

    def of(self, data: InstrumentData, columns: tuple[Ints | Flags, ...]) -> Iterator[Iterator[tuple[int, ...]]]:
        """The chunks of some columns."""
        return map(partial(self._chunk, data, columns), range(0, len(columns[0]), self._size))

    def _chunk(self, data: InstrumentData, columns: tuple[Ints | Flags, ...], start: int) -> Iterator[tuple[int, ...]]:
        lists = [column[start : start + self._size].tolist() for column in columns]
        data.let_go()  # at once: a kernel maps whole folios of a file, with many instruments more than all rows need
        return zip(*lists, strict=True)


class Rows:
    """Rows of columns as plain numbers; more may be put behind them while they are read, and after that."""

    def __init__(self, chunks: Chunks, data: InstrumentData, columns: tuple[Ints | Flags, ...]) -> None:
        self._chunks, self._data, self._waiting = chunks, data, deque([columns])

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return chain.from_iterable(self._all_chunks())

    def _all_chunks(self) -> Iterator[Iterator[tuple[int, ...]]]:
        while self._waiting:
            yield from self._chunks.of(self._data, self._waiting.popleft())

    def add(self, columns: tuple[Ints | Flags, ...]) -> None:
        """Put rows behind those that are there."""
        self._waiting.append(columns)


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
        chunks: Chunks,
    ) -> None:
        self._ctx = ctx
        self.market, self._clock, self._columns, self._delay = market, clock, columns, delay
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._view, self._progress = BarView(market, columns.interval), progress
        self._rows = chunks.rows(market.data, self._columns_of(columns, 0))
        self._advance = self._delivered().__next__
        self.head = self._advance()

    def _columns_of(self, columns: BarColumns, not_before: int) -> tuple[Ints | Flags, ...]:
        time = columns.ts_close + self._delay if self._delay else columns.ts_close
        time = np.maximum(time, not_before) if not_before else time
        prices = (columns.open, columns.high, columns.low, columns.close)
        return (time, columns.ts_close, columns.ts_open, columns.day, *prices, columns.volume, columns.gap)

    def more(self, columns: BarColumns, not_before: int) -> None:
        """Bars that have come since: each is there at its time, and not before an instant."""
        self._rows.add(self._columns_of(columns, not_before))
        if self.head == FAR_AWAY:
            self.head = self._advance()

    def revise(self, row: tuple[int, ...], revision: int) -> None:
        """Deliver another revision of a bar that was delivered: its columns without the time."""
        if self._deliver is not None:
            view = self._view
            view.ts_close, view.ts_open, _, view.open_ticks, view.high_ticks, view.low_ticks, *more = row
            view.close_ticks, view.volume_steps, view.gap, view.revision = more[0], more[1], bool(more[2]), revision
            self._deliver(self._ctx, view)
            view.revision = 0

    def drive(self) -> None:
        """Deliver the next bar, and those after it that are due before the clock's limit."""
        self.head = self._advance()

    def _delivered(self) -> Iterator[int]:
        """Stops before each bar that is not to be delivered yet, and says when it is due: at its end, and the time
        until it is published."""
        clock, market, view = self._clock, self.market, self._view
        match, deliver, columns, ctx, progress = self._match, self._deliver, self._columns, self._ctx, self._progress
        sets_price, working, day, limit = match is not None, market.working, market.day, -1
        interval, new_day = columns.interval, self._new_day
        while True:
            for due, end, start, row_day, first, high, low, last, volume, gap in self._rows:
                if due >= limit:
                    yield due
                    day = market.day
                clock.now = due
                if row_day != day:
                    new_day(market, row_day)
                    day = row_day
                if working and match is not None:
                    match(market, BarRow(interval, start, end, first, high, low, last, volume))
                if sets_price:
                    if market.guarded and (low <= market.liquidated_below or high >= market.liquidated_above):
                        self._guard(market, low, high, start)
                    market.last = last
                progress.rows += 1
                if deliver is not None:
                    view.ts_open, view.ts_close, view.volume_steps, view.gap = start, end, volume, bool(gap)
                    view.open_ticks, view.high_ticks, view.low_ticks, view.close_ticks = first, high, low, last
                    deliver(ctx, view)
                limit = clock.limit
            limit = -1
            yield FAR_AWAY


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
        chunks: Chunks,
    ) -> None:
        self.market, self._clock, self._ctx = market, clock, ctx
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._every, self._received = every, received
        self._rows = chunks.rows(market.data, self._columns_of(columns, 0))
        self._advance = self._delivered().__next__
        self.head = self._advance()

    def _columns_of(self, columns: TickColumns, not_before: int) -> tuple[Ints, ...]:
        names = ("ts", "seq", "day", "last", "bid", "bid_size", "ask", "ask_size", "volume", "turnover")
        more = ("limit_up", "limit_down", "phase")
        time = columns.ts_recv if self._received else columns.ts
        time = np.maximum(time, not_before) if not_before else time
        return (time, *(getattr(columns, name) for name in (*names, *more)))

    def more(self, columns: TickColumns, not_before: int) -> None:
        """Rows that have come since: each is there at its time, and not before an instant."""
        self._rows.add(self._columns_of(columns, not_before))
        if self.head == FAR_AWAY:
            self.head = self._advance()

    def drive(self) -> None:
        """Deliver the next row, and those after it that are due before the clock's limit."""
        self.head = self._advance()

    def _delivered(self) -> Iterator[int]:
        """Stops before each row that is not to be delivered yet, and says when it is due, by the clock of the run."""
        clock, market, new_day = self._clock, self.market, self._new_day
        view, match, deliver, ctx = market.view, self._match, self._deliver, self._ctx
        working, day, every, limit = market.working, market.day, self._every, -1
        while True:
            for (
                now,
                ts,
                seq,
                row_day,
                last,
                bid,
                bid_size,
                ask,
                ask_size,
                volume,
                turnover,
                upper,
                lower,
                phase,
            ) in self._rows:
                if now >= limit:
                    yield now
                    day = market.day
                clock.now = now
                view.ts, view.seq, view.last_ticks, view.phase_code = ts, seq, last, phase
                view.bid_ticks, view.bid_size, view.ask_ticks, view.ask_size = bid, bid_size, ask, ask_size
                view.volume_steps, view.turnover_units = volume, turnover
                if row_day != day:
                    new_day(market, row_day)
                    day = row_day
                if upper != market.limit_up or lower != market.limit_down:
                    market.limit_up = view.limit_up_ticks = upper
                    market.limit_down = view.limit_down_ticks = lower
                if (working or every) and match is not None:
                    match(market, view)
                if last != NO_PRICE:
                    market.last = last
                    if market.guarded and not market.liquidated_below < last < market.liquidated_above:
                        self._guard(market, last, last, ts)
                if deliver is not None:
                    deliver(ctx, view)
                limit = clock.limit
            limit = -1
            yield FAR_AWAY


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
        chunks: Chunks,
    ) -> None:
        self.market, self._clock, self._ctx, self._view = market, clock, ctx, TradeView(market)
        self._match, self._deliver, self._guard, self._new_day = match, deliver, guard, new_day
        self._rows = chunks.rows(
            market.data, (columns.ts, columns.seq, columns.day, columns.price, columns.quantity, columns.taker)
        )
        self._advance = self._delivered().__next__
        self.head = self._advance()

    def drive(self) -> None:
        """Deliver the next trade, and those after it that are due before the clock's limit."""
        self.head = self._advance()

    def _delivered(self) -> Iterator[int]:
        """Stops before each trade that is not to be delivered yet, and says when it is due."""
        clock, market, view, new_day = self._clock, self.market, self._view, self._new_day
        match, deliver, ctx, working = self._match, self._deliver, self._ctx, self.market.working
        limit = -1
        while True:
            for ts, seq, day, price, quantity, taker in self._rows:
                if ts >= limit:
                    yield ts
                clock.now = view.ts = ts
                view.seq, view.price_ticks, view.quantity_steps, view.taker = seq, price, quantity, taker
                if day != market.day:
                    new_day(market, day)
                if working and match is not None:
                    match(market, view)
                market.last = price
                if market.guarded and not market.liquidated_below < price < market.liquidated_above:
                    self._guard(market, price, price, ts)
                if deliver is not None:
                    deliver(ctx, view)
                limit = clock.limit
            limit = -1
            yield FAR_AWAY


__all__ = ["BarFeed", "Chunks", "Feed", "TickFeed", "TradeFeed"]
