"""A live book on the wire: how a gateway is asked for it, and how it shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT, OrderBook
from marketprism_domain.values import BookLevel

MAX_DEPTH = 10_000

Level = tuple[str, str]  # price, amount


class BookRequest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`[venue, symbol, depth]`; depth 0 is every level that is known."""

    venue: str
    symbol: str
    depth: Annotated[int, msgspec.Meta(ge=0, le=MAX_DEPTH)]


class BookView(msgspec.Struct, frozen=True):
    """A book as the gateway that follows it has it: a map of texts and numbers, levels best first, only known ones.

    `bid_floor` and `ask_ceiling` say how far it is known, None to its end. Of one that is not valid no level is shown.
    Times are nanoseconds UTC.
    """

    venue: str
    symbol: str
    valid: bool
    seq: int
    ts_event: int
    ts_recv: int
    bids: list[Level]
    asks: list[Level]
    bid_floor: str | None
    ask_ceiling: str | None

    def as_book(self) -> OrderBook:
        """The snapshot that it is; an invalid one where it is not valid. Of no source, epoch 0."""
        bids, asks = (
            tuple(BookLevel(Decimal(price), Decimal(quantity)) for price, quantity in side)
            for side in (self.bids, self.asks)
        )
        floor, ceiling = (None if text is None else Decimal(text) for text in (self.bid_floor, self.ask_ceiling))
        form = SNAPSHOT if self.valid else INVALID
        return OrderBook(
            self.venue,
            self.symbol,
            "",
            0,
            self.seq,
            self.ts_event,
            self.ts_recv,
            self.ts_recv,
            form,
            self.valid,
            self.seq,
            None,
            bids,
            asks,
            floor,
            ceiling,
        )
