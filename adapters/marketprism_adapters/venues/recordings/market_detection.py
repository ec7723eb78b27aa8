"""The market that a recording is of, by the signs that the venues of the registry have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from marketprism_adapters.venues.kit.signs import VenueSigns
from marketprism_adapters.venues.registry import MARKETS

_ALL: tuple[VenueSigns, ...] = tuple(dict.fromkeys(row.signs for row in MARKETS.values()))
# An envelope says whose it is: a frame that has none can only be of the one venue that sends such frames. A second
# venue of that kind could not be told from it.
(BARE,) = (signs.bare for signs in _ALL if signs.bare is not None)
_IN_ORDER = sorted(_ALL, key=lambda signs: signs.bare is not None)


class _Address(NamedTuple):
    market: str
    host: str
    path: str
    asked: Mapping[str, str]


def _addresses() -> Iterator[_Address]:
    for signs in _ALL:
        for market, addresses in signs.hosts.items():
            for address in addresses:
                parts = urlsplit(f"//{address}")
                yield _Address(market, parts.netloc, parts.path, dict(parse_qsl(parts.query)))


_ADDRESSES = tuple(_addresses())
_LABELS = frozenset().union(*(signs.labels for signs in _ALL))
_LABELLED = re.compile(r"([A-Z][A-Z0-9_]*)\.(?:ws|http)\.\d")
_TOKENS = re.compile(r"[^A-Za-z0-9]+")
_NAMED = "|".join(sorted({label.partition("_")[0].lower() for label in _LABELS}))
_RELATIVES = "|".join(sorted(word for signs in _ALL for word in signs.relatives))
_EXCHANGE = re.compile(f"{_NAMED}|{_RELATIVES}")
_COUNTRIES = "us|tr|th|jp|kr|je|eu|eea|kz|nl|hk|ge|uk|au|sg|ug"
_BEFORE, _AFTER = r"(?<![a-z0-9])", r"(?![a-z0-9])"
_PRACTICE = re.compile(rf"{_BEFORE}sandbox{_AFTER}")
# Between an exchange and its country or network any sign may stand, where a host stands before it only a point.
_ELSEWHERE = re.compile(
    rf"{_BEFORE}(?:testnet|(?:{_NAMED})[^a-z0-9]?(?:{_COUNTRIES}|demo|testnet|sandbox|paper)"
    rf"|(?:demo|testnet|sandbox|paper)[^a-z0-9]?(?:{_NAMED})|(?:test|my|app|{_COUNTRIES})\.(?:{_NAMED})"
    rf"|{_RELATIVES}){_AFTER}"
)


def signs_of(market: str) -> VenueSigns:
    """The signs of the market's venue."""
    return MARKETS[market].signs


def signed(payload: bytes) -> str:
    """The market that a frame has a sign of, empty without one."""
    return next(filter(None, (signs.of_frame(payload) for signs in _IN_ORDER)), "")


def market_of(payload: bytes) -> str:
    """The market of a frame by its form, empty when it is no venue's; the assumed one when it only says the venue."""
    return signed(payload) or (BARE.assumed if BARE.is_frame(payload) else "")


def of_url(host: str, path: str, parameters: Mapping[str, str]) -> str:
    """The market whose address it is, empty for an unknown one."""
    bare = _bare(host)
    for known in _ADDRESSES:
        if known.host == bare and path.startswith(known.path) and known.asked.items() <= parameters.items():
            return known.market
    return ""


def is_foreign(host: str, path: str, parameters: Mapping[str, str]) -> bool:
    """Whether an address is of no market here: of another exchange with the same protocol, of a test network, or of a
    market of a venue that has others here. A path or a question that all markets of a host have says nothing."""
    of_host = [known for known in _ADDRESSES if known.host == _bare(host)]
    if not of_host or not signs_of(of_host[0].market).elsewhere.isdisjoint(map(str.lower, parameters)):
        return True
    if of_url(host, path, parameters):
        return False
    return any(
        (known.path and path.startswith(known.path.rpartition("/")[0] + "/"))
        or any(parameters.get(name, value) != value for name, value in known.asked.items())
        for known in of_host
    )


def of_another_venue(label: str, market: str) -> bool:
    """Whether a recorder's name of an exchange is that of a venue here, and not of the market's."""
    return not foreign_label(label) and label.upper() not in signs_of(market).labels


def is_of_exchanges(host: str) -> bool:
    """Whether an address has the name of an exchange in it, whichever network or country it is of."""
    return _EXCHANGE.search(host.lower()) is not None


def is_elsewhere(connection: str) -> bool:
    """Whether a recorder's name of a connection (`BINANCE_US.ws.1`) is that of a test network or a look-alike."""
    return bool(connection) and _ELSEWHERE.search(connection.lower()) is not None


def elsewhere_in(path: Path) -> str:
    """What the name of a file, or of one of its next two folders, says of a test network or of a look-alike exchange:
    `testnet`, `binance_us`, `test.deribit`; empty where it says nothing."""
    for part in (path.name, *(each.name for each in list(path.absolute().parents)[:2])):
        found = _ELSEWHERE.search(part.lower())
        if found is not None:
            return found[0].strip("._- ")
    found = _PRACTICE.search(path.name.lower())
    return found[0].strip("._- ") if found is not None else ""


def foreign_label(label: str) -> bool:
    """Whether a recorder's name of an exchange is that of no venue here."""
    return label.upper() not in _LABELS


def label_of(path: Path) -> str:
    """The exchange that the name of a raw capture says (`BINANCE.ws.1.0`), empty where it says none."""
    found = _LABELLED.match(path.name)
    return found[1] if found is not None else ""


def _bare(host: str) -> str:
    return host.rpartition("@")[2].partition(":")[0].rstrip(".").lower()


def of_path(path: str) -> str:
    """The market whose requests have this path, empty when the path says none."""
    return next((market for signs in _ALL for start, market in signs.paths.items() if path.startswith(start)), "")


def of_name(path: Path, words: Mapping[str, str]) -> str:
    """The market that a word in the name of a file, or of one of its next two folders, stands for; empty without."""
    for part in (path.name, *(each.name for each in list(path.absolute().parents)[:2])):
        for word in _TOKENS.split(part.lower()):
            if word in words:
                return words[word]
    return ""


def symbol_in(path: Path) -> str:
    """The instrument in a file's name, or in its folder's: `btcusdt_20240808.gz`, `ETHBTC/2020-11-01T09-00-00.json`."""
    return BARE.native_in(path.name) or BARE.native_in(path.absolute().parent.name)
