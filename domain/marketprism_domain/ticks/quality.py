"""Quality of a stream over windows of event time."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_domain.events.registry import DataQualityDegraded, DataQualityRestored, Event
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.anomalies import Anomaly
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import NANOS_PER_SECOND, QualityScore


@dataclass(slots=True)
class QualityMetrics:
    """Counts and summed score of one window, [ts_from, ts_to)."""

    ts_from: int = 0
    ts_to: int = 0
    ticks: int = 0
    accepted: int = 0
    rejected: int = 0
    stale: int = 0
    warned: int = 0
    anomalies: int = 0
    total: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def score(self) -> QualityScore:
        """Mean score of the window's ticks, 100 when there were none.

        Raises:
            InvalidValue: it is not within 0 to 100.
        """
        return QualityScore(round(self.total / self.ticks) if self.ticks else 100)


@dataclass(slots=True)
class MonitorState:
    """Complete memory of a monitor."""

    window: QualityMetrics = field(default_factory=QualityMetrics)
    seq: int = 0
    degraded: bool = False


class DataQualityMonitor:
    """Aggregate (symbol, venue): windows do not overlap, score in 0..100, anomalies are only ever added."""

    def __init__(self, state: MonitorState | None = None) -> None:
        self.state = state or MonitorState()

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
        report, event = self._roll(tick, rules)
        window = self.state.window
        window.ticks += 1
        window.total += score
        window.anomalies += len(anomalies)
        if accepted:
            window.accepted += 1
            if tick.verdict == "stale":
                window.stale += 1
            elif reasons:
                window.warned += 1
        else:
            window.rejected += 1
        for reason in reasons:
            window.reasons[reason] = window.reasons.get(reason, 0) + 1
        return report, event

    def _roll(self, tick: Tick, rules: ValidationRules) -> tuple[QualityReport | None, Event | None]:
        window = self.state.window
        # Only the receive clock moves windows: a wrong event time must not close them.
        now = tick.ts_recv
        if now < window.ts_to:
            return None, None
        length = int(rules.quality_window_s * NANOS_PER_SECOND)
        start = now - now % length
        start = max(start, window.ts_to)  # the window's length was changed: go on where the last one ended
        self.state.window = QualityMetrics(start, max(start + 1, now - now % length + length))
        if not window.ticks:
            return None, None
        self.state.seq += 1
        score = window.score
        report = _report(window, score, tick, self.state.seq)
        return report, self._judge(report, score, rules)

    def _judge(self, report: QualityReport, score: QualityScore, rules: ValidationRules) -> Event | None:
        if not self.state.degraded and score < QualityScore(rules.degraded_below):
            self.state.degraded = True
            return DataQualityDegraded(report.venue, report.symbol, report.score, rules.degraded_below)
        if self.state.degraded and score >= QualityScore(rules.restored_at):
            self.state.degraded = False
            return DataQualityRestored(report.venue, report.symbol, report.score)
        return None


def _report(window: QualityMetrics, score: QualityScore, tick: Tick, seq: int) -> QualityReport:
    return QualityReport(
        tick.venue,
        tick.symbol,
        tick.source,
        tick.epoch,
        seq,
        window.ts_to,
        tick.ts_recv,
        tick.ts_pub,
        window.ts_from,
        window.ts_to,
        score.value,
        window.ticks,
        window.accepted,
        window.rejected,
        window.stale,
        window.warned,
        window.anomalies,
        window.reasons,
    )
