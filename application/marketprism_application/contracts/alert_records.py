"""Alerts as they are kept: what is wrong, since when, who knows of it, and where it was announced."""

from __future__ import annotations

import hashlib
from enum import Enum

import msgspec


class Severity(Enum):
    """How much an alert matters: somebody acts at once, on the next working day, or reads it some time."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class NoticeKind(Enum):
    """What is announced of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"
    ESCALATED = "escalated"


class Alert(msgspec.Struct, frozen=True):
    """Something that is wrong, or no longer. Times are nanoseconds UTC, `ends_at` is 0 while it lasts.

    `fingerprint` is equal for all reports of one thing; with `starts_at` it is one occurrence of it.
    """

    fingerprint: str
    name: str
    severity: Severity
    starts_at: int
    ends_at: int = 0
    labels: dict[str, str] = {}
    summary: str = ""
    description: str = ""
    value: str = ""
    threshold: str = ""
    runbook: str = ""
    dashboard: str = ""

    @property
    def id(self) -> str:
        """24 hexadecimal digits of the occurrence."""
        return hashlib.sha256(f"{self.fingerprint}|{self.starts_at}".encode()).hexdigest()[:24]


class AlertRecord(msgspec.Struct, frozen=True):
    """An occurrence: the alert as it was reported first, and what became of it. Times are nanoseconds UTC, 0 for never.

    `resolved_at` is when its end was reported, `acknowledged_by` who takes care of it.
    """

    alert: Alert
    received_at: int
    resolved_at: int = 0
    ends_at: int = 0
    acknowledged_by: str = ""
    acknowledged_at: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it lasts, as far as is known."""
        return not self.resolved_at

    def kinds(self) -> tuple[NoticeKind, ...]:
        """What is to be announced of it, in order, whoever is asked."""
        return (NoticeKind.FIRING,) if self.is_open else (NoticeKind.FIRING, NoticeKind.RESOLVED)


__all__ = ["Alert", "AlertRecord", "NoticeKind", "Severity"]
