"""Where the threads of a gateway meet the event loop."""

from __future__ import annotations

import time
from typing import NamedTuple

from marketprism_application.gateway.thread_queue import ThreadQueue

TICK, CONTRACT, LOG, FAILED = "tick", "contract", "log", "failed"


class Delivery(NamedTuple):
    """What a gateway called back with: `kind`, its values as they were then, and when it came (nanoseconds UTC)."""

    kind: str
    data: tuple[object, ...]
    ts_recv: int


class Handover(ThreadQueue[Delivery, tuple[object, ...]]):
    """Deliveries; where there is no room further ticks are dropped, named by their first two values. Everything else is
    kept even then."""

    def put(self, kind: str, data: tuple[object, ...]) -> None:
        """Hand one thing over, from any thread."""
        ts_recv = time.time_ns()
        if kind is TICK and self.is_full:
            self.drop(data[:2], ts_recv)
        else:
            self.hand_over(Delivery(kind, data, ts_recv))


__all__ = ["CONTRACT", "FAILED", "LOG", "TICK", "Delivery", "Handover"]
