"""Liquidation by the distance from the entry: the margin between the initial and the maintenance one may be lost.

Source: Bybit help "Liquidation price (USDT contract)" and "(Inverse contract)", rule until 2025, and the inverse rule
of 2026-05-27. The tier is that of the value at the entry.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.liquidation import Leg
from marketprism_domain.trading.margin_tiers import MarginTiers


class InverseRule(StrEnum):
    """Which rule of inverse contracts holds."""

    DISTANCE_2024 = "distance_2024"
    RATE_2026 = "rate_2026"


def distance_liquidation_price(
    terms: ContractTerms,
    leg: Leg,
    leverage: Decimal,
    tiers: MarginTiers,
    *,
    extra: Decimal = ZERO,
    inverse_rule: InverseRule = InverseRule.RATE_2026,
    fee_rate: Decimal = ZERO,
) -> Decimal | None:
    """Where an isolated position is liquidated; None where at no price above 0. `extra` is margin that was added.

    Linear: entry -/+ (initial - maintenance margin + extra) / size. Inverse, 2024: size / (value +/- (initial -
    maintenance margin + extra)); 2026: size x (1 +/- rate) / (value +/- (value / leverage + extra / (1 +/- fee) +
    deduction)).
    """
    size, value = leg.quantity * terms.multiplier, terms.value(leg.quantity, leg.entry)
    tier = tiers.tier_of(tiers.amount(leg.quantity, value))
    initial, sign = value / leverage, leg.sign
    room = initial - (value * tier.rate - tier.deduction) + extra
    if not terms.inverse:
        price = leg.entry - sign * room / size
    elif inverse_rule is InverseRule.DISTANCE_2024:
        below = value + sign * room
        price = size / below if below > 0 else ZERO
    else:
        below = value + sign * (initial + extra / (ONE + sign * fee_rate) + tier.deduction)
        price = size * (ONE + sign * tier.rate) / below if below > 0 else ZERO
    return price if price > 0 else None
