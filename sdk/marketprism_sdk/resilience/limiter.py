"""Rate limiter: a token bucket whose waiters are served by priority, and whose queue is bounded."""

from __future__ import annotations

import asyncio
import enum
import heapq
import itertools

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import ConfigurationError, SdkError


class Priority(enum.IntEnum):
    """Who goes first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BULK = 4


class RateLimited(SdkError):
    """There is no room to wait; `retry_after_s` says when there may be."""

    retryable = True

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class _Waiter:
    __slots__ = ("future", "order", "weight")

    def __init__(self, priority: Priority, number: int, weight: float, future: asyncio.Future[None]) -> None:
        self.order = (int(priority), number)
        self.weight = weight
        self.future = future

    def __lt__(self, other: _Waiter) -> bool:
        return self.order < other.order


class RateLimiter:
    """At most `rate` units a second on average and `burst` at once; a call takes `weight` units.

    At most `waiting` calls wait; when one more comes, the last of the lowest priority is refused.
    """

    def __init__(self, rate: float, burst: float, *, waiting: int = 1_000, clock: Clock | None = None) -> None:
        if rate <= 0 or burst < 1 or waiting < 0:
            raise ConfigurationError(
                f"rate limiter: expected rate > 0, burst >= 1 and waiting >= 0, was {rate}, {burst}, {waiting}"
            )
        self._rate = rate
        self._burst = burst
        self._limit = waiting
        self._clock = clock or SystemClock()
        self._tokens = burst
        self._filled_at = self._clock.monotonic_s()
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._serving: asyncio.Task[None] | None = None
        self.refused: int = 0

    def _fill(self) -> None:
        now = self._clock.monotonic_s()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now

    def penalise(self, seconds: float) -> None:
        """The other side said to wait (Retry-After): no token before that."""
        self._fill()
        self._tokens = min(self._tokens, 0.0) - seconds * self._rate

    async def acquire(self, priority: Priority = Priority.NORMAL, weight: float = 1.0) -> None:
        """Wait for one's turn.

        Raises:
            RateLimited: too many wait already. ValueError: a weight that the bucket never holds.
        """
        if not 0 < weight <= self._burst:
            raise ValueError(f"weight: expected above 0 and at most {self._burst:g}, was {weight:g}")
        self._fill()
        if not self._waiters and self._tokens >= weight:
            self._tokens -= weight
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(priority, next(self._numbers), weight, future)
        heapq.heappush(self._waiters, waiter)
        if len(self._waiters) > self._limit:
            self._refuse()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.get_running_loop().create_task(self._serve())
        try:
            await future
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                heapq.heapify(self._waiters)
            raise

    def _refuse(self) -> None:
        last = max(self._waiters)
        self._waiters.remove(last)
        heapq.heapify(self._waiters)
        self.refused += 1
        last.future.set_exception(RateLimited(f"more than {self._limit} calls wait", 1.0 / self._rate))

    async def _serve(self) -> None:
        while self._waiters:
            self._fill()
            first = self._waiters[0]
            if self._tokens >= first.weight:
                heapq.heappop(self._waiters)
                self._tokens -= first.weight
                if not first.future.done():
                    first.future.set_result(None)
                continue
            await self._clock.sleep((first.weight - self._tokens) / self._rate)
