"""How much to trade: what a stop may lose, what a budget buys, or the less of both."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.orders import Size, SizeOf
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import GrowingRates
from marketprism_application.trading.calculation import Priced
from marketprism_application.trading.liquidations import growing_margin, taker_rate
from marketprism_application.trading.markets import Evidence, Market
from marketprism_application.trading.number_checks import shown, shown_or_none
from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.chinese_futures import MarginRate, futures_margin
from marketprism_domain.trading.margin_tiers import MarginTiers
from marketprism_domain.trading.margins import initial_margin
from marketprism_domain.trading.order_rules import round_price, round_quantity
from marketprism_domain.trading.sizing import max_quantity, position_size, stop_and_take


def size(asked: SizeOf, market: Market, priced: Priced, evidence: Evidence) -> Size:
    """The quantity, down to the step.

    Raises:
        OrderError: neither risk nor budget, no stop beside risk, one on the wrong side, or less than a step.
    """
    if market.option is not None:
        raise OrderError("symbol", "a contract that is no option", asked.symbol)
    terms, sign = market.terms, asked.side.sign
    price = round_price(priced.price, asked.side, market.order_rules.tick)
    if price <= 0:
        raise OrderError("price", f"at least a tick, {market.order_rules.tick}", priced.price, code=Code.ORDER_REFUSED)
    stop = asked.stop if asked.stop is not None else stop_and_take(sign, price, stop_share=asked.stop_share).stop
    found: dict[str, Decimal] = {}
    if asked.risk is not None:
        if stop is None or stop <= 0:
            raise OrderError("stop", "a stop above 0 or a stop_share beside risk", "none" if stop is None else stop)
        try:
            found["risk"] = position_size(terms, sign, asked.risk, price, stop, taker_rate(market))
        except InvalidValue as error:
            raise OrderError(error.field, error.expected, error.was) from error
    if asked.budget is not None:
        found["budget"] = _of_budget(asked, market, asked.budget, price)
    if not found:
        raise OrderError("risk", "risk, budget or both", "none")
    limited_by = min(found, key=lambda name: found[name])
    quantity = round_quantity(found[limited_by], market.order_rules.step)
    most = market.order_rules.max_quantity
    if most is not None and quantity > most:
        quantity, limited_by = most, "max_quantity"
    if quantity <= 0:
        expected = f"enough {limited_by} for a step of {market.order_rules.step}"
        raise OrderError(limited_by, expected, getattr(asked, limited_by), code=Code.ORDER_REFUSED)
    return Size(
        venue=market.venue,
        symbol=market.symbol,
        side=asked.side.value,
        currency=terms.settle,
        price=shown(price),
        price_from=priced.origin,
        quantity=shown(quantity),
        limited_by=limited_by,
        notional=shown(terms.value(quantity, price)),
        initial_margin=shown_or_none(_margin(asked, market, quantity, price)),
        loss=None if stop is None or stop <= 0 else shown(-terms.pnl(sign, quantity, price, stop)),
        sources=evidence.sources,
        stale_table=evidence.stale,
        not_known=evidence.not_known,
    )


def _of_budget(asked: SizeOf, market: Market, budget: Decimal, price: Decimal) -> Decimal:
    margins, terms = market.margins, market.terms
    if isinstance(margins, MarginRate):
        fee = ZERO if market.fees is None else max(market.fees.taker.open.fee(terms, ONE, price), ZERO)
        needed = futures_margin(terms, margins, ONE, price) + fee
        if needed <= 0:
            raise OrderError("margin_rate", "more than 0 beside a budget", margins.by_money)
        return budget / needed
    leverage = asked.leverage if asked.leverage is not None else ONE
    if isinstance(margins, MarginTiers):
        return _within_tiers(margins, market, budget, price, leverage)
    return max_quantity(terms, budget, price, leverage, taker_rate(market))


def _within_tiers(tiers: MarginTiers, market: Market, budget: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """What a budget buys with the leverage, or with less where the tier of so much allows no more."""
    best = ZERO
    for tier in tiers.tiers:
        used = leverage if tier.max_leverage is None else min(leverage, tier.max_leverage)
        found = max_quantity(market.terms, budget, price, used, taker_rate(market))
        if tier.cap is not None:
            one = tiers.amount(ONE, market.terms.value(ONE, price))
            found = min(found, tier.cap / one)
        best = max(best, found)
    return best


def _margin(asked: SizeOf, market: Market, quantity: Decimal, price: Decimal) -> Decimal | None:
    margins, terms = market.margins, market.terms
    if isinstance(margins, MarginRate):
        return futures_margin(terms, margins, quantity, price)
    leverage = asked.leverage if asked.leverage is not None else ONE
    if isinstance(margins, MarginTiers):
        most = margins.tier_of(margins.amount(quantity, terms.value(quantity, price))).max_leverage
        leverage = leverage if most is None else min(leverage, most)
    elif isinstance(margins, GrowingRates) and asked.leverage is None:
        return growing_margin(market, margins, quantity, price, initial=True)
    return initial_margin(terms, quantity, price, leverage)
