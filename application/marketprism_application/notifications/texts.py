"""What people read of alerts, in English and Chinese: a few in full, many as one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from marketprism_application.contracts.alert_records import NoticeKind, Severity
from marketprism_application.notifications.quiet_hours import zone_of
from marketprism_application.ports.notifications import Message, Notice

LANGUAGES = ("en", "zh")
_IN_FULL = 3
_LINE_BYTES = 160
_TITLE_BYTES = 120
_MARKS = {NoticeKind.FIRING: "🔴", NoticeKind.RESOLVED: "✅", NoticeKind.ESCALATED: "🚨"}
_ORDER = (Severity.PAGE, Severity.TICKET, Severity.INFO)

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "firing": "firing",
        "resolved": "resolved",
        "escalated": "not acknowledged",
        "page": "page",
        "ticket": "ticket",
        "info": "info",
        "value": "Value",
        "threshold": "Threshold",
        "since": "Since",
        "until": "Until",
        "runbook": "Runbook",
        "dashboard": "Dashboard",
        "labels": "Labels",
        "id": "Acknowledge",
        "many": "{count} notices: {parts}",
    },
    "zh": {
        "firing": "告警",
        "resolved": "已恢复",
        "escalated": "无人确认",
        "page": "紧急",
        "ticket": "工单",
        "info": "信息",
        "value": "当前值",
        "threshold": "阈值",
        "since": "开始时间",
        "until": "结束时间",
        "runbook": "处理手册",
        "dashboard": "看板",
        "labels": "标签",
        "id": "确认",
        "many": "{count} 条通知：{parts}",
    },
}


class MessageWriter:
    """Writes messages in a language (`LANGUAGES`), with times of a zone."""

    def __init__(self, language: str = "en", zone: str = "UTC") -> None:
        self._words = _WORDS[language]
        self._zone = zone_of(zone)

    def write(self, notices: Sequence[Notice], max_bytes: int) -> Message:
        """A message about as many of the notices, from the first on, as fit into `max_bytes` of UTF-8: at least one.

        The message says which: whoever sends it goes on with the others.
        """
        if len(notices) <= _IN_FULL:
            text = "\n\n".join(self._full(notice) for notice in notices)
            if _size(text) <= max_bytes:
                return self._message(notices, text)
        if len(notices) == 1:
            return self._message(notices, _cut(self._full(notices[0]), max_bytes))
        lines: list[str] = []
        size = 0
        for notice in notices:
            line = self._line(notice)
            size += _size(line) + 1
            if lines and size > max_bytes:
                break
            lines.append(line)
        return self._message(notices[: len(lines)], _cut("\n".join(lines), max_bytes))

    def _message(self, notices: Sequence[Notice], text: str) -> Message:
        severities = [notice.record.alert.severity for notice in notices]
        severity = min(severities, key=_ORDER.index)
        return Message(self._title(notices), text, severity, tuple(notices))

    def _title(self, notices: Sequence[Notice]) -> str:
        if len(notices) == 1:
            return _cut(self._head(notices[0]), _TITLE_BYTES)
        counts = Counter(notice.kind for notice in notices)
        parts = ", ".join(f"{_MARKS[kind]} {self._words[kind.value]} {count}" for kind, count in counts.items())
        return self._words["many"].format(count=len(notices), parts=parts)

    def _head(self, notice: Notice) -> str:
        words, alert = self._words, notice.record.alert
        return f"{_MARKS[notice.kind]} [{words[alert.severity.value]}] {words[notice.kind.value]}: {alert.name}"

    def _line(self, notice: Notice) -> str:
        alert = notice.record.alert
        said = alert.summary or " ".join(alert.labels.values())
        return _cut(f"{self._head(notice)} {said}".replace("\n", " ").strip(), _LINE_BYTES)

    def _full(self, notice: Notice) -> str:
        words, record, alert = self._words, notice.record, notice.record.alert
        lines = [self._head(notice), alert.summary, alert.description]
        lines += [
            f"{words[name]}: {text}"
            for name, text in (
                ("value", alert.value),
                ("threshold", alert.threshold),
                ("since", self._time(alert.starts_at)),
                ("until", self._time(record.ends_at or record.resolved_at)),
                ("labels", ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()))),
                ("runbook", alert.runbook),
                ("dashboard", alert.dashboard),
                ("id", f"marketprism alerts ack {alert.id}" if record.is_open else ""),
            )
            if text
        ]
        return "\n".join(line for line in lines if line)

    def _time(self, at_ns: int) -> str:
        if not at_ns:
            return ""
        return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone(self._zone).isoformat(sep=" ")


def _size(text: str) -> int:
    return len(text.encode())


def _cut(text: str, max_bytes: int) -> str:
    """The text, cut at a character where it has more bytes."""
    raw = text.encode()
    if len(raw) <= max_bytes:
        return text
    return raw[: max(0, max_bytes - 3)].decode(errors="ignore") + "…"


__all__ = ["LANGUAGES", "MessageWriter"]
