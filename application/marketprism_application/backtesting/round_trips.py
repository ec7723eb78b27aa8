"""Positions from their opening to their end, put together from fills: a flip ends one and begins the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from marketprism_application.backtesting.orders import Fill, RoundTrip
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms

Judge = Callable[[int, int], bool]


@dataclass
class _Open:
    """A position that is still there. Profit is counted from its first price: what entered since then at another one
    is taken off, so that it does not matter which of its lots an exit closes."""

    sign: int
    first: Decimal
    ts: int
    tag: str
    order: int
    entered: Decimal = ZERO
    entry_value: Decimal = ZERO
    left: Decimal = ZERO
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO
    profit: Decimal = ZERO


class RoundTrips:
    """Builds the round trips of one instrument. `held_through(from, to)` and `tainted` (of an order's decision)
    mark them."""

    def __init__(self, terms: ContractTerms, held_through: Judge, tainted: Callable[[int], bool]) -> None:
        self._terms, self._held_through, self._tainted = terms, held_through, tainted
        self.done: list[RoundTrip] = []
        self._now: _Open | None = None

    def add(self, fill: Fill) -> None:
        """One fill after another, in their order."""
        sign = 1 if fill.side == "buy" else -1
        left = fill.quantity
        now = self._now
        if now is not None and now.sign != sign:
            part = min(left, now.left)
            now.profit += self._terms.pnl(now.sign, part, now.first, fill.price)
            now.exit_value += part * fill.price
            now.fees += fill.fee * part / fill.quantity
            now.left -= part
            left -= part
            if not now.left:
                self._end(now, fill)
                self._now = now = None
        if left:
            if now is None:
                now = self._now = _Open(sign, fill.price, fill.ts, fill.tag, fill.order)
            now.entered += left
            now.left += left
            now.entry_value += left * fill.price
            now.profit -= self._terms.pnl(now.sign, left, now.first, fill.price)
            now.fees += fill.fee * left / fill.quantity

    def _end(self, now: _Open, fill: Fill) -> None:
        self.done.append(self._trip(now, fill.venue, fill.symbol, fill.ts, now.exit_value / now.entered, fill.order))

    def _trip(self, now: _Open, venue: str, symbol: str, ts: int, price: Decimal, order: int) -> RoundTrip:
        return RoundTrip(
            venue,
            symbol,
            now.sign,
            now.entered,
            now.ts,
            ts,
            now.entry_value / now.entered,
            price,
            now.profit,
            now.fees,
            self._held_through(now.ts, ts),
            self._tainted(now.order) or self._tainted(order),
            now.tag,
        )

    def still_open(self, venue: str, symbol: str, mark: Decimal, ts: int) -> RoundTrip | None:
        """The position that is there at the end, marked at a price; None where there is none."""
        now = self._now
        if now is None:
            return None
        profit = now.profit + self._terms.pnl(now.sign, now.left, now.first, mark)
        trip = self._trip(now, venue, symbol, ts, mark, now.order)
        return trip._replace(profit=profit, ts_exit=0)


def round_trips(
    fills: Sequence[Fill], terms: ContractTerms, held_through: Judge, tainted: Callable[[int], bool]
) -> RoundTrips:
    """The round trips of the fills of one instrument."""
    trips = RoundTrips(terms, held_through, tainted)
    for fill in fills:
        trips.add(fill)
    return trips
