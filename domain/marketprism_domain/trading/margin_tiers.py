"""Margin by tiers of size: the larger a position, the higher its rate and the lower its leverage.

Sources: Binance FAQ b3c689c1 (maintenance margin = notional x rate - amount; amount of a tier = floor x (its rate - the
rate before) + amount before), Bybit "Maintenance margin (USDT)" (the same with `mmDeduction`), OKX "Position tiers"
(by contracts, no deduction: one rate for the whole position), Deribit "Linear perpetual" (a rate that grows evenly).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ONE, ZERO

# Of a cap: a table whose margin jumps by more at one is not read right; less is what venues round.
MOST_JUMP = Decimal("0.0001")


class TierUnit(StrEnum):
    """What a tier is counted in: the value of a position in its settlement currency, or contracts."""

    VALUE = "value"
    CONTRACTS = "contracts"


class MarginTier(NamedTuple):
    """From `floor` (exclusive) to `cap` (inclusive, None without end): the maintenance rate and what is deducted.

    `number` counts from 1. `max_leverage` is None where the venue gives none.
    """

    number: int
    floor: Decimal
    cap: Decimal | None
    rate: Decimal
    deduction: Decimal
    max_leverage: Decimal | None


class TierRow(NamedTuple):
    """A tier as tables have it; without a `deduction` that is given, the recursion makes it."""

    cap: Decimal | None
    rate: Decimal
    max_leverage: Decimal | None = None
    deduction: Decimal | None = None


class MarginTiers(NamedTuple):
    """Tiers in order, at least one; what lies above the last cap is held to the last tier."""

    unit: TierUnit
    tiers: tuple[MarginTier, ...]

    def tier_of(self, amount: Decimal) -> MarginTier:
        """The tier of an amount in the tiers' unit."""
        for tier in self.tiers:
            if tier.cap is None or amount <= tier.cap:
                return tier
        return self.tiers[-1]

    def amount(self, quantity: Decimal, value: Decimal) -> Decimal:
        """What the tiers are entered by: the value of a position, or its contracts."""
        return value if self.unit is TierUnit.VALUE else quantity

    def maintenance(self, quantity: Decimal, value: Decimal) -> Decimal:
        """Maintenance margin of a position: value x rate - deduction of its tier."""
        tier = self.tier_of(self.amount(quantity, value))
        return value * tier.rate - tier.deduction


def tiers_of(rows: Iterable[TierRow], unit: TierUnit = TierUnit.VALUE) -> MarginTiers:
    """Tiers of the rows of a table, which are in order.

    Raises:
        InvalidValue: no row, caps that do not rise, a rate that is none or falls, a deduction with
            which the margin jumps at a cap, or a tier behind one without end.
    """
    found: list[MarginTier] = []
    floor, rate, deduction = ZERO, ZERO, ZERO
    for number, row in enumerate(rows, 1):
        if found and found[-1].cap is None:
            raise InvalidValue(f"tiers[{number}]", "no tier behind one without a cap", row)
        if row.cap is not None and row.cap <= floor:
            raise InvalidValue(f"tiers[{number}].cap", f"more than {floor}", str(row.cap))
        if not rate <= row.rate < ONE or row.rate < 0:
            raise InvalidValue(f"tiers[{number}].rate", f"at least {rate} and below 1", str(row.rate))
        if row.max_leverage is not None and row.max_leverage < 1:
            raise InvalidValue(f"tiers[{number}].max_leverage", "1 or more", str(row.max_leverage))
        if found and unit is TierUnit.VALUE:
            deduction += floor * (row.rate - rate)
        if row.deduction is not None:
            if found and unit is TierUnit.VALUE and abs(row.deduction - deduction) > floor * MOST_JUMP:
                expected = f"{deduction}, at which the margin does not jump at {floor}"
                raise InvalidValue(f"tiers[{number}].deduction", expected, str(row.deduction))
            deduction = row.deduction
        found.append(MarginTier(number, floor, row.cap, row.rate, deduction, row.max_leverage))
        floor, rate = row.cap if row.cap is not None else floor, row.rate
    if not found:
        raise InvalidValue("tiers", "one tier or more", "none")
    return MarginTiers(unit, tuple(found))


class GrowingRate(NamedTuple):
    """A rate that grows evenly with the size in coins: `base` + size x `step`."""

    base: Decimal
    step: Decimal

    def rate(self, size: Decimal) -> Decimal:
        """Of a position of so many coins."""
        return self.base + size * self.step

    def margin(self, size: Decimal) -> Decimal:
        """In coins; times the price it is the margin of a linear contract."""
        return size * self.rate(size)
