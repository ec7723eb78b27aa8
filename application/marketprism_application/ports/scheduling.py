"""Work at regular times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Scheduler(Protocol):
    """Work at regular times, aligned with the clock: every hour means on the hour.

    A job never runs twice at a time; one that fails runs again at its next time; times that were missed are left out.
    """

    def every(self, name: str, period_s: float, job: Callable[[], Awaitable[None]], *, offset_s: float = 0.0) -> None:
        """Run `job` at every multiple of the period, `offset_s` later."""
        ...

    def cancel(self, name: str) -> None: ...

    async def close(self) -> None: ...
