"""What code of a strategy may take in a child while it runs, and how far it is meanwhile."""

from __future__ import annotations

import contextlib
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.equity import equity_beside
from marketprism_application.backtesting.errors import LimitExceeded
from marketprism_services.backtest.child_messages import Frame, Limits, Step
from marketprism_services.backtest.guard import limited

_EVERY_S = 0.3


@contextlib.contextmanager
def guarded(limits: Limits, progress: Progress) -> Iterator[None]:
    """The limits of one run. Raises LimitExceeded inside it."""

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise LimitExceeded(f"cpu: expected at most {limits.cpu_s:g} s of a run")

    handler = signal.signal(signal.SIGXCPU, over)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + limits.cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until if most < 0 else min(until, most), most))
    try:
        with limited(progress.now, seconds=limits.stall_s, memory_mb=limits.memory_mb):
            yield
    finally:
        signal.signal(signal.SIGXCPU, handler)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))


class Progress:
    """Says from a thread of its own how far the run is, or the ranking."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self._send = send
        self._number = 0
        self._ranked, self._sets = 0, 0  # the set of which code of the strategy runs, of how many; 0 for none
        self._engine: Engine | None = None
        self._bounds = (0, 0)
        threading.Thread(target=self._tell, daemon=True).start()

    def follow(self, number: int, engine: Engine | None, selection: Selection) -> None:
        """The engine that runs now, None where none does."""
        self._number, self._bounds, self._engine = number, selection.bounds(), engine

    def follow_ranking(self, number: int, sets: int) -> None:
        """The set, one of so many, whose signals are asked for now; with 0 sets nothing of the strategy runs."""
        self._number, self._ranked, self._sets = number, number + 1, sets

    def now(self) -> int:
        """Event time while callbacks run, the number of a set while its signals are made; before and after it the
        clock, which never stands still."""
        if self._sets:
            return self._ranked
        engine = self._engine
        return engine.clock.now if engine is not None and engine.is_running else time.monotonic_ns()

    def _tell(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            engine, (first, last) = self._engine, self._bounds
            if engine is not None:
                share = (engine.clock.now - first) / (last - first) if last > first else 0.0
                self._send(Step(self._number, min(1.0, max(0.0, share)), engine.clock.now, _equity_of(engine)))
            else:
                self._send(Step(self._number, 0.0, self._ranked if self._sets else 0))


def _equity_of(engine: Engine) -> str:
    equity = equity_beside(engine.desk, engine.settings.capital)
    return "" if equity is None else format(equity, "f")


__all__ = ["Progress", "guarded"]
