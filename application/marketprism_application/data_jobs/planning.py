"""A request cut into tasks, one a series; what cannot be is refused by its field, with what was expected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from marketprism_application.contracts.data_jobs import (
    MOST_SERIES,
    CheckRequest,
    DailyRequest,
    DataRequest,
    DownloadRequest,
    ExportRequest,
    ImportRequest,
    Series,
    TaskRecord,
)
from marketprism_application.contracts.kinds import BAR, KINDS, KLINE, TRADE
from marketprism_application.contracts.nearest import nearest
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.integrity.stored_check import WITNESSES
from marketprism_application.ports.history import History
from marketprism_application.queries.symbol_names import NameIndex
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.values import Interval

_DAY_NS = 86_400 * 10**9
_MOST_DAYS = 3_653  # ten years
MODES = ("missing", "all")
SOURCES = ("auto", "rest", "archive")
CHECKED = (BAR.name, KLINE.name, TRADE.name)


class BadRequest(QueryError):
    """A request that cannot be; `details` name field, value, what was expected and the nearest names."""

    def __init__(self, field: str, expected: str, value: object, known: Sequence[str] = ()) -> None:
        near = nearest(str(value), known)
        hint = f"; did you mean {' or '.join(map(repr, near))}" if near else ""
        super().__init__(f"{field}: expected {expected}, was {str(value)[:80]!r}{hint}")
        self.details = {"field": field, "value": str(value)[:80], "expected": expected, "nearest": near}


Holder = Callable[[str, str, str | None, str], Awaitable[tuple[str, str] | None]]


class Cut(NamedTuple):
    """The tasks of a request, which have no job yet, and what was changed of it."""

    tasks: Sequence[TaskRecord]
    remarks: Sequence[str] = ()


class Planner:
    """Cuts requests. `names` answers what is known, `holder` whose rows of a kind lie under a name that is not among
    those: (venue, symbol), None for nobody's. `markets` are those that can be downloaded, each with its venue
    as rows name it; `history` is one of them, `listed` the names of its instruments now. `series` are the
    stored series of bars and klines: kind, venue, symbol, interval.

    Raises (from `cut`):
        BadRequest: names field, value and what was expected. What `names` raises.
    """

    def __init__(
        self,
        names: Callable[[], Awaitable[NameIndex]],
        holder: Holder,
        markets: Mapping[str, str],
        history: Callable[[str], Awaitable[History]],
        listed: Callable[[str], Awaitable[Sequence[str]]],
        series: Callable[[], Awaitable[Sequence[tuple[str, str, str, str]]]],
        now_ns: Callable[[], int],
    ) -> None:
        self._names, self._holder, self._markets = names, holder, markets
        self._history, self._listed, self._series, self._now_ns = history, listed, series, now_ns

    async def cut(self, request: DataRequest) -> Cut:
        """The tasks of any request that does not go on from another job."""
        if isinstance(request, DownloadRequest):
            return await self._download(request)
        if isinstance(request, CheckRequest | ExportRequest):
            return await self._stored(request)
        if isinstance(request, DailyRequest):
            return await self._daily(request)
        if isinstance(request, ImportRequest):
            task = TaskRecord(
                job="", number=0, kind=request.kind, venue=request.venue, symbol=request.symbol or request.path
            )
            return Cut([task])
        raise QueryError(f"action: expected a request for series, was {type(request).__name__}")

    async def _download(self, request: DownloadRequest) -> Cut:
        market = venue_named(request.venue)
        if market not in self._markets:
            raise BadRequest("venue", f"one of {', '.join(self._markets)}", request.venue, tuple(self._markets))
        _one_of("mode", request.mode, MODES)
        _one_of("source", request.source, SOURCES)
        history = await self._history(market)
        kinds = history.kinds()
        kind = request.kind or KLINE.name
        _one_of("kind", kind, tuple(kinds))
        interval = request.interval or ("1m" if KINDS[kind].has_interval else "")
        if kinds[kind] or interval:
            _one_of("interval", interval, tuple(kinds[kind]))
        ts_from, ts_to, remarks = self._range(request, interval)
        if ts_from is None or ts_to is None:
            raise BadRequest("from", "the begin of the range", "")
        symbols = list(dict.fromkeys(request.symbols))
        if request.pattern:
            listed = await self._listed(market)
            fitting = [each for each in listed if fnmatchcase(each, request.pattern)]
            if not fitting:
                raise BadRequest("pattern", f"one that fits an instrument of {market}", request.pattern, listed)
            symbols += [each for each in fitting if each not in symbols]
        _some(symbols)
        await self._check_listed(history, market, request.symbols, kind, interval)
        return Cut(
            [
                TaskRecord(
                    job="",
                    number=number,
                    kind=kind,
                    venue=market,
                    symbol=symbol,
                    interval=interval,
                    ts_from=ts_from,
                    ts_to=ts_to,
                )
                for number, symbol in enumerate(symbols)
            ],
            remarks,
        )

    async def _check_listed(
        self, history: History, market: str, symbols: Sequence[str], kind: str, interval: str
    ) -> None:
        """Each is listed, or was once. A venue that is away now is asked by the task."""
        try:
            listed = await self._listed(market)
            for symbol in symbols:
                if symbol not in listed:
                    try:
                        await history.bounds(symbol, kind, interval)
                    except UnknownSymbolError as error:
                        raise BadRequest("symbols", f"instruments of {market}", symbol, listed) from error
        except SourceError:
            return

    def _range(self, request: Series, interval: str) -> tuple[int | None, int | None, list[str]]:
        now = self._now_ns()
        ts_from, ts_to = request.ts_from, request.ts_to
        remarks: list[str] = []
        if ts_from is not None and ts_from >= now:
            raise BadRequest("from", f"a time before now ({now})", ts_from)
        if ts_to is not None and ts_to > now:
            remarks.append("to lies in the future: cut to now")
            ts_to = now
        elif ts_to is None and isinstance(request, DownloadRequest):
            ts_to = now
        if ts_from is not None and ts_to is not None:
            if ts_to <= ts_from:
                raise BadRequest("to", f"after from ({ts_from})", request.ts_to)
            if interval == "1m" and (ts_to - ts_from) // _DAY_NS > _MOST_DAYS and not request.confirm:
                raise BadRequest("from", "at most ten years of 1m bars, or confirm", ts_from)
        return ts_from, ts_to, remarks

    async def _stored(self, request: CheckRequest | ExportRequest) -> Cut:
        kind = request.kind or BAR.name
        if isinstance(request, CheckRequest):
            _one_of("kind", kind, CHECKED)
            for name in request.witnesses:
                _one_of("witnesses", name, WITNESSES)
            if request.alignment:
                _one_of("alignment", request.alignment, ("session", "clock", "wall"))
        else:
            _one_of("kind", kind, tuple(KINDS))
        interval = request.interval or "1m" if KINDS[kind].has_interval else ""
        if interval:
            try:
                Interval.parse(interval)
            except InvalidValue as error:
                raise BadRequest("interval", "one like 1m, 5m, 1h, 1d", interval) from error
        ts_from, ts_to, remarks = self._range(request, interval)
        index = await self._names()
        venue = venue_named(request.venue).partition("-")[0] if request.venue else None
        venues = sorted({each.venue for each in index.names})
        found: dict[tuple[str, str], None] = {}
        others: list[str] = []
        for text in request.symbols:
            # Klines that were downloaded lie there without a tick, a bar or terms of their instrument.
            held = None if index.find(text, venue) else await self._holder(kind, text, venue, interval)
            if held is None:
                others.append(text)
            else:
                found[held] = None
        known = {*venues, *self._markets.values()}
        if venue is not None and venue not in known:
            expected = f"one of {', '.join(sorted(known))}"
            raise BadRequest("venue", expected, request.venue, sorted(known))
        found |= dict.fromkeys(await asyncio.to_thread(_meant, index, others, request.venue, venue))
        if request.pattern:
            found |= dict.fromkeys(await self._fitting(request.pattern, kind, interval, venue))
        _some(list(found))
        tasks = [
            TaskRecord(
                job="",
                number=number,
                kind=kind,
                venue=at,
                symbol=symbol,
                interval=interval,
                ts_from=ts_from or 0,
                ts_to=ts_to or 0,
            )
            for number, (at, symbol) in enumerate(found)
        ]
        return Cut(tasks, remarks)

    async def _fitting(self, pattern: str, kind: str, interval: str, venue: str | None) -> Sequence[tuple[str, str]]:
        """Stored series whose symbols fit; bars of any length are made of minutes."""
        if KINDS[kind].has_interval:
            stored = [
                each[1:3]
                for each in await self._series()
                if each[0] == kind and (each[3] == interval or ("gap" in KINDS[kind].fields and each[3] == "1m"))
            ]
        else:
            stored = [(each.venue, each.symbol) for each in (await self._names()).names if each.stored]
        there = sorted({each for each in stored if venue in (None, each[0])})
        fitting = [each for each in there if fnmatchcase(each[1], pattern)]
        if not fitting:
            raise BadRequest("pattern", "one that fits a stored series", pattern, [each[1] for each in there])
        return fitting

    async def _daily(self, request: DailyRequest) -> Cut:
        day = request.day
        if day and not (len(day) == 8 and day.isdecimal()):
            raise BadRequest("day", "a day like 20260131", day)
        found = sorted({each[:3] for each in await self._series() if each[3] == "1m"})
        remarks = [f"only the first {MOST_SERIES} of {len(found)} series"] if len(found) > MOST_SERIES else []
        return Cut(
            [
                TaskRecord(job="", number=number, kind=kind, venue=venue, symbol=symbol, interval="1m")
                for number, (kind, venue, symbol) in enumerate(found[:MOST_SERIES])
            ],
            remarks,
        )


def _meant(index: NameIndex, symbols: Sequence[str], venue_asked: str, venue: str | None) -> list[tuple[str, str]]:
    """(venue, symbol) of everything that is named, each once."""
    known = sorted({each.symbol for each in index.names if venue in (None, each.venue)})
    found: dict[tuple[str, str], None] = {}
    for text in symbols:
        meant = index.find(text, venue)
        if meant is None:
            raise BadRequest("symbols", "one that is stored", text, known)
        at = sorted({meant.venue} - {""}) or sorted(index.venues_of(meant.symbol))
        if venue is not None:
            at = [each for each in at if each == venue]
            if not at:
                raise BadRequest("symbols", f"one that is stored of {venue}", text, known)
        if len(at) > 1:
            raise BadRequest("venue", f"one of {', '.join(at)}, which all have {meant.symbol}", venue_asked)
        found[at[0], meant.symbol] = None
    return list(found)


def _some(found: Sequence[object]) -> None:
    if not found:
        raise BadRequest("symbols", "at least one name, or a pattern", "")
    if len(found) > MOST_SERIES:
        raise BadRequest("symbols", f"at most {MOST_SERIES} series", len(found))


def _one_of(field: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise BadRequest(field, f"one of {', '.join(known)}", value, known)


__all__ = ["CHECKED", "BadRequest", "Cut", "Planner"]
