"""Margin of who sells an option, and what a buyer pays, by the rule of its market."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_application.contracts.orders import CalculateOrder
from marketprism_application.ports.trading_tables import OptionModel
from marketprism_application.trading.markets import Evidence, Market
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.margins import OrderCost
from marketprism_domain.trading.option_sellers import (
    OptionMargin,
    OptionTerms,
    coin_option_margin,
    commodity_option_margin,
    fund_option_margin,
    index_option_margin,
)
from marketprism_domain.trading.sides import Offset, Side


class Opening(NamedTuple):
    """Margin and cost of an order; None for what is not known. `leverage` is None where none is chosen."""

    leverage: Decimal | None
    cost: OrderCost | None
    maintenance: Decimal | None = None


def option_margin(
    market: Market, option: OptionTerms, premium: Decimal, underlying: Decimal, evidence: Evidence
) -> OptionMargin | None:
    """Of one lot, or of one coin. `premium` is the price that the rule counts by: the settlement before where given.
    None where a rate is not known."""
    model, rates, margins = market.rules.option_model, market.rules.option_rates, market.margins
    if model is OptionModel.COIN:
        return coin_option_margin(option, premium, underlying, rates.of_coin)
    if model is OptionModel.FUND:
        both = fund_option_margin(option, premium, underlying, rates.of_fund)
    elif model is OptionModel.INDEX and rates.of_index is not None:
        both = index_option_margin(option, premium, underlying, rates.of_index)
    elif model is OptionModel.COMMODITY and isinstance(margins, MarginRate):
        both = commodity_option_margin(option, premium, underlying, margins.by_money)
    else:
        evidence.miss("initial_margin: the rate of the underlying's margin is not known; give margin_rate")
        return None
    return OptionMargin(both, both)


def option_opening(
    asked: CalculateOrder, market: Market, option: OptionTerms, quantity: Decimal, price: Decimal, evidence: Evidence
) -> Opening:
    """A buyer pays the premium; a seller has margin, for which `underlying` must be known."""
    if asked.offset not in (Offset.OPEN, Offset.AUTO):
        return Opening(None, OrderCost(ZERO, ZERO, price))
    if asked.side is Side.BUY:
        return Opening(None, OrderCost(market.terms.value(quantity, price), ZERO, price))
    if asked.underlying is None:
        evidence.miss("initial_margin: a seller's needs the price of the underlying; give underlying")
        return Opening(None, None)
    premium = asked.settlement if asked.settlement is not None else price
    found = option_margin(market, option, premium, asked.underlying, evidence)
    if found is None:
        return Opening(None, None)
    return Opening(None, OrderCost(found.initial * quantity, ZERO, price), found.maintenance * quantity)
