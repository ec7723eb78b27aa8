"""The source of a counter: the ticks of its connections as one stream."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from marketprism_adapters.counters.api.callback_queue import Callback
from marketprism_adapters.counters.api.codes import is_fatal, reason_of, trouble
from marketprism_adapters.counters.api.library import Api
from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.depth.messages import Skipped
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.live.front_merge import Merge
from marketprism_adapters.counters.live.login import Conversation
from marketprism_adapters.counters.live.settings import Counter
from marketprism_adapters.counters.live.statuses import Statuses
from marketprism_adapters.counters.live.subscriptions import Subscriptions
from marketprism_application.errors import SourceError
from marketprism_application.gateway.outages import Losses
from marketprism_application.ports.sources import Channel, FrameTap, SourceBatch, SourceTraits
from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.registry import HeartbeatReceived, NetworkLatencyExceeded
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.phases import PhaseVerdict
from marketprism_domain.sessions.sessions import SessionChange

log = structlog.get_logger()

DECODER = "ctp.depth"
_TAKE_S = 0.25
_TURN = 64
_END_RUN_NS, _HEARTBEAT_NS = 61_000_000_000, 60_000_000_000
_LATE_S = 10.0  # the API warns of a heartbeat that is late by more


@dataclasses.dataclass(slots=True)
class _Making:
    """A batch on its way."""

    ticks: list[Tick] = dataclasses.field(default_factory=list)
    gaps: list[tuple[int, Gap]] = dataclasses.field(default_factory=list)
    changes: list[tuple[int, SessionChange]] = dataclasses.field(default_factory=list)
    events: list[object] = dataclasses.field(default_factory=list)


class CtpSource:
    """Fulfils `MarketSource` for CTP and SOPT.

    `connect` logs in and loads the instruments; `stream` subscribes and delivers. A connection that the front ends is
    made again by the API itself; this logs in and subscribes again, and names what was missing in between, unless
    another connection carried on. `skipped` counts by reason what was no tick.
    """

    # Counters count logins, and answer for each instrument.
    traits = SourceTraits(live=True, named=True, exclusive=True, confirms_subscriptions=True, counts_rows=True)

    def __init__(
        self,
        counter: Counter,
        calendar: MarketCalendar,
        api_of: Callable[[str], Api],
        *,
        tap: FrameTap | None = None,
    ) -> None:
        self._counter = counter
        self._given = counter.settings
        self._calendar = calendar.copy()
        self._api_of = api_of
        self._tap = tap
        self.source = counter.name
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self._subscriptions = Subscriptions(counter.name, counter.settings.subscribe_per_second, self._skip)
        self._statuses = Statuses(self._calendar, self._skip)
        self._losses = Losses(self._calendar, counter.name)
        self._heartbeat_at = 0
        self.last_data_s = 0.0
        self._ended: set[int] = set()
        self._events: list[object] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: Conversation | None = None

    async def connect(self) -> None:
        """Trader side first, for the instruments; then every market-data connection.

        Raises:
            SourceError: no answer in time, or a refusal; retryable unless the words themselves were wrong.
        """
        opened = Conversation(self._counter, self._api_of, self._skip)
        await opened.open()
        self._open = opened
        self._losses.opened(opened.up_at)
        self._subscriptions.wanted = self._fitting()

    @property
    def live_since(self) -> int:
        """When the first connection was there, nanoseconds UTC: nothing from before can be had again."""
        return self._losses.back_at

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """What the counter listed and the settings ask for."""
        return [terms for symbol, terms in self._talk.terms.items() if self._given.wants(symbol)]

    def _fitting(self) -> list[str]:
        if self._talk.terms:
            return sorted(symbol for symbol in self._talk.terms if self._given.wants(symbol))
        return list(self._given.instruments)

    async def subscribe(self, patterns: Sequence[str]) -> tuple[int, int]:
        """Ask for other instruments (names, or patterns over the list) from now on; how many were added and removed."""
        self._given = dataclasses.replace(self._given, instruments=tuple(patterns))
        if self._open is None:
            return 0, 0
        added, removed = self._subscriptions.change(self._fitting())
        for number in sorted(self._talk.up):
            for symbol in removed:
                self._talk.fronts[number].unSubscribeMarketData(symbol)
            self._spawn(self._send(number, added))
        return len(added), len(removed)

    # -- streaming ---------------------------------------------------------------------------------------------------

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """Ticks as they come, until closed; ends only where every front is simulated and has ended."""
        for number in sorted(self._talk.up):
            self._spawn(self._send(number, self._subscriptions.wanted))
        combined = {symbol for symbol, terms in self._talk.terms.items() if terms.class_ == "combination"}
        reader = DepthReader(self._calendar, self.source, self._talk.exchanges, combined)
        merge = Merge(len(self._talk.fronts))
        seq, clock = after.get(self.source, 0), 0
        while True:
            if self._talk.failed is not None and not self._talk.up:
                raise self._talk.failed
            taken, self._talk.held = [*self._talk.held, *await self._talk.bridge.take(timeout_s=_TAKE_S)], []
            batch = _Making()
            for number, callback in enumerate(taken, 1):
                if number % _TURN == 0:
                    await asyncio.sleep(0)  # a lease is renewed in turns of the loop
                if callback.name != "depth":
                    self._on_callback(callback, batch)
                    continue
                self.last_data_s = time.monotonic()
                clock = max(clock, callback.ts_recv)
                seq = max(seq + 1, callback.ts_recv)
                tick = self._tick(reader, merge, callback, seq)
                if tick is not None:
                    self._deliver(tick, clock, batch)
            ticks = batch.ticks
            self.rows[self.source] = self.rows.get(self.source, 0) + len(ticks)
            if self._given.real:  # time goes on without ticks: it closes bars
                clock = max(clock, time.time_ns())
            self._beat(clock)
            events, self._events = [*self._events, *self._subscriptions.events, *batch.events], []
            self._subscriptions.events.clear()
            if self._given.real or ticks or events or batch.changes:
                at = {self.source: seq} if seq else {}
                yield SourceBatch(ticks, clock, at, batch.gaps, changes=batch.changes, events=events)
            if len(self._ended) == len(self._talk.fronts):
                yield SourceBatch([], clock + _END_RUN_NS, {self.source: seq}, finished=True)
                return

    def _deliver(self, tick: Tick, clock: int, batch: _Making) -> None:
        at = len(batch.ticks)
        gap = self._losses.before(tick, clock, self._talk.bridge.lost, tick.symbol)
        if gap is not None:
            batch.gaps.append((at, gap))
        self._take(self._statuses.on_tick(tick), batch)
        batch.ticks.append(tick)

    @staticmethod
    def _take(verdict: PhaseVerdict | None, batch: _Making) -> None:
        """What the venue's phases amount to, at this place among the ticks."""
        if verdict is not None:
            batch.events.extend(verdict.events)
            batch.changes.extend((len(batch.ticks), change) for change in verdict.changes)

    def _tick(self, reader: DepthReader, merge: Merge, callback: Callback, seq: int) -> Tick | None:
        if self._tap is not None:
            self._tap.frame(
                Channel(f"{self.source}-{callback.front}", DECODER),
                msgspec.msgpack.encode(callback.data),
                callback.ts_recv,
            )
        if not merge.is_new(callback.data, callback.front):
            return None
        try:
            found = reader.tick(callback.data, seq, callback.ts_recv)
        except (BadField, InvalidValue) as error:
            self._skip("depth_malformed")
            log.warning("depth.malformed", source=self.source, error=str(error))
            return None
        if isinstance(found, Skipped):
            self._skip(found.reason)
            return None
        return found

    def _on_callback(self, callback: Callback, batch: _Making) -> None:
        """Everything that is no tick: the life of the connections."""
        if callback.name == "callback_failed":
            self._skip("callback_failed")
            log.error("callback.malformed", source=self.source, **callback.data)
        elif callback.name == "heartbeat_late":
            self._events.append(NetworkLatencyExceeded(self.source, float(str(callback.data["seconds"])), _LATE_S))
        elif callback.side == "td":
            self._on_trader_callback(callback, batch)
        elif callback.name == "front_disconnected":
            self._lost(callback)
        elif callback.name == "front_connected":
            self._talk.ask_login(callback.front)
        elif callback.name == "login":
            self._let_in(callback)
        elif callback.name == "subscribe":
            self._subscriptions.answered(callback, self._talk.exchanges)
        elif callback.name == "end":
            self._ended.add(callback.front)
        elif callback.error and trouble(callback.error):
            self._skip(callback.name)
            log.warning("front.refused", source=self.source, front=callback.front, error=trouble(callback.error))

    def _on_trader_callback(self, callback: Callback, batch: _Making) -> None:
        if callback.name == "status":
            self._take(self._statuses.on_status(callback.data, callback.ts_recv), batch)
        elif callback.name == "front_disconnected":  # the list is in; the API connects again by itself
            self._skip("trader_disconnected")
            self._statuses.forget()
            log.warning("trader_front.disconnected", source=self.source, reason=_reason(callback))
        else:
            self._talk.on_trader_callback(callback)

    def _lost(self, callback: Callback) -> None:
        log.warning("front.disconnected", source=self.source, front=callback.front, reason=_reason(callback))
        self._talk.up.discard(callback.front)
        if not self._talk.up:
            self._losses.all_lost(callback.ts_recv)

    def _let_in(self, callback: Callback) -> None:
        wrong = trouble(callback.error)
        if wrong:
            self._talk.failed = SourceError(
                f"{self.source}: expected a login at the market-data front, {wrong}",
                retryable=not is_fatal(callback.error),
                refused=is_fatal(callback.error),
            )
            return
        self._talk.failed = None
        if not self._talk.up:
            self._losses.back(callback.ts_recv)
        self._talk.up.add(callback.front)
        self._spawn(self._send(callback.front, self._subscriptions.wanted))

    async def _send(self, number: int, symbols: Sequence[str]) -> None:
        up = self._talk.up
        await self._subscriptions.send(self._talk.fronts[number], number, symbols, lambda: number in up)

    def _beat(self, clock: int) -> None:
        """Once a minute, that a connection is there and was heard."""
        if self._talk.up and clock - self._heartbeat_at >= _HEARTBEAT_NS:
            if self._heartbeat_at:
                self._events.append(HeartbeatReceived(self.source))
            self._heartbeat_at = clock

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    @property
    def _talk(self) -> Conversation:
        assert self._open is not None  # noqa: S101 (made by connect)
        return self._open

    @property
    def dropped(self) -> int:
        """Ticks that found the queue full."""
        return self._open.bridge.dropped if self._open else 0

    @property
    def deepest(self) -> int:
        """The most that waited in the queue."""
        return self._open.bridge.deepest if self._open else 0

    async def close(self) -> None:
        """Log out and let every connection go."""
        for task in self._tasks:
            task.cancel()
        opened, self._open, self._ended = self._open, None, set()
        self._statuses.forget()
        self._losses.forget()
        if opened is not None:
            await opened.close()


def _reason(callback: Callback) -> str:
    return reason_of(callback.data.get("reason", 0))
