"""Watches the event loop: a call that blocks it stops heartbeats, probes and everything else.

A thread looks whether the loop turns. One that waits for something to happen is left to it; one that is in a call is
asked for a turn. When it does not come, the stack that blocks it is logged while it blocks, a line
`file:line function` for each of its frames, the innermost first.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING

from marketprism_sdk.observability.logger import get_logger

if TYPE_CHECKING:
    from marketprism_sdk.observability._metrics import Metrics


log = get_logger(__name__)

_FRAMES = 8  # of the stack, the innermost first
# A loop that waits stands in one of these: asyncio's in its selector, uvloop's, which is no Python, in who runs it.
_RESTING = frozenset({selectors.DefaultSelector.select.__code__, asyncio.Runner.run.__code__})
_ASKED_ANYHOW = 8  # of so many looks one asks also where the loop seems to wait: a call of C has no frame


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
        self._asked = 0.0  # since when a turn is waited for; 0 while none is
        self._told = False
        self._ended = threading.Event()
        self.worst_s: float = 0.0

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._metrics.watch("event_loop_worst_stall_seconds", self._take_worst)
        # In the context of who starts it: its lines are that service's.
        in_context = copy_context().run
        threading.Thread(target=in_context, args=(self._watch,), name="loop-watch", daemon=True).start()

    def _take_worst(self) -> float:
        """The worst since it was last asked."""
        worst, self.worst_s = self.worst_s, 0.0
        return worst

    def _turn(self) -> None:
        late_s = time.monotonic() - self._asked
        self.worst_s = max(self.worst_s, late_s)
        if late_s >= self._stalled_s:
            self._metrics.count("event_loop_stalls_total")
        self._asked, self._told = 0.0, False

    def _watch(self) -> None:
        looks = 0
        while not self._ended.wait(self._every_s):
            looks += 1
            frame = sys._current_frames().get(self._thread_id)
            if not self._asked:
                if frame is None or frame.f_code not in _RESTING or looks % _ASKED_ANYHOW == 0:
                    self._asked = time.monotonic()
                    try:
                        self._loop.call_soon_threadsafe(self._turn)
                    except RuntimeError:  # the loop is closed
                        return
                continue
            stalled_s = time.monotonic() - self._asked
            if stalled_s < self._stalled_s or self._told:
                continue
            self._told = True
            stack = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
            where = [f"{each.filename}:{each.lineno} {each.name}" for each in reversed(stack)]
            log.warning("event_loop.blocked", seconds=round(stalled_s, 3), frames=where)
            self._on_stall(stalled_s, where)

    def stop(self) -> None:
        """Stop watching the loop."""
        self._ended.set()
