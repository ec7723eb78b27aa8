"""What the platform knows of an instrument that an order is for: its newest prices and its terms."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class NewestPrices(NamedTuple):
    """The last price and the mark, each None where there is none; `ts_event` of the last, nanoseconds UTC."""

    last: Decimal | None
    mark: Decimal | None
    ts_event: int


class OrderMarket(Protocol):
    """Asked for what a request does not give. Neither raises: what cannot be had now is None."""

    async def newest(self, venue: str, symbol: str) -> NewestPrices | None:
        """The newest prices of an instrument at a venue."""
        ...

    async def listed(self, venue: str, symbol: str) -> InstrumentRecord | None:
        """Its terms as the venue lists them."""
        ...
