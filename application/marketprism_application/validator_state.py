"""What a validator remembers of each instrument, and its form in a snapshot."""

from __future__ import annotations

from typing import Any, NamedTuple

from marketprism_domain.anomalies import AnomalyDetectionService, AnomalyState
from marketprism_domain.calendar import Schedule
from marketprism_domain.gaps import Interruption, SilenceDetector, SilenceState
from marketprism_domain.quality import DataQualityMonitor, MonitorState
from marketprism_domain.sessions import SessionChange
from marketprism_domain.stream import MarketDataStream, StreamState


class SavedStream(NamedTuple):
    venue: str
    symbol: str
    stream: StreamState
    anomalies: AnomalyState
    silence: SilenceState
    quality: MonitorState
    stale: bool
    missing: Interruption | None = None


class ValidatorState(NamedTuple):
    rules: dict[str, Any]
    sessions: dict[str, int]
    streams: tuple[SavedStream, ...]
    counts: dict[str, Any]
    changes: tuple[SessionChange, ...] = ()
    alive: int = 0


class Watched:
    """Everything kept of one instrument."""

    __slots__ = ("anomalies", "missing", "quality", "schedule", "silence", "stale", "stream")

    def __init__(self, schedule: Schedule, saved: SavedStream | None = None) -> None:
        self.schedule = schedule
        self.stream = MarketDataStream(saved.stream if saved else None)
        self.anomalies = AnomalyDetectionService(saved.anomalies if saved else None)
        self.silence = SilenceDetector(schedule, saved.silence if saved else None)
        self.quality = DataQualityMonitor(saved.quality if saved else None)
        self.stale = saved.stale if saved else False
        self.missing = saved.missing if saved else None
