"""Kline: a bar as the venue made it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Kline(NamedTuple):
    """The venue's own bar of [ts_open, ts_close), running until `closed`.

    `volume` in base units (in the quote currency for inverse contracts), `turnover` in money where the venue says it;
    `taker_buy_volume` is the part that takers bought.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    interval: str
    ts_open: int
    ts_close: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool
    turnover: Decimal | None = None
    trades: int | None = None
    taker_buy_volume: Decimal | None = None
    first_id: int | None = None
    last_id: int | None = None
