"""FundingRate: what longs pay shorts of a perpetual."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class FundingRate(NamedTuple):
    """The rate as it stands at `ts_event`.

    `rate` is a fraction for one interval, exchanged at `ts_funding` (None where funding is continuous). `settled`
    says that it was exchanged. `interval_s` is the time between two exchanges, None where the venue did not say it.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    rate: Decimal
    ts_funding: int | None = None
    interval_s: int | None = None
    settled: bool = False
    next_rate: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
