"""What a validator remembers of each instrument, and its form in a snapshot."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from marketprism_application.validation.gateway_sessions import GatewaySessions, SessionTable
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.memory import StreamMemory
from marketprism_domain.ticks.quality_windows import MonitorState
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import (
    AnomalyState,
    ClockState,
    Exclusion,
    Interruption,
    SilenceState,
    StreamState,
)
from marketprism_domain.ticks.validation import TickValidationService


class SavedStream(NamedTuple):
    venue: str
    symbol: str
    stream: StreamState
    anomalies: AnomalyState
    silence: SilenceState
    quality: MonitorState
    stale: bool
    missing: Interruption | None = None
    hole: int | None = None
    excluded: Exclusion | None = None


class SavedClock(NamedTuple):
    venue: str
    source: str
    clock: ClockState


class ValidatorState(NamedTuple):
    rules: dict[str, Any]
    sessions: dict[str, int]
    streams: tuple[SavedStream, ...]
    counts: dict[str, Any]
    changes: tuple[SessionChange, ...] = ()
    alive: int = 0
    table: SessionTable | None = None
    clocks: tuple[SavedClock, ...] = ()
    cut_since: dict[str, int] = {}  # noqa: RUF012 (msgspec makes a new one)
    out_of_chain: int = 0
    joined: int = 0
    log: str = ""


_decoder = msgspec.msgpack.Decoder(ValidatorState)


class PartitionMemory:
    """What a validator remembers of one partition: streams, clocks, gateway sessions, counts and the rules in force."""

    def __init__(
        self, calendar: MarketCalendar, rules: ValidationRules, epoch: int, name: str, sessions: GatewaySessions
    ) -> None:
        self.calendar = calendar.copy()
        self.service = TickValidationService(rules)
        self.epoch = epoch  # fencing token that accepted ticks carry
        self.sessions = sessions
        self.streams: dict[tuple[str, str], StreamMemory] = {}
        self.clocks: dict[tuple[str, str], VenueClock] = {}  # by venue and source
        self.cut_since: dict[str, int] = {}  # `venue.symbol` to its last event time before the log was cut
        self.alive = 0  # receive clock of what was processed last
        self.out_of_chain = 0  # messages that were not taken
        self.joined = 0  # sessions that were taken from their middle on
        self.log = ""  # which raw log this is, where it is not the first
        self.totals: dict[str, Any] = {}
        self.partition = name

    @property
    def rules(self) -> ValidationRules:
        """The version in force."""
        return self.service.rules

    @property
    def event_prefix(self) -> str:
        """What tells event ids of this partition, and of this log, from those of others."""
        return f"{self.partition}.{self.log}" if self.log else self.partition

    def stream_of(self, venue: str, symbol: str) -> StreamMemory:
        """Memory of an instrument, made at its first tick."""
        found = self.streams.get((venue, symbol))
        if found is None:
            found = self._begin(venue, symbol)
        return found

    def _begin(self, venue: str, symbol: str, saved: SavedStream | None = None) -> StreamMemory:
        key, schedule = f"{venue}.{symbol}", self.calendar.schedule(venue, symbol)
        found = (
            StreamMemory(key, schedule)
            if saved is None
            else StreamMemory(key, schedule, saved.stream, saved.anomalies, saved.silence, saved.quality)
        )
        self.streams[venue, symbol] = found
        return found

    def clock(self, venue: str, source: str) -> VenueClock:
        """What is known of the clock that receives a venue's ticks from a source."""
        found = self.clocks.get((venue, source))
        if found is None:
            found = self.clocks[venue, source] = VenueClock()
        return found

    def counts(self, source: str) -> dict[str, Any]:
        """Running counts of a source."""
        found: dict[str, Any] | None = self.totals.get(source)
        if found is None:
            found = self.totals[source] = {
                "accepted": 0,
                "stale": 0,
                "redelivered": 0,
                "rejected": {},
                "out_of_chain": 0,
            }
        return found

    def snapshot(self) -> bytes:
        """The complete memory of the partition as MessagePack, from which `restore` goes on."""
        saved = tuple(
            SavedStream(
                *key,
                w.stream.state,
                w.anomalies.state,
                w.silence.state,
                w.quality.state,
                w.stale,
                w.missing,
                w.hole,
                w.excluded,
            )
            for key, w in self.streams.items()
        )
        clocks = tuple(SavedClock(*key, clock.state) for key, clock in self.clocks.items())
        return msgspec.msgpack.encode(
            ValidatorState(
                self.service.rules.to_dict(),
                self.sessions.chains(),
                saved,
                self.totals,
                self.calendar.changes(),
                self.alive,
                self.sessions.table,
                clocks,
                self.cut_since,
                self.out_of_chain,
                self.joined,
                self.log,
            )
        )

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`; its rules come with it."""
        state = _decoder.decode(data)
        self.service = TickValidationService(ValidationRules.from_dict(state.rules))
        self.sessions.restore(state.table, state.sessions)
        self.alive, self.totals, self.cut_since = state.alive, state.counts, state.cut_since
        self.out_of_chain, self.joined, self.log = state.out_of_chain, state.joined, state.log
        self.clocks = {(saved.venue, saved.source): VenueClock(saved.clock) for saved in state.clocks}
        for change in state.changes:
            self.calendar.overrule(change)
        self.streams = {}
        for saved in state.streams:
            watched = self._begin(saved.venue, saved.symbol, saved)
            watched.stale, watched.missing = saved.stale, saved.missing
            watched.hole, watched.excluded = saved.hole, saved.excluded
