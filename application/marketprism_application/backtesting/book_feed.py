"""Steps of a book of one instrument, given to what matches orders with it and to the strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import numpy as np

from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.book_fills import BookStep, apply_step
from marketprism_application.backtesting.book_ladder import Ladder, Ladders
from marketprism_application.backtesting.clock import FAR_AWAY, Clock
from marketprism_application.backtesting.columns import CHUNK, NO_PRICE
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.market import Market

BOOK_RANK = 6  # as quotes: behind trades of the same time

Match = Callable[[Market, Ladders, BookStep], None]


class BookView:
    """The book as it stands; levels are decimals, the best first."""

    __slots__ = ("_book", "market", "seq", "symbol", "ts", "venue")

    def __init__(self, market: Market, book: Ladders) -> None:
        self.market, self.venue, self.symbol, self._book = market, market.venue, market.symbol, book
        self.ts = self.seq = 0

    @property
    def is_known(self) -> bool:
        """Whether the book is whole: not before its first snapshot, and not behind a hole in its steps."""
        return self._book.is_known

    @property
    def bid(self) -> Decimal | None:
        """Best price that somebody buys at, None without one."""
        return self._best(self._book.bids)

    @property
    def ask(self) -> Decimal | None:
        """Best price that somebody sells at, None without one."""
        return self._best(self._book.asks)

    def bids(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """Price and quantity of the best levels of buyers."""
        return self._top(self._book.bids, count)

    def asks(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """Price and quantity of the best levels of sellers."""
        return self._top(self._book.asks, count)

    def _best(self, side: Ladder) -> Decimal | None:
        return None if side.best == NO_PRICE else self.market.price(side.best)

    def _top(self, side: Ladder, count: int) -> list[tuple[Decimal, Decimal]]:
        prices = [price for price, _ in side.from_best(count)]
        return [(self.market.price(price), self.market.quantity(side.size(price))) for price in prices]


class BookFeed:
    """Steps of a book in order of time. `match` changes the book by a step and fills orders on the way."""

    rank = BOOK_RANK

    def __init__(
        self,
        clock: Clock,
        market: Market,
        columns: BookColumns,
        *,
        received: bool,
        match: Match | None,
        deliver: Callable[[Context, BookView], None] | None,
        ctx: Context,
        new_day: Callable[[Market, int], None],
    ) -> None:
        self.market, self._clock, self._ctx = market, clock, ctx
        self._match, self._deliver, self._new_day = match, deliver, new_day
        grid = int(np.gcd.reduce(columns.prices)) if len(columns.prices) else 1
        self.book = Ladders(max(1, grid))
        self._view = BookView(market, self.book)
        self._rows = steps_of_book(columns, received=received)
        self._next = next(self._rows, None)
        self.head = FAR_AWAY if self._next is None else self._next[0]  # when the next step is there

    def drive(self) -> None:
        """Deliver the next step, and those after it that are due before the clock's limit."""
        clock, market, rows, book, match = self._clock, self.market, self._rows, self.book, self._match
        view, deliver, ctx = self._view, self._deliver, self._ctx
        row = self._next
        while row is not None:
            clock.now, step = row
            if step[2] != market.day:
                self._new_day(market, step[2])
            if match is not None:
                match(market, book, step)
            else:
                apply_step(book, step)
            if deliver is not None:
                view.ts, view.seq = step[0], step[1]
                deliver(ctx, view)
            row = next(rows, None)
            if row is None or row[0] >= clock.limit:
                break
        self._next, self.head = row, FAR_AWAY if row is None else row[0]


def steps_of_book(columns: BookColumns, *, received: bool) -> Iterator[tuple[int, BookStep]]:
    """Steps with their time by the run's clock, a chunk at a time."""
    time = columns.ts_recv if received else columns.ts
    for start in range(0, len(columns), CHUNK):
        end = min(start + CHUNK, len(columns))
        base = int(columns.bids[start])
        prices = columns.prices[base : columns.bids[end]].tolist()
        sizes = columns.sizes[base : columns.bids[end]].tolist()
        bids, asks = (columns.bids[start : end + 1] - base).tolist(), (columns.asks[start:end] - base).tolist()
        parts = (time, columns.ts, columns.seq, columns.day, columns.form)
        rows = zip(*(each[start:end].tolist() for each in parts), bids, asks, bids[1:], strict=False)
        for now, ts, seq, day, form, first, middle, last in rows:
            yield (
                now,
                (
                    ts,
                    seq,
                    day,
                    form,
                    prices[first:middle],
                    sizes[first:middle],
                    prices[middle:last],
                    sizes[middle:last],
                ),
            )


__all__ = ["BOOK_RANK", "BookFeed", "BookView", "steps_of_book"]
