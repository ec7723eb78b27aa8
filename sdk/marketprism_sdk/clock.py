"""Time, injected: wall time for stamps, monotonic time for leases."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """What the framework knows of time. Leases are measured on `monotonic_s` only, never on stamps of others."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back and, where the system has such a clock, go on while it sleeps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


class SystemClock:
    """The machine's clocks; a suspended laptop's lease has run out when it wakes (CLOCK_BOOTTIME)."""

    _clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now_ns(self) -> int:
        """Wall clock, in nanoseconds UTC."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds since boot, suspension included where the system counts it."""
        return time.clock_gettime(self._clock)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)


async def sleep_or(clock: Clock, seconds: float, wake: asyncio.Event) -> None:
    """Wait until the time is over or `wake` is set, and clear it."""
    if not wake.is_set() and seconds > 0 and isinstance(clock, SystemClock):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # two tasks less, many times a second
                await wake.wait()
    elif not wake.is_set() and seconds > 0:
        sleeping = asyncio.ensure_future(clock.sleep(seconds))
        waking = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
    elif seconds <= 0:
        await asyncio.sleep(0)
    wake.clear()
