"""Gateway: one leader per source reads it and writes the raw log."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec
import structlog

from marketprism_adapters.capture.tap import CaptureTap
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.events import EventPublisher
from marketprism_application.contracts.codec import Packed, encode_packed
from marketprism_application.contracts.subjects import escape, raw_subject
from marketprism_application.errors import SourceError
from marketprism_application.ingest import Ingest
from marketprism_application.ports import MarketSource, SourceBatch
from marketprism_domain.gateway import Gateway
from marketprism_sdk.errors import Fenced, SdkError
from marketprism_sdk.fence import FencedPublisher, raise_fence
from marketprism_sdk.lease import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import ServiceSettings
from marketprism_sdk.single_active import SingleActiveService
from marketprism_sdk.tracing import Sampler

log = structlog.get_logger()

_SAVE_S = 1.0


class SourcePosition(msgspec.Struct):
    """How far a source is in the raw log (KV `source_positions`); only saves work, see ADR 6."""

    source: str
    position: int = 0
    rows: int = 0
    finished: bool = False
    skipped: dict[str, int] = {}
    error: str = ""


class GatewayService(SingleActiveService):
    """Reads one source while it leads; a standby waits."""

    def __init__(
        self,
        connection: NatsConnection,
        source: MarketSource,
        make_ingest: Callable[[], Ingest],
        *,
        group: str = "default",
        tap: CaptureTap | None = None,
        trace_every: int = 0,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("gateway", connection, group=group, lease=lease, version=version, settings=settings)
        self._source = source
        self._make_ingest = make_ingest
        self._tap = tap
        self._sampler = Sampler(trace_every)
        self._gateway = Gateway(group)
        self._events = EventPublisher(connection, "gateway")
        self._reading: asyncio.Task[None] | None = None
        self._ticks = 0

    async def on_start(self) -> None:
        """Streams and positions, then the election."""
        await streams.ensure_streams(self.connection, self.settings.replicas)
        self._positions = await NatsKeyValue.open(
            self.connection, streams.SOURCE_POSITIONS, replicas=self.settings.replicas
        )
        source, tap = self._source, self._tap
        # What a source counts by itself: ticks that found its queue full, messages that were no ticks.
        self.metrics.watch("source_dropped_ticks", lambda: float(getattr(source, "dropped", 0)))
        self.metrics.watch("source_skipped_messages", lambda: float(sum(getattr(source, "skipped", {}).values())))
        if tap is not None:
            self.http.check("capture", self._capture_health)
            self.metrics.watch("captured_frames", lambda: tap.frames)
            self.metrics.watch("capture_dropped_frames", lambda: tap.dropped)
            self.metrics.watch("capture_failures", lambda: tap.failures)
        self.http.status(lambda: {"ticks": self._ticks, "state": self._gateway.state})
        await super().on_start()

    async def _capture_health(self) -> str:
        return "degraded" if self._tap is not None and self._tap.error else "healthy"

    async def on_activate(self, epoch: int) -> None:
        """Lead: raise the fence, open the source, read."""
        if self._tap is not None:
            self._tap.start()
        self._reading = self.spawn(self._lead(epoch), "reading")

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Stop reading; what is on its way is fenced."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._tasks.remove(self._reading)
            self._reading = None
        await self._source.close()
        if self._tap is not None:
            await asyncio.to_thread(self._tap.stop)

    async def _lead(self, epoch: int) -> None:
        while True:
            try:
                await self._read(epoch)
            except Fenced as error:
                self.election.surrender(str(error))
                return
            except SdkError as error:
                if not error.retryable:
                    raise
                delay_s, events = self._gateway.retry()
                await self._events.publish_soon(events, epoch)
                log.warning("reading interrupted, starting again", error=str(error), delay_s=delay_s)
                await asyncio.sleep(min(delay_s or 1.0, 1.0))
            except SourceError as error:
                if not error.retryable or not await self._again(error, epoch):
                    await self._fail(error, epoch)
                    return
            else:
                return

    async def _again(self, error: SourceError, epoch: int) -> bool:
        """Wait for the next attempt; False when none is left."""
        await self._source.close()
        await self._events.publish_soon(self._gateway.disconnected(str(error)), epoch)
        delay_s, events = self._gateway.retry()
        await self._events.publish_soon(events, epoch)
        log.warning("the source is away, trying again", error=str(error), delay_s=delay_s)
        self.metrics.count("source_retries_total")
        if delay_s is not None:
            await asyncio.sleep(delay_s)
        return delay_s is not None

    async def _fail(self, error: SourceError, epoch: int) -> None:
        log.error("source failed", error=str(error))
        await self._events.publish_soon(self._gateway.disconnected(str(error)), epoch)
        await self._save(SourcePosition("source", error=str(error)))
        await self.announce("failed", error=str(error))

    async def _read(self, epoch: int) -> None:
        """From the beginning of the source: what is in the raw log already is read over, not sent."""
        fence = await raise_fence(self.connection, streams.RAW, f"fence.gateway.{self.group}", self.instance, epoch)
        publisher = FencedPublisher(
            self.connection, fence, replicas=self.settings.replicas, on_fenced=self.election.surrender
        )
        await publisher.open()
        try:
            await self._open_source(epoch)
            known = await self._known_positions()
            ingest = self._make_ingest()
            saved_at = time.monotonic()
            session = f"{self.instance}-{epoch}-{time.time_ns():x}"
            chains: dict[int, int] = defaultdict(int)
            async for batch in self._source.stream({}):
                fresh = any(known.get(name, 0) < at for name, at in batch.positions.items())
                packed = ingest.feed(batch)
                if fresh or batch.finished:
                    await self._send(publisher, packed, epoch, session, chains, self._sampler)
                    self._ticks += len(batch.ticks)
                    self.metrics.count("ticks_received_total", len(batch.ticks))
                if batch.finished:
                    await publisher.flush(60)
                    await self._finish(batch, known)
                elif fresh and time.monotonic() - saved_at > _SAVE_S:
                    saved_at = time.monotonic()
                    await publisher.flush(60)
                    await self._save_positions(batch.positions)
                await asyncio.sleep(0)
        finally:
            await publisher.close()

    async def _open_source(self, epoch: int) -> None:
        if self._gateway.state in ("created", "disconnected"):
            await self._events.publish_soon(self._gateway.initialize(), epoch)
        await self._source.connect()
        if self._gateway.state == "initialized":
            await self._events.publish_soon(self._gateway.connected(), epoch)
            instruments = await self._source.instruments()
            await self._events.publish_soon(self._gateway.loaded(len(instruments)), epoch)
            await self._events.publish_instruments(instruments, epoch)
            await self._events.publish_soon(self._gateway.subscribed(len(instruments)), epoch)

    @staticmethod
    async def _send(
        publisher: FencedPublisher,
        messages: list[tuple[int, Packed]],
        epoch: int,
        session: str,
        chains: dict[int, int],
        sampler: Sampler,
    ) -> None:
        now = time.time_ns()
        for partition, packed in messages:
            chained = packed._replace(epoch=epoch, ts_pub=now, session=session, chain=chains[partition])
            chains[partition] += 1
            trace = sampler.take()
            headers = None if trace is None else trace.headers()
            await publisher.publish(raw_subject(partition), encode_packed(chained), headers)

    async def _known_positions(self) -> dict[str, int]:
        found = [msgspec.msgpack.decode(e.value, type=SourcePosition) for e in await self._positions.entries()]
        return {position.source: position.position for position in found}

    async def _save_positions(self, positions: Mapping[str, int]) -> None:
        for source, position in positions.items():
            await self._save(SourcePosition(source, position, position))

    async def _save(self, position: SourcePosition) -> None:
        await self._positions.put(escape(position.source), msgspec.msgpack.encode(position))

    async def _finish(self, batch: SourceBatch, known: Mapping[str, int]) -> None:
        """Everything of the source is in the raw log and acknowledged."""
        counts: dict[str, int] = getattr(self._source, "rows", {})
        skipped: dict[str, int] = getattr(self._source, "skipped", {})
        for number, source in enumerate(sorted({*counts, *batch.positions})):
            position = max(batch.positions.get(source, 0), known.get(source, 0))
            rows = counts.get(source, position)
            # Rows that are no tick are counted once, on the first source.
            await self._save(
                SourcePosition(source, position, rows, finished=True, skipped=skipped if not number else {})
            )
        await self.announce("finished", ticks=self._ticks)

    async def on_stop(self) -> None:
        """Say what was not said, give the lease back."""
        await self._events.close()
        await super().on_stop()


__all__ = ["GatewayService", "SourcePosition"]
