"""Profit of a position at a price: of contracts, of Chinese futures by day, with fees and funding."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.contracts.orders import Profit, ProfitOf
from marketprism_application.errors import OrderError
from marketprism_application.trading.calculation import Priced
from marketprism_application.trading.markets import Evidence, Market
from marketprism_application.trading.number_checks import shown, shown_or_none
from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.chinese_futures import closing_parts, daily_profit
from marketprism_domain.trading.fees import FeeRule, break_even
from marketprism_domain.trading.margins import funding_payment, is_charged
from marketprism_domain.trading.sides import Offset


def profit(asked: ProfitOf, market: Market, priced: Priced, evidence: Evidence) -> Profit:
    """Profit before and after fees. With `settlement` (the one before) lots that are not of `today` are counted from
    it, as a day's account is.

    Raises:
        OrderError: the quantity is none, or has fewer lots than are of today.
    """
    terms, sign = market.terms, asked.side.sign
    if asked.quantity <= 0:
        raise OrderError("quantity", "more than 0", asked.quantity)
    price, today = priced.price, asked.today if asked.today is not None else asked.quantity
    if today > asked.quantity:
        raise OrderError("today", f"at most {asked.quantity}", today)
    before = asked.quantity - today
    gained = daily_profit(terms, sign, today, asked.entry, price) if today else ZERO
    if before:
        base = asked.settlement if asked.settlement is not None else asked.entry
        gained += daily_profit(terms, sign, before, base, price)
    found = Profit(
        venue=market.venue,
        symbol=market.symbol,
        side=asked.side.value,
        currency=terms.settle,
        price=shown(price),
        price_from=priced.origin,
        pnl=shown(gained),
    )
    if market.fees is not None:
        rule = market.fees.taker
        paid = _fees(rule, market, asked, price, today, before)
        found.fees, found.after_fees = shown(paid), shown(gained - paid)
        even = break_even(terms, sign, asked.quantity, asked.entry, rule.open, rule.close)
        found.break_even = shown_or_none(even)
    if asked.leverage is not None:
        found.on_margin = shown(gained / (terms.value(asked.quantity, asked.entry) / asked.leverage))
    if asked.funding_rate is not None:
        charged = not asked.settles_at or is_charged(asked.opened_at, asked.settles_at, market.rules.funding_cutoff_s)
        paid = funding_payment(terms, sign, asked.quantity, price, asked.funding_rate) if charged else ZERO
        found.funding = shown(paid)
    found.sources, found.stale_table, found.not_known = evidence.sources, evidence.stale, evidence.not_known
    return found


def _fees(rule: FeeRule, market: Market, asked: ProfitOf, price: Decimal, today: Decimal, before: Decimal) -> Decimal:
    """Of opening and of closing, each lot by its own day's rate as the exchange takes them."""
    rules, terms = market.rules, market.terms
    paid = rule.open.fee(terms, asked.quantity, asked.entry)
    try:
        parts = closing_parts(
            Offset.AUTO, asked.quantity, today, before, apart=rules.apart, today_first=rules.today_first
        )
    except InvalidValue as error:
        raise OrderError(error.field, error.expected, error.was) from error
    paid += rule.close_today.fee(terms, parts.today, price) if parts.today else ZERO
    return paid + (rule.close.fee(terms, parts.yesterday, price) if parts.yesterday else ZERO)
