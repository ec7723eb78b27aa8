"""How many trials run at a time: as many as were asked for, and no more than the machine keeps up with.

Venue, product and comparison share one event loop. Where other processes take the processor, many trials in it would be
late by more than the product waits for an answer, and would show what no gateway meets, which has a loop of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LATE_S = 0.1  # a loop that is later than this begins no further trial
_LOOK_S = 0.05
_SHARE = 0.1  # of one look in the mean: what lasts for half a second counts, a moment does not


class Room:
    """Places for trials. `late_s` is by how much the loop is late, in the mean of about a second.

    `most` is how many have run at a time.
    """

    def __init__(self, places: int) -> None:
        self.late_s = 0.0
        self.most = 0
        self._places = places
        self._running = 0
        self._began_at = 0.0
        self._turn = asyncio.Lock()

    async def watch(self) -> None:
        """Measure the loop, until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_LOOK_S)
            late = time.monotonic() - before - _LOOK_S
            self.late_s += (late - self.late_s) * _SHARE

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, once there is one and the loop keeps up; whoever is alone needs not wait for that."""
        async with self._turn:
            while not self._is_free():  # noqa: ASYNC110 (nobody announces that the loop keeps up)
                await asyncio.sleep(_LOOK_S)
            self._running += 1
            self._began_at = time.monotonic()
        self.most = max(self.most, self._running)
        try:
            yield
        finally:
            self._running -= 1

    def _is_free(self) -> bool:
        if not self._running:
            return True
        # What the one before costs has to be seen first.
        settled = time.monotonic() - self._began_at > 10 * _LOOK_S
        return self._running < self._places and settled and self.late_s < LATE_S


__all__ = ["LATE_S", "Room"]
