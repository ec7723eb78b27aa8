"""The account: the only place where money changes. Exact decimals; what fills cost by the functions of trading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.chinese_futures import ClosingParts, MarginRate, closing_parts, futures_margin
from marketprism_domain.trading.fees import FeeRule
from marketprism_domain.trading.margin_tiers import MarginTiers
from marketprism_domain.trading.margins import initial_margin
from marketprism_domain.trading.sides import Offset

if TYPE_CHECKING:
    from marketprism_application.backtesting.market import Market


class Lot(NamedTuple):
    """Quantity of a position that was opened together: signed steps, price in units, trading day."""

    steps: int
    price: int
    day: int
    ts: int
    base: int  # what margin is counted at: the opening price, from the next day on the settlement


@dataclass
class Position:
    """A position of one instrument, in lots by age."""

    market: Market
    lots: list[Lot] = field(default_factory=list)
    paid: int = 0  # signed steps x price of the lots: what the position is worth at its opening
    margin: Decimal = ZERO

    @property
    def steps(self) -> int:
        """Signed steps that are held."""
        return self.market.held

    def open_profit(self, mark: int) -> Decimal:
        """Profit of what is held, at a mark in units."""
        market = self.market
        if market.instrument.terms.inverse:
            terms = market.instrument.terms
            return sum(
                (
                    terms.pnl(
                        1 if lot.steps > 0 else -1,
                        market.quantity(abs(lot.steps)),
                        market.price(lot.price),
                        market.price(mark),
                    )
                    for lot in self.lots
                ),
                ZERO,
            )
        return (market.held * mark - self.paid) * market.value

    def settle(self, mark: int) -> None:
        """A trading day has ended: from now on margin is counted at its settlement."""
        self.lots = [lot._replace(base=mark) for lot in self.lots]
        self.count_margin()

    def count_margin(self) -> None:
        """Count the margin of the lots again, which have changed."""
        lots, market = self.lots, self.market
        if len(lots) == 1:
            self.margin = margin_at(market, abs(lots[0].steps), lots[0].base)
        else:
            self.margin = sum((margin_at(market, abs(lot.steps), lot.base) for lot in lots), ZERO)


class Applied(NamedTuple):
    """What a fill did to the account: its fee, the profit that it realised, steps that closed."""

    fee: Decimal
    profit: Decimal
    closed: int


class Account:
    """Cash and positions of a run, in one currency of settlement each."""

    def __init__(self, capital: Decimal, currency: str) -> None:
        self.cash: dict[str, Decimal] = {currency: capital}
        self.currency = currency
        self.positions: dict[int, Position] = {}  # by the rank of the instrument
        self.fees = self.realised = self.funding = ZERO

    def position(self, market: Market) -> Position:
        """The position of an instrument, made where there is none."""
        found = self.positions.get(market.rank)
        if found is None:
            found = self.positions[market.rank] = Position(market)
        return found

    def apply(self, market: Market, sign: int, steps: int, price: int | Decimal, ts: int, *, rule: FeeRule) -> Applied:
        """Book a fill: what it closes first (lots of which day by the exchange's rule), the rest opens."""
        position = self.position(market)
        held = market.held
        closing = min(steps, abs(held)) if held * sign < 0 else 0
        fee, profit = ZERO, ZERO
        terms, money = market.instrument.terms, market.price(price)
        if closing and len(position.lots) == 1:  # all of one day: nothing is left to choose
            (lot,) = position.lots
            rate = rule.close_today if lot.day == market.day else rule.close
            fee = rate.fee(terms, market.quantity(closing), money)
            profit = self._close_one(position, lot, closing, price)
        elif closing:
            parts = self._parts(position, closing)
            for offset, part in ((Offset.CLOSE_TODAY, parts.today), (Offset.CLOSE, parts.yesterday)):
                if part:
                    fee += rule.rate(offset).fee(terms, part * market.step, money)
            profit = self._close(position, int(parts.today), int(parts.yesterday), price)
        opening = steps - closing
        if opening:
            fee += rule.open.fee(terms, market.quantity(opening), money)
            at = int(price)
            position.lots.append(Lot(sign * opening, at, market.day, ts, at))
            position.paid += sign * opening * at
        market.held = held + sign * steps
        position.count_margin()
        self._book(market, profit - fee)
        self.fees += fee
        self.realised += profit
        return Applied(fee, profit, closing)

    def pay(self, market: Market, amount: Decimal) -> None:
        """Book a payment of funding, below 0 where it is paid."""
        self._book(market, amount)
        self.funding += amount

    def equity(self, markets: Iterable[Market]) -> Decimal:
        """Cash and profit of what is held, at the last prices; of other currencies than the account's one is one."""
        total = sum(self.cash.values(), ZERO)
        for market in markets:
            if market.held and market.last != NO_PRICE:
                total += self.position(market).open_profit(market.last)
        return total

    def margin(self, markets: Iterable[Market]) -> Decimal:
        """Margin of what is held."""
        return sum((self.margin_of(market) for market in markets if market.held), ZERO)

    def margin_of(self, market: Market) -> Decimal:
        """Margin of one position: by the rates of a Chinese future, else its value through the leverage."""
        return self.position(market).margin

    def _book(self, market: Market, amount: Decimal) -> None:
        currency = market.instrument.terms.settle or self.currency
        self.cash[currency] = self.cash.get(currency, ZERO) + amount

    @staticmethod
    def _parts(position: Position, closing: int) -> ClosingParts:
        """Steps to close, of today and of days before, by the exchange's rule."""
        market, lots = position.market, position.lots
        held, instrument = abs(market.held), market.instrument
        if len(lots) == 1:  # all of one day: nothing is left to choose
            return (
                ClosingParts(Decimal(closing), ZERO)
                if lots[0].day == market.day
                else ClosingParts(ZERO, Decimal(closing))
            )
        today = sum(abs(lot.steps) for lot in lots if lot.day == market.day)
        sizes = (Decimal(closing), Decimal(today), Decimal(held - today))
        return closing_parts(Offset.AUTO, *sizes, apart=instrument.apart, today_first=instrument.today_first)

    @staticmethod
    def _close_one(position: Position, lot: Lot, closing: int, price: int | Decimal) -> Decimal:
        """Take steps away from the only lot; returns their profit."""
        market = position.market
        terms, signed = market.instrument.terms, closing if lot.steps > 0 else -closing
        position.paid -= signed * lot.price
        position.lots = [] if signed == lot.steps else [lot._replace(steps=lot.steps - signed)]
        if terms.inverse:
            sign = 1 if lot.steps > 0 else -1
            return ZERO + terms.pnl(sign, market.quantity(closing), market.price(lot.price), market.price(price))
        return signed * (price - lot.price) * market.value

    @staticmethod
    def _close(position: Position, today: int, yesterday: int, price: int | Decimal) -> Decimal:
        """Take lots away, the oldest first; returns their profit."""
        market = position.market
        terms, profit, rest, moved = market.instrument.terms, ZERO, [], ZERO
        left = {True: today, False: yesterday}
        for lot in position.lots:
            is_today = lot.day == market.day
            size = min(left[is_today], abs(lot.steps))
            if not size:
                rest.append(lot)
                continue
            left[is_today] -= size
            sign = 1 if lot.steps > 0 else -1
            if terms.inverse:
                profit += terms.pnl(sign, market.quantity(size), market.price(lot.price), market.price(price))
            moved += sign * size * (price - lot.price)
            position.paid -= sign * size * lot.price
            if abs(lot.steps) > size:
                rest.append(lot._replace(steps=lot.steps - sign * size))
        position.lots = rest
        return profit if terms.inverse else moved * market.value


def margin_at(market: Market, steps: int, price: int) -> Decimal:
    """Margin that a quantity needs at a price; 0 where the instrument's margin is not known."""
    instrument = market.instrument
    quantity, money = market.quantity(steps), market.price(price)
    if isinstance(instrument.margin, MarginRate):
        return futures_margin(instrument.terms, instrument.margin, quantity, money)
    if instrument.leverage is not None or isinstance(instrument.margin, MarginTiers):
        return initial_margin(instrument.terms, quantity, money, instrument.leverage or Decimal(1))
    return ZERO
