"""Where a position is liquidated: the price at which what an account is worth is its maintenance margin.

Sources: Binance USD-M FAQ b3c689c1 (2026 text: LP = (WB - TMM + UPNL + cum - s x Q x E) / (Q x m - s x Q), hedge mode
with both legs in one price), COIN-M FAQ ceccfcfb, OKX help "Isolated margin" (margin ratio 100 % of maintenance margin
and liquidation fee), Deribit "Linear perpetual". The tier is that of the price found, not of the entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.margin_tiers import MOST_JUMP, GrowingRate, MarginTier, MarginTiers, TierUnit

_SLACK = 2 * MOST_JUMP


class Leg(NamedTuple):
    """A position of one instrument: `sign` 1 long, -1 short, `quantity` above 0, entered at `entry`."""

    sign: int
    quantity: Decimal
    entry: Decimal


class Liquidation(NamedTuple):
    """The price, and the tier of each leg there."""

    price: Decimal
    tiers: tuple[MarginTier, ...]


def price_at_rates(
    terms: ContractTerms, wallet: Decimal, legs: Sequence[Leg], rates: Sequence[tuple[Decimal, Decimal]]
) -> Decimal | None:
    """The price at which wallet + profit of the legs is what the rates (share of the value, deduction) ask for.

    `wallet` is in the currency of settlement and already less what other positions need. None where no price above 0
    is one. With a single leg, a fee as its rate and no deduction it is the price of bankruptcy.
    """
    above = wallet + sum((deduction for _, deduction in rates), ZERO)
    below = ZERO
    for leg, (rate, _) in zip(legs, rates, strict=True):
        size = leg.quantity * terms.multiplier
        if terms.inverse:
            above += leg.sign * size / leg.entry
            below += size * (rate + leg.sign)
        else:
            above -= leg.sign * size * leg.entry
            below += size * (rate - leg.sign)
    if not above or not below:
        return None
    price = below / above if terms.inverse else above / below
    return price if price > 0 else None


def liquidation_price(
    terms: ContractTerms,
    wallet: Decimal,
    legs: Sequence[Leg],
    tiers: MarginTiers,
    *,
    fee_rate: Decimal = ZERO,
    near: Decimal | None = None,
) -> Liquidation | None:
    """Where a position, or a long and a short of one instrument together, are liquidated; None where nowhere above 0.

    `wallet`: an isolated position's margin, or of a cross account the balance less the maintenance margin of all
    others plus their profit. `fee_rate` is what the venue adds for closing. Where a hedged position has two such
    prices it is the one that is nearest to `near` (the first leg's entry without).
    """
    place = near if near is not None else legs[0].entry
    best: Liquidation | None = None
    least = (_SLACK, place)  # how far outside its span as a share, and how far from `near`
    for chosen, low, high in _spans(terms, legs, tiers):
        rates = [(tier.rate + fee_rate, tier.deduction) for tier in chosen]
        price = price_at_rates(terms, wallet, legs, rates)
        if price is None:
            continue
        # A deduction that the venue has rounded leaves a gap at a cap: what lies in none is the nearer side's.
        outside = ZERO
        if price < low:
            outside = (low - price) / low
        elif high is not None and price > high:
            outside = (price - high) / high
        rank = (outside, abs(price - place))
        if outside <= _SLACK and (best is None or rank < least):
            best, least = Liquidation(price, chosen), rank
    return best


def _spans(
    terms: ContractTerms, legs: Sequence[Leg], tiers: MarginTiers
) -> Iterator[tuple[tuple[MarginTier, ...], Decimal, Decimal | None]]:
    """Every span of prices in which no leg changes its tier: the tiers, its lowest and its highest price."""
    if tiers.unit is TierUnit.CONTRACTS:
        yield tuple(tiers.tier_of(leg.quantity) for leg in legs), ZERO, None
        return
    edges = {
        (size / tier.cap if terms.inverse else tier.cap / size)
        for leg in legs
        for tier in tiers.tiers[:-1]
        if tier.cap is not None and (size := leg.quantity * terms.multiplier)
    }
    ordered = [ZERO, *sorted(edges)]
    for number, low in enumerate(ordered):
        high = ordered[number + 1] if number + 1 < len(ordered) else None
        inside = (low + high) / 2 if high is not None else low * 2 or legs[0].entry
        yield tuple(tiers.tier_of(terms.value(leg.quantity, inside)) for leg in legs), low, high


def growing_liquidation_price(
    terms: ContractTerms, wallet: Decimal, leg: Leg, maintenance: GrowingRate
) -> Decimal | None:
    """The same where the rate grows with the size in coins: that of a linear contract is fixed, that of an inverse one
    grows as the price falls, so that 1 / price solves a quadratic equation. Derived from the published margin."""
    size = leg.quantity * terms.multiplier
    if not terms.inverse:
        return price_at_rates(terms, wallet, (leg,), ((maintenance.rate(size), ZERO),))
    square, linear = maintenance.step * size * size, size * (maintenance.base + leg.sign)
    rest = wallet + leg.sign * size / leg.entry
    if not square:
        return linear / rest if rest and linear / rest > 0 else None
    under = linear * linear + 4 * square * rest
    if under < 0:
        return None
    root = under.sqrt()
    inverted = [each for each in ((root - linear) / (2 * square), (-root - linear) / (2 * square)) if each > 0]
    # Of two prices the one that is reached first from the entry: a long's higher, a short's lower.
    prices = [1 / each for each in inverted]
    fitting = [price for price in prices if (price - leg.entry) * leg.sign <= 0] or prices
    return min(fitting, key=lambda price: abs(price - leg.entry), default=None)


def bankruptcy_price(terms: ContractTerms, wallet: Decimal, leg: Leg, fee_rate: Decimal = ZERO) -> Decimal | None:
    """The price at which closing a position, its fee included, leaves nothing of its margin (Bybit "Bankruptcy price",
    whose inverse contract has (1 + fee) x value / (value / entry + balance)); None where no price above 0 is one."""
    return price_at_rates(terms, wallet, (leg,), ((fee_rate, ZERO),))


def margin_ratio(equity: Decimal, needed: Decimal) -> Decimal | None:
    """Equity as a share of what must be there (OKX: of maintenance margin and liquidation fee; at 1 or less a position
    is liquidated); None where nothing is needed."""
    return equity / needed if needed > 0 else None
