"""When a position is closed by force: at which price, found again after each fill by the functions of trading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.backtesting.account import Account, Position
from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.market import Market
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.chinese_futures import MarginRate, forced_close_price
from marketprism_domain.trading.liquidation import Leg, bankruptcy_price, liquidation_price
from marketprism_domain.trading.margin_tiers import MarginTiers

_EARLY = 0.001


class ForcedEnd(NamedTuple):
    """Prices in decimals: where a position is liquidated, and where it has nothing left (None: closed at market)."""

    price: Decimal
    bankruptcy: Decimal | None


def forced_end(account: Account, markets: Sequence[Market], market: Market) -> ForcedEnd | None:
    """Where a position is closed by force, None where nowhere.

    Positions with tiers are isolated: their margin is all that they can lose, and the venue takes them over at the
    price of bankruptcy. A Chinese future ends where the account's equity is its margin, at the next price.
    """
    if not market.held:
        return None
    position, instrument = account.position(market), market.instrument
    sign, quantity = (1 if market.held > 0 else -1), market.quantity(abs(market.held))
    entry = average_entry(position)
    if isinstance(instrument.margin, MarginTiers):
        leg, wallet = Leg(sign, quantity, entry), account.margin_of(market)
        found = liquidation_price(instrument.terms, wallet, (leg,), instrument.margin)
        if found is None:
            return None
        return ForcedEnd(found.price, bankruptcy_price(instrument.terms, wallet, leg))
    if isinstance(instrument.margin, MarginRate):
        others = [each for each in markets if each is not market]
        free = sum(account.cash.values(), ZERO)
        for other in others:
            if other.held and other.last != NO_PRICE:
                free += account.position(other).open_profit(other.last) - account.margin_of(other)
        price = forced_close_price(instrument.terms, instrument.margin, sign, quantity, entry, free)
        return None if price is None else ForcedEnd(price, None)
    return None


def refresh_guard(account: Account, markets: Sequence[Market], market: Market) -> None:
    """Let rows be held against the price at which the position is closed by force.

    The guard is rough, and too early by a thousandth: a row that passes it is judged by the exact price.
    """
    market.liquidated_below, market.liquidated_above = NO_PRICE, -NO_PRICE
    market.guarded = market.mark_guarded = False
    if not market.held or market.instrument.margin is None:
        return
    price = _rough(account, markets, market)
    if price is None:
        return
    market.mark_guarded = market.data.marks is not None
    market.guarded = not market.mark_guarded
    if market.held > 0:
        market.liquidated_below = math.ceil(price * (1 + _EARLY))
    else:
        market.liquidated_above = math.floor(price * (1 - _EARLY))


def is_reached(found: ForcedEnd, market: Market, low: int, high: int) -> bool:
    """Whether a row's prices in units reach the exact price."""
    if market.held > 0:
        return low * market.unit <= found.price
    return high * market.unit >= found.price


def _rough(account: Account, markets: Sequence[Market], market: Market) -> float | None:
    """The price as a double, in units; None where there is none."""
    rate, terms = market.instrument.margin, market.instrument.terms
    if not isinstance(rate, MarginRate) or terms.inverse or len(markets) > 1:
        found = forced_end(account, markets, market)
        return None if found is None else float(found.price / market.unit)
    cash = float(sum(account.cash.values()))
    sign, value = (1 if market.held > 0 else -1), market.rough_value
    by_money, by_volume = market.rough_margin(rate)
    share = abs(market.held) * value * (by_money - sign)
    above = cash - account.position(market).paid * value - abs(market.held) * by_volume
    price = above / share if share else 0.0
    return price if price > 0 else None


def average_entry(position: Position) -> Decimal:
    """Average price of what is held: of inverse contracts the one that keeps its worth in the coin."""
    market = position.market
    if market.instrument.terms.inverse:
        weight = sum((abs(lot.steps) / market.price(lot.price) for lot in position.lots), ZERO)
        return abs(market.held) / weight
    return Decimal(position.paid) * market.unit / market.held
