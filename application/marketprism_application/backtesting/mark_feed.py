"""Marks of an instrument as they come, held against the price at which its position is closed by force."""

from __future__ import annotations

from collections.abc import Callable

from marketprism_application.backtesting.clock import FAR_AWAY, Clock
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.marks import MarkColumns

MARK_RANK = 4  # before trades and quotes of the same time


class MarkFeed:
    """Marks of one instrument: held against the price at which its position is closed by force."""

    rank = MARK_RANK

    def __init__(
        self, clock: Clock, market: Market, columns: MarkColumns, guard: Callable[[Market, int, int, int], None]
    ) -> None:
        self.market, self._clock, self._guard = market, clock, guard
        self._rows = iter(zip(columns.ts.tolist(), columns.price.tolist(), strict=True))
        self._next = next(self._rows, None)
        self.head = FAR_AWAY if self._next is None else self._next[0]  # when the next mark is there

    def drive(self) -> None:
        """Look at the next mark, and those after it that are due before the clock's limit."""
        clock, market = self._clock, self.market
        row = self._next
        while row is not None:
            clock.now, market.mark = row
            if market.mark_guarded and not market.liquidated_below < market.mark < market.liquidated_above:
                self._guard(market, market.mark, market.mark, clock.now)
            row = next(self._rows, None)
            if row is None or row[0] >= clock.limit:
                break
        self._next, self.head = row, FAR_AWAY if row is None else row[0]


__all__ = ["MARK_RANK", "MarkFeed"]
