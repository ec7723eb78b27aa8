"""Binance's frames as types: a missing field is named by the decoder, an unknown one is passed over."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
Pair = tuple[str, str]


class Envelope(msgspec.Struct, Generic[T]):
    """`{"stream": …, "data": …}` of a combined connection."""

    data: T


class AggTrade(msgspec.Struct):
    s: str
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741 (Binance's name)
    T: int
    m: bool


class RawTrade(msgspec.Struct):
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool
    X: str = "MARKET"


class Depth(msgspec.Struct):
    E: int
    s: str
    U: int
    u: int
    b: list[Pair]
    a: list[Pair]
    pu: int | None = None
    T: int | None = None


class PartialDepth(msgspec.Struct, rename={"last_id": "lastUpdateId"}):
    """`@depth20` of spot: a whole top without the name of its instrument."""

    last_id: int
    bids: list[Pair]
    asks: list[Pair]
    E: int | None = None
    T: int | None = None


class BookTicker(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str
    T: int | None = None
    E: int | None = None


class MarkPrice(msgspec.Struct):
    E: int
    s: str
    p: str
    r: str = ""
    T: int = 0
    i: str = ""
    P: str = ""


class DayTicker(msgspec.Struct):
    E: int
    s: str
    c: str
    Q: str
    o: str
    h: str
    l: str  # noqa: E741 (Binance's name)
    v: str
    q: str
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""


class KlineBody(msgspec.Struct):
    t: int
    T: int
    i: str
    f: int
    L: int
    o: str
    c: str
    h: str
    l: str  # noqa: E741 (Binance's name)
    v: str
    n: int
    x: bool
    q: str
    V: str


class Kline(msgspec.Struct):
    E: int
    s: str
    k: KlineBody


class ForceOrderBody(msgspec.Struct):
    s: str
    S: str
    ap: str
    z: str
    T: int
    p: str = ""


class ForceOrder(msgspec.Struct):
    o: ForceOrderBody


class Event(msgspec.Struct):
    """Just enough of a frame to know what it is."""

    e: str = ""
    u: int | None = None
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    code: int | None = None
    msg: str = ""
    lastUpdateId: int | None = None


class Combined(msgspec.Struct):
    stream: str
    data: msgspec.Raw
    generated: bool = False
