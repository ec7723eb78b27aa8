"""A venue's own history, by its REST requests and within its budgets, behind everything that is live."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from marketprism_adapters.venues.kit.history_rows import Gathered, settled
from marketprism_adapters.venues.live.history_pages import TRIES, fill_events, fill_grid, fill_ids
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.contracts.kinds import INSTRUMENT, KINDS, KLINE
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.venue_messages import KlineMessage, Message
from marketprism_application.downloads.planning import Cost, Grid, cut
from marketprism_application.downloads.units import span_of
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.ports.history import Bounds, Fetched, HistoryBudget, Part, RawPage
from marketprism_application.queries.arrow_tables import table_of
from marketprism_application.venues.history import EVENTS, GRID, IDS, LISTED, HistoryKind, VenueHistory
from marketprism_application.venues.protocol import Answer, ParseRefused, RestRequest, read_answer
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from marketprism_sdk.resilience import Backoff, Priority

_FAILURES = 8
_GRACE_NS = 2 * NANOS_PER_SECOND  # a bar that has just closed may still change
_DAY, _HOUR = 1440 * NANOS_PER_MINUTE, 60 * NANOS_PER_MINUTE
_EARLIEST = 1_262_304_000 * NANOS_PER_SECOND  # 2010: no venue is older
_BUSY_S = 1.0
_FORBIDDEN = "status 403"
SOURCE = "rest"


class RestHistory:
    """Fulfils `History`. `rest` may be the client of a live gateway: one budget, and what is live goes first.

    `raw`: the pages are handed on as they came.
    """

    source = SOURCE

    def __init__(
        self,
        history: VenueHistory,
        rest: RestClient,
        *,
        raw: bool = False,
        backoff: Backoff | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._history, self._rest, self._raw = history, rest, raw
        self._venue = history.venue
        self.market = self._venue.market
        self._parser = self._venue.parser(f"download:{self.market}")
        self._backoff = backoff or Backoff(0.2, 10.0)
        self._now_ns = now_ns
        self._listing = asyncio.Lock()
        self._records: dict[str, InstrumentRecord] | None = None
        self._firsts: dict[str, int] = {}
        self.used: dict[str, float] = {}

    def kinds(self) -> Mapping[str, Sequence[str]]:
        """What the venue answers."""
        return {kind: each.intervals for kind, each in self._history.kinds.items()}

    def budget(self, kind: str) -> HistoryBudget:
        """Of the budget that a kind draws from."""
        name = self._kind(kind, "").budget if kind in self._history.kinds else "rest"
        rate = self._venue.limits.budgets.get(name, (0.0, 0.0))[0]
        rest = self._rest
        return HistoryBudget(rate, rest.waits_s, rest.refused, rest.requests, self.used.get(name, 0.0))

    async def bounds(self, symbol: str, kind: str, interval: str) -> Bounds:
        """From the instrument list, and where that does not say when it was listed, from its oldest bars."""
        spec = self._kind(kind, interval)
        record = await self._instrument(symbol)
        now = self._now_ns() + int(self._rest.skew_s * NANOS_PER_SECOND)
        first = _day_of(record.list_day) if record is not None else 0
        if spec.form == LISTED:
            return Bounds(now - now % _DAY, now + 1)
        if self._history.kinds.get(KLINE.name):
            first = await self._first_bar(symbol, first)
        last = now
        if record is not None and record.expire_day:
            last = min(now, _day_of(record.expire_day) + _DAY)
        if spec.back_s:
            first = max(first, now - spec.back_s * NANOS_PER_SECOND)
        if spec.form == GRID:
            grid = self._grid(spec, interval)
            last = grid.until(last - (_GRACE_NS if last == now else 0))
            first = grid.from_on(first - grid.step + 1)
        return Bounds(min(first, last), last)

    async def plan(self, dataset: Dataset) -> Sequence[Part]:
        """Whole units of storage each, so that pages are full."""
        spec = self._kind(dataset.kind, dataset.interval)
        first, last = await self.bounds(dataset.symbol, dataset.kind, dataset.interval)
        ts_from, ts_to = max(dataset.ts_from, first), min(dataset.ts_to, last)
        if spec.form == GRID:
            grid = self._grid(spec, dataset.interval)
            ts_from, ts_to = grid.from_on(ts_from), grid.from_on(ts_to) if ts_to < last else ts_to
        if ts_to <= ts_from:
            return []
        inside = Dataset(dataset.kind, dataset.venue, dataset.symbol, dataset.interval, ts_from, ts_to)
        span = span_of(dataset.kind, dataset.interval)
        if spec.form == LISTED:
            return [Part(inside, 0, ts_from, ts_to, 1, spec.weight)]
        if spec.form == IDS:  # how many trades there are, nobody knows before
            hours = Cost(1, spec.weight, _HOUR)
            return cut(inside, span, hours, 1)
        step = self._grid(spec, dataset.interval).step if spec.form == GRID else _HOUR
        return cut(inside, span, Cost(spec.page, spec.weight * (1 if spec.form == GRID else TRIES), step))

    async def fetch(self, part: Part) -> Fetched:
        """Asked for until nothing is missing but what the venue does not have."""
        dataset = part.dataset
        spec = self._kind(dataset.kind, dataset.interval)
        if spec.form == LISTED:
            record = await self._instrument(dataset.symbol)
            return Fetched(table_of(INSTRUMENT, [record] if record is not None else []))
        await self._instrument(dataset.symbol)
        asked = _Asked(self, dataset, spec)
        tables, holes, repeated = [], [], 0
        for ts_from, ts_to in self._windows(spec, part):
            found = Gathered(KINDS[dataset.kind], f"download:{self.market}", ts_from, ts_to)
            if spec.form == GRID:
                missing = await fill_grid(found, self._grid(spec, dataset.interval), spec.page, asked.rows)
                holes += missing if spec.dense else []
            elif spec.form == EVENTS:
                await fill_events(found, asked.rows)
            else:
                by_time = asked.trades_of(ts_from, ts_to)
                holes += await fill_ids(
                    found, spec.page, by_time, asked.trades, newest_first=self._history.newest_first
                )
            tables.append(found.table())
            repeated += found.repeated
        return Fetched(pa.concat_tables(tables), asked.pages, holes, asked.requests, repeated)

    def _windows(self, spec: HistoryKind, part: Part) -> list[tuple[int, int]]:
        """The times of a part that are asked for by themselves: all of it but of trades and events."""
        if spec.form == GRID:
            return [(part.ts_from, part.ts_to)]
        length = spec.window_s * NANOS_PER_SECOND if spec.window_s else spec.page * _HOUR
        begins = range(part.ts_from, part.ts_to, length)
        return [(begin, min(begin + length, part.ts_to)) for begin in begins]

    # -- requests ----------------------------------------------------------------------------------------------------

    async def ask(self, request: RestRequest) -> tuple[Answer, bytes]:
        """The answer to a request, however often it has to be asked. What the venue says to wait is waited, and counts
        as no failure.

        Raises:
            SourceError: eight failures in a row, or the venue does not want to answer.
        """
        failures = 0
        while True:
            refused = self._rest.refused
            try:
                self.used[request.budget] = self.used.get(request.budget, 0.0) + request.weight
                body = await self._rest.get(request, Priority.BULK)
                return read_answer(self._venue, request, body, self._now_ns(), self._parser), body
            except ParseRefused as error:
                if error.reason == "refused":
                    if not any(word in str(error) for word in self._history.busy):
                        raise SourceError(f"{self.market}: {error}", refused=True) from error
                    await asyncio.sleep(_BUSY_S)
                    continue
                last: Exception = error
            except SourceError as error:
                # 403 is said of a burst, and of an address that is never let in.
                if self._rest.refused > refused and self._rest.waits_s > 0 and _FORBIDDEN not in str(error):
                    continue
                last = error
            failures += 1
            if failures >= _FAILURES:
                raise SourceError(f"{self.market}: expected an answer in {failures} attempts: {last}") from last
            await asyncio.sleep(self._backoff.pause_s(failures))

    async def _instrument(self, symbol: str) -> InstrumentRecord | None:
        """Its record; None of one that is not listed any more, but has bars.

        Raises:
            UnknownSymbolError: neither; names the nearest.
        """
        async with self._listing:
            if self._records is None:
                self._records = await self._all_instruments()
        record = self._records.get(symbol)
        if record is None and self._history.kinds.get(KLINE.name) and symbol not in self._firsts:
            try:
                self._firsts[symbol] = await self._first_bar(symbol, 0)
            except SourceError as error:
                if not error.refused:
                    raise
                near = did_you_mean(symbol, self._records)
                raise UnknownSymbolError(f"symbol: expected one of {self.market}, was {symbol!r}{near}") from error
        return record

    async def symbols(self) -> Sequence[str]:
        """Names of the instruments that are listed now, asked for once more each time. Raises SourceError."""
        async with self._listing:
            self._records = await self._all_instruments()
            return sorted(self._records)

    async def _all_instruments(self) -> dict[str, InstrumentRecord]:
        found: dict[str, InstrumentRecord] = {}
        waiting = list(self._venue.instrument_requests())
        while waiting:
            answer, _ = await self.ask(waiting.pop(0))
            found.update({each.symbol: each for each in answer.instruments})
            waiting += answer.more
        self._parser.learn(list(found.values()))
        return found

    async def _first_bar(self, symbol: str, listed: int) -> int:
        """When the first bar of an instrument opens: on the day that the list says, or by its weeks and days; now,
        where it has none."""
        if symbol in self._firsts:
            return self._firsts[symbol]
        intervals = self._history.kinds[KLINE.name].intervals
        begin, end = (listed, listed + 2 * _DAY) if listed else (_EARLIEST, self._now_ns())
        found = listed
        for interval in ("1h", "1m") if listed else ("1w", "1d", "1h", "1m"):
            if interval not in intervals:
                continue
            oldest = await self._oldest(symbol, interval, begin, end)
            if oldest is not None:
                found = begin = max(begin, oldest)
                end = min(self._now_ns(), oldest + Grid.of(interval).step)
        self._firsts[symbol] = found or self._now_ns()
        return self._firsts[symbol]

    async def _oldest(self, symbol: str, interval: str, ts_from: int, ts_to: int) -> int | None:
        request = self._history.page_request(KLINE.name, symbol, interval, ts_from, ts_to)
        oldest: int | None = None
        quiet = 0
        while quiet < TRIES - 1:
            answer, _ = await self.ask(request)
            times = [each.ts_open for each in answer.items if isinstance(each, KlineMessage)]
            earlier = min((ts for ts in times if ts_from <= ts < ts_to), default=None)
            if earlier is not None and (oldest is None or earlier < oldest):
                oldest, quiet = earlier, 0
            else:
                quiet += 1
        return oldest

    def _kind(self, kind: str, interval: str) -> HistoryKind:
        kinds = self._history.kinds
        if kind not in kinds:
            known = ", ".join(kinds)
            raise QueryError(f"kind: expected one of {known}, was {kind!r}{did_you_mean(kind, kinds)}")
        found = kinds[kind]
        if interval and interval not in found.intervals:
            known = ", ".join(found.intervals) or "none"
            near = did_you_mean(interval, found.intervals)
            raise QueryError(f"interval: expected one of {self.market} ({known}), was {interval!r}{near}")
        return found

    @staticmethod
    def _grid(spec: HistoryKind, interval: str) -> Grid:
        return Grid(spec.step_s * NANOS_PER_SECOND) if spec.step_s else Grid.of(interval)

    @property
    def pages_wanted(self) -> bool:
        """Whether pages are handed on."""
        return self._raw

    @property
    def requests_of(self) -> VenueHistory:
        """What makes the requests."""
        return self._history

    def now(self) -> int:
        """The venue's time, as far as its answers tell it."""
        return self._now_ns() + int(self._rest.skew_s * NANOS_PER_SECOND)


