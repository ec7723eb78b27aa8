"""What people read of an alert."""

from __future__ import annotations

import pytest

from marketprism_application.contracts.alert_records import Alert, AlertRecord, NoticeKind, Severity
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import Notice

ALERT = Alert(
    "f1",
    "BarsMissing",
    Severity.PAGE,
    1_800_000_000_000_000_000,
    labels={"stage": "aggregator"},
    summary="no bars",
    value="0",
    threshold="1",
    runbook="https://desk.example/runbooks/bars",
    dashboard="https://desk.example/d/bars",
)
RECORD = AlertRecord(ALERT, ALERT.starts_at)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["🔴 [page] firing: BarsMissing", "Value: 0", "Threshold: 1", "Since: 2027-01-15 16:00:00+08:00"]),
        ("zh", ["🔴 [紧急] 告警: BarsMissing", "当前值: 0", "阈值: 1", "开始时间: 2027-01-15 16:00:00+08:00"]),
    ],
)
def test_one_alert_is_told_in_full(language: str, expected: list[str]) -> None:
    message = MessageWriter(language, "Asia/Shanghai").write([Notice(NoticeKind.FIRING, RECORD)], 4_096)
    lines = message.text.splitlines()
    assert message.title == lines[0]
    for line in (*expected, "no bars"):
        assert line in lines
    for part in (ALERT.runbook, ALERT.dashboard, "stage=aggregator", f"marketprism alerts ack {ALERT.id}"):
        assert part in message.text


def test_many_are_a_line_each_and_those_that_do_not_fit_are_left_for_the_next() -> None:
    notices = [
        Notice(NoticeKind.FIRING, AlertRecord(Alert(f"f{n}", f"名称{n}", Severity.INFO, 1, summary="字" * 99), 1))
        for n in range(50)
    ]
    message = MessageWriter("zh").write(notices, 1_000)
    assert 1 < len(message.notices) < 50
    assert len(message.text.encode()) <= 1_000
    assert len(message.text.splitlines()) == len(message.notices)
    assert message.notices == tuple(notices[: len(message.notices)])


@pytest.mark.parametrize("max_bytes", [40, 100, 300])
def test_a_text_that_is_too_long_is_cut_between_characters(max_bytes: int) -> None:
    long = AlertRecord(Alert("f", "长" * 50, Severity.PAGE, 1, description="述" * 5_000), 1)
    message = MessageWriter("zh").write([Notice(NoticeKind.FIRING, long)], max_bytes)
    assert len(message.text.encode()) <= max_bytes
    assert message.text.endswith("…")
