"""What a validator counts of the messages that it takes."""

from __future__ import annotations

from collections import Counter

from marketprism_application.contracts.packed import Packed
from marketprism_application.validation.message_pass import ValidationOutput
from marketprism_domain.marketdata.gap import LOSSES
from marketprism_sdk.observability import Metrics
from marketprism_services.stages.tick_stages import PUBLISH, RAW_LOG, VALIDATE, TickStages

_NANOS = 1_000_000_000


class ValidatorMeasures:
    """Ticks by what became of them, gaps by cause, events by name, and how long it took."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.stages: TickStages = TickStages(metrics, RAW_LOG, VALIDATE, PUBLISH)
        metrics.begin("malformed_messages_total", "rules_refused_total")
        for cause in LOSSES:  # forty may be lost at once, and never again: a rise from nothing is none to Prometheus
            metrics.count("gaps_total", 0, cause=cause)
        for result in ("accepted", "not_accepted"):
            metrics.count("ticks_validated_total", 0, result=result)

    def malformed(self) -> None:
        """A message that could not be decoded."""
        self._metrics.count("malformed_messages_total")

    def message(self, packed: Packed, out: ValidationOutput, started: int, ended: int) -> None:
        """One raw message is validated: from `started` to `ended`, nanoseconds UTC."""
        metrics, accepted = self._metrics, len(out.ticks)
        if accepted:
            metrics.count("ticks_validated_total", accepted, result="accepted")
        if left := len(packed.ticks) - accepted:
            metrics.count("ticks_validated_total", left, result="not_accepted")
        metrics.observe("validation_seconds", max(0, ended - started) / _NANOS)
        metrics.observe("validation_delay_seconds", max(0, ended - packed.ts_pub) / _NANOS)
        if packed.ticks:
            self.stages.took(RAW_LOG, (started - packed.ts_pub) / _NANOS)
            self.stages.took(VALIDATE, (ended - started) / _NANOS)
        for _, gap in out.gaps:
            metrics.count("gaps_total", cause=gap.cause)
            metrics.count("gap_seconds_total", max(0, gap.ts_to - gap.ts_from) / _NANOS, cause=gap.cause)
        for name, number in Counter(event.name for event in out.events).items():
            metrics.count("market_events_total", number, event=name)
        for report in out.reports:
            metrics.observe("quality_score", report.score, venue=report.venue)


__all__ = ["ValidatorMeasures"]
