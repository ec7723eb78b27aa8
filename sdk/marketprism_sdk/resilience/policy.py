"""One object for how a dependency is called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.resilience.breaker import CircuitBreaker
from marketprism_sdk.resilience.bulkhead import Bulkhead
from marketprism_sdk.resilience.limiter import Priority, RateLimiter
from marketprism_sdk.resilience.retrying import Backoff, is_retryable, retry

T = TypeVar("T")


@dataclass
class Policy:
    """`await policy.execute(call)`; what is None is left out.

    From the outside in: retry (each attempt anew), rate limiter, bulkhead, circuit breaker, time-out of the attempt. So
    an attempt that waits for its turn does not hold a place, and one that is not tried does not count as a failure.
    """

    timeout_s: float | None = None
    attempts: int = 1
    backoff: Backoff = field(default_factory=Backoff)
    deadline_s: float | None = None
    retryable: Callable[[BaseException], bool] = is_retryable
    limiter: RateLimiter | None = None
    bulkhead: Bulkhead | None = None
    breaker: CircuitBreaker | None = None
    on_retry: Callable[[int, float, Exception], None] = lambda _a, _p, _e: None
    clock: Clock = field(default_factory=SystemClock)

    async def execute(
        self, call: Callable[[], Awaitable[T]], *, priority: Priority = Priority.NORMAL, weight: float = 1.0
    ) -> T:
        """Result of the call.

        Raises:
            RateLimited, BulkheadFull, CircuitOpen: not tried. DeadlineExceeded: an attempt took too long. What the call
            raises.
        """
        return await retry(
            lambda: self._attempt(call, priority, weight),
            attempts=self.attempts,
            backoff=self.backoff,
            deadline_s=self.deadline_s,
            retryable=self.retryable,
            on_retry=self.on_retry,
            clock=self.clock,
        )

    async def _attempt(self, call: Callable[[], Awaitable[T]], priority: Priority, weight: float) -> T:
        if self.limiter is not None:
            await self.limiter.acquire(priority, weight)
        step: Callable[[], Awaitable[T]] = lambda: self._timed(call)  # noqa: E731 (composed step by step)
        if self.breaker is not None:
            step = _around(self.breaker, step)
        if self.bulkhead is not None:
            step = _around(self.bulkhead, step)
        return await step()

    async def _timed(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await call()
        except TimeoutError as error:
            raise DeadlineExceeded(f"no result within {self.timeout_s} s") from error


def _around(outer: CircuitBreaker | Bulkhead, inner: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    return lambda: outer.execute(inner)
