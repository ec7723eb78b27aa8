"""The session of a gateway's leader with its source: connect, read, put into the logs, go on after trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from marketprism_application.errors import SourceError
from marketprism_application.gateway.connection_schedule import ConnectionSchedule
from marketprism_application.gateway.outlet import Outlet
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.gateway import GatewayEventLog, SessionObserver, SessionStatus, SourcePositions
from marketprism_application.ports.sources import MarketSource, SourceBatch, counting_source, live_source
from marketprism_domain.events.registry import AllInstrumentsSubscribed
from marketprism_domain.gateway import Gateway, GatewayState
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import SessionBell

_SAVE_S = 1.0
_LAST_S = 30.0
PAUSE_S, LONGEST_S = 1.0, 30.0  # between two attempts after a failure that nobody has foreseen


class SessionPorts(NamedTuple):
    """Where a session puts what it reads and says. `open_outlet` opens both logs for an epoch: from then on whoever
    wrote them under an earlier one is refused."""

    open_outlet: Callable[[int], Awaitable[Outlet]]
    positions: SourcePositions
    events: GatewayEventLog
    observer: SessionObserver
    status: SessionStatus


class GatewaySession:
    """Of one source, through all its connections; one of its methods runs at a time, `subscribe` beside them.

    `beside` runs work that ticks must not wait for. `read_over` tells a source that keeps the pace of a recording up to
    which positions somebody else has handed it on.
    """

    def __init__(
        self,
        gateway: Gateway,
        source: MarketSource,
        schedule: ConnectionSchedule,
        calendar: MarketCalendar,
        make_packer: Callable[[], TickPacker],
        ports: SessionPorts,
        *,
        beside: Callable[[Coroutine[Any, Any, None]], None],
        read_over: Callable[[Mapping[str, int]], None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gateway = gateway
        self._source = source
        self._schedule = schedule
        self._calendar = calendar
        self._make_packer = make_packer
        self._open_outlet, self._positions, self._events, self._observer, self._status = ports
        self._beside = beside
        self._read_over = read_over
        self._now_s = now_s
        self._live = live_source(source)
        self._bell = SessionBell(calendar, ())
        self._instruments: list[tuple[str, str]] = []  # (venue, symbol) of what the source has
        self._refused: dict[str, int] = {}
        self._failures = 0
        self.ticks = 0
        self.opened_at = 0.0  # when the source was opened last, with its instruments; seconds since 1970
        self.trouble = ""  # what failed that nobody has foreseen, until reading goes well again

    @property
    def error(self) -> str:
        """What is wrong with the source or with reading it, empty when nothing is."""
        return self.trouble or self._positions.error

    def expected(self, ts: int) -> bool:
        """Whether data are to flow at an instant (ns UTC): connected, and what it has trades, or always does."""
        return self.gateway.state == GatewayState.SUBSCRIBED and self.trading(ts)

    def trading(self, ts: int) -> bool:
        """Whether what it has trades at an instant (ns UTC); what no table knows always does."""
        return not self._bell.products or self._bell.trading_at(ts) > 0

    @property
    def healthy(self) -> bool:
        """Whether the source can be read, as far as is known."""
        return not (self._positions.failed or self.trouble)

    # -- reading ---------------------------------------------------------------------------------------------------

    async def read(self, epoch: int) -> bool:
        """From the beginning of the source: what is in the raw log already is read over, not sent.

        True at the end of the source, False when the connection is no longer wanted. Raises what the source raises,
        and what the logs raise.
        """
        outlet = await self._open_outlet(epoch)
        saving: asyncio.Task[None] | None = None
        last: asyncio.Task[dict[str, int]] | None = None
        try:
            await self._open_source(epoch)
            known = await self._positions.known()
            if (resume_point := await outlet.resume(self._source, known)) is not None:
                self._observer.resumed(resume_point)
            last = self._begin_pace(known)
            packer, saved_at = self._begun_packer(), self._now_s()
            async for batch in self._source.stream({}):
                since = self._live.live_since if self._live is not None else 0
                fresh = since > 0 or any(known.get(name, 0) < at for name, at in batch.positions.items())
                packed = packer.feed(batch)
                if fresh or batch.finished:
                    await outlet.send(packed, batch.messages, since)
                    if since and batch.ticks:
                        self._observer.took((time.time_ns() - batch.ticks[0].ts_recv) / 1e9)
                    self.ticks += len(batch.ticks)
                    self._observer.received(len(batch.messages), len(batch.ticks))
                if fresh or batch.events:
                    await self._publish(batch, epoch)
                self._count_refused()
                if saving is not None and (saving.done() or batch.finished):
                    await saving
                    saving = None
                if batch.finished:
                    await outlet.flush()
                    await self._positions.finish(self._source, batch.positions, known)
                    await self._status.finished(self.ticks)
                    return True
                if fresh and saving is None and self._now_s() - saved_at > _SAVE_S:
                    saved_at = self._now_s()
                    saving = asyncio.create_task(self._save(outlet, batch.positions))
                if not self._schedule.wanted():
                    await outlet.flush()
                    return False
                await asyncio.sleep(0)
            return True
        finally:
            for task in filter(None, (last, saving)):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await outlet.close()

    def _begin_pace(self, known: Mapping[str, int]) -> asyncio.Task[dict[str, int]] | None:
        """Let a source that keeps a pace read over what is known; what was saved last is asked for beside the reading,
        in the task that is returned."""
        if self._read_over is None:
            return None
        self._read_over(known)
        last = asyncio.create_task(self._positions.known(_LAST_S))
        self._beside(self._read_over_last(self._read_over, last))
        return last

    @staticmethod
    async def _read_over_last(
        read_over: Callable[[Mapping[str, int]], None], last: asyncio.Task[dict[str, int]]
    ) -> None:
        """A replica that was cut off has older positions than were saved last; those are had once NATS takes writes,
        and what lies between would be repeated at its pace. Who does not read any more asks for none."""
        read_over(await last)

    def _begun_packer(self) -> TickPacker:
        packer = self._make_packer()
        if self._live is not None:  # a recording is packed alike by whoever reads it, and however often
            packer.follow(self._live.source, self._instruments)
        return packer

    async def _save(self, outlet: Outlet, positions: Mapping[str, int]) -> None:
        """Positions of what was sent, once it is in the logs: ticks do not wait for that."""
        await outlet.flush()
        await self._positions.save(positions)
        self._failures, self.trouble = 0, ""

    async def _open_source(self, epoch: int) -> None:
        gateway = self.gateway
        if gateway.state in (GatewayState.CREATED, GatewayState.DISCONNECTED):
            await self._events.publish_soon(gateway.initialize(), epoch)
        await self._source.connect()
        self.opened_at = time.time()
        await self._positions.tell(gateway.source)
        if self._schedule.order.instruments is not None:
            await self.subscribe(self._schedule.order.instruments)
        if gateway.state == GatewayState.INITIALIZED:
            await self._events.publish_soon(gateway.connected(), epoch)
            instruments = await self._source.instruments()
            self._bell = SessionBell(self._calendar, {(item.venue, item.product) for item in instruments})
            self._instruments = [(item.venue, item.symbol) for item in instruments]
            count = len(instruments)
            await self._events.publish_soon([*gateway.loaded(count), *gateway.requested(count)], epoch)
            if not self._source.traits.confirms_subscriptions:
                await self._events.publish_soon(gateway.subscribed(count), epoch)
            self._beside(self._events.publish_instruments(instruments, epoch))

    async def _publish(self, batch: SourceBatch, epoch: int) -> None:
        """Events of the source, and of the trading sessions that its clock has reached."""
        await self._positions.record_refusals(self.gateway.source, batch.events)
        events: list[object] = []
        for event in batch.events:
            if isinstance(event, AllInstrumentsSubscribed) and self.gateway.state != GatewayState.SUBSCRIBED:
                events += self.gateway.subscribed(event.instruments)
            else:
                events.append(event)
        events += self._bell.on_clock(batch.ts_clock)
        if events:
            try:
                await self._events.publish_soon(events, epoch)
            except Exception as error:  # noqa: BLE001 (the observer has it: ticks go on without their events)
                self._observer.events_lost([type(each).__name__ for each in events], error)
        if batch.instruments:
            self._beside(self._events.publish_instruments(batch.instruments, epoch))

    def _count_refused(self) -> None:
        """Frames of the source that nothing could be made of, by reason."""
        counting = self._live or counting_source(self._source)
        if counting is not None:
            for reason, count in counting.skipped.items():
                more = count - self._refused.get(reason, 0)
                if more > 0:
                    self._observer.refused(reason, more)
                self._refused[reason] = count

    async def subscribe(self, instruments: tuple[str, ...]) -> None:
        """Other instruments of a live source from now on; any other source delivers what it has."""
        if self._live is not None:
            added, removed = await self._live.subscribe(instruments)
            self._observer.subscribed(added, removed)

    # -- between two connections -----------------------------------------------------------------------------------

    async def wait(self, epoch: int) -> None:
        """Logged out until the calendar or an operator wants the connection."""
        gateway = self.gateway
        if gateway.state == GatewayState.SUBSCRIBED:
            await self._events.publish_soon(gateway.closed(), epoch)
        elif gateway.state not in (GatewayState.CREATED, GatewayState.DISCONNECTED):
            await self._events.publish_soon(gateway.disconnected("not wanted"), epoch)
        await self._source.close()
        await self._status.waiting(epoch, self._schedule.next_ns())
        await self._schedule.until_wanted()
        await self._status.wanted(epoch)

    async def broken(self, reason: str, epoch: int, longest_s: float | None = None) -> float | None:
        """The connection is gone: tell, and say how many seconds to wait; None when no attempt is left.

        `longest_s` is given where the source is not at fault (see `Gateway.retry`).
        """
        await self._source.close()
        await self._events.publish_soon(self.gateway.disconnected(reason), epoch)
        delay_s, events = self.gateway.retry(longest_s)
        await self._events.publish_soon(events, epoch)
        return delay_s

    async def retry(self, error: SourceError, epoch: int) -> bool:
        """The source is away: wait for the next attempt; False when none is left."""
        delay_s = await self.broken(str(error), epoch)
        self._observer.retrying(error, delay_s)
        await self._positions.tell(self.gateway.source, str(error), retry=True)
        if delay_s is not None:
            await asyncio.sleep(delay_s)
        return delay_s is not None

    async def fail(self, error: SourceError, epoch: int) -> None:
        """The source cannot go on as it is set up: tell, and log out."""
        events_of = self.gateway.refused if error.refused else self.gateway.failed
        await self._source.close()
        await self._events.publish_soon(events_of(str(error)), epoch)
        await self._positions.tell(self.gateway.source, str(error))
        await self._status.failed(error)

    async def unforeseen(self, text: str, epoch: int, on_delay: Callable[[float], None]) -> None:
        """Nobody has foreseen this, or it does not mend itself: unhealthy, told, and a pause, longer each time.

        `on_delay` is called with the seconds of the pause, before anything that may fail as well.
        """
        self._failures += 1
        self.trouble = text
        delay_s = min(PAUSE_S * 2 ** min(self._failures - 1, 10), LONGEST_S)
        on_delay(delay_s)
        try:
            await self.broken(text, epoch)
            await self._positions.tell(self.gateway.source, text, retry=True)
        finally:
            await asyncio.sleep(delay_s)


__all__ = ["GatewaySession", "SessionPorts"]
