"""The simulated venue as a source, with faults put in where asked."""

from __future__ import annotations

import heapq
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from marketprism_adapters.synthetic.market import SimulatedDay
from marketprism_adapters.synthetic.plan import INSTRUMENTS, SimulationPlan
from marketprism_application.ports.sources import Channel, FrameTap, SourceBatch, SourceTraits
from marketprism_application.replay.pace import Pacer, paced_batches
from marketprism_domain.instruments.names import product_of
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

DECODER = "ticks.msgpack"  # this venue has no other form
_END_RUN_NS = 61 * NANOS_PER_SECOND
_GAP_NS = 3 * NANOS_PER_MINUTE


class Injected(NamedTuple):
    """One fault that was put in."""

    fault: str
    symbol: str
    source_seq: int


class SimulatedVenue:
    """Fulfils `MarketSource`. The same plan gives the same ticks; `injected` is the truth about its faults."""

    traits = SourceTraits(named=True, counts_rows=True, paced=True)

    def __init__(
        self,
        plan: SimulationPlan,
        calendar: MarketCalendar,
        *,
        speed: float | None = None,
        batch_rows: int = 500,
        tap: FrameTap | None = None,
    ) -> None:
        self._tap = tap
        self._plan = plan
        self._calendar = calendar
        self._pacer = Pacer(speed)
        self._batch_rows = batch_rows
        self.source = f"sim:{plan.seed}"
        self.injected: list[Injected] = []
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}

    async def connect(self) -> None:
        """Nothing to open: ticks are computed."""

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """The plan's instruments with their terms."""
        return [
            InstrumentRecord(
                it.venue,
                it.symbol,
                self.source,
                0,
                0,
                0,
                0,
                0,
                product_of(it.symbol),
                "future",
                Decimal(it.multiplier),
                it.price_tick,
            )
            for it in (INSTRUMENTS[symbol] for symbol in self._plan.instruments)
        ]

    def read_over(self, known: Mapping[str, int]) -> None:
        """As `PacedSource` says: rows up to `known` are read without waiting for their time."""
        self._pacer.read_over(known)

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """Every tick behind `after`, then a finished batch (never, when the plan has no last day)."""
        clock = seq = 0

        def received() -> Iterator[Tick]:
            nonlocal clock, seq
            channel = Channel(self.source, DECODER)
            for tick in self.ticks():
                clock, seq = tick.ts_recv, tick.source_seq
                if self._tap is not None:
                    self._tap.frame(channel, msgspec.msgpack.encode(tick))
                yield tick

        async for ticks in paced_batches(received(), after, self._pacer, self._batch_rows):
            yield SourceBatch(ticks, ticks[-1].ts_recv, {self.source: ticks[-1].source_seq})
        self.rows[self.source] = seq
        yield SourceBatch([], clock + _END_RUN_NS, {self.source: seq}, finished=True)

    async def close(self) -> None:
        """Nothing to close: ticks are computed."""

    def ticks(self) -> Iterator[Tick]:
        """Every tick, numbered; faults are put in day by day."""
        self.injected = []
        seq = 0
        day = self._plan.start
        settlements = {symbol: INSTRUMENTS[symbol].settlement for symbol in self._plan.instruments}
        number = 0
        while not self._plan.days or number < self._plan.days:
            number += 1
            for tick, fault in self._faulted(day, settlements):
                seq += 1
                if fault:
                    self.injected.append(Injected(fault, tick.symbol, seq))
                yield tick._replace(source_seq=seq)
            day = day_text(self._calendar.days.next(day_of(day)))

    def _faulted(self, day: str, settlements: dict[str, Decimal]) -> Iterator[tuple[Tick, str]]:
        """The day's ticks in order of receipt, with faults at random places. They are made as they are asked for."""
        days = self._days(day, settlements)
        if self._plan.faults:
            yield from self._with_faults(day, days, self._days(day, settlements))
        else:
            for tick in self._merged(day, days):
                yield tick, ""
        for symbol, made in days.items():
            settlements[symbol] = made.last

    def _days(self, day: str, settlements: Mapping[str, Decimal]) -> dict[str, SimulatedDay]:
        return {
            symbol: SimulatedDay(
                INSTRUMENTS[symbol], settlements[symbol], f"{self._plan.seed}/{day}/{symbol}", self.source
            )
            for symbol in self._plan.instruments
        }

    def _merged(self, day: str, days: Mapping[str, SimulatedDay]) -> Iterator[Tick]:
        return heapq.merge(*(self._of(day, symbol, made) for symbol, made in days.items()), key=_received)

    def _with_faults(
        self, day: str, days: Mapping[str, SimulatedDay], same: Mapping[str, SimulatedDay]
    ) -> Iterator[tuple[Tick, str]]:
        """Faults lie anywhere in the day: it is gone through once for its times (`same`), then handed on."""
        dice = random.Random(f"{self._plan.seed}/{day}/faults")
        times = [(tick.symbol, tick.ts_event) for tick in self._merged(day, same)]
        holes = self._holes(dice, times)
        kept = sum(1 for time in times if not any(_in_hole(*time, hole) for hole in holes))
        del times
        self.injected += [Injected("gap", symbol, ts_from) for symbol, ts_from, _ in holes]
        places = self._places(dice, kept)
        ticks = (t for t in self._merged(day, days) if not any(_in_hole(t.symbol, t.ts_event, hole) for hole in holes))
        for index, tick in enumerate(ticks):
            yield tick, ""
            for fault in places.get(index, ()):
                yield _fault(fault, tick), fault

    def _of(self, day: str, symbol: str, made: SimulatedDay) -> Iterator[Tick]:
        sessions = self._calendar.schedule(INSTRUMENTS[symbol].venue, symbol).sessions(day)
        return made.ticks(sessions, self._plan.rate)

    def _holes(self, dice: random.Random, times: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
        """Stretches inside one section, apart from one another, in which an instrument is silent."""
        holes: list[tuple[str, int, int]] = []
        while len(holes) < self._plan.faults.get("gap", 0):
            symbol, ts_event = times[dice.randrange(len(times) // 10, len(times))]
            hole = (symbol, ts_event, ts_event + _GAP_NS)
            session = self._calendar.schedule(INSTRUMENTS[symbol].venue, symbol).place(ts_event).session
            inside = session is not None and session.ts_open < hole[1] and hole[2] + NANOS_PER_MINUTE < session.ts_close
            if inside and all(abs(hole[1] - other[1]) > 2 * _GAP_NS for other in holes if other[0] == hole[0]):
                holes.append(hole)
        return holes

    def _places(self, dice: random.Random, ticks: int) -> dict[int, list[str]]:
        places: dict[int, list[str]] = {}
        for fault, count in self._plan.faults.items():
            if fault != "gap":
                for _ in range(count):
                    places.setdefault(dice.randrange(ticks // 10, ticks - 1), []).append(fault)
        return places


def _received(tick: Tick) -> int:
    return tick.ts_recv


def _in_hole(symbol: str, ts_event: int, hole: tuple[str, int, int]) -> bool:
    return symbol == hole[0] and hole[1] < ts_event < hole[2]


def _fault(fault: str, tick: Tick) -> Tick:
    """A broken copy of a tick that was just delivered."""
    volume, up = tick.volume or Decimal(0), tick.limit_up or Decimal(0)
    later = tick._replace(ts_event=tick.ts_event + 1_000_000, ts_recv=tick.ts_recv + 1_000_000)
    if fault == "duplicate":
        return tick
    if fault == "time_back":
        return tick._replace(ts_event=tick.ts_event - 2 * NANOS_PER_SECOND)
    if fault == "volume_fall":
        return later._replace(volume=max(Decimal(0), volume - 10) if volume else Decimal(-1))
    if fault == "crossed":
        return later._replace(bids=tick.asks[:1], asks=tick.bids[:1])
    if fault == "missing":
        return later._replace(volume=None)
    if fault == "huge":
        return later._replace(last=Decimal("1.7976931348623157E+308"))
    if fault == "stale":
        return later._replace(ts_event=tick.ts_event - 3600 * NANOS_PER_SECOND)
    return later._replace(last=up + 1)
