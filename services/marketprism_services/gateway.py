"""Gateway: one leader per source reads it and writes the raw log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from marketprism_adapters.capture.tap import CaptureTap
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.events import EventPublisher
from marketprism_application.errors import SourceError
from marketprism_application.ingest import Ingest
from marketprism_application.ports import LiveSource, MarketSource, SourceBatch
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.errors import CommandRefused
from marketprism_domain.events import AllInstrumentsSubscribed
from marketprism_domain.gateway import Gateway, GatewayState, RetryPolicy
from marketprism_domain.hours import ConnectionHours, SessionBell
from marketprism_sdk.errors import Fenced, SdkError
from marketprism_sdk.lease import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service import ServiceSettings
from marketprism_sdk.single_active import SingleActiveService
from marketprism_sdk.tracing import Sampler
from marketprism_services.exclusive import until_leading, while_leading
from marketprism_services.outlet import Outlet
from marketprism_services.positions import Positions
from marketprism_services.presence import Presence
from marketprism_services.source_watch import BookAnswers, streams_of, watch_source
from marketprism_services.wishes import OperatorCommands, wish_of

log = structlog.get_logger()

_SAVE_S = 1.0


class GatewayService(BookAnswers, OperatorCommands, SingleActiveService):
    """Reads one source while it leads and the connection is wanted; a standby waits, logged out."""

    def __init__(
        self,
        connection: NatsConnection,
        source: MarketSource,
        make_ingest: Callable[[], Ingest],
        calendar: MarketCalendar,
        *,
        group: str = "default",
        hours: ConnectionHours | None = None,
        retry: RetryPolicy | None = None,
        tap: CaptureTap | None = None,
        trace_every: int = 0,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("gateway", connection, group=group, lease=lease, version=version, settings=settings)
        self._source = source
        self._make_ingest = make_ingest
        self._calendar = calendar
        self._presence = Presence(hours)
        self._tap = tap
        self._sampler = Sampler(trace_every)
        self._gateway = Gateway(group, retry)
        self._bell = SessionBell(calendar, ())
        self._events = EventPublisher(connection, "gateway")
        self._reading: asyncio.Task[None] | None = None
        self._ticks = 0
        # A live source counts who is logged in, and no fence of ours does: there the lease itself must hold.
        self._live = source if isinstance(source, LiveSource) else None
        self._exclusive = self._live is not None and self._live.exclusive
        self._besides: set[asyncio.Task[None]] = set()

    async def on_start(self) -> None:
        """Streams and positions, then the election."""
        replicas = self.settings.replicas
        await streams.ensure_streams(self.connection, replicas)
        self._positions = await Positions.open(self.connection, replicas)
        self._wishes = await NatsKeyValue.open(self.connection, streams.WISHES, replicas=replicas)
        stored = await self._wishes.get(self.group)
        if stored is not None:
            self._presence.told(stored)
        await self._wishes.watch(self.group, self._wished)
        watch_source(self.metrics, self._source, self._tap)
        if self._tap is not None:
            self.http.check("capture", self._capture_health)
        self.http.check("source", self._source_health)
        self.http.status(lambda: {
            "ticks": self._ticks, "state": self._gateway.state, "error": self._positions.error,
            "connected_wanted": self._presence.wanted(), "instruments": self._gateway.instruments,
            "streams": streams_of(self._source),
        })  # fmt: skip
        await super().on_start()

    async def _capture_health(self) -> str:
        return "degraded" if self._tap is not None and self._tap.error else "healthy"

    async def _source_health(self) -> str:
        return "unhealthy" if self._positions.failed else "healthy"

    # -- leading ----------------------------------------------------------------------------------------------------

    async def on_activate(self, epoch: int) -> None:
        """Lead: raise the fence, open the source, read."""
        if self._tap is not None:
            self._tap.start()
        self._reading = self.spawn(self._lead(epoch), "reading")

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Stop reading; what is on its way is fenced."""
        if self._reading is not None:
            self._reading.cancel()
        await self._source.close()  # before anything is waited for: somebody else may be let in from now on
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
            self._tasks.remove(self._reading)
            self._reading = None
        if self._tap is not None:
            await asyncio.to_thread(self._tap.stop)

    async def _lead(self, epoch: int) -> None:
        while True:
            try:
                if not self._presence.wanted():
                    await self._wait(epoch)
                if not self._exclusive:
                    done = await self._read(epoch)
                else:
                    await until_leading(self.election.is_leader)
                    done = await while_leading(self._read(epoch), self.election.is_leader, self._source.close)
                if done:
                    return
            except Fenced as error:
                self.election.surrender(str(error), error.epoch)
                return
            except SdkError as error:
                if not error.retryable:
                    raise
                delay_s = await self._broken(str(error), epoch)
                log.warning("reading interrupted, starting again", error=str(error), delay_s=delay_s)
                await asyncio.sleep(min(delay_s or 1.0, 1.0))
            except SourceError as error:
                if not error.retryable or not await self._again(error, epoch):
                    await self._fail(error, epoch)
                    await self._presence.word()  # the same again would fail again; an operator may have mended it

    async def _wait(self, epoch: int) -> None:
        """Logged out until the calendar or an operator wants the connection."""
        if self._gateway.state == GatewayState.SUBSCRIBED:
            await self._events.publish_soon(self._gateway.closed(), epoch)
        elif self._gateway.state not in (GatewayState.CREATED, GatewayState.DISCONNECTED):
            await self._events.publish_soon(self._gateway.disconnected("not wanted"), epoch)
        await self._source.close()
        await self.announce("active", epoch=epoch, connection="waiting", until=self._presence.next_ns() or 0)
        log.info("the connection is not wanted now", until=self._presence.next_ns())
        await self._presence.until_wanted()
        await self.announce("active", epoch=epoch, connection="")

    async def _broken(self, reason: str, epoch: int) -> float | None:
        """The connection is gone: say so, and how long to wait."""
        await self._source.close()
        await self._events.publish_soon(self._gateway.disconnected(reason), epoch)
        delay_s, events = self._gateway.retry()
        await self._events.publish_soon(events, epoch)
        return delay_s

    async def _again(self, error: SourceError, epoch: int) -> bool:
        """Wait for the next attempt; False when none is left."""
        delay_s = await self._broken(str(error), epoch)
        log.warning("the source is away, trying again", error=str(error), delay_s=delay_s)
        self.metrics.count("source_retries_total")
        await self._positions.tell(self.group, str(error), retry=True)
        if delay_s is not None:
            await asyncio.sleep(delay_s)
        return delay_s is not None

    async def _fail(self, error: SourceError, epoch: int) -> None:
        log.error("source failed", error=str(error))
        told = self._gateway.refused if error.refused else self._gateway.failed
        await self._source.close()
        await self._events.publish_soon(told(str(error)), epoch)
        await self._positions.tell(self.group, str(error))
        await self.announce("failed", error=str(error))

    async def _read(self, epoch: int) -> bool:
        """From the beginning of the source: what is in the raw log already is read over, not sent.

        True at the end of the source, False when the connection is no longer wanted.
        """
        outlet = await Outlet.open(
            self.connection, self.group, self.instance, epoch,
            replicas=self.settings.replicas, sampler=self._sampler, on_fenced=self.election.surrender,
        )  # fmt: skip
        try:
            await self._open_source(epoch)
            known = await self._positions.known()
            await outlet.resume(self._source, known)
            ingest = self._make_ingest()
            saved_at = time.monotonic()
            async for batch in self._source.stream({}):
                since = self._live.live_since if self._live is not None else 0
                fresh = since > 0 or any(known.get(name, 0) < at for name, at in batch.positions.items())
                packed = ingest.feed(batch)
                if fresh or batch.finished:
                    await outlet.send(packed, batch.messages, since)
                    self.metrics.count("messages_received_total", len(batch.messages))
                    self._ticks += len(batch.ticks)
                    self.metrics.count("ticks_received_total", len(batch.ticks))
                if fresh or batch.events:
                    await self._tell(batch, epoch)
                if batch.finished:
                    await outlet.flush()
                    await self._positions.finish(self._source, batch.positions, known)
                    await self.announce("finished", ticks=self._ticks)
                    return True
                if fresh and time.monotonic() - saved_at > _SAVE_S:
                    saved_at = time.monotonic()
                    await outlet.flush()
                    await self._positions.save(batch.positions)
                if not self._presence.wanted():
                    await outlet.flush()
                    return False
                await asyncio.sleep(0)
            return True
        finally:
            await outlet.close()

    async def _tell(self, batch: SourceBatch, epoch: int) -> None:
        """Events of the source, and of the sessions that its clock has reached."""
        await self._positions.heard(self.group, batch.events)
        events: list[object] = []
        for event in batch.events:
            if isinstance(event, AllInstrumentsSubscribed) and self._gateway.state != GatewayState.SUBSCRIBED:
                events += self._gateway.subscribed(event.instruments)
            else:
                events.append(event)
        events += self._bell.on_clock(batch.ts_clock)
        if events:
            await self._events.publish_soon(events, epoch)
        if batch.instruments:
            self._aside(self._events.publish_instruments(batch.instruments, epoch))

    async def _open_source(self, epoch: int) -> None:
        gateway = self._gateway
        if gateway.state in (GatewayState.CREATED, GatewayState.DISCONNECTED):
            await self._events.publish_soon(gateway.initialize(), epoch)
        await self._source.connect()
        await self._positions.tell(self.group)
        if self._presence.wish.instruments is not None:
            await self._subscribe(self._presence.wish.instruments)
        if gateway.state == GatewayState.INITIALIZED:
            await self._events.publish_soon(gateway.connected(), epoch)
            instruments = await self._source.instruments()
            self._bell = SessionBell(self._calendar, {(item.venue, item.product) for item in instruments})
            count = len(instruments)
            await self._events.publish_soon([*gateway.loaded(count), *gateway.requested(count)], epoch)
            if self._live is None or not self._live.confirms_subscriptions:
                await self._events.publish_soon(gateway.subscribed(count), epoch)
            self._aside(self._events.publish_instruments(instruments, epoch))

    # -- operators --------------------------------------------------------------------------------------------------

    async def keep_wish(self, name: str, body: object) -> None:
        """Write what an operator wants; whoever leads follows it."""
        group, wish = wish_of(name, body, self.group, self._presence.wish)
        if wish.instruments is not None and self._live is None:
            raise CommandRefused(f"command {name}: expected a source that can subscribe, this one delivers what it has")
        await self._wishes.put(group, msgspec.msgpack.encode(wish))

    def _wished(self, entry: KvEntry) -> None:
        if entry.key != self.group:
            return
        before = self._presence.wish.instruments
        self._presence.told(entry)
        instruments = self._presence.wish.instruments
        if instruments is not None and instruments != before and self._reading is not None:
            self._aside(self._subscribe(instruments))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the reading: ticks do not wait for it."""
        task = asyncio.create_task(work)
        self._besides.add(task)
        task.add_done_callback(self._besides.discard)

    async def _subscribe(self, instruments: tuple[str, ...]) -> None:
        if self._live is not None:
            added, removed = await self._live.subscribe(instruments)
            log.info("subscriptions changed", added=added, removed=removed)

    async def on_stop(self) -> None:
        """Say what was not said, give the lease back."""
        await self._events.close()
        await super().on_stop()
