"""Storage: one leader writes every stream into the store, and answers for it while it has it open."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.events import EventPublisher
from marketprism_adapters.sql.engine import Engine
from marketprism_adapters.sql.reader import SqlReader
from marketprism_adapters.sql.store import SqlStore
from marketprism_adapters.sql.topology import Topology
from marketprism_application.contracts.query_wire import is_failure
from marketprism_application.errors import StoreError
from marketprism_application.query import answer
from marketprism_application.store import Progress, RangeMessage, StreamWriter, WriterSettings
from marketprism_domain.events import StorageRetryScheduled
from marketprism_sdk.errors import KeyExists, NotActive, RevisionConflict, SdkError
from marketprism_sdk.lease import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.ports import KeyValue
from marketprism_sdk.service import ServiceSettings, rpc
from marketprism_sdk.single_active import SingleActiveService
from marketprism_sdk.tracing import Sampled
from marketprism_sdk.values import decode_or_none
from marketprism_services.engines import EngineSource

log = structlog.get_logger()

_OPEN_ATTEMPTS = 100
_OPEN_PAUSE_S = 0.2


class StreamRanges:
    """`RangeSource` on a JetStream stream."""

    def __init__(self, connection: NatsConnection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._consumer: PullConsumer | None = None
        self._traced: deque[tuple[int, Sampled, int]] = deque(maxlen=1_000)

    async def open(self, start_seq: int) -> str:
        """Begin at a sequence."""
        created = str((await stream_info(self._connection, self._stream))["created"])
        filters = streams.STORED[self._stream]
        self._consumer = PullConsumer(self._connection, self._stream, filters, start_seq=start_seq, batch=512)
        await self._consumer.open()
        return created

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[RangeMessage]:
        """What comes next."""
        assert self._consumer is not None  # noqa: S101 (opened by the writer)
        messages = await self._consumer.fetch(max_messages, max_wait_s)
        for message in messages:
            if message.trace is not None:
                self._traced.append((message.seq, message.trace, time.time_ns()))
        return messages

    def stored(self, last: int) -> list[float]:
        """Ages in seconds of the sampled messages that are in the store now."""
        ages, now = [], time.time_ns()
        while self._traced and self._traced[0][0] <= last:
            _, trace, fetched_ns = self._traced.popleft()
            trace.step("store", fetched_ns, now, stream=self._stream)
            ages.append((now - trace.origin_ns) / 1e9)
        return ages

    async def close(self) -> None:
        """Stop reading."""
        if self._consumer is not None:
            await self._consumer.close()


class KvProgress:
    """`ProgressStore` on a KV bucket, by compare-and-swap."""

    def __init__(self, kv: KeyValue, key: str, on_done: Callable[[int], None] = lambda _: None) -> None:
        self._kv = kv
        self._key = key
        self._on_done = on_done
        self._revision = 0

    async def load(self) -> Progress:
        """Progress as it stands."""
        entry = await self._kv.get(self._key)
        self._revision = entry.revision if entry is not None else 0
        return decode_or_none(entry, Progress) or Progress()

    async def save(self, progress: Progress) -> None:
        """Write if nobody else has. Raises RevisionConflict, KeyExists."""
        value = msgspec.msgpack.encode(progress)
        if self._revision:
            self._revision = await self._kv.update(self._key, value, self._revision)
        else:
            self._revision = await self._kv.create(self._key, value)
        self._on_done(progress.watermark)


class StorageService(SingleActiveService):
    """Writes MARKET_TICKS, MARKET_BARS and MARKET_EVENTS into the store while it leads."""

    def __init__(
        self,
        connection: NatsConnection,
        engines: EngineSource,
        writer: WriterSettings,
        topology: Topology | None = None,
        *,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("storage", connection, lease=lease, version=version, settings=settings)
        self._engines = engines
        self._writer = writer
        self._topology = topology
        self._engine: Engine | None = None
        self._reader: SqlReader | None = None
        self._events = EventPublisher(connection, "storage")
        self._running: list[asyncio.Task[None]] = []
        self._soon: set[asyncio.Task[None]] = set()

    async def on_start(self) -> None:
        """Streams and progress, then the election."""
        await self._engines.preload()  # before there is a lease that could run out meanwhile
        await streams.ensure_streams(self.connection, self.settings.replicas)
        self._ranges = await NatsKeyValue.open(self.connection, streams.STORE_RANGES, replicas=self.settings.replicas)
        self.http.check("store", self._store_health)
        await super().on_start()

    async def _store_health(self) -> str:
        return "healthy" if self._engine is not None or not self.election.is_leader() else "degraded"

    async def on_activate(self, epoch: int) -> None:
        """Open the store, bring its schema up to date, write."""
        engine = await self._open()
        store = SqlStore(engine, self._topology)
        for name in await store.migrate():
            log.info("migration applied", migration=name)
        self._engine, self._reader = engine, SqlReader(engine)
        for stream in streams.STORED:
            self._running.append(self.spawn(self._write(stream, store, epoch), f"write-{stream}"))

    async def _open(self) -> Engine:
        """The directory may still be held by the process that was killed a moment ago."""
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                return await self._engines.open()
            except StoreError as error:
                if not error.retryable or attempt + 1 == _OPEN_ATTEMPTS:
                    raise
                log.warning("store not free yet", error=str(error)[:200])
                await asyncio.sleep(_OPEN_PAUSE_S)
        raise AssertionError("unreachable")

    async def _write(self, stream: str, store: SqlStore, epoch: int) -> None:
        while True:
            source = StreamRanges(self.connection, stream)
            writer = StreamWriter(
                stream,
                source,
                KvProgress(self._ranges, stream, partial(self._traced, source)),
                store,
                self._writer,
                on_retry=lambda attempt, pause_s, reason: self._retry(stream, attempt, pause_s, reason),
                on_batch=lambda rows, seconds, dead: self._stored(stream, rows, seconds, dead),
            )
            try:
                await writer.run(epoch)
            except (RevisionConflict, KeyExists) as error:
                self.election.surrender(f"another writer stores {stream}: {error}")
                return
            except SdkError as error:
                log.warning("writer starts again from its watermark", stream=stream, error=str(error))
                await asyncio.sleep(0.2)
            finally:
                await source.close()

    def _traced(self, source: StreamRanges, watermark: int) -> None:
        for age_s in source.stored(watermark):
            self.metrics.observe("traced_age_seconds", age_s)

    def _retry(self, stream: str, attempt: int, pause_s: float, reason: str) -> None:
        self.metrics.count("store_retries_total", stream=stream)
        event = StorageRetryScheduled(stream, attempt, pause_s, reason[:200])
        task = asyncio.get_running_loop().create_task(self._events.publish_soon([event], self.election.epoch))
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    def _stored(self, stream: str, rows: int, seconds: float, dead: int) -> None:
        self.metrics.count("rows_stored_total", rows, stream=stream)
        self.metrics.observe("store_batch_seconds", seconds, stream=stream)
        self.metrics.observe("store_batch_rows", rows, stream=stream)
        if dead:
            self.metrics.count("dead_rows_total", dead, stream=stream)
            log.warning("rows set aside", stream=stream, rows=dead)

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question from the store."""
        reader = self._reader
        if reader is None:
            raise NotActive(self.election.leader())
        answered = await answer(reader, data, maker=reader)
        if self._reader is not reader and is_failure(answered):
            raise NotActive(self.election.leader())  # the store was closed under the question: the next leader has it
        return answered

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Stop writing and close the store, so that the next leader can open it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._tasks = [task for task in self._tasks if task not in self._running]
        self._running = []
        engine, self._engine, self._reader = self._engine, None, None
        if engine is not None:
            await engine.close()

    async def on_stop(self) -> None:
        """Say what was not said."""
        await self._events.close()
        await super().on_stop()
