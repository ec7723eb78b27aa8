"""Which domain events people are told of, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from marketprism_application.contracts.alert_records import Alert, Severity
from marketprism_domain.events.data_jobs import DefectsFound
from marketprism_domain.events.gateway import (
    ConnectionRetryExhausted,
    GatewayAuthenticationFailed,
    GatewayInitializationFailed,
)
from marketprism_domain.events.pipeline import (
    ClockOff,
    DisasterRecoveryActivated,
    MemoryThresholdExceeded,
    PipelineRecovered,
    PipelineStalled,
    StorageFillingUp,
    StoreReplaced,
    StreamFillingUp,
    StreamMadeAnew,
    StreamReplaced,
    StreamTruncated,
    SystemResourcesNormal,
)
from marketprism_domain.events.quality import DataQualityDegraded, DataQualityRestored
from marketprism_domain.events.scheduling import JobRunFailed, JobRunsMissed
from marketprism_domain.events.sessions import HolidaysNotAnnounced
from marketprism_domain.marketdata.event_record import EventRecord


class EventRule(NamedTuple):
    """How an event is an alert: `identity` are the fields by which two reports are of one thing."""

    severity: Severity
    identity: tuple[str, ...]
    value: str = ""
    threshold: str = ""


RULES: Mapping[type, EventRule] = {
    PipelineStalled: EventRule(Severity.PAGE, ("kind", "stage", "where"), "amount"),
    StorageFillingUp: EventRule(Severity.PAGE, (), "bytes", "limit"),
    GatewayInitializationFailed: EventRule(Severity.PAGE, ("gateway",)),
    GatewayAuthenticationFailed: EventRule(Severity.PAGE, ("gateway",)),
    ConnectionRetryExhausted: EventRule(Severity.PAGE, ("gateway",), "attempts"),
    StreamTruncated: EventRule(Severity.PAGE, ("stream", "reader")),
    StreamFillingUp: EventRule(Severity.TICKET, ("stream",), "lasts_s", "wanted_s"),
    StreamMadeAnew: EventRule(Severity.TICKET, ("stream",)),
    StreamReplaced: EventRule(Severity.TICKET, ("stream", "reader")),
    StoreReplaced: EventRule(Severity.TICKET, ("stream",)),
    MemoryThresholdExceeded: EventRule(Severity.TICKET, ("service",), "rss_mb", "threshold_mb"),
    ClockOff: EventRule(Severity.TICKET, ("venue",), "offset_s"),
    HolidaysNotAnnounced: EventRule(Severity.TICKET, ("known_to",), "days"),
    JobRunFailed: EventRule(Severity.TICKET, ("job",), "attempts"),
    JobRunsMissed: EventRule(Severity.TICKET, ("job",), "runs"),
    DefectsFound: EventRule(Severity.INFO, ("job",), "left"),
    DataQualityDegraded: EventRule(Severity.INFO, ("venue", "symbol"), "score", "threshold"),
    DisasterRecoveryActivated: EventRule(Severity.INFO, ("service",)),
}
# What ends which of them: the fields of its identity are those of the event that began it.
ENDS: Mapping[type, type] = {
    PipelineRecovered: PipelineStalled,
    SystemResourcesNormal: MemoryThresholdExceeded,
    DataQualityRestored: DataQualityDegraded,
}
_RULES = {kind.__name__: rule for kind, rule in RULES.items()}
_ENDS = {kind.__name__: began.__name__ for kind, began in ENDS.items()}


def alert_of(record: EventRecord) -> Alert | None:
    """The alert that an event is, with `ends_at` where it ends one; None where people are not told of it."""
    began = _ENDS.get(record.name, record.name)
    rule = _RULES.get(began)
    if rule is None:
        return None
    fields = {"venue": record.venue, "symbol": record.symbol, **record.data}
    ends = record.name in _ENDS or fields.get("settled") is True
    identity = {name: str(fields.get(name, "")) for name in rule.identity}
    return Alert(
        fingerprint="|".join((began, *identity.values())),
        name=began,
        severity=rule.severity,
        starts_at=record.ts_event,
        ends_at=record.ts_event if ends else 0,
        labels={**identity, "source": record.source},
        summary=str(fields.get("problem") or fields.get("reason") or ""),
        description=", ".join(
            f"{name}={value}" for name, value in fields.items() if value not in ("", None) and name not in identity
        ),
        value=str(fields.get(rule.value, "")),
        threshold=str(fields.get(rule.threshold, "")),
    )


__all__ = ["ENDS", "RULES", "EventRule", "alert_of"]
