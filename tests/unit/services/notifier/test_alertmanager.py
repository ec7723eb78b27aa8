"""What Alertmanager posts is understood, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marketprism_application.contracts.alert_records import Severity
from marketprism_domain.errors import InvalidValue
from marketprism_services.notifier.alertmanager import MOST_ALERTS, alerts_of

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "TargetDown", "severity": "critical", "job": "storage"},
    "annotations": {
        "summary": "see http://me:pw1@desk.example/x?token=abc9",
        "api_key": "k-77",
        "value": "0",
        "threshold": "1",
        "runbook_url": "https://desk.example/r",
    },
    "startsAt": "2027-01-15T16:00:00.123456789+08:00",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
    "fingerprint": "c2f5a1",
}


def body(*alerts: dict[str, Any], version: str = "4") -> bytes:
    return json.dumps({"version": version, "groupKey": "{}:{}", "receiver": "x", "alerts": list(alerts)}).encode()


def test_an_alert_is_read_with_its_secrets_hidden() -> None:
    (alert,) = alerts_of(body(ALERT))
    assert (alert.name, alert.severity, alert.labels) == ("TargetDown", Severity.PAGE, {"job": "storage"})
    assert alert.starts_at == 1_800_000_000_123_456_000
    assert (alert.ends_at, alert.value, alert.threshold) == (0, "0", "1")
    assert (alert.runbook, alert.dashboard) == ("https://desk.example/r", ALERT["generatorURL"])
    assert not any(secret in repr(alert) for secret in ("pw1", "abc9", "k-77"))


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("page", Severity.PAGE), ("warning", Severity.TICKET), ("none", Severity.INFO), ("", Severity.INFO)],
)
def test_severities_of_prometheus_have_a_route(severity: str, expected: Severity) -> None:
    (alert,) = alerts_of(body({**ALERT, "labels": {"alertname": "a", "severity": severity}}))
    assert alert.severity is expected


def test_an_end_is_the_end_of_the_same_occurrence() -> None:
    begin, end = alerts_of(body(ALERT, {**ALERT, "status": "resolved", "endsAt": "2027-01-15T09:00:00Z"}))
    assert begin.id == end.id
    assert end.ends_at == 1_800_003_600_000_000_000


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"\xff", "body: expected JSON"),
        (b"[" * 100_000, "body: expected JSON"),
        (b'{"version": "4"}', "body: expected JSON"),
        (body(version="3"), "version: expected 4, was '3'"),
        (body(*[ALERT] * (MOST_ALERTS + 1)), f"alerts: expected at most {MOST_ALERTS}"),
        (body(ALERT, {**ALERT, "status": "odd"}), "alerts.1.status: expected firing or resolved, was 'odd'"),
        (body({**ALERT, "startsAt": "today"}), "alerts.0.startsAt: expected a time"),
        (body({**ALERT, "startsAt": "2027-01-15T16:00:00"}), "alerts.0.startsAt: expected a time"),
        (body({**ALERT, "fingerprint": ""}), "alerts.0.fingerprint: expected 1 to 128 characters"),
        (body({**ALERT, "labels": {"job": "x"}}), "alerts.0.labels.alertname: expected a name"),
        (body({**ALERT, "labels": {str(n): "" for n in range(99)}}), "alerts.0.labels: expected at most 64"),
    ],
)
def test_what_is_no_request_of_alertmanager_is_refused_by_name(given: bytes, expected: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        alerts_of(given)
    assert expected in str(caught.value)
