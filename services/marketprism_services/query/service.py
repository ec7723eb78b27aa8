"""Query: the read side, over NATS and HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from aiohttp import web

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.http.caller_limits import Callers
from marketprism_adapters.http.envelope import Stamp, answered, count_of, failed
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.bar_tail import BarTail
from marketprism_adapters.nats.stream_keeper import StreamKeeper
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.questions import Latest, LatestBars, Question, Records
from marketprism_application.contracts.subjects import escape, tick_subject
from marketprism_application.errors import AnswerTooLargeError, ApplicationError, QueryError, UnknownSymbolError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.bar_cache import CachedReader
from marketprism_application.queries.checks import check_interval
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.name_cache import NamesReader
from marketprism_application.queries.recent_bars import FreshReader, RecentBars
from marketprism_application.queries.symbol_names import StoredName
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.values import Symbol
from marketprism_sdk.errors import PayloadTooLarge, RemoteError, SdkError, reason_of
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import REGISTRY, Discovery, LeaderClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.resilience import Backoff, retry
from marketprism_sdk.service import Service, ServiceSettings, rpc
from marketprism_sdk.values import read_or_none
from marketprism_services.query.http.live_books import BookApi
from marketprism_services.query.http.parameters import FormatParameters, Parameters
from marketprism_services.query.http.rendering import enveloped
from marketprism_services.query.http.requests import LatestBarParameters, LatestTickParameters
from marketprism_services.query.http.routes import ReadApi
from marketprism_services.query.http.streaming import StreamApi
from marketprism_services.query.store_known import StoreKnown
from marketprism_services.settings.sections import QuerySettings
from marketprism_services.wiring.store import EngineSource

if TYPE_CHECKING:
    import pyarrow as pa

P = TypeVar("P", bound=FormatParameters)
Found: TypeAlias = "pa.Table | Sequence[Any]"
_TIMEOUT_S = 25.0
_NAMES_S = 3.0
_MEGABYTE = 2**20


@contextmanager
def _travelling() -> Iterator[None]:
    """Errors of ours leave as what a caller over NATS can tell apart: by their code."""
    try:
        yield
    except ApplicationError as error:
        raise RemoteError(error.code, str(error), retryable=error.retryable) from error


class QueryService(Service):
    """Answers `rpc.query.*` and `GET /api/v1/…`.

    Asks the server where there is one, else the storage leader, which alone has the embedded store open. Over the store
    lie the bars that are not in it yet, and over those the answers that are still right.
    """

    def __init__(
        self,
        connection: NatsConnection,
        rules: ReadRules,
        engines: EngineSource | None = None,
        limits: QuerySettings | None = None,
        *,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("query", connection, version=version, settings=settings)
        self._rules = rules
        self._engines = engines
        self._engine: Engine | None = None
        limits = limits or QuerySettings()
        self._recent = RecentBars()
        self._tail = BarTail(connection, self._recent, self.metrics)
        self._cache_bytes = int(limits.cache_mb * _MEGABYTE)
        self._storage = LeaderClient(self.calls, "storage", known=self._storage_leader)
        self._reader = self._over(RemoteReader(self._ask_storage))
        self._callers = Callers(limits.concurrent, limits.per_second)
        self._http = ReadApi(self._ask, self._callers)
        self._books_api = BookApi(self.calls, self._callers, self._meant)
        self._streamed = StreamApi(self._ask, self._callers, self.metrics, rules.intervals, limits)

    def _over(self, reader: StoreReader) -> StoreReader:
        self._names = NamesReader(reader)
        fresh = FreshReader(self._names, self._recent)
        cached = CachedReader(fresh, self._tail.is_live, self._cache_bytes)
        self._recent.on_add(cached.on_bar)
        self.metrics.watch("cache_hits_total", lambda: cached.hits)
        self.metrics.watch("cache_misses_total", lambda: cached.misses)
        self.metrics.watch("cache_bytes", lambda: cached.bytes)
        return cached

    async def on_start(self) -> None:
        """Buckets, the store, the tail of the bars."""
        self._ticks = NatsKeyValue.existing(self.connection, streams.LATEST_TICKS)
        self._bars = NatsKeyValue.existing(self.connection, streams.LATEST_BARS)
        self._known = StoreKnown(self._storage, lambda: self._engine, self._stored_names)
        self.http.check("store", self._known.health)
        self.http.status(self._status)
        if self._engines is not None:
            self._engine = await retry(self._engines.open, attempts=1_000, backoff=Backoff(0.2, 5.0))
            self._reader = self._over(SqlReader(self._engine))
        self._books_api.discovery = Discovery(NatsKeyValue.existing(self.connection, REGISTRY))
        await self._books_api.discovery.start()
        self.spawn(self._tail.run(), "bar-tail")
        StreamKeeper(self, {}, (streams.BARS, "KV_latest_ticks", "KV_latest_bars", f"KV_{REGISTRY}")).start()

    async def on_stop(self) -> None:
        """Let the server go."""
        if self._books_api.discovery is not None:
            await self._books_api.discovery.stop()
        if self._engine is not None:
            await self._engine.close()

    def routes(self) -> list[web.RouteDef]:
        """The routes of the read API."""
        return [
            web.get("/api/v1/ticks/{symbol}/latest", self._latest_tick),
            web.get("/api/v1/bars/{symbol}/latest", self._latest_bar),
            *self._books_api.routes(),
            *self._streamed.routes(),
            *self._http.routes(),
            web.get("/api/v1", self._index),
            web.get("/api/v1/openapi.json", self._openapi),
        ]

    async def _status(self) -> dict[str, Any]:
        """Of the store, how many instruments it has, and what lies over it."""
        await loaded("pyarrow")
        return {
            **await self._known.status(),
            "bars_not_stored_yet": len(self._recent),
            "bars_live": self._tail.is_live(),
        }

    async def _meant(self, symbol: str, venue: str | None) -> StoredName:
        """The stored name that a symbol means. Raises UnknownSymbolError: none. StoreError: the store is away."""
        await loaded("pyarrow")
        return await asyncio.to_thread((await self._names.index()).resolve, symbol, venue)

    async def _stored_names(self) -> Sequence[StoredName]:
        return (await self._names.index()).names

    async def _index(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            Parameters.of(request)
            await loaded("marketprism_services.query.http.openapi")  # loads pyarrow
            from marketprism_services.query.http.openapi import operations  # noqa: PLC0415 (loads pyarrow)

            found = [{"path": each.path, "summary": each.summary} for each in operations()]
        except QueryError as error:
            return failed(request, error, stamp)
        return answered(found, count_of(len(found), "request"), stamp)

    async def _openapi(self, request: web.Request) -> web.Response:
        try:
            Parameters.of(request)
        except QueryError as error:
            return failed(request, error, Stamp.of(request))
        await loaded("marketprism_services.query.http.openapi")  # loads pyarrow
        from marketprism_services.query.http.openapi import read_api_document  # noqa: PLC0415 (loads pyarrow)

        return web.json_response(read_api_document(self.version))

    def _storage_leader(self) -> str | None:
        discovery = self._books_api.discovery
        found = discovery.leader("storage") if discovery is not None else None
        return found.instance if found is not None else None

    async def _ask_storage(self, data: bytes) -> bytes:
        """Only the leader has the store open; a change of the leader is waited for."""
        await loaded("pyarrow")
        try:
            return await self._storage.call_raw("arrow", data, timeout_s=_TIMEOUT_S, idempotent=True)
        except RemoteError:
            raise
        except PayloadTooLarge as error:
            raise AnswerTooLargeError(f"limit: expected fewer rows, or fewer columns (fields): {error}") from error
        except SdkError as error:
            # Whoever asked reached this service: what cannot be reached from here is not for it to be confused with.
            raise RemoteError(Code.UNAVAILABLE, f"storage: {reason_of(error)}", retryable=True) from error

    async def _ask(self, question: Question) -> pa.Table:
        await loaded("pyarrow")
        return await answer_question(self._reader, question, self._rules, self._names)

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question with an Arrow stream."""
        await loaded("pyarrow")
        return await answer(self._reader, data, self._rules, self._names)

    @rpc("orderbook")
    async def orderbook(self, request: BookRequest) -> BookView:
        """The book as the gateway that keeps it has it."""
        with _travelling():
            return await self._books_api.find(request)

    # -- the newest --------------------------------------------------------------------------------------------------

    @rpc("latest_tick")
    async def latest_tick(self, symbol: Any) -> bytes | None:
        """The newest tick's message: the stream's last, which is there before it is in any table."""
        if not isinstance(symbol, str):
            raise RemoteError(Code.INVALID_PARAMETER, f"symbol: expected a symbol, was {symbol!r}")
        try:
            subject = tick_subject(Symbol(symbol))
        except InvalidValue as error:
            raise RemoteError(Code.INVALID_PARAMETER, str(error)) from error
        found = await self._newest_tick(symbol, subject)
        if found is None and (meant := await self._otherwise(symbol)) is not None:
            return await self._newest_tick(meant, tick_subject(Symbol(meant)))
        return found

    async def _otherwise(self, symbol: str) -> str | None:
        """The stored symbol that is meant by one that is written otherwise; None where there is none, and where the
        store does not say soon: the newest is asked for by those who do not wait."""
        await loaded("pyarrow")
        try:
            async with asyncio.timeout(_NAMES_S):
                names = await self._names.index()
        except (ApplicationError, SdkError, TimeoutError):
            return None  # whoever asks for history is told why
        meant = names.find(symbol)
        return None if meant is None or meant.symbol == symbol else meant.symbol

    async def _newest_tick(self, symbol: str, subject: str) -> bytes | None:
        message = await direct_get_last(self.connection, streams.TICKS, subject)
        if message is not None:
            entries = [KvEntry(subject, message.data, message.seq, bucket=streams.TICKS)]
        else:
            entries = await self._ticks.entries(f"tick.{escape(symbol)}.")
        return next((entry.value for entry in entries if self._read(TICK, entry) is not None), None)

    def _read(self, kind: DataKind, entry: KvEntry) -> Any:
        """A record as somebody wrote it, None where it is none."""
        return read_or_none(entry, lambda value: decode(kind, value), metrics=self.metrics)

    @rpc("latest_bars")
    async def latest_bars(self, request: LatestBars) -> list[bytes]:
        """Messages of an instrument's newest bar at each venue."""
        with _travelling():
            return [encode(BAR, bar) for bar in await self._newest_bars(request)]

    async def _newest_bars(self, asked: LatestBars) -> Sequence[Bar]:
        """From memory, else from the bucket; both know only what was made not long ago."""
        try:
            symbol, interval = Symbol(asked.symbol), str(check_interval(asked.interval))
        except InvalidValue as error:
            raise QueryError(str(error)) from error
        found = await self._bars_of(symbol, interval)
        if not found and (meant := await self._otherwise(symbol)) is not None:
            return await self._bars_of(meant, interval)
        return found

    async def _bars_of(self, symbol: str, interval: str) -> Sequence[Bar]:
        found = self._recent.newest(symbol, interval)
        if found:
            return found
        entries = await self._bars.entries(f"bar.{interval}.{escape(symbol)}.")
        return [bar for entry in entries if (bar := self._read(BAR, entry)) is not None]

    async def _latest_tick(self, request: web.Request) -> web.Response:
        async def work(asked: LatestTickParameters) -> Found:
            message = await self.latest_tick(asked.symbol)
            return (
                [decode(TICK, message)] if message is not None else await self._ask(Latest(TICK.name, (asked.symbol,)))
            )

        return await self._one(request, LatestTickParameters, work, TICK)

    async def _latest_bar(self, request: web.Request) -> web.Response:
        async def work(asked: LatestBarParameters) -> Found:
            found = await self._newest_bars(LatestBars(asked.symbol, asked.interval))
            if found:
                return found
            newest = Records(BAR.name, asked.symbol, interval=asked.interval, limit=1, last=True)
            return (await self._ask(newest)).replace_schema_metadata(None)

        return await self._one(request, LatestBarParameters, work, BAR)

    async def _one(
        self, request: web.Request, parameters: type[P], work: Callable[[P], Awaitable[Found]], kind: DataKind
    ) -> web.Response:
        async def there(asked: P) -> Found:
            found = await work(asked)
            if not len(found):
                raise UnknownSymbolError(f"symbol: expected one that is stored, was {request.match_info['symbol']!r}")
            return found

        return await enveloped(
            request, parameters, lambda asked: self._callers.serve(request, lambda: there(asked)), kind
        )
