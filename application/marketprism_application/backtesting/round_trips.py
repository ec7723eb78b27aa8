"""Positions from their opening to their end, put together from fills: a flip ends one and begins the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.backtesting.excursions import Excursions, Stretch
from marketprism_application.backtesting.orders import Fill, RoundTrip
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms

Judge = Callable[[int, int], bool]


class Payment(NamedTuple):
    """Funding that the position of an instrument (its rank) paid at an instant, above 0 where it was received."""

    ts: int
    rank: int
    amount: Decimal


class Judges(NamedTuple):
    """What marks a position: `held_through(from, to)` a gap, `tainted` (of an order's decision), and its excursion."""

    held_through: Judge
    tainted: Callable[[int], bool]
    excursions: Excursions


@dataclass
class _Open:
    """A position that is still there."""

    sign: int
    ts: int
    tag: str
    order: int
    inverse: bool
    entered: Decimal = ZERO
    entry_value: Decimal = ZERO  # of all that was opened: quantity x price, of inverse contracts quantity / price
    left: Decimal = ZERO
    left_value: Decimal = ZERO  # the same of what is left
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO
    profit: Decimal = ZERO
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def entry(self) -> Decimal:
        """Average price of all that was opened: of inverse contracts the one that keeps its worth in the coin."""
        return self.entered / self.entry_value if self.inverse else self.entry_value / self.entered

    @property
    def entry_of_left(self) -> Decimal:
        """Average price at which what is left was opened."""
        if not self.left:
            return ZERO
        return self.left / self.left_value if self.inverse else self.left_value / self.left

    def note(self, ts: int) -> None:
        """From now on this is what is held."""
        self.stretches.append(Stretch(ts, self.left, self.entry_of_left, self.profit))


class RoundTrips:
    """Builds the round trips of one instrument from its fills and the funding that it paid."""

    def __init__(self, terms: ContractTerms, judges: Judges, payments: Sequence[Payment] = ()) -> None:
        self._terms, self._judges = terms, judges
        self._payments = list(payments)
        self.done: list[RoundTrip] = []
        self._now: _Open | None = None

    def add(self, fill: Fill) -> None:
        """One fill after another, in their order."""
        sign = 1 if fill.side == "buy" else -1
        left = fill.quantity
        now = self._now
        if now is not None and now.sign != sign:
            part = min(left, now.left)
            now.profit += self._terms.pnl(now.sign, part, now.entry_of_left, fill.price)
            now.left_value -= now.left_value * part / now.left
            now.exit_value += part * fill.price
            now.fees += fill.fee * part / fill.quantity
            now.left -= part
            left -= part
            now.note(fill.ts)
            if not now.left:
                price = now.exit_value / now.entered
                self.done.append(self._trip(now, fill.venue, fill.symbol, fill.ts, price, fill.order, now.profit))
                self._now = now = None
        if left:
            if now is None:
                now = self._now = _Open(sign, fill.ts, fill.tag, fill.order, self._terms.inverse)
            value = left / fill.price if self._terms.inverse else left * fill.price
            now.entered += left
            now.left += left
            now.entry_value += value
            now.left_value += value
            now.fees += fill.fee * left / fill.quantity
            now.note(fill.ts)

    def _trip(
        self, now: _Open, venue: str, symbol: str, ts: int, price: Decimal, order: int, profit: Decimal
    ) -> RoundTrip:
        paid = [each for each in self._payments if each.ts <= ts]
        self._payments = self._payments[len(paid) :]
        excursion = self._judges.excursions.of(now.sign, now.stretches, ts, profit)
        return RoundTrip(
            venue,
            symbol,
            now.sign,
            now.entered,
            now.ts,
            ts,
            now.entry,
            price,
            profit,
            now.fees,
            self._judges.held_through(now.ts, ts),
            self._judges.tainted(now.order) or self._judges.tainted(order),
            now.tag,
            sum((each.amount for each in paid), ZERO),
            excursion.adverse,
            excursion.favourable,
            (ts - now.ts) / 1e9,
        )

    def still_open(self, venue: str, symbol: str, mark: Decimal, ts: int) -> RoundTrip | None:
        """The position that is there at the end, marked at a price; None where there is none."""
        now = self._now
        if now is None:
            return None
        profit = now.profit + self._terms.pnl(now.sign, now.left, now.entry_of_left, mark)
        return self._trip(now, venue, symbol, ts, mark, now.order, profit)._replace(ts_exit=0)


def round_trips(
    fills: Sequence[Fill], terms: ContractTerms, judges: Judges, payments: Sequence[Payment] = ()
) -> RoundTrips:
    """The round trips of the fills of one instrument; `payments` in order of time."""
    trips = RoundTrips(terms, judges, payments)
    for fill in fills:
        trips.add(fill)
    return trips
