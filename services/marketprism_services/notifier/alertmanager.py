"""What Alertmanager posts to a web hook, version 4 of it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from marketprism_application.contracts.alert_records import Alert, Severity
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.urls import hide
from marketprism_services.notifier.masking import readable, readable_fields

MOST_BYTES = 4_000_000
MOST_ALERTS = 5_000
_MOST_LABELS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITIES = {
    "page": Severity.PAGE,
    "critical": Severity.PAGE,
    "ticket": Severity.TICKET,
    "warning": Severity.TICKET,
}


class _PostedAlert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    startsAt: str  # noqa: N815 (the name of Alertmanager)
    fingerprint: str
    annotations: dict[str, str] = {}
    endsAt: str = ""  # noqa: N815
    generatorURL: str = ""  # noqa: N815


class _Posted(msgspec.Struct):
    version: str
    alerts: list[_PostedAlert]


def alerts_of(body: bytes) -> list[Alert]:
    """The alerts of a request, with what is secret in their texts hidden.

    Raises:
        InvalidValue: it is no such request, or one with too many alerts; names the field.
    """
    try:
        posted = msgspec.json.decode(body, type=_Posted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValue("body", "JSON of Alertmanager's web hook", hide(str(error))[:200]) from None
    if posted.version != "4":
        raise InvalidValue("version", "4", posted.version[:20])
    if len(posted.alerts) > MOST_ALERTS:
        raise InvalidValue("alerts", f"at most {MOST_ALERTS}; set max_alerts", len(posted.alerts))
    return [_alert(posted_alert, f"alerts.{number}") for number, posted_alert in enumerate(posted.alerts)]


def _alert(posted: _PostedAlert, where: str) -> Alert:
    if posted.status not in ("firing", "resolved"):
        raise InvalidValue(f"{where}.status", "firing or resolved", posted.status[:40])
    if not 1 <= len(posted.fingerprint) <= 128:
        raise InvalidValue(f"{where}.fingerprint", "1 to 128 characters", len(posted.fingerprint))
    if len(posted.labels) > _MOST_LABELS or len(posted.annotations) > _MOST_LABELS:
        raise InvalidValue(f"{where}.labels", f"at most {_MOST_LABELS} labels and annotations", len(posted.labels))
    labels, notes = readable_fields(posted.labels), readable_fields(posted.annotations)
    name = labels.pop("alertname", "")
    if not name:
        raise InvalidValue(f"{where}.labels.alertname", "a name", "")
    starts_at = _nanoseconds(posted.startsAt, f"{where}.startsAt")
    ended = posted.status == "resolved"
    return Alert(
        fingerprint=posted.fingerprint,
        name=name,
        severity=_SEVERITIES.get(labels.pop("severity", "").lower(), Severity.INFO),
        starts_at=starts_at,
        ends_at=max(_nanoseconds(posted.endsAt, f"{where}.endsAt"), 1) if ended else 0,
        labels=labels,
        summary=notes.get("summary", ""),
        description=notes.get("description", ""),
        value=notes.get("value", ""),
        threshold=notes.get("threshold", ""),
        runbook=notes.get("runbook_url", notes.get("runbook", "")),
        dashboard=notes.get("dashboard_url", notes.get("dashboard", readable(posted.generatorURL))),
    )


def _nanoseconds(text: str, field: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        return (at - _EPOCH) // (at.resolution) * 1_000
    except (ValueError, TypeError, OverflowError):
        raise InvalidValue(field, "a time like 2027-01-15T08:00:00Z", text[:40]) from None


__all__ = ["MOST_ALERTS", "MOST_BYTES", "alerts_of"]
