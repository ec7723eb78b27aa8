"""Query: the read side, over NATS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.bar_tail import BarTail
from marketprism_adapters.nats.stream_keeper import StreamKeeper
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.plain_answers import plain_of
from marketprism_application.contracts.questions import LatestBars
from marketprism_application.contracts.subjects import escape, tick_subject
from marketprism_application.errors import AnswerTooLargeError, ApplicationError, QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.answering import Answered, answer
from marketprism_application.queries.bar_cache import CachedReader
from marketprism_application.queries.checks import check_interval
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.listing_cache import ListingReader
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
from marketprism_services.query.live_books import BookFinder
from marketprism_services.query.store_known import StoreKnown
from marketprism_services.settings.sections import QuerySettings
from marketprism_services.wiring.store import EngineSource

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
    """Answers `rpc.query.*`: the API gateway asks for those outside, clients on NATS for themselves.

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
        self._tail = BarTail(connection, self._recent, self.metrics, self._history_stored)
        self._cache_bytes = int(limits.cache_mb * _MEGABYTE)
        self._cache: CachedReader
        self._storage = LeaderClient(self.calls, "storage", known=self._storage_leader)
        self._reader = self._over(RemoteReader(self._ask_storage))
        self._books = BookFinder(self.calls, self._meant)

    def _over(self, reader: StoreReader) -> StoreReader:
        self._names, self._listing = NamesReader(reader), ListingReader(reader)
        fresh = FreshReader(self._names, self._recent)
        self._cache = cached = CachedReader(fresh, self._tail.is_live, self._cache_bytes)
        self._recent.on_add(cached.on_bar)
        self.metrics.watch("cache_hits_total", lambda: cached.hits)
        self.metrics.watch("cache_misses_total", lambda: cached.misses)
        self.metrics.watch("cache_bytes", lambda: cached.bytes)
        return cached

    def _history_stored(self) -> None:
        self._cache.on_history()

    def bound_cache(self, cache_mb: float) -> None:
        """Keep so many megabytes of answers at most from now on."""
        self._cache_bytes = int(cache_mb * _MEGABYTE)
        self._cache.bound(self._cache_bytes)

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
        self._books.discovery = Discovery(NatsKeyValue.existing(self.connection, REGISTRY))
        await self._books.discovery.start()
        self.spawn(self._tail.run(), "bar-tail")
        StreamKeeper(self, {}, (streams.BARS, "KV_latest_ticks", "KV_latest_bars", f"KV_{REGISTRY}")).start()

    async def on_stop(self) -> None:
        """Let the server go."""
        if self._books.discovery is not None:
            await self._books.discovery.stop()
        if self._engine is not None:
            await self._engine.close()

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

    def _storage_leader(self) -> str | None:
        discovery = self._books.discovery
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

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question with an Arrow stream."""
        await loaded("pyarrow")
        return await answer(self._reader, data, self._rules, self._names, self._listing, self._answered)

    @rpc("rows", raw=True)
    async def rows(self, data: bytes) -> bytes:
        """Answer a question with rows in MessagePack, for clients without Arrow."""
        return await asyncio.to_thread(plain_of, await self.arrow(data))

    def _answered(self, answered: Answered) -> None:
        self.metrics.observe("query_seconds", answered.seconds, question=answered.question)
        self.metrics.count("query_rows_total", answered.rows)
        if answered.code:
            self.metrics.count("query_failures_total", question=answered.question, code=answered.code)

    @rpc("orderbook")
    async def orderbook(self, request: BookRequest) -> BookView:
        """The book as the gateway that keeps it has it."""
        with _travelling():
            return await self._books.find(request)

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
            return await self._newest_tick(meant.symbol, tick_subject(Symbol(meant.symbol)), meant.venue)
        return found

    async def _otherwise(self, symbol: str) -> StoredName | None:
        """What is stored that is meant by a symbol that is written otherwise, its venue empty where none is named; None
        where there is none, and where the store does not say soon: the newest is asked for by those who do not wait."""
        await loaded("pyarrow")
        try:
            async with asyncio.timeout(_NAMES_S):
                names = await self._names.index()
        except (ApplicationError, SdkError, TimeoutError):
            return None  # whoever asks for history is told why
        meant = names.find(symbol)
        return None if meant is None or meant.symbol == symbol else meant

    async def _newest_tick(self, symbol: str, subject: str, venue: str = "") -> bytes | None:
        """The last of the subject, which several venues may share: where it is not of the one that is asked for, what
        that venue's newest was some moments ago."""
        message = await direct_get_last(self.connection, streams.TICKS, subject)
        if message is not None:
            last = KvEntry(subject, message.data, message.seq, bucket=streams.TICKS)
            found = self._read(TICK, last)
            if not venue or (found is not None and found.venue == venue):
                return None if found is None else last.value
        for entry in await self._ticks.entries(f"tick.{escape(symbol)}."):
            found = self._read(TICK, entry)
            if found is not None and venue in ("", found.venue):
                return entry.value
        return None

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
            found = await self._bars_of(meant.symbol, interval)
            return [bar for bar in found if meant.venue in ("", bar.venue)]
        return found

    async def _bars_of(self, symbol: str, interval: str) -> Sequence[Bar]:
        found = self._recent.newest(symbol, interval)
        if found:
            return found
        entries = await self._bars.entries(f"bar.{interval}.{escape(symbol)}.")
        return [bar for entry in entries if (bar := self._read(BAR, entry)) is not None]
