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
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.source_positions import Positions
from marketprism_adapters.nats.stream_keeper import keep_streams
from marketprism_application.errors import SourceError
from marketprism_application.gateway.outlet import Outlet
from marketprism_application.gateway.packing import Ingest
from marketprism_application.gateway.presence import Presence
from marketprism_application.ports.sources import MarketSource, SourceBatch, counting_source, live_source, named_source
from marketprism_application.replay.pace import paced_source
from marketprism_domain.errors import CommandRefused
from marketprism_domain.events.registry import AllInstrumentsSubscribed
from marketprism_domain.gateway import Gateway, GatewayState, RetryPolicy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours, SessionBell
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import Fenced, SdkError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Sampler
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service import ServiceSettings, SingleActiveService
from marketprism_services.exclusive import until_leading, while_leading
from marketprism_services.gateway.commands import OperatorCommands, wish_of
from marketprism_services.gateway.source_metrics import BookAnswers, streams_of, watch_source
from marketprism_services.settings.service_settings import layout_of

log = structlog.get_logger()

_SAVE_S = 1.0
_BUCKETS = {streams.SOURCE_POSITIONS: None, streams.WISHES: None, "service_leaders": None}
_PAUSE_S, _LONGEST_S = 1.0, 30.0  # between two attempts after a failure that nobody has foreseen


