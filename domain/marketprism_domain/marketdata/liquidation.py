"""Liquidation: a position that the venue closed."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Liquidation(NamedTuple):
    """One liquidation order.

    `side` is the order's: sell closes a long. `price_of` says what the price is: `average` of the fills, `bankruptcy`
    (no trade happened there), `trade`. `complete` is False where the venue pushes only some of them by design.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    side: str
    price: Decimal
    quantity: Decimal
    price_of: str
    complete: bool
    contracts: Decimal | None = None
