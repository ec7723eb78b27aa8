"""A gateway of VeighNa as a source: its ticks as one stream."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence

import structlog

from marketprism_adapters.vnpy_gateway.connection import Connection, is_back, is_lost
from marketprism_adapters.vnpy_gateway.contracts import terms_of
from marketprism_adapters.vnpy_gateway.frames import CONTRACTS, DECODER, encode_contract, encode_frame
from marketprism_adapters.vnpy_gateway.handover import CONTRACT, FAILED, LOG, TICK, Delivery
from marketprism_adapters.vnpy_gateway.names import Named, Names, chosen, spelled
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.ticks import TickReader
from marketprism_application.errors import SourceError
from marketprism_application.gateway.outages import Losses
from marketprism_application.ports.sources import Channel, FrameTap, SourceBatch, SourceTraits
from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.events.registry import (
    HeartbeatReceived,
    SubscriptionFailed,
    SubscriptionUpdated,
)
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

log = structlog.get_logger()

_TAKE_S = 0.25
_TURN = 64
_HEARTBEAT_NS = 60_000_000_000


@dataclasses.dataclass(slots=True)
class _Making:
    """A batch on its way."""

    ticks: list[Tick] = dataclasses.field(default_factory=list)
    gaps: list[tuple[int, Gap]] = dataclasses.field(default_factory=list)
    terms: list[InstrumentRecord] = dataclasses.field(default_factory=list)


class VnpySource:
    """Fulfils `MarketSource` for any `BaseGateway`, by its module and class.

    `connect` loads and connects it and takes its list of contracts; `stream` subscribes and delivers. The gateway makes
    a lost connection again by itself, as VeighNa asks of it; this asks for its instruments again and names what was
    missing, by what the gateway writes. No order is ever sent. `skipped` counts by reason what was no tick.
    """

    traits = SourceTraits(live=True, named=True, exclusive=True)

    def __init__(
        self, gateway: str, settings: VnpySettings, calendar: MarketCalendar, *, tap: FrameTap | None = None
    ) -> None:
        self._settings = settings
        self._row = settings.row(gateway)
        self.source = f"vnpy:{self._row.name}"
        self._calendar = calendar.copy()
        self._tap = tap
        self.skipped: dict[str, int] = {}
        self.last_data_s = 0.0
        self._connection = Connection(gateway, self._row, settings, self.source)
        self._names = Names(settings.global_venue)
        self._patterns = settings.symbols
        self._reader: TickReader | None = None
        self._losses = Losses(self._calendar, self.source)
        self._terms: dict[Named, InstrumentRecord] = {}
        self._wanted: dict[Named, None] = {}
        self._refused: set[str] = set()
        self._newest: dict[str, str] = {}  # by reason, the text of the newest that was no tick
        self._reported: dict[str, int] = {}
        self._events: list[object] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = self._deepest = 0
        self._heartbeat_at = 0
        self._open = self._lost = False

    # -- opening -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect the gateway, and know its instruments.

        Raises:
            SourceError: the module, the class or a setting is wrong; it does not connect, or lists nothing: retryable.
        """
        try:
            self._reader = await asyncio.to_thread(TickReader, self._row, self._calendar, self.source, self._names)
        except ValueError as error:
            raise SourceError(f"vnpy.{error}") from error
        if await self._connection.open() or not self._terms:
            await self._connection.until_listed(needed=any(spelled(each) is None for each in self._patterns))
        held, self._connection.held = self._connection.held, []
        for delivery in held:
            if delivery.kind == CONTRACT:
                self._contract(delivery)
            elif delivery.kind != TICK:
                self._failed(delivery)
        self._connection.held = [each for each in held if each.kind == TICK]
        self._losses.opened(self._connection.up_at)
        self._open, self._lost = True, False
        self._wanted = dict.fromkeys(self._fitting())

    @property
    def live_since(self) -> int:
        """When it was there, nanoseconds UTC: nothing from before can be had again."""
        return self._losses.back_at

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """What the gateway listed and the settings ask for."""
        return [terms for named, terms in self._terms.items() if named in self._wanted]

    def _fitting(self) -> list[Named]:
        """The instruments that the patterns mean; a name that means none is an event, once."""
        found, unknown = chosen(self._patterns, self._terms)
        for text in unknown:
            named = spelled(text)
            if named is not None and not (self._row.lists and self._terms):
                found.append(named)
            elif text not in self._refused:
                self._refused.add(text)
                venue, symbol = named or Named("", text)
                reason = "expected an instrument of the gateway's list" if self._terms else "expected its exchange too"
                log.warning("subscription.refused", source=self.source, symbol=text, error=reason)
                self._events.append(SubscriptionFailed(venue, symbol, reason))
        return found

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        """Ask for other instruments from now on; how many were added and removed. What VeighNa cannot unsubscribe goes
        on coming, and is left out."""
        self._patterns = tuple(patterns)
        if not self._open:
            return 0, 0
        before, after = set(self._wanted), set(self._fitting())
        self._wanted = dict.fromkeys(sorted(after))
        added, removed = after - before, before - after
        if added or removed:
            self._events.append(SubscriptionUpdated(self.source, len(added), len(removed)))
            self._spawn(self._send(sorted(added)))
        return len(added), len(removed)

    async def _send(self, instruments: Sequence[Named]) -> None:
        natives = {self._names.native(each): each for each in instruments}

        def failed(native: tuple[str, str], error: str) -> None:
            self._skip("subscribe", error)
            named = natives[native]
            log.warning("subscription.refused", source=self.source, symbol=named.symbol, error=error)
            self._events.append(SubscriptionFailed(named.venue, named.symbol, error))

        await self._connection.subscribe(list(natives), failed)
        log.info("subscriptions.sent", source=self.source, front=0, instruments=len(natives))

    # -- streaming ---------------------------------------------------------------------------------------------------

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """Ticks as they come, until closed."""
        handover = self._connection.handover
        if handover is None:
            raise SourceError(f"{self.source}: expected to be connected")
        self._spawn(self._send(list(self._wanted)))
        seq, clock = after.get(self.source, 0), 0
        while True:
            held, self._connection.held = self._connection.held, []
            taken = held or await handover.take(timeout_s=_TAKE_S)
            batch = _Making()
            for number, delivery in enumerate(taken, 1):
                if number % _TURN == 0:
                    await asyncio.sleep(0)  # a lease is renewed in turns of the loop
                if delivery.kind != TICK:
                    self._other(delivery, batch)
                    continue
                clock = max(clock, delivery.ts_recv)
                seq = max(seq + 1, clock)
                self._tick(delivery, seq, clock, batch)
            clock = max(clock, time.time_ns())  # time goes on without ticks: it closes bars
            self._report(clock)
            events, self._events = self._events, []
            at = {self.source: seq} if seq else {}
            yield SourceBatch(batch.ticks, clock, at, batch.gaps, events=events, instruments=batch.terms)

    def _tick(self, delivery: Delivery, seq: int, clock: int, batch: _Making) -> None:
        assert self._reader is not None  # noqa: S101 (made by connect)
        handover = self._connection.handover
        if self._tap is not None:
            self._tap.frame(Channel(self.source, DECODER), self._frame(delivery), clock)
        try:
            tick = self._reader.tick(delivery.data, seq, clock)
        except InvalidValue as error:
            self._skip("tick_malformed", f"{delivery.data[0]}: {error}")
            log.warning(
                "gateway_tick.malformed", source=self.source, symbol=str(delivery.data[0])[:64], error=str(error)
            )
            return
        if (tick.venue, tick.symbol) not in self._wanted:
            return
        self.last_data_s = time.monotonic()
        lost: dict[tuple[object, ...], int] = handover.lost if handover is not None else {}
        gap = self._losses.before(tick, clock, lost, delivery.data[:2])
        if gap is not None:
            batch.gaps.append((len(batch.ticks), gap))
        batch.ticks.append(tick)

    def _frame(self, delivery: Delivery) -> bytes:
        """The row by which it is read, and its values: it can be read again whatever the settings are then."""
        return encode_frame(self._row, self._settings.global_venue, delivery.data)

    def _other(self, delivery: Delivery, batch: _Making) -> None:
        """Everything that is no tick."""
        if delivery.kind == CONTRACT:
            terms = self._contract(delivery)
            if terms is not None:
                batch.terms.append(terms)
        else:
            self._failed(delivery)

    def _failed(self, delivery: Delivery) -> None:
        if delivery.kind == FAILED:
            where, text = str(delivery.data[0]), str(delivery.data[1])
            self._skip("callback_failed", f"{where}: {text}")
            log.error("gateway_callback.failed", source=self.source, callback=where, error=text)
        elif delivery.kind == LOG:
            line = str(delivery.data[0])
            self._connection.wrote(line)
            if is_lost(line):
                self._lost = True
                log.warning("gateway_connection.lost", source=self.source, error=line)
                self._losses.all_lost(delivery.ts_recv)
            elif self._lost and is_back(line):
                self._lost = False
                self._losses.back(delivery.ts_recv)
                self._spawn(self._send(list(self._wanted)))  # not every gateway asks again by itself

    def _contract(self, delivery: Delivery) -> InstrumentRecord | None:
        """New terms, which are subscribed when somebody wants them; None where they are known or malformed."""
        try:
            terms = terms_of(delivery.data, self._names, self.source, delivery.ts_recv)
        except InvalidValue as error:
            self._skip("contract_malformed", str(error))
            log.warning("gateway_contract.malformed", source=self.source, error=str(error))
            return None
        named = Named(terms.venue, terms.symbol)
        known = self._terms.get(named)
        if known is not None and known == terms._replace(ts_event=known.ts_event, ts_recv=known.ts_recv):
            return None
        self._terms[named] = terms
        if self._tap is not None:
            frame = encode_contract(self._settings.global_venue, delivery.data)
            self._tap.frame(Channel(self.source, CONTRACTS), frame, delivery.ts_recv)
        if known is None and self._open and named not in self._wanted and chosen(self._patterns, {named: terms})[0]:
            self._wanted[named] = None
            self._spawn(self._send([named]))
        return terms if named in self._wanted else None

    def _report(self, clock: int) -> None:
        """Events of what was refused or found no room since the last, and of a heartbeat once a minute."""
        handover = self._connection.handover
        if handover is not None:
            more, self._deepest = handover.dropped, max(self._deepest, handover.deepest)
            if more > self._reported.get("queue_full", 0):
                text = f"expected room among {self._settings.waiting_ticks} ticks that wait"
                log.error("gateway_ticks.dropped", source=self.source, dropped=more)
                self._count("queue_full", more, text)
        for reason, count in self.skipped.items():
            if count > self._reported.get(reason, 0):
                self._count(reason, count, self._newest.get(reason, ""))
        if not self._lost and clock - self._heartbeat_at >= _HEARTBEAT_NS:
            if self._heartbeat_at:
                self._events.append(HeartbeatReceived(self.source))
            self._heartbeat_at = clock

    def _count(self, reason: str, count: int, text: str) -> None:
        more = count - self._reported.get(reason, 0)
        self._reported[reason] = count
        self._events.append(FrameRefused(self.source, reason, text[:300], more))

    def _skip(self, reason: str, text: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        self._newest[reason] = text

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def dropped(self) -> int:
        """Ticks that found the queue full."""
        handover = self._connection.handover
        return self._dropped + (handover.dropped if handover is not None else 0)

    @property
    def deepest(self) -> int:
        """The most that waited in the queue."""
        handover = self._connection.handover
        return max(self._deepest, handover.deepest if handover is not None else 0)

    async def close(self) -> None:
        """Leave the gateway; `connect` opens it again."""
        for task in self._tasks:
            task.cancel()
        self._dropped, self._deepest = self.dropped, self.deepest
        self._reported.pop("queue_full", None)
        self._open = False
        self._losses.forget()
        await self._connection.close()


__all__ = ["VnpySource"]
