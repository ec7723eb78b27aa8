"""Trying again, and not trying at all: retry with backoff and jitter, circuit breaker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import ConfigurationError, SdkError

T = TypeVar("T")


class CircuitOpen(SdkError):
    """Not tried: the calls before failed too often."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses `first_s`, doubled up to `longest_s`, each shortened by up to `jitter` of itself."""

    first_s: float = 0.1
    longest_s: float = 5.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s or not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"backoff: expected 0 < first_s <= longest_s and jitter in 0..1, was {self}")

    def pause_s(self, attempt: int, draw: float | None = None) -> float:
        """Pause before the n-th retry, from 1."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        return full * (1 - self.jitter * (random.random() if draw is None else draw))


def is_retryable(error: BaseException) -> bool:
    """Whether an error says that the same call can succeed later."""
    return bool(getattr(error, "retryable", False))


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int = 5,
    backoff: Backoff | None = None,
    retryable: Callable[[BaseException], bool] = is_retryable,
    on_retry: Callable[[int, float, Exception], None] = lambda _a, _p, _e: None,
    clock: Clock | None = None,
) -> T:
    """Result of the first success; the last error when no attempt is left or it is not one to retry."""
    backoff, clock = backoff or Backoff(), clock or SystemClock()
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except Exception as error:
            if attempt == attempts or not retryable(error):
                raise
            pause_s = backoff.pause_s(attempt)
            on_retry(attempt, pause_s, error)
            await clock.sleep(pause_s)
    raise AssertionError("unreachable")


class CircuitBreaker:
    """Opens after `failures` in a row; lets one call through after `rest_s`, and closes when that one succeeds."""

    def __init__(self, *, failures: int = 5, rest_s: float = 5.0, clock: Clock | None = None) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._clock = clock or SystemClock()
        self._failed = 0
        self._opened = 0.0
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if self._failed < self._limit:
            return "closed"
        return "half-open" if self._clock.monotonic_s() - self._opened >= self._rest_s else "open"

    async def execute(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run the call unless the circuit is open.

        Raises:
            CircuitOpen: not tried.
        """
        state = self.state
        if state == "open" or (state == "half-open" and self._probing):
            raise CircuitOpen(f"circuit open after {self._failed} failures")
        self._probing = state == "half-open"
        try:
            result = await call()
        except asyncio.CancelledError:
            raise
        except Exception:
            self._failed += 1
            self._opened = self._clock.monotonic_s()
            raise
        finally:
            self._probing = False
        self._failed = 0
        return result
