"""Which events people are told of."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_application.contracts.alert_records import Alert, AlertRecord, Severity
from marketprism_application.notifications.event_alerts import ENDS, RULES, alert_of
from marketprism_domain.events.pipeline import ClockOff, PipelineRecovered, PipelineStalled, StorageFillingUp
from marketprism_domain.events.registry import EVENTS, MarketBarGenerated, to_record

STALLED = PipelineStalled("standing", "validator", "3", 17, "rb2505", "validator: 17 messages stand")


def told(event: Any, at: int = 1) -> Alert | None:
    return alert_of(to_record(event, event_id="x", source="monitor", ts_event=at))


def test_every_row_is_an_event_with_the_fields_that_it_names() -> None:
    for kind, rule in RULES.items():
        assert EVENTS[kind.__name__] is kind
        fields = set(kind.__dataclass_fields__)
        assert {*rule.identity, rule.value, rule.threshold} - {""} <= fields, kind
    for kind, began in ENDS.items():
        assert set(RULES[began].identity) <= set(kind.__dataclass_fields__), kind


def test_an_event_is_an_alert_with_what_is_wrong_and_how_much() -> None:
    alert = told(STALLED, 5)
    assert alert is not None
    assert (alert.name, alert.severity, alert.starts_at, alert.ends_at) == ("PipelineStalled", Severity.PAGE, 5, 0)
    assert (alert.summary, alert.value) == (STALLED.problem, "17")
    full = told(StorageFillingUp(90, 100))
    assert full is not None
    assert (full.value, full.threshold) == ("90", "100")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (STALLED, PipelineRecovered("standing", "validator", "3")),
        (ClockOff("shfe", "ctp", 4.0), ClockOff("shfe", "ctp", 0.1, settled=True)),
    ],
)
def test_what_ends_an_alert_is_of_the_same_thing(begin: Any, end: Any) -> None:
    first, last = told(begin), told(end, 9)
    assert first is not None
    assert last is not None
    assert (last.fingerprint, last.name, last.ends_at) == (first.fingerprint, first.name, 9)


def test_what_is_a_matter_of_course_is_told_to_nobody() -> None:
    assert told(MarketBarGenerated("shfe", "rb2505", "1m", 1, 0)) is None


def test_a_record_without_an_end_is_open() -> None:
    alert = told(STALLED)
    assert alert is not None
    assert AlertRecord(alert, 1).is_open
