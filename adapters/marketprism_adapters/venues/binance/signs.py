"""By what a recording of Binance is recognised. Its frames may stand without an envelope, and its books without a name.

What tells the markets apart are fields that only one of them has, and names of instruments (`BTCUSD_PERP`). Klines of
spot and of USD-M contracts have the same fields: only the decimals of their prices differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from marketprism_adapters.venues.binance.parse import VENUE
from marketprism_adapters.venues.kit.signs import BareName, BookIds, VenueSigns

SPOT, USDM, COINM = VENUE, f"{VENUE}-usdm", f"{VENUE}-coinm"
_HEAD = 400  # bytes of a frame in which its event and its stream are looked for
_EVENT = re.compile(rb'"e"\s*:\s*"(\w+)"')
_PLAIN = rb'[^"\\\x00-\x1f]'
_NAME = (
    rb'"(?!")(' + _PLAIN + rb"*(?:\\u[0-9A-Fa-f]{4}" + _PLAIN + rb'*)*)"'
)  # any letters, also where they are escaped
_NATIVE = re.compile(rb'"s"\s*:\s*' + _NAME)
_COINM = re.compile(r"\w+USD_(?:PERP|\d{6})")
_USDM = re.compile(r"\w+_\d{6}")
_FIRST_PRICE = re.compile(rb'"x"\s*:\s*"')  # of a day's ticker: only spot has it
_PREVIOUS = b'"pu"'  # a field that the depth updates of futures have, and spot's have not
_FOR_MAKERS = re.compile(rb'"M"\s*:')  # a field of no meaning that every spot trade has, and no other
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"]*)"')
_BEST = re.compile(rb'"u"\s*:\s*\d+\s*,\s*"s"\s*:')
_CLOSE = re.compile(rb'"c"\s*:\s*"\d+\.(\d+)"')
_FROM, _TO = re.compile(rb'"U"\s*:\s*(\d+)'), re.compile(rb'"u"\s*:\s*(\d+)')
_FUTURES_ONLY = frozenset({b"markPriceUpdate", b"forceOrder", b"bookTicker", b"contractInfo", b"continuous_kline"})
_SPOT_DECIMALS = 8
_DEPTH_HEAD = 300  # bytes of a frame in which a depth update says that it is one
_QUOTES = "USDT|USDC|FDUSD|BUSD|TUSD|USDP|BTC|ETH|BNB|EUR|TRY|USD"
_COIN = r"(?:[^\W_]{2,24}?|[^\x00-\x7f]{1,24}?)"
_SYMBOL = re.compile(rf"(?<![^\W_])({_COIN})-?({_QUOTES})(_(?:PERP|\d{{6}}))?(?![^\W_])")
_SPOT_HOSTS = (
    "stream.binance.com",
    "api.binance.com",
    "www.binance.com",
    "data-stream.binance.vision",
    "data-api.binance.vision",
    "api1.binance.com",
    "api2.binance.com",
    "api3.binance.com",
    "api4.binance.com",
    "api-gcp.binance.com",
)


def _market_of(native: str) -> str:
    """`BTCUSD_PERP` and `BTCUSD_211231` are COIN-M, `BTCUSDT_250328` is USD-M; other names say nothing."""
    if _COINM.fullmatch(native):
        return COINM
    return USDM if _USDM.fullmatch(native) else ""


@lru_cache(maxsize=4096)
def _text(name: bytes) -> str:
    """A name as it is written in JSON."""
    try:
        return str(json.loads(b'"' + name + b'"'))
    except ValueError:
        return name.decode(errors="replace")


def _of_frame(payload: bytes) -> str:
    head = payload[:_HEAD]
    named, stream = _EVENT.search(head), _STREAM.search(head)
    if named is None and stream is None:
        head = payload  # its keys stand in another order
        named, stream = _EVENT.search(head), _STREAM.search(head)
    of = stream[1] if stream is not None else b""
    if b"-" in of.partition(b"@")[0]:
        return ""  # European options
    native = _NATIVE.search(head)
    by_name = _market_of(_text(native[1])) if native is not None else ""
    if by_name:
        return by_name
    if named is not None:
        return _of_event(named[1], head, payload)
    if b"@depth" in of and b'"lastUpdateId"' in head:
        return "" if b'"generated"' in head else SPOT
    return SPOT if _BEST.search(head) else ""


def _of_event(event: bytes, head: bytes, payload: bytes) -> str:
    """Spot or USD-M, by fields that only one of the two has."""
    if event in _FUTURES_ONLY:
        return USDM
    if event == b"depthUpdate":
        return USDM if _PREVIOUS in payload else SPOT
    if event in (b"trade", b"aggTrade"):
        return SPOT if _FOR_MAKERS.search(payload) else USDM
    if event == b"24hrTicker":
        return SPOT if _FIRST_PRICE.search(head) else USDM
    return COINM if event == b"indexPriceUpdate" else ""


class _Bare:
    """Fulfils `BareForms`."""

    words: Mapping[str, str] = {
        "spot": SPOT,
        "usdm": USDM,
        "um": USDM,
        "fstream": USDM,
        "fapi": USDM,
        "futures": USDM,
        "perp": USDM,
        "perpetual": USDM,
        "swap": USDM,
        "linear": USDM,
        "usdtm": USDM,
        "coinm": COINM,
        "cm": COINM,
        "dstream": COINM,
        "dapi": COINM,
        "inverse": COINM,
        "delivery": COINM,
    }
    assumed = SPOT
    top_levels: Sequence[int] = (5, 10, 20)

    def is_frame(self, payload: bytes) -> bool:
        """It has an event, or the envelope of a combined stream."""
        head = payload[:_HEAD]
        return b'"stream"' in head or _EVENT.search(head) is not None

    def suggested(self, payload: bytes) -> str:
        """By the prices of a kline: spot writes each with eight decimals."""
        close = _CLOSE.search(payload[:600])
        if close is None:
            return ""
        return SPOT if len(close[1]) == _SPOT_DECIMALS else USDM

    def named(self, part: bytes) -> BareName:
        """Event and native symbol from the fields `e` and `s`, empty where they are missing."""
        event, native = _EVENT.search(part), _NATIVE.search(part)
        return BareName(
            event[1] if event is not None else b"", _text(native[1]).encode() if native is not None else b""
        )

    def market_of(self, native: str) -> str:
        """Of a contract with a suffix."""
        return _market_of(native)

    def native_in(self, text: str) -> str:
        """`BTCUSDT` of `btcusdt_20240808.gz`, `BTCUSD_PERP` of `BTCUSD_PERP.json`."""
        found = _SYMBOL.search(text.upper())
        return "".join(filter(None, found.groups())) if found is not None else ""

    def book_ids(self, payload: bytes) -> BookIds | None:
        """`U` and `u` of a depth update."""
        if b"depthUpdate" not in payload[:_DEPTH_HEAD]:
            return None
        native, first, last = _NATIVE.search(payload), _FROM.search(payload), _TO.search(payload)
        if native is None or first is None or last is None:
            return None
        name = _text(native[1])
        market = _market_of(name) or (USDM if _PREVIOUS in payload else SPOT)
        return BookIds(market, name, int(first[1]), int(last[1]))

    def top_frame(self, native: str, levels: int, book: bytes) -> bytes:
        """In the envelope of a combined stream, `btcusdt@depth20`."""
        return b'{"stream":"%b","data":%b}' % (f"{native.lower()}@depth{levels}".encode(), book)

    def book_request(self, native: str, levels: int) -> tuple[str, Mapping[str, str]]:
        """GET /api/v3/depth; the answers of other markets have the same form."""
        return "/api/v3/depth", {"symbol": native, "limit": str(levels)}


SIGNS = VenueSigns(
    hosts={
        SPOT: _SPOT_HOSTS,
        USDM: ("fstream.binance.com", "fapi.binance.com"),
        COINM: ("dstream.binance.com", "dapi.binance.com"),
    },
    of_frame=_of_frame,
    paths={"/api/v1/": SPOT, "/api/v3/": SPOT, "/fapi/": USDM, "/futures/data/": USDM, "/dapi/": COINM},
    relatives=frozenset({"trbinance", "binancefuture", "tokocrypto", "2meta"}),
    labels=frozenset({"BINANCE", "BINANCE_FUTURES", "BINANCE_DELIVERY"}),
    bare=_Bare(),
)
