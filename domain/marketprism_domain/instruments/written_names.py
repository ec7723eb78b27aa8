"""Names as people write them: which venue and which symbol one means, and whether it stands for several.

A symbol may stand by itself, or with its venue before it or behind it: `rb2505`, `shfe.rb2505`, `SHFE:rb2505`,
`rb2505.SHF`, `rb2505@SHFE`. The venue may be a code of an exchange, or one of the markets of a venue, whose venue is
its first word: `binance-usdm.BTC-USDT-PERP`. Only who knows which venues there are can tell a venue from a part of a
symbol, so a name has several readings.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from marketprism_domain.instruments.exchange_codes import is_chinese, venue_of_code

_WORD = r"[A-Za-z][A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*"
_VENUE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BEFORE = re.compile(rf"(?P<venue>{_WORD})[.:](?P<symbol>.+)")
_BEHIND = re.compile(rf"(?P<symbol>.+)[.@](?P<venue>{_WORD})")
_PATTERN = re.compile(r"[*?\[]")


class WrittenName(NamedTuple):
    """One reading of a name. `venue` is None where it names none; `market`: it names a market of that venue."""

    symbol: str
    venue: str | None = None
    market: bool = False

    def fits(self, venue: str, symbol: str) -> bool:
        """Whether the instrument is at the venue that is named, and may be of its market."""
        return self.venue in (None, venue) and self.lists(symbol)

    def lists(self, symbol: str) -> bool:
        """Whether the market may list it: markets that have a word of their own have contracts, `BTC-USDT-PERP`; a
        pair by itself, `BTC-USDT`, is of the venue's spot market."""
        return not self.market or symbol.count("-") != 1


def venue_named(text: str) -> str:
    """The venue or the market that a word means: `shfe` of `SHFE` or `SHF`, `binance-usdm` of `BINANCE-USDM`; what can
    be neither, as it is."""
    return venue_of_code(text) or (text.lower() if _VENUE.fullmatch(text) else text)


def before(text: str) -> WrittenName | None:
    """A name with its venue before the symbol, `shfe.rb2505`; None where there is no such word."""
    return _reading(_BEFORE.fullmatch(text.strip()))


def behind(text: str) -> WrittenName | None:
    """A name with its venue behind the symbol, `rb2505.SHFE`; None where there is no such word."""
    return _reading(_BEHIND.fullmatch(text.strip()))


def _reading(match: re.Match[str] | None) -> WrittenName | None:
    if match is None:
        return None
    venue, _, market = venue_named(match["venue"]).partition("-")
    return WrittenName(match["symbol"], venue, market != "")


def at_chinese_exchange(text: str) -> WrittenName | None:
    """The reading in which a name has a Chinese exchange behind it or before it; None where it has none."""
    return next((named for named in (behind(text), before(text)) if named and is_chinese(named.venue or "")), None)


@lru_cache(maxsize=512)
def readings_of(text: str) -> tuple[WrittenName, ...]:
    """What a name may mean: the whole as a symbol, then with the venue before it, then with the venue behind it."""
    return (WrittenName(text.strip()), *(found for found in (before(text), behind(text)) if found is not None))


def is_pattern(text: str) -> bool:
    """Whether a name stands for all that fit it: `ru*`, `*-USDT-PERP`, `rb25[01]?`."""
    return _PATTERN.search(text) is not None


def fits(pattern: str, venue: str, symbol: str) -> bool:
    """Whether an instrument fits a pattern in any case, with its venue or without it: `shfe.ru*`, `*.okx`."""
    return any(
        reading.fits(venue, symbol) and fnmatchcase(symbol.casefold(), reading.symbol.casefold())
        for reading in readings_of(pattern)
    ) or any(
        fnmatchcase(form.casefold(), pattern.casefold().strip()) for form in (f"{venue}.{symbol}", f"{symbol}.{venue}")
    )
