"""A whole account: its equity, what must be there, and where each position is liquidated."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.contracts.orders import Account, AccountLiquidation, GivenPosition, PositionShown
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import LiquidationRule
from marketprism_application.trading.liquidations import Outcome, isolated_outcome, maintenance, outcome, taker_rate
from marketprism_application.trading.markets import Evidence, Market
from marketprism_application.trading.number_checks import check_position, shown, shown_or_none, shown_tier
from marketprism_application.trading.positions import total
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import product_of
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.chinese_futures import larger_side, risk_ratio
from marketprism_domain.trading.liquidation import Leg, margin_ratio
from marketprism_domain.trading.money import Money
from marketprism_domain.trading.sides import MarginMode, PositionMode


class _Counted(NamedTuple):
    position: GivenPosition
    market: Market
    leg: Leg
    mark: Decimal
    profit: Decimal
    needed: Decimal | None


def account(asked: AccountLiquidation, markets: Mapping[str, Market], evidence: Evidence) -> Account:
    """The account as it stands at the marks.

    Raises:
        OrderError: no position, one that is none, an option, or positions of several currencies that share a wallet.
    """
    if not asked.positions:
        raise OrderError("positions", "one or more", "none")
    counted = [_counted(each, markets[each.symbol], number) for number, each in enumerate(asked.positions)]
    currency = _currency(asked, counted)
    for each in counted:
        if each.needed is None:
            evidence.miss(f"maintenance margin of {each.position.symbol}: counted as 0")
    _check_one_way(asked)
    cross = asked.margin_mode is MarginMode.CROSS
    margins = [each.needed or ZERO for each in counted]
    needed = _larger_sides(counted) if counted[0].market.rules.larger_side else total(margins)
    alone = ZERO if cross else total(_margin(each) for each in counted)
    equity = asked.wallet + alone + total(each.profit for each in counted)
    closing = total(
        each.market.terms.value(each.leg.quantity, each.mark) * taker_rate(each.market)
        for each in counted
        if each.market.rules.liquidation is LiquidationRule.WITH_FEE
    )
    shown_positions = []
    for number, each in enumerate(counted):
        ended = _cross_end(asked, counted, number, evidence) if cross else _isolated_end(each, evidence)
        shown_positions.append(_shown(each, ended))
    known = all(each.needed is not None for each in counted)
    return Account(
        venue=counted[0].market.venue,
        currency=currency,
        equity=shown(equity),
        maintenance_margin=shown(needed) if known else None,
        margin_ratio=shown_or_none(margin_ratio(equity, needed + closing)) if known else None,
        risk_ratio=shown_or_none(risk_ratio(needed, equity)) if known else None,
        positions=shown_positions,
        sources=evidence.sources,
        stale_table=evidence.stale,
        not_known=evidence.not_known,
    )


def _counted(position: GivenPosition, market: Market, number: int) -> _Counted:
    check_position(position, f"positions[{number}]")
    if market.option is not None or market.rules.liquidation is LiquidationRule.NONE:
        raise OrderError(f"positions[{number}].symbol", "a contract with margin that is no option", position.symbol)
    leg, mark = Leg(position.side.sign, position.quantity, position.entry), position.mark or position.entry
    profit = market.terms.pnl(leg.sign, leg.quantity, leg.entry, mark)
    return _Counted(position, market, leg, mark, profit, maintenance(market, leg, mark))


def _currency(asked: AccountLiquidation, counted: list[_Counted]) -> str:
    profit = Money(ZERO, counted[0].market.terms.settle)
    for number, each in enumerate(counted):
        try:
            profit = profit.plus(Money(each.profit, each.market.terms.settle))
        except InvalidValue as error:
            field = f"positions[{number}].symbol"
            raise OrderError(field, f"one that settles in {error.expected}", asked.positions[number].symbol) from error
    return profit.currency


def _check_one_way(asked: AccountLiquidation) -> None:
    if asked.position_mode is PositionMode.HEDGE:
        return
    seen: set[str] = set()
    for number, each in enumerate(asked.positions):
        if each.symbol in seen:
            expected = "one position of an instrument, or position_mode hedge"
            raise OrderError(f"positions[{number}].symbol", expected, each.symbol)
        seen.add(each.symbol)


def _margin(each: _Counted) -> Decimal:
    if each.position.margin is not None:
        return each.position.margin
    return each.market.terms.value(each.leg.quantity, each.leg.entry) / (each.position.leverage or ONE)


def _larger_sides(counted: list[_Counted]) -> Decimal:
    """Margin of products where only the larger side has any."""
    sides: dict[str, tuple[list[Decimal], list[Decimal]]] = {}
    for each in counted:
        longs, shorts = sides.setdefault(product_of(each.position.symbol), ([], []))
        (longs if each.leg.sign > 0 else shorts).append(each.needed or ZERO)
    return total(larger_side(*both) for both in sides.values())


def _isolated_end(each: _Counted, evidence: Evidence) -> Outcome:
    return isolated_outcome(each.market, each.leg, _margin(each), each.position.leverage, ZERO, evidence)


def _cross_end(asked: AccountLiquidation, counted: list[_Counted], number: int, evidence: Evidence) -> Outcome:
    """Of one position, and of the other side of the same instrument, while all others stand at their marks."""
    own = counted[number]
    wallet, legs = asked.wallet, [own.leg]
    for place, each in enumerate(counted):
        if place == number:
            continue
        if each.position.symbol == own.position.symbol:
            legs.append(each.leg)
        else:
            wallet += each.profit - (each.needed or ZERO)
    return outcome(own.market, legs, wallet, evidence, own.mark)


def _shown(each: _Counted, ended: Outcome) -> PositionShown:
    tiers = each.market.tiers
    return PositionShown(
        symbol=each.position.symbol,
        side=each.position.side.value,
        quantity=shown(each.leg.quantity),
        entry=shown(each.leg.entry),
        mark=shown(each.mark),
        pnl=shown(each.profit),
        maintenance_margin=shown_or_none(each.needed),
        liquidation_price=shown_or_none(ended.price),
        bankruptcy_price=shown_or_none(ended.bankruptcy),
        tier=None if ended.tier is None or tiers is None else shown_tier(ended.tier, tiers.unit),
    )
