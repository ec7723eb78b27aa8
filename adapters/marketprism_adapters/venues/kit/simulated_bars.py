"""Bars of a simulated venue, made of its trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from marketprism_adapters.venues.kit.simulated_market import SimulatedTrade, Text

_NONE = Decimal(0)
Span = Callable[[int], tuple[int, int]]  # of a moment, the bar: when it opens, and when the next one does
Cost = Callable[[SimulatedTrade], Decimal]


@dataclass
class SimulatedBar:
    """The bar from `opened_ms` until `ends_ms`. One without a trade has the price that the one before it closed at.

    `first` and `last` are ids of its trades, `count` how many there are; `bought` and `bought_for` are of takers.
    """

    opened_ms: int
    ends_ms: int
    open: Text
    high: Text
    low: Text
    close: Text
    first: int = -1
    last: int = -1
    count: int = 0
    volume: Decimal = _NONE
    cost: Decimal = _NONE
    bought: Decimal = _NONE
    bought_for: Decimal = _NONE

    def take(self, made: SimulatedTrade, cost: Decimal) -> None:
        """Add one trade to the running bar."""
        quantity = Decimal(made.quantity)
        if not self.count:
            self.open = self.high = self.low = made.price
            self.first = made.trade_id
        self.high, self.low = max(self.high, made.price, key=Decimal), min(self.low, made.price, key=Decimal)
        self.close, self.last = made.price, made.trade_id
        self.count += 1
        self.volume += quantity
        self.cost += cost
        if not made.sell:
            self.bought += quantity
            self.bought_for += cost


class BarSeries:
    """The bars of one instrument and length, one after the other, from the one of `ts_ms` on."""

    def __init__(self, span: Span, ts_ms: int, price: Text, cost: Cost) -> None:
        self._span = span
        self._cost = cost
        self._ended: list[SimulatedBar] = []
        self.running = self._new(ts_ms, price)

    def _new(self, ts_ms: int, price: Text) -> SimulatedBar:
        return SimulatedBar(*self._span(ts_ms), price, price, price, price)

    def _roll(self, ts_ms: int) -> None:
        if ts_ms >= self.running.ends_ms:
            self._ended.append(self.running)
            self.running = self._new(ts_ms, self.running.close)

    def take(self, made: SimulatedTrade) -> None:
        """Add one trade to the running bar."""
        self._roll(made.ts_ms)
        self.running.take(made, self._cost(made))

    def ended(self, ts_ms: int) -> list[SimulatedBar]:
        """Those that have ended by then and were not asked for yet."""
        self._roll(ts_ms)
        found, self._ended = self._ended, []
        return found


class SimulatedBars:
    """Bars of every instrument, by the venue's name of their length; `lengths_ms` has the lengths."""

    def __init__(self, lengths_ms: Mapping[str, int]) -> None:
        self._spans: dict[str, Span] = {name: partial(_of_length, length) for name, length in lengths_ms.items()}
        self._series: dict[tuple[str, str], BarSeries] = {}

    def on_trade(self, native: str, made: SimulatedTrade) -> None:
        """A trade goes into every bar of its instrument."""
        for name in self._spans:
            self._of(native, name, made.ts_ms, made.price).take(made)

    def pushed(self, native: str, ts_ms: int, price: Text) -> Iterator[tuple[str, SimulatedBar, bool]]:
        """(name, bar, whether it has closed) as they are to be sent now; `price` is what a first bar begins with."""
        for name in self._spans:
            series = self._of(native, name, ts_ms, price)
            for closed in series.ended(ts_ms):
                yield name, closed, True
            yield name, series.running, False

    def _of(self, native: str, name: str, ts_ms: int, price: Text) -> BarSeries:
        found = self._series.get((native, name))
        if found is None:
            found = self._series[native, name] = BarSeries(self._spans[name], ts_ms, price, _cost)
        return found


def _of_length(length_ms: int, ts_ms: int) -> tuple[int, int]:
    opened_ms = ts_ms - ts_ms % length_ms
    return opened_ms, opened_ms + length_ms


def _cost(made: SimulatedTrade) -> Decimal:
    return Decimal(made.price) * Decimal(made.quantity)
