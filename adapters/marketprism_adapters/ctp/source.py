"""The source of a counter: the ticks of its connections as one stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from marketprism_adapters.ctp.bridge import Said
from marketprism_adapters.ctp.conversation import Conversation
from marketprism_adapters.ctp.depth import DepthReader
from marketprism_adapters.ctp.library import Api
from marketprism_adapters.ctp.merge import Merge
from marketprism_adapters.ctp.settings import CounterSettings
from marketprism_adapters.ctp.words import is_fatal, reason_of, trouble
from marketprism_adapters.depth.ctp import Skipped
from marketprism_adapters.depth.fields import BadField
from marketprism_application.errors import SourceError
from marketprism_application.ports import Channel, FrameTap, SourceBatch
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick

log = structlog.get_logger()

DECODER = "ctp.depth"
_TAKE_S = 0.25
_TRADING = ("auction", "continuous")
_END_RUN_NS = 61_000_000_000


class CtpSource:
    """Fulfils `MarketSource` for CTP and SOPT.

    `connect` logs in and loads the instruments; `stream` subscribes and delivers. A connection that the front ends is
    made again by the API itself; this logs in and subscribes again, and names what was missing in between, unless
    another connection carried on. `skipped` counts by reason what was no tick.
    """

    def __init__(
        self,
        settings: CounterSettings,
        calendar: MarketCalendar,
        api_of: Callable[[str], Api],
        *,
        tap: FrameTap | None = None,
    ) -> None:
        self._given = settings
        self._calendar = calendar
        self._api_of = api_of
        self._tap = tap
        self.source = settings.name
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self._missing_since: dict[str, int] = {}  # event time of an instrument's last tick before every front was lost
        self._lost_at = self._back_at = 0  # when the last connection went, and when one was there again
        self._clock = 0
        self._last: dict[str, Tick] = {}
        self._ended: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: Conversation | None = None

    async def connect(self) -> None:
        """Trader side first, for the instruments; then every market-data connection.

        Raises:
            SourceError: no answer in time, or a refusal; retryable unless the words themselves were wrong.
        """
        opened = Conversation(self._given, self._api_of, self._skip)
        await opened.open()
        self._open, self._back_at = opened, opened.up_at

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """What the counter listed and the settings ask for."""
        return [terms for symbol, terms in self._talk.terms.items() if self._given.wants(symbol)]

    def _wanted(self) -> list[str]:
        if self._talk.terms:
            return sorted(symbol for symbol in self._talk.terms if self._given.wants(symbol))
        return list(self._given.instruments)

    # -- streaming ---------------------------------------------------------------------------------------------------

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """Ticks as they come, until closed; ends only where every front is simulated and has ended."""
        for number in sorted(self._talk.up):
            self._spawn(self._subscribe(number))
        reader = DepthReader(self._calendar, self.source, self._talk.exchanges)
        merge = Merge(len(self._talk.fronts))
        seq, clock = after.get(self.source, 0), 0
        while True:
            if self._talk.failed is not None and not self._talk.up:
                raise self._talk.failed
            taken, self._talk.held = [*self._talk.held, *await self._talk.bridge.take(timeout_s=_TAKE_S)], []
            ticks: list[Tick] = []
            gaps: list[tuple[int, Gap]] = []
            for said in taken:
                self._clock = said.ts_recv
                if said.name != "depth":
                    self._heard(said)
                    continue
                clock = max(clock, said.ts_recv)
                seq = max(seq + 1, said.ts_recv)
                tick = self._tick(reader, merge, said, seq)
                if tick is None:
                    continue
                gap = self._gap_before(tick, clock)
                if gap is not None:
                    gaps.append((len(ticks), gap))
                self._last[tick.symbol] = tick
                ticks.append(tick)
            self.rows[self.source] = self.rows.get(self.source, 0) + len(ticks)
            if self._given.real and seq:  # time goes on without ticks: it closes bars
                clock = max(clock, time.time_ns())
                yield SourceBatch(ticks, clock, {self.source: seq}, gaps)
            elif ticks or gaps:
                yield SourceBatch(ticks, clock, {self.source: seq}, gaps)
            if len(self._ended) == len(self._talk.fronts):
                yield SourceBatch([], clock + _END_RUN_NS, {self.source: seq}, finished=True)
                return

    def _tick(self, reader: DepthReader, merge: Merge, said: Said, seq: int) -> Tick | None:
        if self._tap is not None:
            self._tap.frame(
                Channel(f"{self.source}-{said.front}", DECODER), msgspec.msgpack.encode(said.data), said.ts_recv
            )
        if not merge.is_new(said.data, said.front):
            return None
        try:
            found = reader.tick(said.data, seq)
        except (BadField, InvalidValue) as error:
            self._skip("depth_malformed")
            log.warning("a depth message that is none", source=self.source, error=str(error))
            return None
        if isinstance(found, Skipped):
            self._skip(found.reason)
            return None
        return found._replace(ts_recv=said.ts_recv)

    def _heard(self, said: Said) -> None:
        """Everything that is no tick: the life of the connections."""
        if said.side == "td":
            if said.name == "front_disconnected":  # the list is in; the API connects again by itself
                self._skip("trader_disconnected")
                log.warning("the trader front went away", source=self.source, reason=_reason(said))
            return
        if said.name == "front_disconnected":
            self._lost(said)
        elif said.name == "front_connected":
            self._talk.ask_login(said.front)
        elif said.name == "login":
            self._let_in(said)
        elif said.name == "end":
            self._ended.add(said.front)
        elif said.error:
            self._skip(said.name)
            log.warning("the front refused", source=self.source, front=said.front, error=trouble(said.error))

    def _lost(self, said: Said) -> None:
        log.warning("a front went away", source=self.source, front=said.front, reason=_reason(said))
        self._talk.up.discard(said.front)
        if not self._talk.up:
            self._all_lost(said.ts_recv)

    def _all_lost(self, ts: int) -> None:
        """From here on every instrument may miss something, until its next tick says how much."""
        self._lost_at = ts
        for symbol, tick in self._last.items():
            self._missing_since.setdefault(symbol, tick.ts_event)

    def _let_in(self, said: Said) -> None:
        wrong = trouble(said.error)
        if wrong:
            self._talk.failed = SourceError(
                f"{self.source}: expected a login at the market-data front, {wrong}", retryable=not is_fatal(said.error)
            )
            return
        self._talk.failed = None
        if not self._talk.up:
            self._back_at = said.ts_recv
        self._talk.up.add(said.front)
        self._spawn(self._subscribe(said.front))

    def _gap_before(self, tick: Tick, clock: int) -> Gap | None:
        """What was missing of an instrument when its first tick after a loss of every connection is there.

        Fronts are shut every evening: what was lost and back while the instrument did not trade is no gap, and a loss
        that began then misses the next section from its opening only.
        """
        since = self._missing_since.get(tick.symbol)
        if since is None or tick.ts_event <= since:  # the last snapshot again, which comes with a login
            return None
        del self._missing_since[tick.symbol]
        schedule = self._calendar.schedule(tick.venue, tick.symbol)
        if schedule.place(self._lost_at).phase not in _TRADING:
            since = schedule.next_session(self._lost_at).ts_open
            if since >= min(self._back_at, tick.ts_event):
                return None
        return Gap(
            tick.venue, tick.symbol, self.source, 0, 0, tick.ts_event, clock, 0, since, tick.ts_event, "disconnected",
            tick.trading_day,
        )  # fmt: skip

    async def _subscribe(self, number: int) -> None:
        """At the counter's pace: all at once overflows its buffer, and it cuts the session."""
        wanted, per_second = self._wanted(), self._given.subscribe_per_second
        for start in range(0, len(wanted), per_second):
            begun = time.monotonic()
            for symbol in wanted[start : start + per_second]:
                if number not in self._talk.up:
                    return
                if self._talk.fronts[number].subscribeMarketData(symbol):
                    self._skip("subscribe_not_sent")
                    log.warning("a subscription was not sent", source=self.source, front=number, symbol=symbol)
            if start + per_second < len(wanted):
                await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - begun)))
        log.info("subscribed", source=self.source, front=number, instruments=len(wanted))

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
        return self._open.bridge.dropped if self._open is not None else 0

    async def close(self) -> None:
        """Log out and let every connection go; what is missed until they are made again is a gap like any other."""
        for task in self._tasks:
            task.cancel()
        if self._open is not None and self._open.up:
            self._all_lost(self._clock)
        opened, self._open = self._open, None
        self._ended = set()
        if opened is not None:
            await opened.close()


def _reason(said: Said) -> str:
    return reason_of(said.data.get("reason", 0))
