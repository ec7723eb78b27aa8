"""Bar: open, high, low, close, volume of one interval; immutable, corrected by a new revision."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Bar(NamedTuple):
    """One closed bar.

    `ts_open` and `ts_close` are the bounds of its window in nanoseconds UTC, half open. `volume` is in
    the venue's unit, `turnover` in money, both of this bar alone. `open_interest` is the last one seen,
    None where the venue has none. `revision` counts from 0; a later revision replaces the earlier one.
    `gap` says that data is known to be missing inside the window.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int  # = ts_close
    ts_recv: int  # receipt of the last tick in it
    ts_pub: int
    interval: str
    ts_open: int
    ts_close: int
    trading_day: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    open_interest: Decimal | None = None
    ticks: int = 0
    revision: int = 0
    gap: bool = False
