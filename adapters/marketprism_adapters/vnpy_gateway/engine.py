"""What stands in the place of VeighNa's event engine: a gateway gets its timer, and nothing else of it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

EVENT_TIMER = "eTimer"
_INTERVAL_S = 1.0


class Event(Protocol):
    """`vnpy.event.Event`."""

    type: str
    data: object


Handler = Callable[[Event], object]


class TimerEngine:
    """Fulfils what gateways use of `vnpy.event.EventEngine`.

    Each second those who registered for the timer are called, from one thread: gateways take the date from the
    machine's clock then, and connect again. One that fails is told to `failed`, and called again the next second.
    What is put that is no timer goes to `put_event`.
    """

    def __init__(
        self,
        timer_event: Callable[[], Event],
        put_event: Callable[[Event], object],
        failed: Callable[[str, Exception], object],
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._timer_event = timer_event
        self._put_event = put_event
        self._failed = failed
        self._interval_s = interval_s
        self._handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def register(self, type: str, handler: Handler) -> None:  # noqa: A002 (as VeighNa names it)
        """Call `handler` with each event of the type."""
        if handler not in self._handlers[type]:
            self._handlers[type].append(handler)

    def unregister(self, type: str, handler: Handler) -> None:  # noqa: A002
        """Do not call it any more."""
        if handler in self._handlers[type]:
            self._handlers[type].remove(handler)

    def register_general(self, handler: Handler) -> None:
        """Nothing: that is for whoever watches gateways."""

    def unregister_general(self, handler: Handler) -> None:
        """Nothing, as with `register_general`."""

    def put(self, event: Event) -> None:
        """An event that a gateway makes by itself."""
        self._put_event(event)

    def start(self) -> None:
        """Let the timer run; one that runs already goes on."""
        if self._thread is None or not self._thread.is_alive() or self._stopping.is_set():
            self._stopping = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stopping,), name="vnpy-gateway-timer", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Let it run no more; a handler that is being called is not waited for."""
        self._stopping.set()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._interval_s):
            for handler in tuple(self._handlers[EVENT_TIMER]):
                try:
                    handler(self._timer_event())
                except Exception as error:  # noqa: BLE001 (anybody's code)
                    self._failed("timer", error)


__all__ = ["EVENT_TIMER", "Event", "TimerEngine"]
