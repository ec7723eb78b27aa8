"""InstrumentRecord: reference data of one instrument, as published and stored."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

CLASSES = ("future", "option", "combination", "spot", "swap")


class InstrumentRecord(NamedTuple):
    """Contract terms of an instrument, valid from `ts_event` until a later record."""

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    product: str  # rb, IF, BTC-USDT
    class_: str  # future, option, combination, spot, swap
    multiplier: Decimal | None = None
    price_tick: Decimal | None = None
    underlying: str = ""
    strike: Decimal | None = None
    option_type: str = ""  # call, put
    list_day: str = ""
    expire_day: str = ""
    name: str = ""  # as the venue writes it
    min_limit_volume: Decimal | None = None  # lots of one order, by kind of order
    max_limit_volume: Decimal | None = None
    min_market_volume: Decimal | None = None
    max_market_volume: Decimal | None = None
    native: str = ""  # the venue's own name of it
    base: str = ""
    quote: str = ""
    settle: str = ""
    inverse: bool = False  # quantities are in the quote currency
    quantity_step: Decimal | None = None
    min_notional: Decimal | None = None
    status: str = ""  # trading, halted, delisted, as the venue says it
