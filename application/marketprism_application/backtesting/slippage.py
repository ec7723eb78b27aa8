"""How much worse a taking fill is than the row that allowed it."""

from __future__ import annotations

import random

from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.settings import RunSettings


class SlippageOf:
    """The rule of a run, in units of an instrument; never better than the row's price."""

    def __init__(self, settings: RunSettings) -> None:
        self._rule, self._random = settings.slippage, random.Random(settings.seed)
        self.is_none = settings.slippage.rule == "none"

    def price(self, market: Market, sign: int, price: int, spread: int = 0) -> int:
        """The price that is paid for one at which a row would fill, on the instrument's tick and inside its limits."""
        if self.is_none:
            return price
        rule, value, tick = self._rule.rule, self._rule.value, market.tick_units
        if rule == "ticks":
            worse = int(value * tick)
        elif rule == "bps":
            worse = int(-(-price * value // 10_000))
        elif rule == "spread":
            worse = int(-(-spread * value // 1))
        else:
            worse = self._random.randint(0, int(value)) * tick
        worse += -worse % tick
        return price + sign * worse
