"""Streams of recorded frames: which one a frame is of, which others tell the same, and the frame as those have it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_BY_EVENT = {
    "depthUpdate": "depth@100ms",
    "aggTrade": "aggTrade",
    "trade": "trade",
    "bookTicker": "bookTicker",
    "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker",
    "markPriceUpdate": "markPrice@1s",
    "forceOrder": "forceOrder",
}
# What a stream tells does not depend on its pace: Binance's depth@500ms, OKX's books-l2-tbt, Deribit's book.X.raw.
_PACES = (
    (re.compile(r"@\d+m?s$"), ""),
    (re.compile(r"^books-l2-tbt:"), "books:"),
    (re.compile(r"^(book|trades|ticker)\.([^.]+)\.(?:raw|100ms|agg2)$"), r"\1.\2"),
)
_BOOKS = re.compile(r"@depth(?:@|$)|^books|^book\.|^orderbook\.")
_TRADES = re.compile(r"@(?:aggTrade|trade)$|^trades|^publicTrade")


def stream_of(payload: bytes) -> str:
    """The stream that a frame was pushed on, as clients subscribe it; empty for answers and what cannot be read."""
    try:
        head = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        if "stream" in head or "topic" in head:
            return str(msgspec.json.decode(head.get("stream") or head["topic"], type=str))
        if "arg" in head and "data" in head:
            arg = msgspec.json.decode(head["arg"], type=dict[str, Any])
            return f"{arg['channel']}:{arg.get('instId') or arg.get('instType', '')}"
        if "params" in head:
            return str(msgspec.json.decode(head["params"], type=dict[str, Any])["channel"])
        return _bare(head)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
        return ""


def _bare(head: dict[str, msgspec.Raw]) -> str:
    """Of a frame of Binance that has no envelope."""

    def text(of: dict[str, msgspec.Raw], name: str) -> str:
        return msgspec.json.decode(of[name], type=str) if name in of else ""

    event, native = text(head, "e"), text(head, "s")
    if not event and native and "u" in head and "b" in head:
        event = "bookTicker"  # spot's says no more
    if event == "forceOrder" and "o" in head:
        native = text(msgspec.json.decode(head["o"], type=dict[str, msgspec.Raw]), "s")
    kind = _BY_EVENT.get(event, "")
    if event == "kline" and "k" in head:
        kind = f"kline_{text(msgspec.json.decode(head['k'], type=dict[str, msgspec.Raw]), 'i')}"
    return f"{native.lower()}@{kind}" if native and kind else ""


def topic_of(stream: str) -> str:
    """What a stream tells, at whatever pace."""
    for pattern, what in _PACES:
        stream = pattern.sub(what, stream)
    return stream


def is_book(stream: str) -> bool:
    """Whether it tells the changes of a book."""
    return _BOOKS.search(stream) is not None


def is_trade(stream: str) -> bool:
    """Whether it tells trades."""
    return _TRADES.search(stream) is not None


def retold(payload: bytes, stream: str) -> str:
    """A recorded frame as a push on that stream: its envelope says so, its data stay as they are."""
    head = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    if "arg" in head:
        channel = stream.partition(":")[0]
        arg = msgspec.json.decode(head["arg"], type=dict[str, Any])
        return _encoded({**head, "arg": {**arg, "channel": channel}})
    if "params" in head:
        params = msgspec.json.decode(head["params"], type=dict[str, msgspec.Raw])
        return _encoded({**head, "params": {**params, "channel": stream}})
    if "topic" in head:
        return _encoded({**head, "topic": stream})
    return _encoded({"stream": stream, "data": head["data"] if "stream" in head else msgspec.Raw(payload)})


def _encoded(frame: dict[str, Any]) -> str:
    return msgspec.json.encode(frame).decode("utf-8", "replace")
