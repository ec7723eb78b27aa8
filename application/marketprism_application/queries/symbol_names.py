"""Symbols as people write them, and the stored names that they mean.

A name is looked for as it is written, then in any case, then without what separates its parts, then with the year of
its month in one digit or in two (Zhengzhou writes AP401 what others call AP2401); the venue may stand before it or
behind it. The first of these that fits one stored name, and only one, decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from marketprism_application.contracts.nearest import nearest
from marketprism_application.contracts.questions import Names
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.exchange_hours import venue_of_code

MOST_SYMBOLS = 200
_SHOWN, _FEW = 80, 12
_BETWEEN = re.compile(r"[\s\-_/.:]+")
_VENUE_BEFORE = re.compile(r"^([A-Za-z][A-Za-z0-9_]*)[.:](.+)$")
_VENUE_BEHIND = re.compile(r"^(.+)[.@]([A-Za-z][A-Za-z0-9_]*)$")
_MONTH = re.compile(r"^([a-z]+?)[0-9]?([0-9]{3})(?![0-9])(.*)$")


class StoredName(NamedTuple):
    """An instrument that is known; `stored`: there is a tick or a bar of it, not only terms."""

    venue: str
    symbol: str
    stored: bool = True


async def names_of(reader: StoreReader) -> list[StoredName]:
    """Every instrument that is known. Raises StoreError: as the reader."""
    return [StoredName(**row) for row in (await reader.answer(Names())).to_pylist()]


def product_meant(text: str, names: Sequence[StoredName]) -> str:
    """The product that a text means, of those of the stored symbols (`ru` of `RU` or `ru.SHFE`); the text itself where
    it means none of them."""
    products = {StoredName(name.venue, product_of(name.symbol)) for name in names}
    if any(text == product.symbol for product in products):
        return text
    try:
        return resolve(text, None, sorted(products), "product").symbol
    except UnknownSymbolError:
        return text


def venue_named(text: str) -> str:
    """The venue of a name as people write it: `shfe` of `SHFE` or `SHF`; of any other word, the word in lower case."""
    return venue_of_code(text) or (text.casefold() if text.isalnum() else text)


def is_several(text: str) -> bool:
    """Whether a text asks for several symbols: with commas between them, or a pattern with `*` or `?`."""
    return "," in text or is_pattern(text)


def is_pattern(text: str) -> bool:
    """Whether a text, or one of a list, stands for every symbol that fits it."""
    return "*" in text or "?" in text


def symbols_of(text: str, venue: str | None, names: Sequence[StoredName]) -> list[str]:
    """The symbols that a text asks for, each once: a pattern is every stored symbol that fits, in order.

    Raises:
        QueryError: none, or more than 200. UnknownSymbolError: a pattern that fits nothing.
    """
    found: dict[str, None] = {}
    for part in text.split(","):
        if not part.strip():
            raise QueryError(f"symbol: expected one between commas, was {text[:_SHOWN]!r}")
        if is_pattern(part):
            found |= dict.fromkeys(_fitting(part.strip(), venue, names))
        else:
            found[part.strip()] = None
    if len(found) > MOST_SYMBOLS:
        raise QueryError(f"symbol: expected at most {MOST_SYMBOLS}, was {len(found)} by {text[:_SHOWN]!r}")
    return list(found)


def _fitting(pattern: str, venue: str | None, names: Sequence[StoredName]) -> list[str]:
    found: list[str] = []
    for named, body in _readings(pattern, {name.venue for name in names}):
        wanted = [name for name in names if name.stored and named in (None, name.venue) and venue in (None, name.venue)]
        found = sorted({name.symbol for name in wanted if fnmatchcase(name.symbol.casefold(), body.casefold())})
        if found:
            return found
    raise UnknownSymbolError(f"symbol: expected a pattern that fits what is stored, was {pattern!r}{_hint('', names)}")


def resolve(text: str, venue: str | None, names: Sequence[StoredName], what: str = "symbol") -> StoredName:
    """The stored name that a text means; its venue is empty where the text names none.

    Raises:
        UnknownSymbolError: none, or more than one; says what is near.
    """
    for named, body in _readings(text, {name.venue for name in names}):
        within = [name for name in names if named in (None, name.venue) and venue in (None, name.venue)]
        for form in _FORMS:
            fitting = {name.symbol for name in within if form(name.symbol) == form(body) != ""}
            if len(fitting) == 1:
                return StoredName(named or "", fitting.pop())
            if fitting:
                listed = ", ".join(sorted(fitting))
                raise UnknownSymbolError(f"{what}: expected the name of one, was {text[:_SHOWN]!r}, which is {listed}")
    raise UnknownSymbolError(f"{what}: expected one that is stored, was {text[:_SHOWN]!r}{_hint(text, names)}")


def check_venue(symbol: str, venue: str | None, names: Iterable[StoredName]) -> None:
    """A symbol that is known somewhere is known at the venue that is asked for.

    Raises:
        QueryError: it is not; says where it is.
    """
    at = sorted({name.venue for name in names if name.symbol == symbol})
    if venue is not None and at and venue not in at:
        raise QueryError(f"venue: expected one where {symbol} is stored ({', '.join(at)}), was {venue!r}")


def _readings(text: str, venues: set[str]) -> Iterable[tuple[str | None, str]]:
    """The text as a symbol, and as a venue and a symbol."""
    yield None, text.strip()
    for pattern, place, rest in ((_VENUE_BEFORE, 1, 2), (_VENUE_BEHIND, 2, 1)):
        match = pattern.match(text.strip())
        if match is None:
            continue
        venue = venue_of_code(match[place]) or match[place].casefold()
        if venue in venues:
            yield venue, match[rest]


def _squeezed(text: str) -> str:
    return _BETWEEN.sub("", text).casefold()


def _of_month(text: str) -> str:
    match = _MONTH.match(_squeezed(text))
    return "".join(match.groups()) if match else ""


_FORMS: tuple[Callable[[str], str], ...] = (str, str.casefold, _squeezed, _of_month)


def _hint(text: str, names: Sequence[StoredName]) -> str:
    stored = sorted({name.symbol for name in names if name.stored})
    if not stored:
        return "; nothing is stored"
    bodies = [body for _, body in _readings(text, {name.venue for name in names})]
    found = next((near for body in bodies[::-1] if body and (near := nearest(body, stored))), [])
    if found:
        return f"; the nearest: {', '.join(found)}"
    return f"; stored: {', '.join(stored)}" if len(stored) <= _FEW else f"; {len(stored)} others are stored"
