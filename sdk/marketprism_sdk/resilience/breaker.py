"""Circuit breaker: after failures in a row nothing is tried for a while, then one call tries for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import SdkError

T = TypeVar("T")


class CircuitOpen(SdkError):
    """Not tried: the calls before failed too often."""

    retryable = True


class CircuitBreaker:
    """Opens after `failures` in a row; lets one call through after `rest_s`, and closes when that one succeeds.

    `counts` says which errors speak of the other side's health: a refused request does not.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        rest_s: float = 5.0,
        counts: Callable[[Exception], bool] = lambda _: True,
        on_change: Callable[[str], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._counts = counts
        self._on_change = on_change
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
        before = self.state
        if before == "open" or (before == "half-open" and self._probing):
            raise CircuitOpen(f"circuit open after {self._failed} failures")
        self._probing = before == "half-open"
        try:
            result = await call()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._counts(error):
                self._failed += 1
                self._opened = self._clock.monotonic_s()
                if before != "open" and self.state == "open":
                    self._on_change("open")
            else:
                self._close(before)
            raise
        finally:
            self._probing = False
        self._close(before)
        return result

    def _close(self, before: str) -> None:
        self._failed = 0
        if before != "closed":
            self._on_change("closed")
