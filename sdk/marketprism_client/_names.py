"""Names of instruments and venues: several in one argument, patterns, and what is said about one that nobody has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, cast

from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import INSTRUMENT, TICK, DataKind
from marketprism_application.contracts.nearest import nearest
from marketprism_application.contracts.questions import Names, Records
from marketprism_client._failures import QueryFailed, UnknownSymbol, UnknownVenue
from marketprism_client._records import SomeRecord, record_of
from marketprism_client._session import Session
from marketprism_domain.instruments.written_names import fits, is_pattern, readings_of, venue_named
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

_WRONG_VENUE = re.compile(r"^venue: .*was '([^']*)'")
_TIMEOUT_S = 5.0


class Instrument(NamedTuple):
    """What a name stands for; `venue` None is every one that has it."""

    symbol: str
    venue: str | None


def names_of(symbols: str | Sequence[str]) -> tuple[str, ...]:
    """Each symbol or pattern once, of a text with commas or of several texts.

    Raises:
        QueryFailed: there is none.
    """
    texts = [symbols] if isinstance(symbols, str) or not isinstance(symbols, Iterable) else list(symbols)
    if not all(isinstance(text, str) for text in texts):
        raise QueryFailed(Code.INVALID_PARAMETER, f"symbol: expected text or several texts, was {symbols!r}"[:200])
    found = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
    if not found:
        raise QueryFailed(Code.INVALID_PARAMETER, f"symbol: expected at least one, was {symbols!r}"[:200])
    return found


def matches(record: SomeRecord, names: Iterable[str]) -> bool:
    """Whether a record's symbol is one of the names, or fits one of them, with its venue or without it, in any case."""
    return any(
        record.symbol == name or (is_pattern(name) and fits(name, record.venue, record.symbol)) for name in names
    )


def _has_come(name: str, come: Collection[SomeRecord]) -> bool:
    return any(matches(record, (name,)) for record in come)


def _hint(near: Sequence[str]) -> str:
    return f"; the nearest: {', '.join(near)}" if near else ""


class Directory:
    """What the read side knows by name. It takes names as people write them; what it means by them is asked here."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def matching(self, names: Sequence[str], venue: str | None = None) -> tuple[str, ...]:
        """The names, with each pattern replaced by the stored symbols that match it, with or without their venue.

        Raises:
            UnknownSymbol: nothing matches. UnknownVenue: there is no such venue. QueryFailed, SdkError: the read side
            cannot be asked.
        """
        if not any(map(is_pattern, names)):
            return tuple(names)
        if venue is not None:
            await self.check_venue(venue)
            venue = venue_named(venue)
        stored = [(symbol, at) for symbol, at, is_stored in await self._known() if is_stored and venue in (None, at)]
        found: dict[str, None] = {}
        for name in names:
            if not is_pattern(name):
                found[name] = None
                continue
            matched = {symbol for symbol, at in stored if fits(name, at, symbol)}
            if not matched:
                raise UnknownSymbol(f"symbol: expected a pattern that fits what is stored, was {name[:80]!r}")
            found |= dict.fromkeys(sorted(matched))
        return tuple(found)

    async def check(
        self, kind: DataKind, names: Sequence[str], venue: str | None, come: Collection[SomeRecord] = ()
    ) -> list[Instrument]:
        """What the names stand for where they are written otherwise than the symbols; refuses those that nobody has, as
        long as the read side knows others, and says so when it cannot be asked. `come` are records of what has come
        by now, of that venue; a name with one of them is right as it is.

        Raises:
            UnknownSymbol, UnknownVenue: names the nearest.
        """
        try:
            if venue is not None:
                await self._check_silent_venue(venue, come)
            return [each for name in names if (each := await self._meant_by_silent(kind, name, come)) is not None]
        except (UnknownSymbol, UnknownVenue):
            raise
        except (SdkError, QueryFailed) as error:
            log.warning("subscription.unchecked", symbols=",".join(names), error=reason_of(error))
            return []

    async def _check_silent_venue(self, venue: str, come: Collection[SomeRecord]) -> None:
        try:
            await self.check_venue(venue)
        except UnknownVenue:
            if not come:
                raise

    async def _meant_by_silent(self, kind: DataKind, name: str, come: Collection[SomeRecord]) -> Instrument | None:
        """As `_meant`, unless the name has come before or meanwhile: what is published may be stored nowhere yet."""
        if _has_come(name, come):
            return None
        try:
            found = await self._meant(kind, name)
        except UnknownSymbol:
            if _has_come(name, come):
                return None
            raise
        return None if _has_come(name, come) else found

    async def _meant(self, kind: DataKind, name: str) -> Instrument | None:
        if is_pattern(name):
            await self.matching([name])
            return None
        known = await self._known()
        if any(symbol == name for symbol, _, _ in known):
            return None
        found = await self._session.call("latest_tick", name)  # what was published may be in no table yet
        if found is not None:
            return _written_otherwise(name, decode(TICK, cast("bytes", found)))
        for each in dict.fromkeys((kind, TICK, INSTRUMENT)):
            if not each.has_interval and (row := await self.newest(each, name)) is not None:
                return _written_otherwise(name, record_of(each, row))
        return None

    async def newest(self, kind: DataKind, name: str) -> dict[str, object] | None:
        """The newest row of a kind of the instrument that a name stands for, None where it has none.

        Raises:
            UnknownSymbol: there is no such instrument, although there are others. QueryFailed, SdkError: the read side
            cannot be asked.
        """
        question = Records(kind.name, name, limit=1, last=True)
        try:
            rows: list[dict[str, object]] = (await self._session.ask(question, timeout_s=_TIMEOUT_S)).to_pylist()
        except UnknownSymbol as error:
            if not await self._known():  # a store that has nothing knows nothing
                log.warning("symbol.unchecked", symbol=name, error=str(error))
                return None
            raise
        return rows[-1] if rows else None

    async def check_venue(self, venue: str) -> None:
        """Refuse a venue of which nothing is known, as long as others are.

        Raises:
            UnknownVenue: names the nearest. QueryFailed, SdkError: the read side cannot be asked.
        """
        known = {at for _, at, _ in await self._known()}
        if known and venue_named(venue) not in known:
            near = nearest(venue, known)
            raise UnknownVenue(
                f"venue: expected one of {', '.join(sorted(known))}, was {venue[:80]!r}{_hint(near)}", near
            )

    async def by_class(self, error: QueryFailed) -> QueryFailed:
        """The error as its class: one about a venue is UnknownVenue where nothing at all is known of that venue."""
        match = _WRONG_VENUE.search(str(error))
        if match is None or error.code != Code.INVALID_PARAMETER:
            return error
        try:
            await self.check_venue(match[1])
        except UnknownVenue as unknown:
            return unknown
        return error

    async def _known(self) -> list[tuple[str, str, bool]]:
        """Symbol and venue of all that is known, and whether more than terms is stored of it."""
        found = await self._session.ask(Names(), timeout_s=_TIMEOUT_S)
        return [(str(row["symbol"]), str(row["venue"]), bool(row["stored"])) for row in found.to_pylist()]


def _written_otherwise(name: str, record: SomeRecord) -> Instrument | None:
    """The instrument of a record where the name is another text; its venue where the text names one."""
    if record.symbol == name:
        return None
    venues = {reading.venue for reading in readings_of(name)}
    return Instrument(record.symbol, record.venue if record.venue in venues else None)
