"""Names of instruments and venues: several in one argument, patterns, and what is said about one that nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.questions import Instruments, InstrumentSearch, Records, Symbols
from marketprism_client._failures import QueryFailed, UnknownSymbol, UnknownVenue
from marketprism_client._session import Session
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

_PATTERN = re.compile(r"[*?\[]")
_PARTS = re.compile(r"[.:/\s]+")
_TIMEOUT_S = 5.0
_MOST = 5


def names_of(symbols: str | Sequence[str]) -> tuple[str, ...]:
    """Each symbol or pattern once, of a text with commas or of several texts.

    Raises:
        QueryFailed: there is none.
    """
    texts = [symbols] if isinstance(symbols, str) else list(symbols)
    if not all(isinstance(text, str) for text in texts):
        raise QueryFailed(Code.INVALID_PARAMETER, f"symbol: expected text or several texts, was {symbols!r}"[:200])
    found = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
    if not found:
        raise QueryFailed(Code.INVALID_PARAMETER, f"symbol: expected at least one, was {symbols!r}"[:200])
    return found


def is_pattern(name: str) -> bool:
    """Whether a name stands for all that match it: `ru*`, `*-USDT-PERP`, `rb25[01]?`."""
    return _PATTERN.search(name) is not None


def matches(symbol: str, names: Iterable[str]) -> bool:
    """Whether a symbol is one of the names, or matches one of them; case counts."""
    return any(symbol == name or fnmatchcase(symbol, name) for name in names)


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most five known names that somebody who wrote `name` may have meant, the likeliest first."""
    folded: dict[str, list[str]] = {}
    for each in known:
        folded.setdefault(_folded(each), []).append(each)
    # `ru1901.SHFE` and `shfe.ru1901`: one of the parts is the symbol.
    found: list[str] = []
    for part in dict.fromkeys((_folded(name), *map(_folded, _PARTS.split(name)))):
        for close in get_close_matches(part, folded, _MOST, 0.7):
            found += [each for each in folded[close] if each not in found]
    return tuple(found[:_MOST])


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Directory:
    """What the read side knows by name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def matching(self, names: Sequence[str], venue: str | None = None) -> tuple[str, ...]:
        """The names, with each pattern replaced by the stored symbols that match it.

        Raises:
            UnknownSymbol: nothing matches. QueryFailed, SdkError: the read side cannot be asked.
        """
        if not any(map(is_pattern, names)):
            return tuple(names)
        stored = await self._stored()
        symbols = sorted({symbol for symbol, at in stored if venue is None or at == venue})
        found: list[str] = []
        for name in names:
            matched = [symbol for symbol in symbols if fnmatchcase(symbol, name)] if is_pattern(name) else [name]
            if not matched:
                raise self._unknown(name, symbols)
            found += matched
        return tuple(dict.fromkeys(found))

    async def check(self, names: Sequence[str], venue: str | None) -> None:
        """Refuse names that nobody has, as long as the read side knows others; say so when it cannot be asked.

        Raises:
            UnknownSymbol, UnknownVenue: names the nearest.
        """
        try:
            if venue is not None:
                await self.check_venue(venue)
            for name in names:
                await self._check_symbol(name)
        except (UnknownSymbol, UnknownVenue):
            raise
        except (SdkError, QueryFailed) as error:
            log.warning("subscription.unchecked", symbols=",".join(names), error=reason_of(error))

    async def _check_symbol(self, name: str) -> None:
        if is_pattern(name):
            await self.matching([name])
            return
        if await self._session.call("latest_tick", name) is None:  # what was published may be in no table yet
            await self.require(name)

    async def require(self, name: str) -> None:
        """Refuse an instrument of which nothing is stored, as long as something is of others.

        Raises:
            UnknownSymbol: names the nearest. QueryFailed, SdkError: the read side cannot be asked.
        """
        try:
            await self._session.ask(Records("tick", name, limit=1, last=True), timeout_s=_TIMEOUT_S)
        except UnknownSymbol as error:
            known = await self._known(name)
            if known:  # a store that has nothing knows nothing
                raise self._unknown(name, known) from error
            log.warning("symbol.unchecked", symbol=name, error=str(error))

    async def check_venue(self, venue: str) -> None:
        """Refuse a venue of which nothing is known, as long as others are.

        Raises:
            UnknownVenue: names the nearest. QueryFailed, SdkError: the read side cannot be asked.
        """
        known = {at for _, at in await self._stored()}
        if venue in known or not known:
            return
        listed = await self._session.ask(Instruments(InstrumentSearch(venue=venue, limit=1)), timeout_s=_TIMEOUT_S)
        if listed.num_rows:
            return
        near = nearest(venue, known)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownVenue(f"venue: expected one of {', '.join(sorted(known))}, was {venue!r}{hint}", near)

    async def with_nearest(self, error: UnknownSymbol, name: str) -> UnknownSymbol:
        """The error with the nearest names in it, or as it is where they cannot be asked for."""
        if error.nearest or "did you mean" in str(error):
            return error
        try:
            return self._unknown(name, await self._known(name))
        except (SdkError, QueryFailed):
            return error

    async def _stored(self) -> list[tuple[str, str]]:
        """Symbol and venue of all that is stored."""
        found = await self._session.ask(Symbols(), timeout_s=_TIMEOUT_S)
        return [(str(row["symbol"]), str(row["venue"])) for row in found.to_pylist()]

    async def _known(self, name: str) -> list[str]:
        """Stored symbols, and listed instruments that begin like one of the parts of the name."""
        found = {symbol for symbol, _ in await self._stored()}
        for part in _PARTS.split(name):
            letters = re.match(r"[A-Za-z]{1,4}", part)
            if letters is not None:
                listed = await self._session.ask(
                    Instruments(InstrumentSearch(letters[0], limit=1_000)), timeout_s=_TIMEOUT_S
                )
                found.update(map(str, listed.column("symbol").to_pylist()))
        return sorted(found)

    @staticmethod
    def _unknown(name: str, known: Iterable[str]) -> UnknownSymbol:
        near = nearest(name, known)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        wanted = "one that matches what is stored" if is_pattern(name) else "one that is stored"
        return UnknownSymbol(f"symbol: expected {wanted}, was {name!r}{hint}", near)
