"""What is looked up in what is stored: every revision of a bar, and the instruments of a day by rank."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa

from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.data_answers import BarRevisionShown, RankedInstrument
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records
from marketprism_application.data_jobs.planning import BadRequest
from marketprism_application.errors import ApplicationError, UnknownSymbolError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import Interval
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.data.stored import Stored
from marketprism_services.wiring.seen import Seen

_MOST_REVISIONS = 100
_MOST_RANKED = 500
_MOST_MINUTES = 1_440  # of a day
_DAY_NS = 86_400 * 10**9
_AT_ONCE = 8
_OF_BARS = tuple(kind.name for kind in KINDS.values() if kind.has_interval)  # our own before the venue's
_NUMBERS = ("open", "high", "low", "close", "volume", "turnover", "open_interest")
RANKS = ("change", "volume", "turnover")


class RevisionsAsked(msgspec.Struct):
    """The bar of an instrument that opens at `at`, nanoseconds UTC."""

    symbol: str
    at: int
    venue: str = ""
    kind: str = ""
    interval: str = ""


class UniverseAsked(msgspec.Struct):
    """The first `top` instruments of a day (YYYYMMDD, the last whole one without) by `rank`, of a venue or of all."""

    rank: str = "change"
    day: str = ""
    top: int = 10
    venue: str = ""


class LookupOperations:
    """Answers of every instance; they raise RemoteError by the code of what is wrong."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    @rpc("revisions")
    @http("GET", "/revisions/{symbol}", scope=Scope.HISTORY, weight=2)
    async def revisions(self, asked: RevisionsAsked, caller: Caller | None = None) -> list[BarRevisionShown]:
        """Every revision of one bar, the first one first."""
        try:
            return await self._revisions(asked, Seen(caller))
        except UnknownSymbolError as error:
            raise RemoteError("NOT_FOUND", str(error), {"field": "symbol"}) from error
        except ApplicationError as error:
            raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error

    async def _revisions(self, asked: RevisionsAsked, seen: Seen) -> list[BarRevisionShown]:
        kind, interval = asked.kind or _OF_BARS[0], asked.interval or "1m"
        if kind not in _OF_BARS:
            raise BadRequest("kind", f"one of {', '.join(_OF_BARS)}", kind, _OF_BARS)
        try:
            Interval.parse(interval)
        except InvalidValue as error:
            raise BadRequest("interval", "one like 1m, 5m, 1h, 1d", interval) from error
        venue = venue_named(asked.venue).partition("-")[0] if asked.venue else None
        found: list[BarRevisionShown] = []
        as_of: int | None = None
        # What stood just before a revision was published is the revision before it.
        while len(found) < _MOST_REVISIONS:
            question = Records(kind, asked.symbol, venue, asked.at, asked.at + 1, interval, limit=1, as_of=as_of)
            rows = (await self._stored.ask(question)).to_pylist()
            if not rows:
                break
            row = rows[0]
            seen.check(row["venue"], row["symbol"], kind)
            found.append(_shown(row))
            as_of = int(row["ts_pub"]) - 1
        if not found:
            raise BadRequest("at", f"the time at which a stored {interval} {kind} opens", asked.at)
        ordered = found[::-1]
        if "revision" in KINDS[kind].fields:
            return ordered
        # Those without a number of their own have that of the order in which they were published.
        return [msgspec.structs.replace(each, revision=number) for number, each in enumerate(ordered)]

    @rpc("universe")
    @http("GET", "/universe", scope=Scope.HISTORY, weight=20)
    async def universe(self, asked: UniverseAsked, caller: Caller | None = None) -> list[RankedInstrument]:
        """The first instruments of a day by how much their price rose, or by what was traded."""
        try:
            return await self._universe(asked, Seen(caller))
        except ApplicationError as error:
            raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error

    async def _universe(self, asked: UniverseAsked, seen: Seen) -> list[RankedInstrument]:
        if asked.rank not in RANKS:
            raise BadRequest("rank", f"one of {', '.join(RANKS)}", asked.rank, RANKS)
        if not 1 <= asked.top <= _MOST_RANKED:
            raise BadRequest("top", f"1 to {_MOST_RANKED}", asked.top)
        day = asked.day.replace("-", "") or _yesterday()
        try:
            day = day_text(day_of(day))
        except ValueError as error:
            raise BadRequest("day", "a day like 20260131", asked.day) from error
        venue = venue_named(asked.venue).partition("-")[0] if asked.venue else None
        series = await self._stored.bar_series()
        stored: dict[tuple[str, str], dict[str, set[str]]] = {}
        for kind, at, symbol, interval in series:
            if seen.allows(at, symbol, kind):
                stored.setdefault((at, symbol), {}).setdefault(kind, set()).add(interval)
        venues = sorted({each[0] for each in stored})
        if venue is not None and venue not in venues:
            raise BadRequest("venue", f"one of {', '.join(venues)}", asked.venue, venues)
        names = [each for each in stored if venue in (None, each[0])]
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(at: str, symbol: str) -> RankedInstrument | None:
            async with room:
                return await self._of_day(at, symbol, day, stored[at, symbol])

        found = await asyncio.gather(*(one(*name) for name in names))
        ranked = [
            (value, each) for each in found if each is not None and (value := _rank(each, asked.rank)) is not None
        ]
        ranked.sort(key=lambda each: (-each[0], each[1].venue, each[1].symbol))
        return [each for _, each in ranked[: asked.top]]

    async def _of_day(
        self, venue: str, symbol: str, day: str, stored: Mapping[str, set[str]]
    ) -> RankedInstrument | None:
        """Its bars of the day, the longest that are stored and lie in a day; those of the venue where we have none of
        our own. None where nothing traded. `stored` are the intervals by kind."""
        sessions = self._stored.calendar.schedule(venue, symbol).sessions(day)
        for kind in _OF_BARS:
            found = [Interval.parse(name) for name in stored.get(kind, ())]
            within = max((each for each in found if each.nanos <= _DAY_NS), key=lambda each: each.nanos, default=None)
            if within is None or not sessions:
                continue
            question = Records(kind, symbol, venue, interval=str(within), limit=_MOST_MINUTES)
            if "trading_day" in KINDS[kind].fields:  # bars of days are made of those that are stored
                question = msgspec.structs.replace(question, interval="1d", from_day=day, to_day=day)
            else:
                question = msgspec.structs.replace(question, ts_from=sessions[0].ts_open, ts_to=sessions[-1].ts_close)
            bars = await self._stored.ask(question)
            if bars.num_rows:
                return _ranked(venue, symbol, day, bars)
        return None


