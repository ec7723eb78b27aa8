"""How much worse a taking fill is than the row that allowed it."""

from __future__ import annotations

import math
import random
from decimal import ROUND_CEILING, Decimal

import numpy as np

from marketprism_application.backtesting.columns import NO_PRICE, BarColumns, TickColumns
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.settings import RunSettings

_FEWEST_DAYS = 3  # before a day, without which nothing is known of its volume and its deviation


class SlippageOf:
    """The rule of a run, in units of an instrument; never better than the row's price."""

    def __init__(self, settings: RunSettings) -> None:
        self._rule, self._random = settings.slippage, random.Random(settings.seed)
        self.is_none = settings.slippage.rule == "none"
        self._days: dict[int, _Days] = {}

    def price(self, market: Market, sign: int, price: int, spread: int = 0, steps: int = 0) -> int:
        """The price that is paid for one at which a row would fill `steps`, on the instrument's tick and inside its
        limits."""
        if self.is_none:
            return price
        rule, value, tick = self._rule.rule, self._rule.value, market.tick_units
        if rule == "ticks":
            worse = int(value * tick)
        elif rule == "bps":
            worse = _up(abs(price) * value / 10_000)
        elif rule == "spread":
            worse = _up(spread * value)
        elif rule == "sqrt_impact":
            worse = math.ceil(float(value) * self._impact(market, steps) * abs(price))
        else:
            worse = self._random.randint(0, int(value)) * tick
        worse += -worse % tick
        found = price + sign * worse
        bound = market.limit_up if sign > 0 else market.limit_down
        return (
            found if bound in (NO_PRICE, 0) or found * sign <= bound * sign else max(price * sign, bound * sign) * sign
        )

    def _impact(self, market: Market, steps: int) -> float:
        """Daily deviation times the root of a share of a day's volume, by the days before this one; 0 in the first
        days, of which nothing is known."""
        days = self._days.get(market.rank)
        if days is None:
            days = self._days[market.rank] = _Days(market)
        return days.impact(market.day, steps * market.sides)


def _up(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))


class _Days:
    """What trading days of an instrument came to: closes and volumes, from the rows of a run."""

    def __init__(self, market: Market) -> None:
        columns = next(iter(market.data.bars.values()), None) or market.data.ticks or market.data.trades
        assert columns is not None  # noqa: S101 (a run has rows)
        if isinstance(columns, BarColumns):
            price, volume = columns.close, columns.volume
        elif isinstance(columns, TickColumns):
            price, volume = columns.last, columns.volume
        else:
            price, volume = columns.price, columns.quantity
        there = price > 0
        day, price, volume = columns.day[there], price[there], volume[there]
        edges = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
        self._day = day[edges]
        self._volume = np.add.reduceat(volume, edges)
        self._close = price[np.r_[edges[1:] - 1, len(day) - 1]]

    def impact(self, day: int, steps: int) -> float:
        """Deviation of the daily return times the root of the share of the mean volume, by the days before a day."""
        count = int(np.searchsorted(self._day, day))
        if count < _FEWEST_DAYS or not steps:
            return 0.0
        moves = np.diff(np.log(self._close[:count].astype(np.float64)))
        mean = float(self._volume[:count].mean())
        return float(moves.std(ddof=1)) * math.sqrt(steps / mean) if mean else 0.0


__all__ = ["SlippageOf"]
