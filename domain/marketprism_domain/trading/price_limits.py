"""Highest and lowest price of a trading day, where the venue does not give them itself.

A share of the settlement price before, rounded as each exchange does: SHFE cuts both down to the tick, CZCE rounds both
outwards, CFFEX both inwards (seen in 13 of 13 pairs of recorded limits: ru1901 of 2018, AP010 of 2020, IF2101 of 2021).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import to_step


class LimitRounding(StrEnum):
    """Which way both limits are rounded to the tick."""

    DOWN = "down"
    OUTWARDS = "outwards"
    INWARDS = "inwards"


class PriceLimits(NamedTuple):
    """The highest and the lowest price at which an order is taken; None without one."""

    upper: Decimal | None
    lower: Decimal | None


_WAYS = {
    LimitRounding.DOWN: (ROUND_FLOOR, ROUND_FLOOR),
    LimitRounding.OUTWARDS: (ROUND_CEILING, ROUND_FLOOR),
    LimitRounding.INWARDS: (ROUND_FLOOR, ROUND_CEILING),
}


def price_limits(settlement: Decimal, ratio: Decimal, tick: Decimal, rounding: LimitRounding) -> PriceLimits:
    """Limits of a day from the settlement price of the day before and the ratio, `0.07` for 7 %."""
    upper, lower = _WAYS[rounding]
    return PriceLimits(to_step(settlement * (1 + ratio), tick, upper), to_step(settlement * (1 - ratio), tick, lower))
