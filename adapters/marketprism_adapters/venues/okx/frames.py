"""OKX's frames as types: a missing field is named by the decoder, an unknown one is passed over."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
Level = tuple[str, ...]  # price, size, "0", orders


class Push(msgspec.Struct, Generic[T]):
    """`{"arg": …, "data": […]}`."""

    data: list[T]
    action: str = ""


class Trade(msgspec.Struct):
    instId: str
    tradeId: str
    px: str
    sz: str
    side: str
    ts: str
    count: str = "1"


class OptionTrade(Trade):
    markPx: str = ""
    idxPx: str = ""
    fillVol: str = ""


class Book(msgspec.Struct):
    bids: list[Level]
    asks: list[Level]
    ts: str
    instId: str = ""
    seqId: int | None = None
    prevSeqId: int | None = None
    checksum: int | None = None


class Ticker(msgspec.Struct):
    instId: str
    last: str
    lastSz: str
    askPx: str
    askSz: str
    bidPx: str
    bidSz: str
    open24h: str
    high24h: str
    low24h: str
    volCcy24h: str
    vol24h: str
    ts: str = ""
    instType: str = ""


class Funding(msgspec.Struct):
    instId: str
    fundingTime: str
    fundingRate: str = ""
    nextFundingRate: str = ""
    nextFundingTime: str = ""
    ts: str = ""


class Interest(msgspec.Struct):
    instId: str
    oi: str
    oiCcy: str
    ts: str
    oiUsd: str = ""


class LiquidationDetail(msgspec.Struct):
    side: str
    bkPx: str
    sz: str
    ts: str
    posSide: str = ""


class Liquidations(msgspec.Struct):
    instId: str
    details: list[LiquidationDetail]


class Mark(msgspec.Struct):
    instId: str
    markPx: str
    ts: str


class Greeks(msgspec.Struct):
    instId: str
    delta: str
    gamma: str
    vega: str
    theta: str
    markVol: str
    bidVol: str
    askVol: str
    ts: str
    fwdPx: str = ""


class Arg(msgspec.Struct):
    channel: str = ""
    instId: str = ""
    instType: str = ""
    sprdId: str = ""


class Head(msgspec.Struct):
    """Just enough of a frame to know what it is."""

    arg: Arg | None = None
    event: str = ""
    code: str = ""
    msg: str = ""
    op: str = ""
    id: int | str = ""
    generated: bool = False
