"""Bybit's frames and answers as types."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Push(msgspec.Struct, Generic[T]):
    """`{"topic": …, "type": snapshot or delta, "ts": …, "data": …}`."""

    topic: str
    ts: int
    data: T
    type: str = ""
    cts: int = 0


class Trade(msgspec.Struct):
    T: int
    s: str
    S: str
    v: str
    p: str
    i: str
    seq: int
    BT: bool = False


class Book(msgspec.Struct):
    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int
    seq: int = 0


class Ticker(msgspec.Struct, rename="camel"):
    """Of contracts; a change has only the fields that have changed."""

    symbol: str
    mark_price: str = ""
    index_price: str = ""
    predicted_delivery_price: str = ""


class Head(msgspec.Struct):
    """Just enough of a frame to know what it is."""

    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class Reply(msgspec.Struct, Generic[T]):
    retCode: int
    result: T
    retMsg: str = ""


class Refusal(msgspec.Struct):
    retCode: int = 0
    retMsg: str = ""


class PriceFilter(msgspec.Struct):
    tickSize: str


class LotFilter(msgspec.Struct):
    minOrderQty: str
    maxOrderQty: str = ""
    qtyStep: str = ""
    basePrecision: str = ""


class Instrument(msgspec.Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str
    priceFilter: PriceFilter
    lotSizeFilter: LotFilter
    contractType: str = ""
    settleCoin: str = ""


class Listing(msgspec.Struct, rename={"rows": "list"}):
    rows: list[msgspec.Raw]
    nextPageCursor: str = ""
