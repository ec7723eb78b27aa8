"""Ticks of one partition in, closed bars out: the state machine behind the aggregator and the rebuild.

A pure function of the packed log: bars close by what the log says (ticks and marks), never by a local timer,
so that every replay of the log, in any process, closes the same bars with the same content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.packed import Packed
from marketprism_domain.bars.builder import BarBuilder, BarSettings, BuilderState
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.gaps import TRUNCATED


@dataclass(slots=True)
class Seen:
    """How far an instrument's ticks are known: the last one's number, event time, and places by source."""

    seq: int = 0
    ts_event: int = 0
    places: dict[str, int] = field(default_factory=dict)
    again: bool = False  # the log is read again from its beginning: what is known comes once more
    cut: bool = False  # the log was made anew: numbers begin again, places go on


class _Saved(NamedTuple):
    venue: str
    symbol: str
    builder: BuilderState
    seen: Seen | None = None


class _State(NamedTuple):
    builders: tuple[_Saved, ...]
    bars: dict[str, dict[str, int]]
    changes: tuple[SessionChange, ...] = ()
    log: str = ""


_decoder = msgspec.msgpack.Decoder(_State)


class ShardAggregator:
    """Bar builders of every instrument of one partition."""

    def __init__(self, calendar: MarketCalendar, settings: BarSettings, name: str = "0") -> None:
        self._name = name
        self._log = ""  # which log of ticks this is, where it is not the first
        self._calendar = calendar.copy()
        self._settings = settings
        self._builders: dict[tuple[str, str], BarBuilder] = {}
        self._by_venue: dict[str, list[BarBuilder]] = defaultdict(list)
        self._bars: dict[str, dict[str, int]] = {}
        self._seen: dict[tuple[str, str], Seen] = {}
        self.holes: list[Gap] = []  # of the last message: ticks that were published and did not come

    def process(self, packed: Packed) -> list[Bar]:
        """Bars that this message closes or revises, in the order they closed.

        An instrument's ticks are numbered without a hole: where a number is missing, its ticks are gone from the log
        (retention, a purge), and bars over that time say so. `holes` has them afterwards.
        """
        bars: list[Bar] = []
        self.holes = []
        builders = self._builders
        seen = self._seen
        for index, end in self._segments(packed, bars):
            for tick in packed.ticks[index:end]:
                builder = builders.get((tick.venue, tick.symbol))
                if builder is None:
                    builder = self._add(tick.venue, tick.symbol)
                known = seen[tick.venue, tick.symbol]
                if tick.seq != known.seq + 1 and not self._goes_on(tick, known, builder, bars):
                    continue
                known.seq, known.ts_event = tick.seq, tick.ts_event
                known.places[tick.source] = tick.source_seq
                closed = builder.on_tick(tick)
                if closed:
                    bars += closed
        for bar in bars:
            if bar.revision == 0:
                counts = self._bars.setdefault(bar.source, {})
                counts[bar.interval] = counts.get(bar.interval, 0) + 1
        return bars

    def _goes_on(self, tick: Tick, known: Seen, builder: BarBuilder, bars: list[Bar]) -> bool:
        """Whether a tick with another number than the next one counts; what is missing before it is flagged."""
        place = known.places.get(tick.source, -1)
        if known.again:
            if tick.source_seq <= place or tick.ts_event < known.ts_event:
                return False
            known.again = False
        cut, known.cut = known.cut, False
        missing = tick.source_seq != place + 1 if cut else known.seq > 0 and tick.seq > known.seq
        if missing and known.ts_event < tick.ts_event:
            hole = Gap(
                tick.venue,
                tick.symbol,
                tick.source,
                tick.epoch,
                tick.seq,
                tick.ts_event,
                tick.ts_recv,
                tick.ts_pub,
                known.ts_event,
                tick.ts_event,
                TRUNCATED,
                tick.trading_day,
            )
            bars += builder.on_gap(hole)
            self.holes.append(hole)
        return True

    @property
    def name(self) -> str:
        """Prefix of ids made from the sequences of the log."""
        return f"{self._name}.{self._log}" if self._log else self._name

    def replaced(self, log: str) -> None:
        """The log is another one, or is read again from its beginning: ticks that are known come again, under other
        numbers perhaps; they are known by their places."""
        self._log = log
        for known in self._seen.values():
            known.again = known.cut = True
            known.seq = -2  # no number follows it

    def _segments(self, packed: Packed, bars: list[Bar]) -> Iterator[tuple[int, int]]:
        """Runs of ticks between punctuation; handles gaps and marks on the way, each at its place."""
        breaks = sorted(
            {at for at, _ in packed.gaps} | {mark.at for mark in packed.marks} | {at for at, _ in packed.changes}
        )
        start = 0
        for at in breaks:
            yield start, at
            for change_at, change in packed.changes:
                if change_at == at:
                    self._overrule(change)
            for gap_at, gap in packed.gaps:
                if gap_at == at:
                    bars += self._builder(gap.venue, gap.symbol).on_gap(gap)
            for mark in packed.marks:
                if mark.at == at:
                    for builder in self._by_venue[mark.venue]:
                        bars += builder.on_clock(mark.ts_event)
            start = at
        yield start, len(packed.ticks)

    def _overrule(self, change: SessionChange) -> None:
        self._calendar.overrule(change)
        for (venue, symbol), builder in self._builders.items():
            if venue == change.venue and self._calendar.product_of(symbol).lower() == change.product.lower():
                builder.sessions_changed()

    def _builder(self, venue: str, symbol: str) -> BarBuilder:
        return self._builders.get((venue, symbol)) or self._add(venue, symbol)

    def _add(self, venue: str, symbol: str) -> BarBuilder:
        builder = BarBuilder(venue, symbol, self._calendar.schedule(venue, symbol), self._settings)
        return self._keep(venue, symbol, builder)

    def _keep(self, venue: str, symbol: str, builder: BarBuilder) -> BarBuilder:
        self._builders[venue, symbol] = builder
        self._seen.setdefault((venue, symbol), Seen())
        self._by_venue[venue].append(builder)
        return builder

    def snapshot(self) -> bytes:
        """The complete state as MessagePack, from which `restore` goes on."""
        saved = tuple(_Saved(*key, builder.state(), self._seen[key]) for key, builder in self._builders.items())
        return msgspec.msgpack.encode(_State(saved, self._bars, self._calendar.changes(), self._log))

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`."""
        state = _decoder.decode(data)
        self._bars, self._log = state.bars, state.log
        for change in state.changes:
            self._calendar.overrule(change)
        for saved in state.builders:
            schedule = self._calendar.schedule(saved.venue, saved.symbol)
            builder = BarBuilder.restore(saved.venue, saved.symbol, schedule, self._settings, saved.builder)
            self._keep(saved.venue, saved.symbol, builder)
            if saved.seen is not None:
                self._seen[saved.venue, saved.symbol] = saved.seen

    def stats(self) -> dict[str, dict[str, int]]:
        """Closed bars by source and interval, revisions not counted."""
        return self._bars

    @property
    def late(self) -> int:
        """Ticks that came too late even for a revision."""
        return sum(builder.late for builder in self._builders.values())
