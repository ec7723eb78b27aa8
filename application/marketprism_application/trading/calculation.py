"""An order calculated: rounded, checked against the rules of its market, with margin, cost, fees and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.orders import (
    Amount,
    CalculateOrder,
    Calculation,
    CostShown,
    ExitShown,
    FeesShown,
    GivenPosition,
    ProfitShown,
    ViolationShown,
)
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import LiquidationRule
from marketprism_application.trading.liquidations import (
    Outcome,
    isolated_outcome,
    maintenance,
    outcome,
    taker_rate,
)
from marketprism_application.trading.markets import Evidence, Market
from marketprism_application.trading.number_checks import check_position, money, shown, shown_or_none, shown_tier
from marketprism_application.trading.opening import opening_of
from marketprism_application.trading.options import Opening
from marketprism_application.trading.positions import Held, after_order, total
from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.chinese_futures import risk_ratio
from marketprism_domain.trading.fees import FeeRule, break_even
from marketprism_domain.trading.liquidation import Leg
from marketprism_domain.trading.margins import funding_payment
from marketprism_domain.trading.order_rules import Violation, check_order, round_price, round_quantity
from marketprism_domain.trading.price_limits import PriceLimits, price_limits
from marketprism_domain.trading.sides import MarginMode, Offset, OrderType, PositionMode, Side
from marketprism_domain.trading.sizing import Exits, entry_away, max_quantity, position_size, stop_and_take

_OFF_STEP = frozenset({"OFF_TICK", "OFF_STEP"})


class Priced(NamedTuple):
    """The price of an order and where it is from."""

    price: Decimal
    origin: str


def calculate(
    asked: CalculateOrder, market: Market, priced: Priced, others: Mapping[str, Market], evidence: Evidence
) -> Calculation:
    """The order as it would be sent. `others` are the markets of the positions' symbols; `asked` has the newest mark
    and last price in it where the request gave none.

    Raises:
        OrderError: what is asked for cannot be, or with `strict` an order that breaks a rule.
    """
    for number, position in enumerate(asked.positions):
        check_position(position, f"positions[{number}]")
    terms, rules = market.terms, market.order_rules
    wanted = priced.price if asked.entry_share is None else entry_away(asked.side.sign, priced.price, asked.entry_share)
    price = wanted if asked.strict else round_price(wanted, asked.side, rules.tick)
    if price <= 0:
        raise OrderError("price", f"at least a tick, {rules.tick}", shown(wanted), code=Code.ORDER_REFUSED)
    exits = _exits(asked, price)
    amount = _quantity(asked, market, price, exits)
    quantity = amount if asked.strict and asked.quantity is not None else round_quantity(amount, rules.step)
    if quantity <= 0:
        raise OrderError("quantity", f"at least a step, {rules.step}", shown(amount), code=Code.ORDER_REFUSED)
    limits = _limits(asked, market)
    violations = check_order(rules, terms, price, quantity, mark=asked.mark, limits=limits)
    if asked.strict and violations:
        raise _refusal(violations[0])
    opening = opening_of(asked, market, quantity, price, _held_quantity(asked), evidence)
    ended = _end(asked, market, quantity, price, opening, others, evidence)
    leg = Leg(asked.side.sign, quantity, price)
    found = Calculation(
        venue=market.venue,
        symbol=market.symbol,
        side=asked.side.value,
        type=asked.type.value,
        currency=terms.settle,
        price=shown(price),
        price_from=priced.origin,
        quantity=shown(quantity),
        rounded=[
            *(["price"] if price != wanted else []),
            *(["quantity"] if quantity != amount and asked.quantity is not None else []),
        ],
        violations=[ViolationShown(*each) for each in violations],
        notional=_notional(market, quantity, price),
        leverage=shown_or_none(opening.leverage),
        liquidation_price=shown_or_none(ended.price),
        bankruptcy_price=shown_or_none(ended.bankruptcy),
        limits=None if limits is None else [shown(each) for each in limits if each is not None],
    )
    if ended.tier is not None and market.tiers is not None:
        found.tier = shown_tier(ended.tier, market.tiers.unit)
    _add_margin(found, asked, market, leg, opening)
    _add_fees(found, asked, market, leg)
    _add_profits(found, asked, market, leg, exits, opening)
    found.sources, found.stale_table, found.not_known = evidence.sources, evidence.stale, evidence.not_known
    return found


def _notional(market: Market, quantity: Decimal, price: Decimal) -> Amount:
    return money(market.terms.value(quantity, price), market.terms.settle)


def _refusal(violation: Violation) -> OrderError:
    code = Code.OFF_TICK if violation.code in _OFF_STEP else Code.ORDER_REFUSED
    return OrderError(violation.field, violation.expected, violation.value, code=code)


def _exits(asked: CalculateOrder, price: Decimal) -> Exits:
    """Stop and take before rounding: prices where they are given, else by shares."""
    sign = asked.side.sign
    if asked.stop is not None and (price - asked.stop) * sign <= 0:
        raise OrderError("stop", f"a price {'below' if sign > 0 else 'above'} {price}", asked.stop)
    if asked.take is not None and (asked.take - price) * sign <= 0:
        raise OrderError("take", f"a price {'above' if sign > 0 else 'below'} {price}", asked.take)
    by_share = stop_and_take(
        sign,
        price,
        stop=asked.stop,
        stop_share=asked.stop_share,
        take_share=asked.take_share,
        reward_risk=asked.reward_risk,
    )
    take = asked.take if asked.take is not None else by_share.take
    # A short that takes more than all of the price has none.
    return Exits(by_share.stop, take if take is not None and take > 0 else None)


def _quantity(asked: CalculateOrder, market: Market, price: Decimal, exits: Exits) -> Decimal:
    ways = [name for name in ("quantity", "budget", "risk") if getattr(asked, name) is not None]
    if len(ways) != 1:
        raise OrderError("quantity", "one of quantity, budget and risk", " and ".join(ways) or "none")
    if asked.quantity is not None:
        return asked.quantity
    if asked.budget is not None:
        if market.rules.liquidation is LiquidationRule.RISK_RATIO or market.option is not None:
            raise OrderError("budget", "a quantity at a market whose margin is not by leverage", asked.budget)
        leverage = asked.leverage if asked.leverage is not None else ONE
        return max_quantity(market.terms, asked.budget, price, leverage, taker_rate(market))
    if exits.stop is None or asked.risk is None:
        raise OrderError("stop", "a stop or a stop_share beside risk", "none")
    try:
        return position_size(market.terms, asked.side.sign, asked.risk, price, exits.stop, taker_rate(market))
    except InvalidValue as error:
        raise OrderError(error.field, error.expected, error.was) from error


def _limits(asked: CalculateOrder, market: Market) -> PriceLimits | None:
    rounding, ratio, tick = market.rules.limit_rounding, market.limit_ratio, market.order_rules.tick
    if rounding is None or ratio is None or tick is None or asked.settlement is None or market.option is not None:
        return None
    return price_limits(asked.settlement, ratio, tick, rounding)


def _held_quantity(asked: CalculateOrder) -> Decimal:
    return total(p.quantity for p in asked.positions if p.symbol == asked.symbol and p.side is asked.side)


def _held(position: GivenPosition, market: Market) -> Held:
    leg = Leg(position.side.sign, position.quantity, position.entry)
    margin = position.margin
    if margin is None:
        margin = market.terms.value(position.quantity, position.entry) / (position.leverage or ONE)
    return Held(leg, margin)


def _end(
    asked: CalculateOrder,
    market: Market,
    quantity: Decimal,
    price: Decimal,
    opening: Opening,
    others: Mapping[str, Market],
    evidence: Evidence,
) -> Outcome:
    """Where the position ends that the order leads to."""
    if market.rules.liquidation is LiquidationRule.NONE or market.option is not None:
        return Outcome()
    if asked.offset not in (Offset.OPEN, Offset.AUTO) or market.margins is None or opening.cost is None:
        return Outcome()
    hedge = asked.position_mode is PositionMode.HEDGE
    of_symbol = [_held(each, market) for each in asked.positions if each.symbol == asked.symbol]
    margin = market.terms.value(quantity, price) / opening.leverage if opening.leverage else opening.cost.initial_margin
    order = Held(Leg(asked.side.sign, quantity, price), margin)
    own, other = after_order(market.terms, of_symbol, order, hedge=hedge)
    if own is None:
        return Outcome()
    if market.rules.liquidation is LiquidationRule.RISK_RATIO or asked.margin_mode is MarginMode.CROSS:
        if asked.wallet is None:
            evidence.miss("liquidation_price: all of an account stand for its positions; give wallet")
            return Outcome()
        wallet = asked.wallet + _of_others(asked, others, evidence)
        legs = [own.leg] if other is None else [own.leg, other.leg]
        return outcome(market, legs, wallet, evidence, asked.mark or price)
    leverage = opening.leverage if not of_symbol else None
    return isolated_outcome(market, own.leg, own.margin + asked.extra_margin, leverage, asked.extra_margin, evidence)


def _of_others(asked: CalculateOrder, others: Mapping[str, Market], evidence: Evidence) -> Decimal:
    """Profit of positions in other instruments less the margin that they need."""
    found = ZERO
    for position in asked.positions:
        if position.symbol == asked.symbol:
            continue
        market = others[position.symbol]
        leg, mark = Leg(position.side.sign, position.quantity, position.entry), position.mark or position.entry
        needed = maintenance(market, leg, mark)
        if needed is None:
            evidence.miss(f"maintenance margin of {position.symbol}: counted as 0")
        found += market.terms.pnl(leg.sign, leg.quantity, leg.entry, mark) - (needed or ZERO)
    return found


def _add_margin(found: Calculation, asked: CalculateOrder, market: Market, leg: Leg, opening: Opening) -> None:
    currency, cost = market.terms.settle, opening.cost
    needed = (
        opening.maintenance if opening.maintenance is not None else maintenance(market, leg, asked.mark or leg.entry)
    )
    if needed is not None and market.option is None and asked.offset in (Offset.OPEN, Offset.AUTO):
        found.maintenance_margin = money(needed, currency)
    elif opening.maintenance is not None:
        found.maintenance_margin = money(opening.maintenance, currency)
    if cost is not None:
        found.initial_margin = money(cost.initial_margin, currency)
        found.order_cost = CostShown(
            shown(cost.total), shown(cost.initial_margin), shown(cost.open_loss), shown(cost.price)
        )
        if market.rules.liquidation is LiquidationRule.RISK_RATIO and asked.wallet is not None:
            found.risk_ratio = shown_or_none(risk_ratio(cost.initial_margin, asked.wallet))


def _add_fees(found: Calculation, asked: CalculateOrder, market: Market, leg: Leg) -> None:
    if market.fees is None:
        return
    level, maker, taker = market.fees
    terms, opens = market.terms, asked.offset in (Offset.OPEN, Offset.AUTO)
    closing = Offset.CLOSE if opens else asked.offset

    def fee(rule: FeeRule, offset: Offset) -> str:
        return shown(rule.rate(offset).fee(terms, leg.quantity, leg.entry))

    opened = (fee(maker, Offset.OPEN), fee(taker, Offset.OPEN)) if opens else ("0", "0")
    found.fees = FeesShown(level, *opened, fee(maker, closing), fee(taker, closing))
    if opens:
        rule = taker if asked.type is OrderType.MARKET else maker
        found.break_even = shown_or_none(
            break_even(terms, leg.sign, leg.quantity, leg.entry, rule.open, taker.rate(closing))
        )


def _add_profits(
    found: Calculation, asked: CalculateOrder, market: Market, leg: Leg, exits: Exits, opening: Opening
) -> None:
    terms = market.terms
    margin = None if opening.cost is None or not opening.cost.initial_margin else opening.cost.initial_margin
    for price in asked.prices:
        gained = terms.pnl(leg.sign, leg.quantity, leg.entry, price)
        paid = None
        if market.fees is not None:
            rule = market.fees.taker
            paid = rule.open.fee(terms, leg.quantity, leg.entry) + rule.close.fee(terms, leg.quantity, price)
        found.pnl.append(
            ProfitShown(
                shown(price),
                shown(gained),
                None if paid is None else shown(gained - paid),
                None if margin is None else shown(gained / margin),
            )
        )
    # Towards safety as well: a long's stop is closer to its entry when rounded up, its take when rounded down.
    closing = Side.SELL if asked.side is Side.BUY else Side.BUY
    tick = market.order_rules.tick
    if exits.stop is not None:
        found.stop_loss = _exit(market, leg, round_price(exits.stop, closing, tick))
    if exits.take is not None:
        found.take_profit = _exit(market, leg, round_price(exits.take, asked.side, tick))
    if asked.funding_rate is not None:
        at = asked.mark if asked.mark is not None else leg.entry
        paid = funding_payment(terms, leg.sign, leg.quantity, at, asked.funding_rate)
        found.funding = money(paid, terms.settle)
        found.funding_cutoff_s = shown(market.rules.funding_cutoff_s)


def _exit(market: Market, leg: Leg, price: Decimal) -> ExitShown | None:
    if price <= 0:
        return None
    return ExitShown(shown(price), shown(market.terms.pnl(leg.sign, leg.quantity, leg.entry, price)))


def with_prices(asked: CalculateOrder, last: Decimal | None, mark: Decimal | None) -> CalculateOrder:
    """The request with the newest prices of the platform where it has none of its own."""
    if asked.last is None and asked.mark is None and (last is not None or mark is not None):
        return msgspec.structs.replace(asked, last=last, mark=mark)
    return asked
