"""Pace of a replay: event time divided by speed, silent stretches skipped."""

from __future__ import annotations

import time
from collections.abc import Callable

_LONG_NS = 60_000_000_000


class Pacer:
    """Says how long to wait before an instant of event time is due.

    `speed` None never waits. A silence longer than a minute of event time (a break, a night) is not waited for.
    """

    def __init__(self, speed: float | None, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._speed = speed
        self._monotonic_ns = monotonic_ns
        self._event = self._real = 0

    def wait_s(self, ts: int) -> float:
        """Seconds from now until `ts` is due, 0 when it is due already."""
        if self._speed is None:
            return 0.0
        now = self._monotonic_ns()
        if not self._event or ts - self._event > _LONG_NS:
            self._event, self._real = ts, now
            return 0.0
        due = self._real + int((ts - self._event) / self._speed)
        # Move the anchor on, so that silence is measured from the last tick.
        self._event, self._real = max(ts, self._event), due
        return max(0.0, (due - now) / 1e9)
