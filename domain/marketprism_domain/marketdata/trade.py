"""Trade: one execution at a venue, or several of one taker order at one price."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Trade(NamedTuple):
    """One print of the trade tape.

    `seq` is the venue's own number of the trade. `quantity` is in base units, in the quote currency for inverse
    contracts: contract sizes are applied, `contracts` keeps what the venue wrote. `side` is the taker's. An aggregated
    trade covers the venue's ids `first_id` to `last_id`. `off_book` marks prints of an insurance fund or of a
    deleveraging, and blocks that were agreed on elsewhere: at prices that were not the book's, they belong in no bar
    and in no tick. `liquidation` says whose order was a liquidation: taker, maker, both.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    trade_id: str
    price: Decimal
    quantity: Decimal
    side: str  # buy, sell
    contracts: Decimal | None = None
    first_id: int | None = None
    last_id: int | None = None
    off_book: bool = False
    liquidation: str = ""
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    implied_volatility: Decimal | None = None
