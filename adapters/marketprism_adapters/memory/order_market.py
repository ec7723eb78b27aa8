"""OrderMarket of what is given: for calculations without a platform, and for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from marketprism_application.ports.order_market import NewestPrices
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class KnownOrderMarket:
    """Prices by (venue, symbol), and terms; nothing without them."""

    def __init__(
        self,
        prices: Mapping[tuple[str, str], NewestPrices] | None = None,
        terms: Iterable[InstrumentRecord] = (),
    ) -> None:
        self._prices = dict(prices or {})
        self._terms = {(each.venue, each.symbol): each for each in terms}

    async def newest(self, venue: str, symbol: str) -> NewestPrices | None:
        """The prices that were given."""
        return self._prices.get((venue, symbol))

    async def listed(self, venue: str, symbol: str) -> InstrumentRecord | None:
        """The terms that were given."""
        return self._terms.get((venue, symbol))
