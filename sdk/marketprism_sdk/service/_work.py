"""A task that runs with a service, as who spawned it holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)


class Work:
    """One task of a service. If it fails, the service fails, until its end is asked for."""

    def __init__(self, task: asyncio.Task[None], on_end: Callable[[], None]) -> None:
        self._task = task
        self._on_end = on_end
        self._ending = False
        self.failed: bool = False  # by itself; what it raises once its end was asked for is in the log, no more
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed = not self._ending
            if self.failed:
                log.error("service.failed", task=self.name, error=repr(error), exc_info=error)
            else:
                log.warning("work.failed_while_ending", task=self.name, error=repr(error), exc_info=error)
        self._on_end()

    @property
    def name(self) -> str:
        """As it was spawned."""
        return self._task.get_name()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._task.done()

    @property
    def cancelled(self) -> bool:
        """Whether it has ended by being cancelled."""
        return self._task.cancelled()

    def request_cancel(self) -> None:
        """Ask for its end without waiting; asking again changes nothing, so that it can end in order."""
        if not self._ending:
            self._ending = True
            self._task.cancel()

    async def cancel(self) -> None:
        """Ask for its end and wait for it: the service goes on."""
        self.request_cancel()
        await asyncio.wait([self._task])


__all__ = ["Work"]
