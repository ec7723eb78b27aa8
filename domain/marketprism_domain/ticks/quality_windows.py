"""What is kept of a window of quality, as plain data for any codec, and what a window that has ended says."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_domain.events.registry import DataQualityDegraded, DataQualityRestored, Event
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import QualityScore


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
    """Complete memory of a monitor of quality."""

    window: QualityMetrics = field(default_factory=QualityMetrics)
    seq: int = 0
    degraded: bool = False


def report_of(window: QualityMetrics, tick: Tick, seq: int) -> QualityReport:
    """The report of a window that a tick has ended; `seq` counts the reports of its stream.

    Raises:
        InvalidValue: its score is not within 0 to 100.
    """
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
        window.score.value,
        window.ticks,
        window.accepted,
        window.rejected,
        window.stale,
        window.warned,
        window.anomalies,
        window.reasons,
    )


def change_of(report: QualityReport, rules: ValidationRules, *, degraded: bool) -> Event | None:
    """What a report changes in a stream that was degraded before it or not; None where it changes nothing."""
    score = QualityScore(report.score)
    if not degraded and score < QualityScore(rules.degraded_below):
        return DataQualityDegraded(report.venue, report.symbol, report.score, rules.degraded_below)
    if degraded and score >= QualityScore(rules.restored_at):
        return DataQualityRestored(report.venue, report.symbol, report.score)
    return None
