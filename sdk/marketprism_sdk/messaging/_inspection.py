"""What an instance shows of itself to who watches over the system: its newest log lines, its status, its metrics.

These calls have subjects of their own (`inspect.<service>.<instance>.<method>`), which are not among those that clients
may ask: a log says more than market data.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

INSPECT = "inspect"  # the first token of their subjects
LOGS = "logs"
STATUS = "status"
METRICS = "metrics"
MOST_LOG_LINES = 2_000


class LogsRequest(msgspec.Struct, frozen=True):
    """Which lines: behind the line `after`, oldest first; without one the newest, written at `since` (nanoseconds UTC)
    or later."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    since: Annotated[int, msgspec.Meta(ge=0)] = 0
    level: str = "info"
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_LOG_LINES)] = 200


class LogEntry(msgspec.Struct, frozen=True):
    """One line: its number, when it was written (nanoseconds UTC), its level, and a JSON object as text."""

    seq: int
    ts: int
    level: str
    text: str


class LogsAnswer(msgspec.Struct, frozen=True):
    """Lines of one process in order; `process` tells it from others, where several instances run in it. `more`: others
    fit; `missed`: some behind `after` are not held any more; `dropped`: how many lines made room since the start."""

    process: str
    lines: tuple[LogEntry, ...] = ()
    more: bool = False
    missed: bool = False
    dropped: int = 0


__all__ = [
    "INSPECT",
    "LOGS",
    "METRICS",
    "MOST_LOG_LINES",
    "STATUS",
    "LogEntry",
    "LogsAnswer",
    "LogsRequest",
]
