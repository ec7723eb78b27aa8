"""The grid of an instrument's numbers: what a whole unit of price and a step of quantity are in decimals."""

from __future__ import annotations

from decimal import Decimal

_MOST_PRICES = 50_000


class PriceGrid:
    """Venue and symbol of an instrument, and its prices and quantities in decimals."""

    __slots__ = ("_prices", "_quantities", "step", "symbol", "unit", "venue")

    def __init__(self, venue: str, symbol: str, unit: Decimal, step: Decimal) -> None:
        self.venue, self.symbol, self.unit, self.step = venue, symbol, unit, step
        self._prices: dict[int | Decimal, Decimal] = {}
        self._quantities: dict[int, Decimal] = {}

    def price(self, ticks: int | Decimal) -> Decimal:
        """A price in decimals."""
        found = self._prices.get(ticks)
        if found is None:
            if len(self._prices) > _MOST_PRICES:
                self._prices.clear()
            found = self._prices[ticks] = (ticks * self.unit).normalize() + 0
        return found

    def quantity(self, steps: int) -> Decimal:
        """A quantity in decimals."""
        found = self._quantities.get(steps)
        if found is None:
            if len(self._quantities) > _MOST_PRICES:
                self._quantities.clear()
            found = self._quantities[steps] = steps * self.step
        return found
