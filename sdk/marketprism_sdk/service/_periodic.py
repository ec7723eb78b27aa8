"""Jobs at whole multiples of their period: 00:00:10, 00:00:20 …, never two runs of one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

Job = Callable[[], Awaitable[None]]


class PeriodicJobs:
    """Runs jobs until `close`. A job that fails is counted and told, and runs again at its next time; one that takes
    longer than its period leaves out the times that it missed (`skipped`)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.runs: int = 0
        self.failures: int = 0
        self.skipped: int = 0

    def every(self, name: str, period_s: float, job: Job, *, offset_s: float = 0.0) -> None:
        """Run a job at every multiple of its period, `offset_s` later; one of the same name is replaced."""
        self.cancel(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(self._run(name, period_s, job, offset_s))

    def cancel(self, name: str) -> None:
        """Run it no more."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def _run(self, name: str, period_s: float, job: Job, offset_s: float) -> None:
        due = _next(self._clock(), period_s, offset_s)
        while True:
            await asyncio.sleep(max(0.0, due - self._clock()))
            try:
                await job()
                self.runs += 1
            except Exception as error:  # noqa: BLE001 (counted, told, and tried again at its next time)
                self.failures += 1
                log.warning("job.failed", job=name, error=reason_of(error)[:300])
            after = _next(self._clock(), period_s, offset_s)
            self.skipped += max(0, round((after - due) / period_s) - 1)
            due = max(after, due + period_s)

    async def close(self) -> None:
        """Cancel every job and wait for its end."""
        tasks = list(self._tasks.values())
        self._tasks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _next(now: float, period_s: float, offset_s: float) -> float:
    return ((now - offset_s) // period_s + 1) * period_s + offset_s
