"""Watches the event loop: a call that blocks it stops heartbeats, probes and everything else.

A thread looks whether the loop turns. When it does not, the stack that blocks it is logged while it blocks, a line
`file:line function` for each of its frames, the innermost first.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from marketprism_sdk.observability.logger import get_logger

if TYPE_CHECKING:
    from marketprism_sdk.observability._metrics import Metrics


log = get_logger(__name__)

_FRAMES = 8  # of the stack, the innermost first


class LoopWatch:
    """`start()` in the loop to be watched, `stop()` at the end."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        every_s: float = 0.125,
        stalled_s: float = 0.25,
        on_stall: Callable[[float, list[str]], None] = lambda _s, _w: None,
    ) -> None:
        self._metrics = metrics
        self._every_s = every_s
        self._stalled_s = stalled_s
        self._on_stall = on_stall
        self._turned = time.monotonic()
        self._told = False
        self._ended = threading.Event()
        self._ticking: asyncio.TimerHandle | None = None
        self.worst_s: float = 0.0

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._turned = time.monotonic()
        self._metrics.watch("event_loop_worst_stall_seconds", self._take_worst)
        self._tick()
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def _take_worst(self) -> float:
        """The worst since it was last asked."""
        worst, self.worst_s = self.worst_s, 0.0
        return worst

    def _tick(self) -> None:
        now = time.monotonic()
        late_s = max(0.0, now - self._turned - self._every_s)
        self.worst_s = max(self.worst_s, late_s)
        if late_s >= self._stalled_s:
            self._metrics.count("event_loop_stalls_total")
        self._turned, self._told = now, False
        self._ticking = self._loop.call_later(self._every_s, self._tick)

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            stalled_s = time.monotonic() - self._turned - self._every_s
            if stalled_s < self._stalled_s or self._told:
                continue
            self._told = True
            frame = sys._current_frames().get(self._thread_id)
            stack = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
            where = [f"{each.filename}:{each.lineno} {each.name}" for each in reversed(stack)]
            log.warning("event_loop.blocked", seconds=round(stalled_s, 3), frames=where)
            self._on_stall(stalled_s, where)

    def stop(self) -> None:
        """Stop watching the loop."""
        self._ended.set()
        if self._ticking is not None:
            self._ticking.cancel()
