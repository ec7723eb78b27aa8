"""Books, trades and rates that a recording of a venue holds beside its ticks, as a run takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

from marketprism_application.backtesting.columns import FundingRow
from marketprism_application.backtesting.paid_rates import PaidRates
from marketprism_application.contracts.venue_messages import (
    FundingRateMessage,
    MarkPriceMessage,
    Message,
    OrderBookMessage,
    TradeMessage,
    record_of,
)
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_domain.marketdata.trade import Trade

Key = tuple[str, str]


class RecordedBooks:
    """What was recorded of each instrument, by venue and symbol."""

    def __init__(self) -> None:
        self.books: dict[Key, list[OrderBook]] = {}
        self.trades: dict[Key, list[Trade]] = {}
        self.marks: dict[Key, list[tuple[int, Decimal]]] = {}
        self._rates: dict[Key, PaidRates] = {}

    async def passing(self, batches: AsyncIterator[SourceBatch]) -> AsyncIterator[SourceBatch]:
        """The batches of a source, which are looked at on the way."""
        async for batch in batches:
            for message in batch.messages:
                self.keep(message)
            yield batch

    def keep(self, message: Message) -> None:
        """Keep a message where it is a book's, a trade or a funding rate."""
        key = message.venue, message.symbol
        if isinstance(message, TradeMessage):
            self.trades.setdefault(key, []).append(record_of(message))
        elif isinstance(message, OrderBookMessage):
            self.books.setdefault(key, []).append(record_of(message))
        elif isinstance(message, MarkPriceMessage):
            self.marks.setdefault(key, []).append((message.ts_event, Decimal(message.mark_price)))
        elif isinstance(message, FundingRateMessage):
            self._rates.setdefault(key, PaidRates()).see(record_of(message))

    def funding(self, key: Key) -> tuple[FundingRow, ...]:
        """Settlements of funding whose rate was recorded, in order of time."""
        rates = self._rates.get(key)
        return () if rates is None else rates.rows()


__all__ = ["RecordedBooks"]
