"""Query: the read side, over NATS and HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.http.caller_limits import Callers
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
from marketprism_application.errors import ApplicationError, QueryError, UnknownSymbolError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.bar_cache import CachedReader
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.recent_bars import FreshReader, RecentBars
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.values import Interval, Symbol
from marketprism_sdk.errors import RemoteError, SdkError, reason_of
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import Discovery, LeaderClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.resilience import Backoff, retry
from marketprism_sdk.service import Service, ServiceSettings, rpc
from marketprism_sdk.values import read_or_none
from marketprism_services.query.http.live_books import BookApi
from marketprism_services.query.http.parameters import LatestBarParameters
from marketprism_services.query.http.rendering import enveloped
from marketprism_services.query.http.routes import ReadApi
from marketprism_services.query.http.streaming import StreamApi
from marketprism_services.settings.sections import QuerySettings
from marketprism_services.wiring.store import EngineSource

if TYPE_CHECKING:
    import pyarrow as pa

Found: TypeAlias = "pa.Table | Sequence[Any]"
_TIMEOUT_S = 25.0
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
        self._books_api = BookApi(self.calls, self._callers)
        self._streamed = StreamApi(self._ask, self._callers, self.metrics, rules.intervals, limits)

    def _over(self, reader: StoreReader) -> StoreReader:
        cached = CachedReader(FreshReader(reader, self._recent), self._tail.is_live, self._cache_bytes)
        self._recent.on_add(cached.on_bar)
        self.metrics.watch("cache_hits_total", lambda: cached.hits)
        self.metrics.watch("cache_misses_total", lambda: cached.misses)
        self.metrics.watch("cache_bytes", lambda: cached.bytes)
        return cached

    async def on_start(self) -> None:
        """Buckets, the store, the tail of the bars."""
        self._ticks = NatsKeyValue.existing(self.connection, streams.LATEST_TICKS)
        self._bars = NatsKeyValue.existing(self.connection, streams.LATEST_BARS)
        if self._engines is not None:
            self._engine = await retry(self._engines.open, attempts=1_000, backoff=Backoff(0.2, 5.0))
            self._reader = self._over(SqlReader(self._engine))
        self._books_api.discovery = Discovery(NatsKeyValue.existing(self.connection, "service_instances"))
        await self._books_api.discovery.start()
        self.spawn(self._tail.run(), "bar-tail")
        StreamKeeper(self, {}, (streams.BARS, "KV_latest_ticks", "KV_latest_bars", "KV_service_instances")).start()

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
            web.get("/api/v1/openapi.json", self._openapi),
        ]

    async def _openapi(self, _: web.Request) -> web.Response:
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
        except SdkError as error:
            # Whoever asked reached this service: what cannot be reached from here is not for it to be confused with.
            raise RemoteError(Code.UNAVAILABLE, f"storage: {reason_of(error)}", retryable=True) from error

    async def _ask(self, question: Question) -> pa.Table:
        await loaded("pyarrow")
        return await answer_question(self._reader, question, self._rules)

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question with an Arrow stream."""
        await loaded("pyarrow")
        return await answer(self._reader, data, self._rules)

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
            symbol, interval = Symbol(asked.symbol), str(Interval.parse(asked.interval))
        except InvalidValue as error:
            raise QueryError(str(error)) from error
        found = self._recent.newest(symbol, interval)
        if found:
            return found
        entries = await self._bars.entries(f"bar.{interval}.{escape(symbol)}.")
        return [bar for entry in entries if (bar := self._read(BAR, entry)) is not None]

    async def _latest_tick(self, request: web.Request) -> web.Response:
        async def work() -> Found:
            symbol = request.match_info["symbol"]
            message = await self.latest_tick(symbol)
            return (
                [decode(TICK, message)]
                if message is not None
                else await self._reader.answer(Latest(TICK.name, (symbol,)))
            )

        return await self._one(request, work, TICK)

    async def _latest_bar(self, request: web.Request) -> web.Response:
        async def work() -> Found:
            asked = LatestBarParameters.of(request)
            found = await self._newest_bars(LatestBars(asked.symbol, asked.interval))
            if found:
                return found
            return await self._ask(Records(BAR.name, asked.symbol, interval=asked.interval, limit=1, last=True))

        return await self._one(request, work, BAR)

    async def _one(self, request: web.Request, work: Callable[[], Awaitable[Found]], kind: DataKind) -> web.Response:
        async def there() -> Found:
            found = await work()
            if not len(found):
                raise UnknownSymbolError(f"symbol: expected one that is stored, was {request.match_info['symbol']!r}")
            return found

        return await enveloped(request, lambda: self._callers.serve(request, there), kind)
