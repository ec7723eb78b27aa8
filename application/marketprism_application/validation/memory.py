"""What a validator remembers of each instrument, and its form in a snapshot."""

from __future__ import annotations

from typing import Any, NamedTuple

from marketprism_application.validation.gateway_sessions import SessionTable
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.anomalies import AnomalyDetectionService, AnomalyState
from marketprism_domain.ticks.clocks import ClockState
from marketprism_domain.ticks.gaps import Interruption, SilenceDetector, SilenceState
from marketprism_domain.ticks.quality import DataQualityMonitor, MonitorState
from marketprism_domain.ticks.stream import MarketDataStream, StreamState


class Exclusion(NamedTuple):
    """Ticks of an instrument that were left out: event time of the last, its age by the receive clock, and to where
    gaps name them (0: nothing was lost by it, so far)."""

    last: int
    age_ns: int
    named_to: int = 0


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


class Watched:
    """Everything kept of one instrument."""

    __slots__ = (
        "anomalies", "excluded", "hole", "key", "missing", "quality", "schedule", "silence", "stale", "stream",
    )  # fmt: skip

    def __init__(self, key: str, schedule: Schedule, saved: SavedStream | None = None) -> None:
        self.key = key  # venue.symbol
        self.schedule = schedule
        self.stream = MarketDataStream(saved.stream if saved else None)
        self.anomalies = AnomalyDetectionService(saved.anomalies if saved else None)
        self.silence = SilenceDetector(schedule, saved.silence if saved else None)
        self.quality = DataQualityMonitor(saved.quality if saved else None)
        self.stale = saved.stale if saved else False
        self.missing = saved.missing if saved else None
        self.hole = saved.hole if saved else None  # event time since which messages of the log are gone, 0: the opening
        self.excluded = saved.excluded if saved else None
