"""Symbols as people write them, and the stored names that they mean.

A name is looked for as it is written, then in any case, then without what separates its parts, then, at the Chinese
exchanges, with the year of its month in one digit or in two (Zhengzhou writes AP401 what others call AP2401); the venue
may stand before it or behind it. The first of these that fits one stored name, and only one, decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from marketprism_application.contracts.nearest import nearest
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import product_of
from marketprism_domain.instruments.written_names import fits, is_pattern, readings_of

MOST_SYMBOLS = 200
_SHOWN, _FEW = 80, 12
_HINTS = 256
_BETWEEN = re.compile(r"[\s\-_/.:]+")
_MONTH = re.compile(r"([a-z]+)([0-9]?)([0-9]{3})(?![0-9])(.*)")


class StoredName(NamedTuple):
    """An instrument that is known; `stored`: there is a tick or a bar of it, not only terms."""

    venue: str
    symbol: str
    stored: bool = True


class NameIndex:
    """The instruments that are known, `names`, prepared so that one is found without a look at the others.

    To make one takes long where there are many, and so does what says what is near: both belong in a thread.
    """

    def __init__(self, names: Iterable[StoredName]) -> None:
        self.names = tuple(names)
        self._at: dict[str, list[StoredName]] = {}
        self._any_case: dict[str, list[StoredName]] = {}
        self._together: dict[str, list[StoredName]] = {}
        self._months: dict[tuple[int, str], list[StoredName]] = {}
        for name in self.names:
            together = _without_separators(name.symbol)
            self._at.setdefault(name.symbol, []).append(name)
            self._any_case.setdefault(name.symbol.casefold(), []).append(name)
            self._together.setdefault(together, []).append(name)
            if is_chinese(name.venue) and (month := _month_of(together)) is not None:
                self._months.setdefault(month, []).append(name)
        self._venues = {name.venue for name in self.names}
        self._stored = sorted({name.symbol for name in self.names if name.stored})
        self._hint = lru_cache(_HINTS)(self._look_near)

    @cached_property
    def _products(self) -> NameIndex:
        return NameIndex(sorted({StoredName(name.venue, product_of(name.symbol)) for name in self.names}))

    def venues_of(self, symbol: str) -> set[str]:
        """Where a symbol is known that is written as it is stored; empty where it is nowhere."""
        return {name.venue for name in self._at.get(symbol, ())}

    def find(self, text: str, venue: str | None = None) -> StoredName | None:
        """The stored name that a text means, of `venue` where one is given, its venue empty where the text names none;
        None where it means none or several."""
        named, symbols = self._meant(text, venue)
        return StoredName(named, symbols[0]) if len(symbols) == 1 else None

    def resolve(self, text: str, venue: str | None = None) -> StoredName:
        """As `find`.

        Raises:
            UnknownSymbolError: none, or more than one; says what is near.
        """
        named, symbols = self._meant(text, venue)
        if len(symbols) == 1:
            return StoredName(named, symbols[0])
        if symbols:
            listed = ", ".join(symbols)
            raise UnknownSymbolError(f"symbol: expected the name of one, was {text[:_SHOWN]!r}, which is {listed}")
        raise UnknownSymbolError(f"symbol: expected one that is stored, was {text[:_SHOWN]!r}{self._hint(text)}")

    def product_meant(self, text: str) -> str:
        """The product that a text means, of those of the symbols (`ru` of `RU` or `ru.SHFE`); the text itself where it
        means none of them."""
        found = self._products.find(text)
        return text if found is None else found.symbol

    def symbols_of(self, text: str, venue: str | None = None) -> list[str]:
        """The symbols that a text asks for, each once: a pattern is every stored symbol that fits, in order.

        Raises:
            QueryError: none, or more than 200. UnknownSymbolError: a pattern that fits nothing.
        """
        found: dict[str, None] = {}
        for part in _parts(text):
            if is_pattern(part):
                found |= dict.fromkeys(self._fitting(part, venue))
            else:
                found[part] = None
        if len(found) > MOST_SYMBOLS:
            raise QueryError(f"symbol: expected at most {MOST_SYMBOLS}, was {len(found)} by {text[:_SHOWN]!r}")
        return list(found)

    def listed(self, text: str, venue: str | None, product: str) -> list[StoredName]:
        """Everything of which there is data and that a text asks for, by venue and symbol: one name, several with
        commas between, patterns; of a venue and a product, where these are given. Empty where nothing fits.

        Raises:
            QueryError: nothing between two commas.
        """
        found: set[StoredName] = set()
        for part in _parts(text):
            if is_pattern(part):
                found |= {name for name in self.names if fits(part, name.venue, name.symbol)}
            elif (meant := self.find(part, venue)) is not None:
                found |= {name for name in self._at[meant.symbol] if meant.venue in ("", name.venue)}
        of = product.casefold()
        return sorted(
            name
            for name in found
            if name.stored and venue in (None, name.venue) and (not of or product_of(name.symbol).casefold() == of)
        )

    def check_venue(self, symbol: str, venue: str | None) -> None:
        """A symbol that is known somewhere is known at the venue that is asked for.

        Raises:
            QueryError: it is not; says where it is.
        """
        at = sorted(self.venues_of(symbol))
        if venue is not None and at and venue not in at:
            raise QueryError(f"venue: expected one where {symbol} is stored ({', '.join(at)}), was {venue!r}")

    def _meant(self, text: str, venue: str | None) -> tuple[str, list[str]]:
        """The venue that a text names, and the symbols that the first of its readings and forms fits that fits any."""
        for reading in readings_of(text):
            for alike in self._alike(reading.symbol):
                within = [name for name in alike if venue in (None, name.venue)]
                symbols = {name.symbol for name in within if reading.fits(name.venue, name.symbol)}
                if symbols:
                    return reading.venue or "", sorted(symbols)
        return "", []

    def _alike(self, symbol: str) -> Iterator[Sequence[StoredName]]:
        """The names of each form that a symbol may be written in."""
        together = _without_separators(symbol)
        yield self._at.get(symbol, ())
        yield self._any_case.get(symbol.casefold(), ())
        if not together:
            return
        yield self._together.get(together, ())
        month = _month_of(together)
        if month is not None:
            digits, named = month
            # Three digits leave the decade open; of two names with four, the first digit tells one from the other.
            yield self._months.get((7 - digits, named), ())

    def _fitting(self, pattern: str, venue: str | None) -> list[str]:
        wanted = [name for name in self.names if name.stored and venue in (None, name.venue)]
        found = sorted({name.symbol for name in wanted if fits(pattern, name.venue, name.symbol)})
        if not found:
            text = f"symbol: expected a pattern that fits what is stored, was {pattern[:_SHOWN]!r}{self._hint('')}"
            raise UnknownSymbolError(text)
        return found

    def _look_near(self, text: str) -> str:
        stored = self._stored
        if not stored:
            return "; nothing is stored"
        for reading in readings_of(text)[::-1]:
            if reading.venue in (None, *self._venues) and reading.symbol:
                near = nearest(reading.symbol, [symbol for symbol in stored if reading.lists(symbol)])
                if near:
                    return f"; the nearest: {', '.join(near)}"
        return f"; stored: {', '.join(stored)}" if len(stored) <= _FEW else f"; {len(stored)} others are stored"


def _parts(text: str) -> list[str]:
    """What stands between commas. Raises QueryError: nothing does."""
    parts = [each.strip() for each in text.split(",")]
    if not all(parts):
        raise QueryError(f"symbol: expected one between commas, was {text[:_SHOWN]!r}")
    return parts


def is_several(text: str) -> bool:
    """Whether a text asks for several symbols: with commas between them, or by a pattern."""
    return "," in text or is_pattern(text)


def _without_separators(text: str) -> str:
    return _BETWEEN.sub("", text).casefold()


def _month_of(together: str) -> tuple[int, str] | None:
    """How many digits the month of a name has, 3 or 4, and the name with the last three of them; None without one."""
    match = _MONTH.fullmatch(together)
    return None if match is None else (3 + len(match[2]), f"{match[1]}{match[3]}{match[4]}")
