"""How far the price went against a position and for it, by the rows that fill orders."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.columns import BarColumns, Ints, TickColumns
from marketprism_application.backtesting.market import Market
from marketprism_domain.trading.arithmetic import ZERO


class Stretch(NamedTuple):
    """From an instant on this much is held of a position, opened at this price, and this much profit is realised."""

    ts: int
    left: Decimal
    entry: Decimal
    realised: Decimal


class Excursion(NamedTuple):
    """The worst and the best profit of a position while it was there, fees and funding left out: never above 0, and
    never below it."""

    adverse: Decimal
    favourable: Decimal


class Excursions:
    """Lowest and highest prices of an instrument between two instants. A bar counts where the position was there for
    all of it: what happened before an entry or behind an exit inside a bar is not known."""

    def __init__(self, market: Market, *, by_bars: bool) -> None:
        self._market = market
        data = market.data
        columns = next(iter(data.bars.values()), None) if by_bars else data.ticks or data.trades
        if isinstance(columns, BarColumns):
            self._begin, self._end = columns.ts_open, columns.ts_close
            self._low, self._high = columns.low, columns.high
        elif columns is not None:
            price = columns.last if isinstance(columns, TickColumns) else columns.price
            there = price > 0
            self._begin = self._end = columns.time[there]
            self._low = self._high = price[there]
        else:
            self._begin = self._end = self._low = self._high = np.array([], dtype=np.int64)

    def of(self, sign: int, stretches: list[Stretch], end: int, profit: Decimal) -> Excursion:
        """The excursion of a position until `end`, when its profit was `profit`."""
        found = [ZERO, profit]
        for number, each in enumerate(stretches):
            until = stretches[number + 1].ts if number + 1 < len(stretches) else end
            found.append(each.realised)
            bounds = self._between(each.ts, until)
            if each.left and bounds is not None:
                terms = self._market.instrument.terms
                found += [
                    each.realised + terms.pnl(sign, each.left, each.entry, self._market.price(price))
                    for price in bounds
                ]
        return Excursion(min(found), max(found))

    def _between(self, ts_from: int, ts_to: int) -> tuple[int, int] | None:
        """Lowest and highest price of the rows between two instants, None without a row."""
        first = int(np.searchsorted(self._begin, ts_from))
        last = int(np.searchsorted(self._end, ts_to, side="right"))
        if last <= first:
            return None
        low: Ints = self._low[first:last]
        high: Ints = self._high[first:last]
        return int(low.min()), int(high.max())


__all__ = ["Excursion", "Excursions", "Stretch"]
