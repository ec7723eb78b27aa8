"""Storage: one leader writes every stream into the store, and answers for it while it has it open."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from functools import partial
from typing import Any, NamedTuple

import structlog

from marketprism_adapters.clickhouse.backtest_results import SqlBacktestResults
from marketprism_adapters.clickhouse.dead_rows import SqlDeadRows
from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.tally import SqlTally
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.service_settings import layout_of
from marketprism_adapters.nats.stream_holes import HoleNamer
from marketprism_adapters.nats.stream_keeper import keep_streams
from marketprism_adapters.nats.stream_ranges import KvProgress, StreamRanges, set_back
from marketprism_adapters.remote.backtest_results import answer_results
from marketprism_adapters.remote.tally import TallyRequest, answer_tally
from marketprism_application.contracts.questions import is_failure
from marketprism_application.errors import SchemaError, StoreError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.answering import answer
from marketprism_application.storage.inserter import Inserter
from marketprism_application.storage.writer import StreamRemade, StreamWriter, WriterSettings
from marketprism_domain.events.registry import (
    DisasterRecoveryActivated,
    StorageRetryScheduled,
    TickProcessingPipelineCompleted,
)
from marketprism_sdk.election import LEASES, LeaseSettings
from marketprism_sdk.errors import KeyExists, NotActive, RevisionConflict, SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work, rpc
from marketprism_services.storage.archive import ArchiveDesk, OpenArchive
from marketprism_services.storage.backup import BackupDesk, OpenBackups
from marketprism_services.storage.dead_rows import Letters, LettersRequest
from marketprism_services.storage.measures import measure_store, watch_store
from marketprism_services.storage.store_health import OPENING, StoreState
from marketprism_services.storage.writer_hooks import OnRetry, StorageHooks
from marketprism_services.wiring.archive import ArchiveWiring
from marketprism_services.wiring.backup import BackupWiring
from marketprism_services.wiring.store import EngineSource

log = structlog.get_logger()

# Of these a client has the newest before they are stored (ADR 13), and of events the first behind a pause is stored as
# soon as ever; somebody waits for rows of files.
_GROWS_QUIET = (streams.TICKS, streams.BARS, streams.DATA, streams.EVENTS)
_OPEN_ATTEMPTS = 100
_OPEN_PAUSE_S = 0.2
_AGAIN_S = 0.2
_LIVE_FIRST_S = 0.5
_ARCHIVE_S = 5.0  # for what is archived to be known before the first answer
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 30.0  # between attempts to open a store that cannot be opened


class OpenStore(NamedTuple):
    """A store that is open, with its tables up to date."""

    store: SqlStore
    ledger: SqlLedger
    reader: StoreReader
    letters: Letters
    holes: HoleNamer
    identity: str
    results: SqlBacktestResults


class StorageService(SingleActiveService):
    """Writes MARKET_TICKS, MARKET_BARS and MARKET_EVENTS into the store while it leads."""

    def __init__(
        self,
        connection: NatsConnection,
        engines: EngineSource,
        writer: WriterSettings,
        topology: Topology | None = None,
        *,
        archive: ArchiveWiring | None = None,
        backup: BackupWiring | None = None,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("storage", connection, lease=lease, version=version, settings=settings)
        self._engines = engines
        self._writer = writer
        self._topology = topology
        replicas = self.settings.replicas
        self._archive = ArchiveDesk(archive, connection, self.metrics, replicas) if archive is not None else None
        self._backup = BackupDesk(backup, connection, self.metrics, version) if backup is not None else None
        self._engine: Engine | None = None
        self._open_store: OpenStore | None = None
        self._state = StoreState()
        self._rest_s = _FIRST_REST_S
        self._events = EventPublisher(connection, "storage", self.metrics)
        self._running: list[Work] = []
        self._writing: list[Work] = []
        self._soon: set[asyncio.Task[None]] = set()

    async def on_start(self) -> None:
        """Streams and progress, then the election."""
        await self._engines.preload()  # before there is a lease that could run out meanwhile
        await streams.ensure_streams(self.connection, layout_of(self.settings))
        self._ranges = await NatsKeyValue.open(self.connection, streams.STORE_RANGES, replicas=self.settings.replicas)
        self.http.check("store", self._store_health)
        self.http.status(lambda: {"store": self._state.snapshot()})
        watch_store(self.metrics, self._state)
        if (archive := self._archive) is not None:
            self.mount(archive)
            self.http.status(lambda: {"archive": archive.status()})
        if (backup := self._backup) is not None:
            self.mount(backup)
            self.http.status(lambda: {"backup": backup.status()})
        buckets = {streams.STORE_RANGES: None, LEASES: None}
        keep_streams(self, layout_of(self.settings), writes=(streams.EVENTS,), reads=streams.STORED, buckets=buckets)
        await super().on_start()

    async def _store_health(self) -> str:
        found = self._state.health()
        opening = self.election.is_leader() and self._open_store is None
        return "degraded: the store is being opened" if found == "healthy" and opening else found

    async def on_activate(self, epoch: int) -> None:
        """Open the store, bring its schema up to date, write: in a task of its own, for as long as that takes."""
        if replaced := self.election.replaced:
            self._tell(DisasterRecoveryActivated(self.name, f"{replaced} is gone"))
        self._running.append(self.spawn(self._serve_store(epoch), "store"))

    async def _serve_store(self, epoch: int) -> None:
        try:
            self._engine = engine = await self._open()
            store = SqlStore(engine, self._topology)
            patient = Inserter("schema", store, self._away("schema")).until_done
            for name in await patient(store.migrate, whatever=True):
                log.info("migration.applied", migration=name)
            self._state.migration = await patient(store.applied, whatever=True)
            archive = await self._open_archive(engine, epoch)
            leads = self.election.is_leader
            ledger = SqlLedger(engine, leads=leads) if archive is None else SqlLedger(engine, archive.has, leads=leads)
            identity = await patient(ledger.identity, whatever=True)
            reader: StoreReader = SqlReader(engine) if archive is None else archive.reader
        except (SchemaError, StoreError) as error:
            self._state.away(OPENING, str(error))
            log.exception("store.not_opened", detail="the lease is left to others", rest_s=self._rest_s)
            self.election.surrender(f"store: {error}", rest_s=self._rest_s)
            self._rest_s = min(self._rest_s * 2, _LONGEST_REST_S)
            return
        self._rest_s = _FIRST_REST_S
        self._well("schema")
        self._well(OPENING)
        letters = Letters(SqlDeadRows(engine), store, self.connection, epoch)
        holes = HoleNamer(self.connection, ledger)
        self._open_store = OpenStore(store, ledger, reader, letters, holes, identity, SqlBacktestResults(engine))
        log.info("store.opened", store=identity, epoch=epoch)
        self._open_backups(engine, identity, archive)
        self._write_all(self._open_store, epoch)
        self._running.append(self.spawn(measure_store(engine, self.metrics, self._state), "measures"))

    async def _open_archive(self, engine: Engine, epoch: int) -> OpenArchive | None:
        """The archive, known if that takes no long time: what is written does not wait for where old rows lie."""
        if self._archive is None:
            return None
        self._archive.election = self.election
        opened = await self._archive.open(engine, epoch)
        self._running.append(self.spawn(opened.load(), "archive"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ARCHIVE_S):
                await opened.loaded.wait()
        return opened

    def _open_backups(self, engine: Engine, identity: str, archive: OpenArchive | None) -> None:
        if (desk := self._backup) is None:
            return
        desk.election = self.election
        desk.current = OpenBackups(engine, identity, lambda: archive.records() if archive is not None else ())
        self._running.append(self.spawn(desk.know(), "backups"))

    def _write_all(self, opened: OpenStore, epoch: int) -> None:
        for stream in streams.STORED:
            self._writing.append(self.spawn(self._write(stream, opened, epoch), f"write-{stream}"))

    async def _open(self) -> Engine:
        """The directory may still be held by the process that was killed a moment ago."""
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                return await self._engines.open()
            except StoreError as error:
                if not error.retryable or attempt + 1 == _OPEN_ATTEMPTS:
                    raise
                if self._state.away(OPENING, str(error)):
                    log.warning("store.in_use", error=str(error)[:200])
                    self._tell(StorageRetryScheduled(OPENING, attempt + 1, _OPEN_PAUSE_S, str(error)[:200]))
                await asyncio.sleep(_OPEN_PAUSE_S)
        raise AssertionError("unreachable")

    async def _write(self, stream: str, opened: OpenStore, epoch: int) -> None:
        while True:
            source = StreamRanges(self.connection, stream)
            hooks = StorageHooks(stream, self._state, self.metrics, self._tell, opened.holes, epoch, self._away(stream))
            progress = KvProgress(self._ranges, stream, partial(self._traced, source))
            turn = self._live_first if stream == streams.HISTORY else None
            settings = self._writer if stream in _GROWS_QUIET else self._writer.always_soon()
            writer = StreamWriter(stream, source, progress, opened.store, opened.ledger, settings, hooks, turn=turn)
            self._state.writers[stream] = writer
            try:
                await writer.run(epoch)
            except (RevisionConflict, KeyExists) as error:
                self.election.surrender(f"another writer stores {stream}: {error}", rest_s=_FIRST_REST_S)
                return
            except StreamRemade:
                log.warning("writer.restarting", stream=stream, reason="the stream was recreated")
            except SdkError as error:
                log.warning("writer.restarting", stream=stream, error=str(error))
                await self._look_after(error)
                await asyncio.sleep(_AGAIN_S)
            finally:
                await source.close()

    async def _live_first(self) -> None:
        """Until no live row is on its way into the store; where there always is one, for a moment only."""
        live = [writer for stream, writer in self._state.writers.items() if stream != streams.HISTORY]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LIVE_FIRST_S):
                for writer in live:
                    await writer.idle.wait()

    async def _look_after(self, error: SdkError) -> None:
        """A stream or the bucket may be gone: whoever needs them makes them."""
        if not isinstance(error, StreamError):
            return
        try:
            await streams.ensure_streams(self.connection, layout_of(self.settings))
            self._ranges = await NatsKeyValue.open(
                self.connection, streams.STORE_RANGES, replicas=self.settings.replicas
            )
        except SdkError as failure:
            log.warning("streams.not_recreated", error=str(failure))

    def _traced(self, source: StreamRanges, watermark: int) -> None:
        for age_s, tick in source.stored(watermark):
            self.metrics.observe("traced_age_seconds", age_s)
            if tick is not None:
                self._tell(TickProcessingPipelineCompleted(tick.venue, tick.symbol, tick.seq))

    def _away(self, what: str) -> OnRetry:
        def on_retry(attempt: int, pause_s: float, reason: str) -> None:
            self.metrics.count("store_retries_total", stream=what)
            if self._state.away(what, reason):
                log.warning("store.unreachable", stream=what, attempt=attempt, reason=reason)
            self._tell(StorageRetryScheduled(what, attempt, pause_s, reason[:200]))

        return on_retry

    def _well(self, what: str) -> None:
        away_s = self._state.well(what)
        if away_s is not None:
            log.info("store.restored", stream=what, away_s=round(away_s, 1))

    def _tell(self, event: object) -> None:
        self._do_soon(self._events.publish_soon([event], self.election.epoch))

    def _do_soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question from the store."""
        opened = self._opened()
        return self._still(opened, await answer(opened.reader, data))

    @rpc("results", raw=True)
    async def results(self, data: bytes) -> bytes:
        """Store results of backtests, or answer a question about them."""
        opened = self._opened()
        return self._still(opened, await answer_results(opened.results, data))

    def _still(self, opened: OpenStore, answered: bytes) -> bytes:
        if self._open_store is not opened and is_failure(answered):
            raise NotActive(self.election.leader())  # the store was closed under the question: the next leader has it
        return answered

    @rpc("store_status")
    async def store_status(self, _: Any) -> dict[str, Any]:
        """The store's identity, watermarks, dead rows, and what it waits for."""
        opened = self._opened()
        return {**self._state.snapshot(), "store": opened.identity, "dead_rows": await opened.letters.count()}

    @rpc("dead_rows")
    async def dead_rows(self, request: LettersRequest) -> list[dict[str, Any]]:
        """Rows that were set aside, newest first: `limit`, or the one of `key` (STREAM:seq.index)."""
        return await self._opened().letters.shown(request)

    @rpc("redrive_rows")
    async def redrive_rows(self, request: LettersRequest) -> dict[str, str]:
        """Put rows in again, that of `key` or up to `limit`; by key why one is not in, empty where it is."""
        return await self._opened().letters.redrive(request)

    @rpc("rebuild_store")
    async def rebuild_store(self, _: Any) -> list[str]:
        """Read every stream again from its beginning; the streams."""
        opened = self._opened()
        await self._end(self._writing)
        for stream in streams.STORED:
            await set_back(self._ranges, stream, self.connection, secrets.token_hex(4))
        self._write_all(opened, self.election.epoch)
        return list(streams.STORED)

    def _opened(self) -> OpenStore:
        if self._open_store is None:
            raise NotActive(self.election.leader())
        return self._open_store

    @staticmethod
    async def _end(works: list[Work]) -> None:
        ending = works[:]
        works.clear()
        await asyncio.gather(*(work.cancel() for work in ending))

    @rpc("tally")
    async def tally(self, request: TallyRequest) -> dict[str, Any]:
        """How much of a range of a stream lies in the tables; see `store_tally`."""
        engine = self._engine
        if engine is None or self._open_store is None:  # before that its tables may not be there
            raise NotActive(self.election.leader())
        archive = self._archive.current if self._archive is not None else None
        return await answer_tally(SqlTally(archive.reader if archive else engine, self._topology), request)

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Stop writing and close the store, so that the next leader can open it."""
        await self._end(self._running)  # first: it is what begins to write
        await self._end(self._writing)
        opened, self._open_store = self._open_store, None
        if self._archive is not None:
            await self._archive.close()
        if self._backup is not None:
            self._backup.current = None
        engine, self._engine = self._engine, None
        self._state.clear()
        if opened is not None:
            await opened.holes.close()
        if engine is not None:
            await engine.close()

    async def on_stop(self) -> None:
        """Say what was not said."""
        await self._events.close()
        await super().on_stop()
