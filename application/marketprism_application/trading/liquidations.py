"""Where a position is liquidated by the rule of its market, and what it must keep."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.ports.trading_tables import GrowingRates, LiquidationRule
from marketprism_application.trading.markets import Evidence, Market
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.chinese_futures import MarginRate, forced_close_price, futures_margin
from marketprism_domain.trading.liquidation import (
    Leg,
    bankruptcy_price,
    growing_liquidation_price,
    liquidation_price,
)
from marketprism_domain.trading.liquidation_by_distance import distance_liquidation_price
from marketprism_domain.trading.margin_tiers import MarginTier, MarginTiers


class Outcome(NamedTuple):
    """Where a position ends: the price of liquidation with its tier, and of bankruptcy; None for what is nowhere."""

    price: Decimal | None = None
    tier: MarginTier | None = None
    bankruptcy: Decimal | None = None


def taker_rate(market: Market) -> Decimal:
    """Share of the value that a taker pays for closing, 0 where it is not known, and for a rebate."""
    return ZERO if market.fees is None else max(market.fees.taker.close.by_money, ZERO)


def maintenance(market: Market, leg: Leg, price: Decimal) -> Decimal | None:
    """Maintenance margin of a position at a price; None where it is not known."""
    margins, terms = market.margins, market.terms
    if isinstance(margins, MarginTiers):
        return max(margins.maintenance(leg.quantity, terms.value(leg.quantity, price)), ZERO)
    if isinstance(margins, GrowingRates):
        return growing_margin(market, margins, leg.quantity, price, initial=False)
    if isinstance(margins, MarginRate):
        return futures_margin(terms, margins, leg.quantity, price)
    return None


def growing_margin(market: Market, rates: GrowingRates, quantity: Decimal, price: Decimal, *, initial: bool) -> Decimal:
    """Margin of a quantity at a price, in the currency of settlement."""
    used = rates.initial if initial else rates.maintenance
    if market.terms.inverse:
        return used.margin(market.terms.value(quantity, price))
    return used.margin(market.terms.size(quantity)) * price


def isolated_outcome(
    market: Market, leg: Leg, margin: Decimal, leverage: Decimal | None, extra: Decimal, evidence: Evidence
) -> Outcome:
    """Of a position with margin of its own (`margin`, with the `extra` in it)."""
    if market.rules.liquidation is not LiquidationRule.DISTANCE:
        return outcome(market, (leg,), margin, evidence)
    tiers = market.tiers
    if tiers is None:
        return Outcome(bankruptcy=_bankruptcy(market, leg, margin))
    # Margin that is not the one of a leverage, as of a position that grew, is that of the leverage it comes to.
    value = market.terms.value(leg.quantity, leg.entry)
    used = leverage if leverage is not None else value / (margin - extra) if margin > extra else ONE
    price = distance_liquidation_price(
        market.terms,
        leg,
        used,
        tiers,
        extra=extra,
        inverse_rule=market.rules.inverse_rule,
        fee_rate=taker_rate(market),
    )
    tier = tiers.tier_of(tiers.amount(leg.quantity, value))
    return Outcome(price, tier, _bankruptcy(market, leg, margin))


def outcome(
    market: Market, legs: Sequence[Leg], wallet: Decimal, evidence: Evidence, near: Decimal | None = None
) -> Outcome:
    """Of a position, or of both legs of a hedged one, that `wallet` stands for."""
    rule, margins, leg = market.rules.liquidation, market.margins, legs[0]
    bankruptcy = _bankruptcy(market, leg, wallet) if len(legs) == 1 else None
    if isinstance(margins, MarginTiers) and rule is not LiquidationRule.DISTANCE:
        fee = taker_rate(market) if rule is LiquidationRule.WITH_FEE else ZERO
        found = liquidation_price(market.terms, wallet, legs, margins, fee_rate=fee, near=near)
        return Outcome(bankruptcy=bankruptcy) if found is None else Outcome(found.price, found.tiers[0], bankruptcy)
    if len(legs) > 1 and margins is not None:
        evidence.miss("liquidation_price: a long and a short beside one another have none by this market's rule")
        return Outcome()
    if isinstance(margins, GrowingRates):
        return Outcome(growing_liquidation_price(market.terms, wallet, leg, margins.maintenance), None, bankruptcy)
    if isinstance(margins, MarginRate):
        price = forced_close_price(market.terms, margins, leg.sign, leg.quantity, leg.entry, wallet)
        return Outcome(price, None, bankruptcy)
    if isinstance(margins, MarginTiers):
        evidence.miss("liquidation_price: in cross mode this market's rule is not established")
    return Outcome(bankruptcy=bankruptcy)


def _bankruptcy(market: Market, leg: Leg, margin: Decimal) -> Decimal | None:
    if market.rules.liquidation is LiquidationRule.NONE:
        return None
    return bankruptcy_price(market.terms, margin, leg, taker_rate(market) if market.rules.closing_fee else ZERO)
