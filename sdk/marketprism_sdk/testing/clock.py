"""A clock that stands still."""

from __future__ import annotations

import asyncio
import heapq


class ManualClock:
    """Time moves only by `advance`."""

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_s = 1_000.0
        self._start_ns = start_ns
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ns(self) -> int:
        """Wall clock, in nanoseconds UTC; only `advance` moves it."""
        return self._start_ns + int((self._now_s - 1_000.0) * 1e9)

    def monotonic_s(self) -> float:
        """Monotonic clock, in seconds; only `advance` moves it."""
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        """Until somebody has advanced the clock that far."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._now_s + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers in order and giving them turns to act."""
        end = self._now_s + seconds
        await _turns()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, due)
            if not future.done():
                future.set_result(None)
            await _turns()
        self._now_s = end
        await _turns()


async def _turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
