"""Quality of a stream over windows of event time."""

from __future__ import annotations

from marketprism_domain.events.registry import Event
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import TS_RECV, VERDICT, Tick
from marketprism_domain.ticks.quality_windows import MonitorState, QualityMetrics, change_of, report_of
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Anomaly
from marketprism_domain.values import NANOS_PER_SECOND


class _Window:
    """Counts of the window that is open."""

    __slots__ = (
        "accepted",
        "anomalies",
        "reasons",
        "rejected",
        "stale",
        "ticks",
        "total",
        "ts_from",
        "ts_to",
        "warned",
    )

    def __init__(self, counts: QualityMetrics) -> None:
        self.ts_from: int = counts.ts_from
        self.ts_to: int = counts.ts_to
        self.ticks: int = counts.ticks
        self.accepted: int = counts.accepted
        self.rejected: int = counts.rejected
        self.stale: int = counts.stale
        self.warned: int = counts.warned
        self.anomalies: int = counts.anomalies
        self.total: int = counts.total
        self.reasons: dict[str, int] = counts.reasons

    def counts(self) -> QualityMetrics:
        """The same as plain data."""
        return QualityMetrics(
            self.ts_from,
            self.ts_to,
            self.ticks,
            self.accepted,
            self.rejected,
            self.stale,
            self.warned,
            self.anomalies,
            self.total,
            self.reasons,
        )


class DataQualityMonitor:
    """Aggregate (symbol, venue): windows do not overlap, score in 0..100, anomalies are only ever added."""

    __slots__ = ("_degraded", "_seq", "_window")

    def __init__(self, state: MonitorState | None = None) -> None:
        state = state or MonitorState()
        self._window = _Window(state.window)
        self._seq: int = state.seq
        self._degraded: bool = state.degraded

    @property
    def state(self) -> MonitorState:
        """The complete memory as it is now."""
        return MonitorState(self._window.counts(), self._seq, self._degraded)

    def observe(
        self,
        tick: Tick,
        score: int,
        reasons: tuple[str, ...],
        anomalies: tuple[Anomaly, ...],
        rules: ValidationRules,
        *,
        accepted: bool,
    ) -> tuple[QualityReport | None, Event | None]:
        """Count one tick; the report of the window it ends, and the change of state that report makes."""
        report: QualityReport | None = None
        event: Event | None = None
        # Only the receive clock moves windows: a wrong event time must not close them.
        if tick[TS_RECV] >= self._window.ts_to:
            report, event = self._roll(tick, rules)
        window = self._window
        window.ticks += 1
        window.total += score
        if anomalies:
            window.anomalies += len(anomalies)
        if accepted:
            window.accepted += 1
            if tick[VERDICT] == "stale":
                window.stale += 1
            elif reasons:
                window.warned += 1
        else:
            window.rejected += 1
        for reason in reasons:
            window.reasons[reason] = window.reasons.get(reason, 0) + 1
        return report, event

    def _roll(self, tick: Tick, rules: ValidationRules) -> tuple[QualityReport | None, Event | None]:
        window, now = self._window.counts(), tick[TS_RECV]
        length = int(rules.quality_window_s * NANOS_PER_SECOND)
        start = now - now % length
        start = max(start, window.ts_to)  # the window's length was changed: go on where the last one ended
        self._window = _Window(QualityMetrics(start, max(start + 1, now - now % length + length)))
        if not window.ticks:
            return None, None
        self._seq += 1
        report = report_of(window, tick, self._seq)
        event = change_of(report, rules, degraded=self._degraded)
        self._degraded ^= event is not None
        return report, event