def _ranked(venue: str, symbol: str, day: str, bars: pa.Table) -> RankedInstrument:
    """What bars of a day come to, in the order of their times."""
    first, last = bars.column("open")[0].as_py(), bars.column("close")[-1].as_py()
    return RankedInstrument(
        venue=venue,
        symbol=symbol,
        day=day,
        open=first,
        close=last,
        change=round(last / first - 1, 8) if first else None,
        volume=_sum(bars, "volume") or Decimal(0),
        turnover=_sum(bars, "turnover"),
    )


def _sum(bars: pa.Table, name: str) -> Decimal | None:
    """The exact sum of a column, None where a bar does not have it."""
    total = Decimal(0)
    for value in bars.column(name).to_pylist():
        if value is None:
            return None
        total += value
    return total


def _rank(each: RankedInstrument, rank: str) -> Decimal | None:
    found: Decimal | None = getattr(each, rank)
    return found


def _yesterday() -> str:
    return datetime.fromtimestamp(time.time() - 86_400, UTC).strftime("%Y%m%d")


def _shown(row: dict[str, object]) -> BarRevisionShown:
    numbers = {name: row[name] for name in _NUMBERS if isinstance(row.get(name), Decimal)}
    source = str(row.get("source") or "")
    number = row.get("revision")
    return BarRevisionShown(
        revision=number if isinstance(number, int) else 0,
        ts_pub=int(str(row["ts_pub"])),
        source=source,
        cause=source.partition(":")[0] if ":" in source else "",
        **numbers,  # type: ignore[arg-type]
    )


__all__ = ["LookupOperations", "RevisionsAsked", "UniverseAsked"]
