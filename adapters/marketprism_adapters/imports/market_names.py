"""What others call a market, and the instruments of a market by the venue's own names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from marketprism_adapters.venues.binance.symbols import Names as BinanceNames
from marketprism_adapters.venues.bybit.symbols import Names as BybitNames
from marketprism_adapters.venues.deribit.symbols import symbol_of as deribit_symbol
from marketprism_adapters.venues.okx.symbols import symbol_of as okx_symbol
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import ParseRefused
from marketprism_domain.instruments.exchange_codes import venue_of_code
from marketprism_domain.instruments.names import is_future, is_option
from marketprism_domain.instruments.written_names import before, behind, venue_named
from marketprism_domain.sessions.exchange_hours import EXCHANGES, venue_of

# The market of a public archive's files, by what they are: spot, or a perpetual's.
ARCHIVE_SPOT, ARCHIVE_PERPETUAL, ARCHIVE_COIN = "binance", "binance-usdm", "binance-coinm"
# What tardis and vnpy call a market where it is not the venue's own name.
_CALLED = {
    "binance-futures": "binance-usdm",
    "binance-delivery": "binance-coinm",
    "binance_spot": "binance",
    "binance_linear": "binance-usdm",
    "binance_inverse": "binance-coinm",
    "okex": "okx",
    "okex-swap": "okx",
    "okex-futures": "okx",
    "okex-options": "okx",
    "bybit-spot": "bybit",
}
# A venue that tardis calls by its name alone trades contracts there, and spot under a name of its own.
_OF_TARDIS = _CALLED | {"bybit": "bybit-linear"}
# What stands behind the venue's own name in a catalog of NautilusTrader where a venue has several markets.
_OF_CATALOG = {
    ("binance", "-PERP"): "binance-usdm",
    ("bybit", "-LINEAR"): "bybit-linear",
    ("bybit", "-SPOT"): "bybit",
}
_SYMBOL: dict[str, Callable[[str], str]] = {
    "binance": BinanceNames("spot").symbol,
    "binance-usdm": BinanceNames("usdm").symbol,
    "binance-coinm": BinanceNames("coinm").symbol,
    "bybit": BybitNames("spot").symbol,
    "bybit-linear": BybitNames("linear").symbol,
    "okx": okx_symbol,
    "deribit": deribit_symbol,
}
_PAIR = re.compile(r"([A-Z0-9]{1,15})[_/-]([A-Z]{3,6})(?:[_:]([A-Z]{3,6}))?")
_JOINED = re.compile(r"[A-Z0-9]{5,20}")
_TOKEN = re.compile(r"[^A-Za-z0-9.&/-]+")


class InstrumentNamed(NamedTuple):
    """Venue and symbol as this product has them; empty where they are not known."""

    venue: str = ""
    symbol: str = ""


def market_called(text: str, *, by_tardis: bool = False) -> str:
    """The market or the exchange that a word of another program means; the word in small letters where it is none."""
    word = text.strip().lower()
    found = (_OF_TARDIS if by_tardis else _CALLED).get(word)
    return found or venue_of_code(word) or word


def market_of_catalog(identity: str) -> tuple[str, str]:
    """Market and the venue's own name of an instrument id of NautilusTrader: `BTCUSDT-PERP.BINANCE`, `rb2410.SHFE`."""
    native, _, venue = identity.rpartition(".")
    market = market_called(venue)
    for (of_venue, ending), found in _OF_CATALOG.items():
        if market == of_venue and native.endswith(ending) and "-" not in native.removesuffix(ending):
            return found, native.removesuffix(ending)
    return market, native


def trades_in_contracts(market: str, symbol: str, *, by_tardis: bool) -> bool:
    """Whether amounts of an instrument's files are numbers of contracts: of Binance's inverse ones, and of what venues
    send as they send it, of OKX's contracts."""
    if market == ARCHIVE_COIN:
        return True
    return by_tardis and market == "okx" and symbol.count("-") > 1


def instrument_of(market: str, native: str) -> InstrumentNamed:
    """An instrument of a market by the venue's own name, `BTCUSDT` of the perpetuals BTC-USDT-PERP."""
    name = _SYMBOL.get(market)
    if name is None:
        return InstrumentNamed(market.partition("-")[0] if market in MARKETS else market, native)
    try:
        symbol = name(native)
    except (ParseRefused, ValueError):  # a date in it is none
        symbol = native
    return InstrumentNamed(market.partition("-")[0], symbol)


def instrument_written(text: str) -> InstrumentNamed:
    """An instrument as a cell or an option has it: `rb2401.SHFE`, `SHFE.cu1905`, `BTC/USDT`, `XRP_ETH`, `cu1905`."""
    text = text.strip()
    for reading in (behind(text), before(text)):
        if reading is not None and (reading.venue in EXCHANGES or venue_named(reading.venue or "") in MARKETS):
            return InstrumentNamed(reading.venue or "", reading.symbol)
        if reading is not None and (reading.venue or "") in _CALLED:
            return instrument_of(_CALLED[reading.venue or ""], reading.symbol)
    pair = _PAIR.fullmatch(text)
    if pair is not None and venue_of(text) is None:
        return InstrumentNamed("", f"{pair[1]}-{pair[2]}{'-PERP' if pair[3] else ''}")
    if _JOINED.fullmatch(text) and not _exchange_of(text):
        return InstrumentNamed("", _of_archive(text))
    return InstrumentNamed(_exchange_of(text), text)


def instrument_in_name(name: str) -> InstrumentNamed:
    """The instrument that a file's name has in it, as `tq_SHFE.cu1905_1m.csv` has; nothing where it has none."""
    stem = re.sub(
        r"(\.(csv|tsv|txt|gz|zip|xz|zst|bz2|feather|parquet|arrow|db|sqlite))+$", "", name, flags=re.IGNORECASE
    )
    for token in _TOKEN.split(stem):
        found = instrument_written(token)
        if found.venue in EXCHANGES:
            return found
    pair = re.match(r"(?:[a-z]+_)?([A-Z0-9]{1,15}_[A-Z]{3,6}(?:_[A-Z]{3,6})?)(?=-|\.|$)", stem)
    if pair is not None:
        return instrument_written(pair[1])
    for token in re.split(r"[^A-Za-z0-9]+", stem):
        split = _of_archive(token.upper()) if len(token) >= 5 and token.isalnum() else ""
        if "-" in split:
            return InstrumentNamed("", split)
    return InstrumentNamed()


def _of_archive(native: str) -> str:
    """Our symbol of a pair, the text itself where it is no name of one."""
    try:
        return _SYMBOL[ARCHIVE_SPOT](native)
    except ParseRefused:
        return native


def _exchange_of(symbol: str) -> str:
    return (venue_of(symbol) or "") if is_future(symbol) or is_option(symbol) else ""
