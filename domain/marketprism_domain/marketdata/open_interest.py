"""OpenInterest: what is open in a derivative."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class OpenInterest(NamedTuple):
    """Open positions, one side counted.

    `open_interest` is in base units, in the quote currency for inverse contracts; `contracts` what the venue wrote,
    `value` in money where it says so.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    open_interest: Decimal
    contracts: Decimal | None = None
    value: Decimal | None = None
