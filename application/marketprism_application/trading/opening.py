"""What opening a quantity needs: margin by the market's rule, the cost of the order, and the highest leverage."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.orders import CalculateOrder
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import GrowingRates, LiquidationRule
from marketprism_application.trading.liquidations import growing_margin
from marketprism_application.trading.markets import Evidence, Market
from marketprism_application.trading.number_checks import shown
from marketprism_application.trading.options import Opening, option_opening
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.chinese_futures import MarginRate, futures_margin
from marketprism_domain.trading.margin_tiers import MarginTiers
from marketprism_domain.trading.margins import OrderCost, order_cost
from marketprism_domain.trading.sides import Offset


def opening_of(
    asked: CalculateOrder,
    market: Market,
    quantity: Decimal,
    price: Decimal,
    held: Decimal,
    evidence: Evidence,
) -> Opening:
    """What the order needs. `held` is the quantity of its side that is there already, for the tier.

    Raises:
        OrderError: LEVERAGE_TOO_HIGH with the tier, or a leverage where there is none.
    """
    margins, terms = market.margins, market.terms
    if market.option is not None:
        return option_opening(asked, market, market.option, quantity, price, evidence)
    if market.rules.liquidation is LiquidationRule.NONE:
        _refuse_leverage(asked, market)
        return Opening(None, OrderCost(terms.value(quantity, price), ZERO, price))
    if asked.offset not in (Offset.OPEN, Offset.AUTO):
        return Opening(None, OrderCost(ZERO, ZERO, price))
    if isinstance(margins, MarginRate) or market.rules.liquidation is LiquidationRule.RISK_RATIO:
        _refuse_leverage(asked, market)
        if not isinstance(margins, MarginRate):
            return Opening(None, None)
        counted = asked.settlement if asked.settlement is not None else price
        margin = futures_margin(terms, margins, quantity, counted)
        return Opening(None, OrderCost(margin, ZERO, counted), margin)
    if isinstance(margins, GrowingRates):
        least = growing_margin(market, margins, quantity, price, initial=True)
        if asked.leverage is None:
            return Opening(None, OrderCost(least, ZERO, price))
        value = terms.value(quantity, price)
        if value / asked.leverage < least:
            most = shown((value / least).quantize(Decimal("0.01")))
            expected = f"at most {most}, initial margin grows with the size"
            raise OrderError("leverage", expected, asked.leverage, code=Code.LEVERAGE_TOO_HIGH)
    leverage = asked.leverage if asked.leverage is not None else ONE
    if isinstance(margins, MarginTiers):
        _check_leverage(margins, market, held + quantity, price, leverage)
    cost = order_cost(
        market.rules.cost, terms, asked.side.sign, quantity, price, leverage, mark=asked.mark, last=asked.last
    )
    return Opening(leverage, cost)


def _check_leverage(tiers: MarginTiers, market: Market, quantity: Decimal, price: Decimal, leverage: Decimal) -> None:
    amount = tiers.amount(quantity, market.terms.value(quantity, price))
    tier = tiers.tier_of(amount)
    if tier.max_leverage is not None and leverage > tier.max_leverage:
        most, floor = shown(tier.max_leverage), shown(tier.floor)
        if tier.cap is None:
            expected = f"at most {most} in tier {tier.number}, which begins at {floor}"
        else:
            expected = f"at most {most} in tier {tier.number}, of {floor} to {shown(tier.cap)}"
        raise OrderError("leverage", expected, shown(leverage), code=Code.LEVERAGE_TOO_HIGH)


def _refuse_leverage(asked: CalculateOrder, market: Market) -> None:
    if asked.leverage is not None and asked.leverage != 1:
        raise OrderError("leverage", f"none or 1 at this market of {market.venue}", asked.leverage)