class _Asked:
    """Requests of one part, and what came of them."""

    def __init__(self, history: RestHistory, dataset: Dataset, spec: HistoryKind) -> None:
        self._history, self._dataset, self._spec = history, dataset, spec
        self._source = f"download:{history.market}"
        self.pages: list[RawPage] = []
        self.requests = 0

    async def rows(self, ts_from: int, ts_to: int) -> list[Message]:
        """Rows that an answer has of a range; the bar that still runs is none."""
        of = self._dataset
        request = self._history.requests_of.page_request(of.kind, of.symbol, of.interval, ts_from, ts_to)
        return await self._ask(request)

    def trades_of(self, ts_from: int, ts_to: int) -> Callable[[], asyncio.Future[list[Message]]]:
        """Asks for trades by their time."""
        request = self._history.requests_of.trades_by_time(self._dataset.symbol, ts_from, ts_to)
        return lambda: asyncio.ensure_future(self._ask(request))

    async def trades(self, first: int, last: int) -> list[Message]:
        """Trades of these numbers, or the first of them."""
        request = self._history.requests_of.venue.trades_request(self._dataset.symbol, first, last)
        return [] if request is None else await self._ask(request)

    async def _ask(self, request: RestRequest) -> list[Message]:
        answer, body = await self._history.ask(request)
        self.requests += 1
        if self._history.pages_wanted:
            name = "&".join(f"{key}={value}" for key, value in request.parameters.items())
            self.pages.append(RawPage(f"{request.path}?{name}", body, hashlib.sha256(body).hexdigest()))
        closed_before = self._history.now() - _GRACE_NS
        rows = []
        for item in answer.items:
            if (
                not isinstance(item, Message)
                or item.symbol != self._dataset.symbol
                or _KINDS[type(item).__name__] != self._dataset.kind
            ):
                continue
            if isinstance(item, KlineMessage):
                item.closed = item.ts_close <= closed_before
                if not item.closed or item.interval != self._dataset.interval:
                    continue
            rows.append(settled(item, self._source))
        return rows


_KINDS = {f"{kind.model.__name__}Message": name for name, kind in KINDS.items()}


def _day_of(text: str) -> int:
    if not text:
        return 0
    day = datetime.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}T00:00+00:00")
    return int(day.timestamp()) * NANOS_PER_SECOND


__all__ = ["SOURCE", "RestHistory"]
