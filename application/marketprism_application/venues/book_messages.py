"""What is said of a book: its steps, the whole of it, its top, its loss, as messages; amounts, not the venue's lots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.venue_messages import BookTopMessage, Message, OrderBookMessage, TextLevel
from marketprism_application.venues.protocol import Quote
from marketprism_domain.books.chain import BookChange
from marketprism_domain.books.levels import Level
from marketprism_domain.books.sync import BookSync
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, UPDATE

Scale = Callable[[str, str], str]  # (symbol, quantity as the venue wrote it) -> amount


class BookMessages:
    """Of the books of one source; `scale` is None where the venue's quantities are amounts."""

    def __init__(self, venue: str, source: str, scale: Scale | None, depth: int) -> None:
        self._venue = venue
        self._source = source
        self._scale = scale
        self._depth = depth

    def update(self, symbol: str, change: BookChange) -> Message:
        """The message of one step of a book."""
        bids, asks = change.bids, change.asks
        if self._scale is not None:
            bids, asks = self._levels(symbol, bids), self._levels(symbol, asks)
        return OrderBookMessage(
            1,
            self._venue,
            symbol,
            self._source,
            0,
            change.last_id,
            change.ts_event,
            change.ts_recv,
            0,
            UPDATE,
            True,
            change.first_id,
            change.prev_id,
            bids,
            asks,
        )

    def whole(self, symbol: str, sync: BookSync) -> Message:
        """Every level that is held, and how far they are known."""
        book = sync.book
        return OrderBookMessage(
            1,
            self._venue,
            symbol,
            self._source,
            0,
            book.last_id,
            sync.ts_event,
            sync.ts_recv,
            0,
            SNAPSHOT,
            True,
            book.last_id,
            None,
            self._levels(symbol, book.bids.top()),
            self._levels(symbol, book.asks.top()),
            book.bid_floor,
            book.ask_ceiling,
        )

    def top(self, symbol: str, sync: BookSync) -> Message:
        """The message of the best levels, as many as are published."""
        bids, asks = sync.book.top(self._depth)
        return BookTopMessage(
            1,
            self._venue,
            symbol,
            self._source,
            0,
            sync.book.last_id,
            sync.ts_event,
            sync.ts_recv,
            0,
            True,
            self._depth,
            self._levels(symbol, bids),
            self._levels(symbol, asks),
        )

    def invalid(self, symbol: str, sync: BookSync, cause: str) -> Message:
        """That it is not known any more."""
        return OrderBookMessage(
            1,
            self._venue,
            symbol,
            self._source,
            0,
            sync.book.last_id,
            sync.known_at,
            sync.ts_recv,
            0,
            INVALID,
            False,
            cause=cause,
        )

    def show(self, symbol: str, sync: BookSync, depth: int | None) -> BookView:
        """A book in words and texts. Levels are amounts, best first, only known ones."""
        bids, asks = sync.book.top(depth)
        return BookView(
            self._venue,
            symbol,
            sync.valid,
            sync.book.last_id,
            sync.ts_event,
            sync.ts_recv,
            self._pairs(symbol, bids) if sync.valid else [],
            self._pairs(symbol, asks) if sync.valid else [],
            sync.book.bid_floor,
            sync.book.ask_ceiling,
        )

    def quote(self, symbol: str, sync: BookSync) -> Quote | None:
        """Best prices of a valid book."""
        bid, ask = sync.book.bids.best(), sync.book.asks.best()
        if not sync.valid or bid is None or ask is None:
            return None
        ((bid_price, bid_quantity),), ((ask_price, ask_quantity),) = (
            self._pairs(symbol, [bid]),
            self._pairs(symbol, [ask]),
        )
        return Quote(
            self._venue,
            symbol,
            sync.ts_event,
            sync.ts_recv,
            sync.book.last_id,
            bid_price,
            bid_quantity,
            ask_price,
            ask_quantity,
        )

    def _levels(self, symbol: str, levels: Sequence[Level]) -> Sequence[TextLevel] | Sequence[Level]:
        scale = self._scale
        if scale is None:
            return levels
        return [(level[0], scale(symbol, level[1])) for level in levels]

    def _pairs(self, symbol: str, levels: Sequence[Level]) -> list[TextLevel]:
        scale = self._scale
        return [(level[0], level[1] if scale is None else scale(symbol, level[1])) for level in levels]
