"""Mark prices that a venue published: where there are some, positions are liquidated by them and not by trades."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.clock import FAR_AWAY, Clock

if TYPE_CHECKING:
    from marketprism_application.backtesting.market import Market

Ints = NDArray[np.int64]
MARK_RANK = 4  # before trades and quotes of the same time


@dataclass(frozen=True)
class MarkColumns:
    """Mark prices in units, with the time and the trading day of each."""

    ts: Ints
    day: Ints
    price: Ints

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def time(self) -> Ints:
        """When each mark is there: the venue's time."""
        return self.ts

    def values(self) -> tuple[Ints, ...]:
        """All columns, in an order that does not change."""
        return self.ts, self.day, self.price


class MarkFeed:
    """Marks of one instrument: held against the price at which its position is closed by force."""

    rank = MARK_RANK

    def __init__(
        self, clock: Clock, market: Market, columns: MarkColumns, guard: Callable[[Market, int, int, int], None]
    ) -> None:
        self.market, self._clock, self._guard = market, clock, guard
        self._rows = iter(zip(columns.ts.tolist(), columns.price.tolist(), strict=True))
        self._next = next(self._rows, None)

    @property
    def head(self) -> int:
        """When the next mark is there."""
        row = self._next
        return FAR_AWAY if row is None else row[0]

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
        self._next = row


__all__ = ["MARK_RANK", "MarkColumns", "MarkFeed"]
