"""Bars of a simulated venue, made of its trades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketprism_adapters.venues.simulator.market import Print, Text


@dataclass
class SimulatedBar:
    """The bar that opened at `opened_ms`; `volume` and `cost` are of its trades."""

    opened_ms: int
    open: Text
    high: Text
    low: Text
    close: Text
    volume: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def take(self, made: Print) -> None:
        """One trade more."""
        price, quantity = Decimal(made.price), Decimal(made.quantity)
        self.high, self.low = max(self.high, made.price, key=Decimal), min(self.low, made.price, key=Decimal)
        self.close = made.price
        self.volume += quantity
        self.cost += price * quantity


class SimulatedBars:
    """The bars that run, by instrument and by the venue's name of their length; `lengths_ms` has the lengths.

    A bar without a trade has the price that the one before it closed at.
    """

    def __init__(self, lengths_ms: Mapping[str, int]) -> None:
        self._lengths_ms = lengths_ms
        self._running: dict[tuple[str, str], SimulatedBar] = {}
        self._closed: dict[tuple[str, str], SimulatedBar] = {}

    def on_trade(self, native: str, made: Print) -> None:
        """A trade goes into every bar of its instrument."""
        for name in self._lengths_ms:
            self._at(native, name, made.ts_ms, made.price).take(made)

    def pushed(self, native: str, ts_ms: int, price: Text) -> Iterator[tuple[str, SimulatedBar, bool]]:
        """(name, bar, whether it has closed) as they are to be sent now; `price` is what a first bar begins with."""
        for name in self._lengths_ms:
            running = self._at(native, name, ts_ms, price)
            closed = self._closed.pop((native, name), None)
            if closed is not None:
                yield name, closed, True
            yield name, running, False

    def _at(self, native: str, name: str, ts_ms: int, price: Text) -> SimulatedBar:
        """The bar of that moment."""
        opened_ms = ts_ms - ts_ms % self._lengths_ms[name]
        running = self._running.get((native, name))
        if running is None or running.opened_ms < opened_ms:
            if running is not None:
                self._closed[native, name] = running
                price = running.close
            running = self._running[native, name] = SimulatedBar(opened_ms, price, price, price, price)
        return running
