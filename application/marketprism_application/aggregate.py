"""Ticks of one partition in, closed bars out: the state machine behind the aggregator and the rebuild.

A pure function of the packed log: bars close by what the log says (ticks and marks), never by a local timer,
so that every replay of the log, in any process, closes the same bars with the same content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.codec import Packed
from marketprism_domain.bars import BarBuilder, BarSettings, BuilderState
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions import SessionChange


class _Saved(NamedTuple):
    venue: str
    symbol: str
    builder: BuilderState


class _State(NamedTuple):
    builders: tuple[_Saved, ...]
    bars: dict[str, dict[str, int]]
    changes: tuple[SessionChange, ...] = ()


_decoder = msgspec.msgpack.Decoder(_State)


class ShardAggregator:
    """Bar builders of every instrument of one partition."""

    def __init__(self, calendar: MarketCalendar, settings: BarSettings) -> None:
        self._calendar = calendar.own()
        self._settings = settings
        self._builders: dict[tuple[str, str], BarBuilder] = {}
        self._by_venue: dict[str, list[BarBuilder]] = defaultdict(list)
        self._bars: dict[str, dict[str, int]] = {}

    def process(self, packed: Packed) -> list[Bar]:
        """Bars that this message closes or revises, in the order they closed."""
        bars: list[Bar] = []
        builders = self._builders
        for index, end in self._segments(packed, bars):
            for tick in packed.ticks[index:end]:
                builder = builders.get((tick.venue, tick.symbol))
                if builder is None:
                    builder = self._add(tick.venue, tick.symbol)
                closed = builder.on_tick(tick)
                if closed:
                    bars += closed
        for bar in bars:
            if bar.revision == 0:
                counts = self._bars.setdefault(bar.source, {})
                counts[bar.interval] = counts.get(bar.interval, 0) + 1
        return bars

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
        self._by_venue[venue].append(builder)
        return builder

    def snapshot(self) -> bytes:
        """Complete state."""
        saved = tuple(_Saved(*key, builder.state()) for key, builder in self._builders.items())
        return msgspec.msgpack.encode(_State(saved, self._bars, self._calendar.changes()))

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`."""
        state = _decoder.decode(data)
        self._bars = state.bars
        for change in state.changes:
            self._calendar.overrule(change)
        for saved in state.builders:
            schedule = self._calendar.schedule(saved.venue, saved.symbol)
            builder = BarBuilder.restore(saved.venue, saved.symbol, schedule, self._settings, saved.builder)
            self._keep(saved.venue, saved.symbol, builder)

    def stats(self) -> dict[str, dict[str, int]]:
        """Closed bars by source and interval, revisions not counted."""
        return self._bars

    @property
    def late(self) -> int:
        """Ticks that came too late even for a revision."""
        return sum(builder.late for builder in self._builders.values())
