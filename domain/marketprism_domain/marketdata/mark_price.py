"""MarkPrice: what a venue values open positions of a derivative at."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class MarkPrice(NamedTuple):
    """The price as it stands at `ts_event`: profit and loss, margin and liquidations of the venue are counted by it.

    `index_price` is that of the underlying on other markets, `estimated_settlement_price` what the contract would be
    settled at now. Both are None where the venue did not send them.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    mark_price: Decimal
    index_price: Decimal | None = None
    estimated_settlement_price: Decimal | None = None
