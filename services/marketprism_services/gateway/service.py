"""Gateway: one leader per source reads it and writes the raw log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from marketprism_adapters.capture.tap import CaptureTap
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.market_data_log import MarketDataLog
from marketprism_adapters.nats.raw_log import RawLog
from marketprism_adapters.nats.service_settings import layout_of
from marketprism_adapters.nats.source_positions import Positions
from marketprism_adapters.nats.stream_keeper import keep_streams
from marketprism_application.errors import SourceError
from marketprism_application.gateway.connection_schedule import ConnectionSchedule
from marketprism_application.gateway.orders import SubscriptionOrder, decode_order, encode_order
from marketprism_application.gateway.outlet import Outlet
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.gateway.session import PAUSE_S, GatewaySession, SessionPorts
from marketprism_application.ports.sources import MarketSource, live_source, named_source
from marketprism_application.replay.pace import paced_source
from marketprism_domain.events.registry import DisasterRecoveryActivated, MarketTickReceived
from marketprism_domain.gateway import Gateway, GatewayState, RetryPolicy
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours
from marketprism_sdk.election import LEASES, LeaseSettings
from marketprism_sdk.errors import Fenced, SdkError, StreamMissing
from marketprism_sdk.messaging import Command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Sampler
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work, until_leading, while_leading
from marketprism_sdk.values import read_or_none
from marketprism_services.gateway.commands import OperatorCommands, gateway_named
from marketprism_services.gateway.instrument_answers import InstrumentAnswers
from marketprism_services.gateway.session_watch import RegistryStatus, SessionWatch, SourceSilence
from marketprism_services.gateway.source_metrics import BookAnswers, streams_of, watch_source
from marketprism_services.stages.calendar_watch import LOOK_S, CalendarWatch

log = structlog.get_logger()

_LET_GO_S = 1.0
_BUCKETS = {streams.SOURCE_POSITIONS: None, streams.GATEWAY_ORDERS: None, LEASES: None}


def _text(error: BaseException) -> str:
    """What it says, and its name where it says nothing or may be any exception."""
    known = isinstance(error, SdkError | SourceError)
    return (str(error) if known and str(error) else f"{type(error).__name__}: {error}")[:500]


class GatewayService(SingleActiveService):
    """Reads one source while it leads and the connection is wanted; a standby waits, logged out."""

    session: GatewaySession

    def __init__(
        self,
        connection: NatsConnection,
        source: MarketSource,
        make_packer: Callable[[], TickPacker],
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
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("gateway", connection, group=group, lease=lease, version=version, settings=settings)
        self._source = source
        self._make_packer = make_packer
        self._calendar = calendar
        self._schedule = ConnectionSchedule(hours, now_ns)
        self._tap = tap
        self._now_ns = now_ns
        self._sampler = Sampler(trace_every)
        self._gateway = Gateway(group, retry)
        self._events = EventPublisher(connection, "gateway", self.metrics)
        self._reading: Work | None = None
        self._ending: asyncio.Task[None] | None = None
        # A live source counts who is logged in, and no fence of ours does: there the lease itself must hold.
        self._live = live_source(source)
        named = named_source(source)
        self._venue = (named.source if named is not None else "") or group
        self._besides: set[asyncio.Task[None]] = set()
        self._calendar_watch = CalendarWatch(calendar.days, now_ns)
        self.mount(BookAnswers(source))
        self.mount(InstrumentAnswers(source, lambda: self.session.opened_at))
        self.mount(
            OperatorCommands(
                group, lambda: self._schedule.order, self._store_order, can_subscribe=self._live is not None
            )
        )

    def trace(self, every: int) -> None:
        """Follow one of so many messages from now on, 0 for none."""
        self._sampler.every = every

    async def on_start(self) -> None:
        """Streams and positions, then the election."""
        replicas = self.settings.replicas
        await streams.ensure_streams(self.connection, layout_of(self.settings))
        positions = await Positions.open(self.connection, replicas)
        observer = self._observer = SessionWatch(self.metrics, self._venue)
        self.session = GatewaySession(
            self._gateway,
            self._source,
            self._schedule,
            self._calendar,
            self._make_packer,
            SessionPorts(
                self._open_outlet,
                positions,
                self._events,
                observer,
                RegistryStatus(self.announce),
            ),
            beside=self._beside,
            read_over=paced.read_over if (paced := paced_source(self._source)) is not None else None,
        )
        self._orders = await NatsKeyValue.open(self.connection, streams.GATEWAY_ORDERS, replicas=replicas)
        if (stored := await self._orders.get(self.group)) is not None:
            self._follow(stored)
        await self._orders.watch(self.group, self._order_changed)
        watch_source(self.metrics, self._source, self._tap)
        if (live := self._live) is not None:
            silence = SourceSilence()
            self.metrics.watch("source_expected", lambda: float(self.session.expected(self._now_ns())))
            self.metrics.watch("source_quiet_seconds", lambda: silence.seconds(live.last_data_s, due=self._is_due()))
        self.metrics.watch("source_connected", lambda: float(self._gateway.state == GatewayState.SUBSCRIBED))
        if self._tap is not None:
            self.http.check("capture", self._capture_health)
        self.http.check("source", self._source_health)
        self.http.status(self._status)
        writes = (streams.RAW, streams.DATA, streams.EVENTS)
        keep_streams(self, layout_of(self.settings), writes=writes, buckets=_BUCKETS)
        await super().on_start()
        self.spawn(self._watch_calendar(), "calendar")  # asks the election, which is there from here on

    def _is_due(self) -> bool:
        """Whether data are to come, be it connected or not."""
        return self.election.is_leader() and self._schedule.wanted() and self.session.trading(self._now_ns())

    def _status(self) -> dict[str, Any]:
        return {
            "ticks": self.session.ticks,
            "state": self._gateway.state,
            "error": self.session.error,
            "connected_wanted": self._schedule.wanted(),
            "instruments": self._gateway.instruments,
            "streams": streams_of(self._source),
            "calendar": self._calendar_watch.status(),
            "tick_stages_ms": self._observer.stages.status(),
        }

    async def _watch_calendar(self) -> None:
        """Once a day, while it leads, that the calendar ends soon."""
        while True:
            leads = self.election.is_leader()
            if leads and (ending := self._calendar_watch.look()) is not None:
                await self._events.publish_soon([ending], self.election.epoch)
            await asyncio.sleep(LOOK_S if leads else PAUSE_S)

    async def _capture_health(self) -> str:
        return f"degraded: {self._tap.error}" if self._tap is not None and self._tap.error else "healthy"

    async def _source_health(self) -> str:
        if self.session.healthy:
            return "healthy"
        return f"unhealthy: {self.session.error or f'the source is {self._gateway.state}'}"

    async def _open_outlet(self, epoch: int) -> Outlet:
        """Both logs of a leader; the fence of the raw log is raised."""
        connection, group, instance, surrender = self.connection, self.group, self.instance, self.election.surrender

        def sampled(tick: Tick) -> None:
            received = MarketTickReceived(tick.venue, tick.symbol, tick.source_seq)
            self._beside(self._events.publish_soon([received], epoch))

        raw = await RawLog.open(
            connection, group, instance, epoch, sampler=self._sampler, on_fenced=surrender, on_sampled=sampled
        )
        return Outlet(raw, MarketDataLog(connection, group, instance, epoch, layout_of(self.settings), surrender))

    # -- leading ----------------------------------------------------------------------------------------------------

    async def on_activate(self, epoch: int) -> None:
        """Lead: raise the fence, open the source, read."""
        await self._ended_before()
        if self._tap is not None:
            self._tap.start()
        self._reading = self.spawn(self._lead(epoch), "reading")

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Stop reading; what is on its way is fenced."""
        reading, self._reading = self._reading, None
        self._ending = asyncio.create_task(self._end(reading))
        # Where the venue counts who is logged in, nobody else may be let in before. Any other source two may read for a
        # while, and the fence refuses what comes late: the next leader need not wait for a machine that is busy.
        await asyncio.wait([self._ending], timeout=None if self._source.traits.exclusive else _LET_GO_S)
        if self._ending.done():
            self._ending.result()

    async def _end(self, reading: Work | None) -> None:
        if reading is not None:
            reading.request_cancel()
        await self._source.close()  # before anything is waited for: somebody else may be let in from now on
        if reading is not None:
            await reading.cancel()
        if self._tap is not None:
            await asyncio.to_thread(self._tap.stop)

    async def _ended_before(self) -> None:
        """Until what an earlier leadership began has ended."""
        if self._ending is not None:
            await asyncio.wait([self._ending])

    async def _lead(self, epoch: int) -> None:
        """Read until the source is at its end. Whatever goes wrong is told and tried again; only a fence ends it."""
        if replaced := self.election.replaced:
            recovery = DisasterRecoveryActivated(f"{self.name}.{self.group}", f"{replaced} is gone")
            await self._events.publish_soon([recovery], epoch)
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
                    log.warning("failure.not_published", error=_text(also), cause=_text(error))
                    await asyncio.sleep(PAUSE_S)

    async def _attempt(self, epoch: int) -> bool:
        """Read once the connection is wanted; True at the end of the source."""
        if not self._schedule.wanted():
            await self.session.wait(epoch)
        if not self._source.traits.exclusive:
            return await self.session.read(epoch)
        await until_leading(self.election.is_leader)
        election = self.election
        return await while_leading(
            self.session.read(epoch), election.is_leader, self._source.close, election.leads_for_s
        )

    async def _after(self, error: Exception, epoch: int) -> None:
        """Say what went wrong, and wait for as long as it makes sense."""
        if isinstance(error, SdkError) and (
            error.retryable or isinstance(error, StreamMissing)
        ):  # made anew in a moment
            delay_s = await self.session.broken(str(error), epoch, PAUSE_S)
            log.warning("reading.interrupted", error=_text(error), delay_s=delay_s)
            await asyncio.sleep(PAUSE_S if delay_s is None else delay_s)
        elif isinstance(error, SourceError) and error.retryable and await self.session.retry(error, epoch):
            return
        elif isinstance(error, SourceError):
            await self.session.fail(error, epoch)
            await self._schedule.next_order()  # the same again would fail again; an operator may have mended it
        elif isinstance(error, SdkError) or self._live is not None:
            await self._unforeseen(error, epoch)
        else:  # what is read again from its beginning fails in the same place
            log.error("reading.failed", error=_text(error), exc_info=error)
            await self.session.fail(SourceError(f"expected a source that can be read: {_text(error)}"), epoch)
            await self._schedule.next_order()

    async def _unforeseen(self, error: Exception, epoch: int) -> None:
        def seen(delay_s: float) -> None:
            log.error("reading.failed", error=_text(error), delay_s=delay_s, exc_info=error)
            self.metrics.count("gateway_failures_total", error=type(error).__name__)

        await self.session.unforeseen(_text(error), epoch, seen)

    # -- orders -----------------------------------------------------------------------------------------------------

    def meant_for(self, given: Command) -> str | None:
        """The gateways that a command names; where it names none, whoever gets it is meant."""
        return gateway_named(given.body)

    async def _store_order(self, order: SubscriptionOrder) -> None:
        """Write what operators have ordered; whoever leads follows it."""
        await self._orders.put(self.group, encode_order(order))

    def _follow(self, entry: KvEntry) -> None:
        """As the entry orders; where it holds no order, the one before stays."""
        nothing = entry.deleted or not entry.value
        order = SubscriptionOrder() if nothing else read_or_none(entry, decode_order)
        if order is not None:
            self._schedule.follow(order)

    def _order_changed(self, entry: KvEntry) -> None:
        if entry.key != self.group:
            return
        before = self._schedule.order.instruments
        self._follow(entry)
        instruments = self._schedule.order.instruments
        if instruments is not None and instruments != before and self._reading is not None:
            self._beside(self.session.subscribe(instruments))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the reading: ticks do not wait for it."""
        task = asyncio.create_task(work)
        self._besides.add(task)
        task.add_done_callback(self._done_beside)

    def _done_beside(self, task: asyncio.Task[None]) -> None:
        self._besides.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.metrics.count("gateway_failures_total", error=type(error).__name__)
            log.error("beside_reading.failed", error=_text(error), exc_info=error)

    async def on_stop(self) -> None:
        """The last events are out."""
        await self._ended_before()
        await self._events.close()
        await super().on_stop()


__all__ = ["GatewayService"]
