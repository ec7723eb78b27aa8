"""What frames, requests and file names tell of the market that they are of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from marketprism_adapters.venues.registry import MARKETS

SPOT, USDM, COINM = "binance", "binance-usdm", "binance-coinm"
_EVENT = re.compile(rb'"e"\s*:\s*"(\w+)"')
_NATIVE = re.compile(rb'"s"\s*:\s*"([A-Z0-9_]+)"')
_COINM = re.compile(r"[A-Z0-9]+USD_(?:PERP|\d{6})")
_USDM = re.compile(r"[A-Z0-9]+_\d{6}")
_FIRST_PRICE = re.compile(rb'"x"\s*:\s*"')  # of a day's ticker: only spot has it
PREVIOUS = b'"pu"'  # a field that the depth updates of futures have, and spot's have not
_FOR_MAKERS = re.compile(rb'"M"\s*:')  # a field of no meaning that every spot trade has, and no other
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"]*)"')
_BEST = re.compile(rb'"u"\s*:\s*\d+\s*,\s*"s"\s*:')
_CLOSE = re.compile(rb'"c"\s*:\s*"\d+\.(\d+)"')
_FUTURES_ONLY = frozenset({b"markPriceUpdate", b"forceOrder", b"bookTicker", b"contractInfo", b"continuous_kline"})
_SPOT_DECIMALS = 8

_PATHS = {
    "/api/v1/": SPOT, "/api/v3/": SPOT, "/fapi/": USDM, "/futures/data/": USDM, "/dapi/": COINM,
    "/api/v5/": "okx", "/api/v2/public/": "deribit",
}  # fmt: skip
_WORDS = {
    "spot": SPOT, "usdm": USDM, "um": USDM, "fstream": USDM, "fapi": USDM, "futures": USDM, "perp": USDM,
    "perpetual": USDM, "swap": USDM, "linear": USDM, "usdtm": USDM, "coinm": COINM, "cm": COINM, "dstream": COINM,
    "dapi": COINM, "inverse": COINM, "delivery": COINM,
}  # fmt: skip
_QUOTES = "USDT|USDC|FDUSD|BUSD|TUSD|USDP|BTC|ETH|BNB|EUR|TRY|USD"
_SYMBOL = re.compile(rf"(?<![A-Z0-9])([A-Z0-9]{{2,12}})-?({_QUOTES})(_(?:PERP|\d{{6}}))?(?![A-Z0-9])")
_TOKENS = re.compile(r"[^A-Za-z0-9]+")


def market_of(payload: bytes) -> str:
    """The market that a frame tells by its form, empty when it says nothing; `binance` when it says only the venue."""
    told = signed(payload)
    head = payload[:400]
    if told or not (b'"stream"' in head or _EVENT.search(head)):
        return told
    return SPOT


def signed(payload: bytes) -> str:
    """The market that a frame has a sign of, empty without one: spot's klines are those of USD-M."""
    head = payload[:400]
    if b'"jsonrpc"' in head or b'"jsonrpc"' in payload[-60:]:
        return "deribit"
    if b'"arg"' in head and b'"channel"' in head:
        return "okx"
    if b'"topic"' in head and b'"ts"' in payload:
        return "bybit-linear" if b"publicTrade" in head and b'"L":' in payload.replace(b" ", b"") else "bybit"
    named, stream = _EVENT.search(head), _STREAM.search(head)
    if named is None and stream is None:
        head = payload  # its keys stand in another order
        named, stream = _EVENT.search(head), _STREAM.search(head)
    of = stream[1] if stream is not None else b""
    if b"-" in of.partition(b"@")[0]:
        return ""  # European options
    native = _NATIVE.search(head)
    by_name = of_native(native[1].decode()) if native is not None else ""
    if by_name:
        return by_name
    if named is not None:
        return _of_event(named[1], head, payload)
    if b"@depth" in of and b'"lastUpdateId"' in head:
        return "" if b'"generated"' in head else SPOT
    return SPOT if _BEST.search(head) else ""


def _of_event(event: bytes, head: bytes, payload: bytes) -> str:
    """What tells spot from USD-M: fields that only one of the two has."""
    if event in _FUTURES_ONLY:
        return USDM
    if event == b"depthUpdate":
        return USDM if PREVIOUS in payload else SPOT
    if event in (b"trade", b"aggTrade"):
        return SPOT if _FOR_MAKERS.search(payload) else USDM
    if event == b"24hrTicker":
        return SPOT if _FIRST_PRICE.search(head) else USDM
    return COINM if event == b"indexPriceUpdate" else ""


def by_decimals(payload: bytes) -> str:
    """What the prices of a kline suggest: spot writes each with eight decimals."""
    close = _CLOSE.search(payload[:600])
    if close is None:
        return ""
    return SPOT if len(close[1]) == _SPOT_DECIMALS else USDM


def of_native(native: str) -> str:
    """The market of a Binance symbol that says it: `BTCUSD_PERP` and `BTCUSD_211231` COIN-M, `BTCUSDT_250328` USD-M."""
    if _COINM.fullmatch(native):
        return COINM
    return USDM if _USDM.fullmatch(native) else ""


def of_url(host: str, path: str, parameters: Mapping[str, str]) -> str:
    """The market whose address it is."""
    bare = host.partition(":")[0]
    for name, market in MARKETS.items():
        for address in market.hosts:
            parts = urlsplit(f"//{address}")
            asked = dict(parse_qsl(parts.query))
            if parts.netloc == bare and path.startswith(parts.path) and asked.items() <= parameters.items():
                return name
    return ""


def of_path(path: str) -> str:
    """The market whose requests have this path."""
    return next((market for start, market in _PATHS.items() if path.startswith(start)), "")


def of_name(path: Path) -> str:
    """The market that a file's name or one of its next two folders has in it."""
    for part in (path.name, *(each.name for each in list(path.absolute().parents)[:2])):
        for word in _TOKENS.split(part.lower()):
            if word in _WORDS:
                return _WORDS[word]
    return ""


def symbol_in(path: Path) -> str:
    """The instrument in a file's name, or in its folder's: `btcusdt_20240808.gz`, `ETHBTC/2020-11-01T09-00-00.json`."""
    for part in (path.name, path.absolute().parent.name):
        found = _SYMBOL.search(part.upper())
        if found is not None:
            return "".join(filter(None, found.groups()))
    return ""