def _text(error: BaseException) -> str:
    """What it says, and its name where it says nothing or may be any exception."""
    known = isinstance(error, SdkError | SourceError)
    return (str(error) if known and str(error) else f"{type(error).__name__}: {error}")[:500]


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
        self._ticks = self._failures = 0
        self._trouble = ""  # what failed that nobody has foreseen, until reading goes well again
        self._refused: dict[str, int] = {}
        # A live source counts who is logged in, and no fence of ours does: there the lease itself must hold.
        self._live = live_source(source)
        named = named_source(source)
        self._venue = (named.source if named is not None else "") or group
        self._besides: set[asyncio.Task[None]] = set()

    async def on_start(self) -> None:
        """Streams and positions, then the election."""
        replicas = self.settings.replicas
        await streams.ensure_streams(self.connection, layout_of(self.settings))
        self._positions = await Positions.open(self.connection, replicas)
        self._wishes = await NatsKeyValue.open(self.connection, streams.WISHES, replicas=replicas)
        if (stored := await self._wishes.get(self.group)) is not None:
            self._presence.told(stored)
        await self._wishes.watch(self.group, self._wished)
        watch_source(self.metrics, self._source, self._tap)
        if self._tap is not None:
            self.http.check("capture", self._capture_health)
        self.http.check("source", self._source_health)
        self.http.status(lambda: {
            "ticks": self._ticks, "state": self._gateway.state, "error": self._trouble or self._positions.error,
            "connected_wanted": self._presence.wanted(), "instruments": self._gateway.instruments,
            "streams": streams_of(self._source),
        })  # fmt: skip
        keep_streams(self, writes=(streams.RAW, streams.DATA, streams.EVENTS), buckets=_BUCKETS)
        await super().on_start()

    async def _capture_health(self) -> str:
        return "degraded" if self._tap is not None and self._tap.error else "healthy"

    async def _source_health(self) -> str:
        return "unhealthy" if self._positions.failed or self._trouble else "healthy"

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
        """Read until the source is at its end. Whatever goes wrong is told and tried again; only a fence ends it."""
        while True:
            try:
                if await self._attempt(epoch):
                    return
            except Fenced as error:
                self.election.surrender(str(error), error.epoch)
                return
            except Exception as error:  # noqa: BLE001 (a gateway that ends says nothing any more)
                try:
                    await self._after(error, epoch)
                except Fenced as fenced:
                    self.election.surrender(str(fenced))
                    return
                except Exception as also:  # noqa: BLE001 (NATS may be away, so that nobody can be told)
                    log.warning("what went wrong could not be told", error=_text(also), cause=_text(error))
                    await asyncio.sleep(_PAUSE_S)

    async def _attempt(self, epoch: int) -> bool:
        """Read once the connection is wanted; True at the end of the source."""
        if not self._presence.wanted():
            await self._wait(epoch)
        if not self._source.traits.exclusive:
            return await self._read(epoch)
        await until_leading(self.election.is_leader)
        return await while_leading(self._read(epoch), self.election.is_leader, self._source.close)

    async def _after(self, error: Exception, epoch: int) -> None:
        """Say what went wrong, and wait for as long as it makes sense."""
        if isinstance(error, SdkError) and (
            error.retryable or isinstance(error, StreamMissing)
        ):  # made anew in a moment
            delay_s = await self._broken(str(error), epoch)
            log.warning("reading interrupted, starting again", error=_text(error), delay_s=delay_s)
            await asyncio.sleep(min(delay_s or _PAUSE_S, _PAUSE_S))
        elif isinstance(error, SourceError) and error.retryable and await self._again(error, epoch):
            return
        elif isinstance(error, SourceError):
            await self._fail(error, epoch)
            await self._presence.word()  # the same again would fail again; an operator may have mended it
        elif isinstance(error, SdkError) or self._live is not None:
            await self._failing(error, epoch)
        else:  # what is read again from its beginning fails in the same place
            log.error("reading failed", error=_text(error), exc_info=error)
            await self._fail(SourceError(f"expected a source that can be read: {_text(error)}"), epoch)
            await self._presence.word()

    async def _failing(self, error: Exception, epoch: int) -> None:
        """Nobody has foreseen this, or it does not mend itself: unhealthy, told, tried again less and less often."""
        self._failures += 1
        self._trouble = _text(error)
        delay_s = min(_PAUSE_S * 2 ** min(self._failures - 1, 10), _LONGEST_S)
        log.error("reading failed, starting again", error=self._trouble, delay_s=delay_s, exc_info=error)
        self.metrics.count("gateway_failures_total", error=type(error).__name__)
        try:
            await self._broken(self._trouble, epoch)
            await self._positions.tell(self.group, self._trouble, retry=True)
        finally:
            await asyncio.sleep(delay_s)

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
            layout=layout_of(self.settings), sampler=self._sampler, on_fenced=self.election.surrender,
        )  # fmt: skip
        try:
            await self._open_source(epoch)
            known = await self._positions.known()
            await outlet.resume(self._source, known)
            if (paced := paced_source(self._source)) is not None:
                paced.read_over(known)
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
                self._count_refused()
                if batch.finished:
                    await outlet.flush()
                    await self._positions.finish(self._source, batch.positions, known)
                    await self.announce("finished", ticks=self._ticks)
                    return True
                if fresh and time.monotonic() - saved_at > _SAVE_S:
                    saved_at = time.monotonic()
                    await outlet.flush()
                    await self._positions.save(batch.positions)
                    self._failures, self._trouble = 0, ""
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
            try:
                await self._events.publish_soon(events, epoch)
            except Fenced:
                raise
            except Exception as error:
                self.metrics.count("events_not_published_total", len(events))
                names = [type(each).__name__ for each in events]
                log.exception("events not published", error=_text(error), events=names)
        if batch.instruments:
            self._aside(self._events.publish_instruments(batch.instruments, epoch))

    def _count_refused(self) -> None:
        """Frames of the source that nothing could be made of, by reason."""
        counting = self._live or counting_source(self._source)
        if counting is not None:
            for reason, count in counting.skipped.items():
                more = count - self._refused.get(reason, 0)
                if more > 0:
                    self.metrics.count("frames_refused_total", more, venue=self._venue, reason=reason)
                self._refused[reason] = count

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
            if not self._source.traits.confirms_subscriptions:
                await self._events.publish_soon(gateway.subscribed(count), epoch)
            self._aside(self._events.publish_instruments(instruments, epoch))

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
        task.add_done_callback(self._done_aside)

    def _done_aside(self, task: asyncio.Task[None]) -> None:
        self._besides.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.metrics.count("gateway_failures_total", error=type(error).__name__)
            log.error("beside the reading, something failed", error=_text(error))

    async def _subscribe(self, instruments: tuple[str, ...]) -> None:
        if self._live is not None:
            added, removed = await self._live.subscribe(instruments)
            log.info("subscriptions changed", added=added, removed=removed)

    async def on_stop(self) -> None:
        """Say what was not said, give the lease back."""
        await self._events.close()
        await super().on_stop()
