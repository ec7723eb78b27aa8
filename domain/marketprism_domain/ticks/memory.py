"""Everything remembered of one instrument's stream, and what an accepted tick shows of it."""

from __future__ import annotations

from typing import Final

from marketprism_domain.marketdata.tick import QUALITY_SCORE, SYMBOL, TS_EVENT, TS_RECV, WARNINGS, Tick
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.ticks.anomalies import AnomalyDetectionService
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.gaps import SilenceDetector
from marketprism_domain.ticks.quality import DataQualityMonitor
from marketprism_domain.ticks.quality_windows import MonitorState
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import (
    AnomalyState,
    Exclusion,
    Findings,
    Interruption,
    Rejected,
    SilenceState,
    StreamState,
)
from marketprism_domain.ticks.stream import MarketDataStream
from marketprism_domain.ticks.validation import TickValidationService

_NOWHERE: Final = Placement("", None, "closed")


class StreamMemory:
    """The stream of one instrument, what watches it, and what may be missing of it."""

    __slots__ = (
        "anomalies",
        "excluded",
        "hole",
        "key",
        "missing",
        "placement",
        "quality",
        "schedule",
        "silence",
        "stale",
        "stream",
    )

    def __init__(
        self,
        key: str,
        schedule: Schedule,
        stream: StreamState | None = None,
        anomalies: AnomalyState | None = None,
        silence: SilenceState | None = None,
        quality: MonitorState | None = None,
    ) -> None:
        self.key = key  # venue.symbol
        self.schedule = schedule
        self.stream = MarketDataStream(stream)
        self.anomalies = AnomalyDetectionService(anomalies)
        self.silence = SilenceDetector(schedule, silence)
        self.quality = DataQualityMonitor(quality)
        self.placement = _NOWHERE  # of its last tick, accepted or not
        self.stale = False  # whether its last tick was
        self.missing: Interruption | None = None
        self.hole: int | None = None  # event time since which messages of the log are gone, 0: the opening
        self.excluded: Exclusion | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is known to be missing before its next tick, and nothing was left out."""
        return self.missing is None and self.hole is None and self.excluded is None

    def accept(
        self, tick: Tick, clock: VenueClock, service: TickValidationService, epoch: int, ts_pub: int
    ) -> Tick | Rejected | None:
        """The next tick as it is published, or why it is not; None at a place of its source that was seen before.

        `clock` is the one of those who receive it, which hears it first.
        """
        ts_event = tick[TS_EVENT]
        clock.hears(tick[SYMBOL], ts_event, tick[TS_RECV])
        self.placement = placement = self.schedule.place(ts_event)
        return self.stream.accept(tick, placement, service, epoch, ts_pub, clock.offset_ns)

    def observe(self, tick: Tick, rules: ValidationRules) -> Findings | None:
        """What the tick that was just accepted, and is not stale, shows of silence, anomalies and quality.

        None where that is nothing.
        """
        silence = self.silence.on_tick(tick[TS_EVENT], self.placement, rules)
        anomalies = self.anomalies.on_tick(tick, rules)
        score, warnings = tick[QUALITY_SCORE], tick[WARNINGS]
        report, event = self.quality.observe(tick, score or 0, warnings, anomalies, rules, accepted=True)
        if silence is None and report is None and not anomalies:
            return None
        return Findings(silence, anomalies, report, event)
