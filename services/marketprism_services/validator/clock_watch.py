"""The clocks that receive ticks beside those of the venues: measured, shown, and told when one is off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from marketprism_domain.events.pipeline import ClockOff
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_sdk.observability import Metrics

_FORGET_S = 300.0

Key = tuple[str, str]  # venue, source


class ClockWatch:
    """Offsets by venue and source, from the estimates of every partition. Nothing is said of a source that is quiet."""

    def __init__(self, metrics: Metrics, now_s: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._now_s = now_s
        self._heard: dict[tuple[int, Key], tuple[int, float]] = {}  # receive time of the last tick, and when it was new
        self._off: dict[Key, float] = {}
        self.offsets: dict[Key, float] = {}  # seconds; above 0 the receiving clock is ahead

    def look(self, parts: Iterable[tuple[int, Mapping[Key, VenueClock]]], limit_s: float) -> list[ClockOff]:
        """Take the estimates of each partition; what is to be told.

        A clock is off beyond `limit_s` and right again within half of it.
        """
        now = self._now_s()
        found: dict[Key, list[int]] = {}
        for number, clocks in parts:
            for key, clock in list(clocks.items()):
                ts_recv = clock.ts_recv
                known = self._heard.get((number, key))
                if known is None or known[0] != ts_recv:
                    known = self._heard[number, key] = (ts_recv, now)
                if clock.settled and now - known[1] < _FORGET_S:
                    found.setdefault(key, []).append(clock.offset_ns)
        self.offsets = {
            key: round(sorted(each)[len(each) // 2] / NANOS_PER_SECOND, 3) for key, each in sorted(found.items())
        }
        for venue in {venue for venue, _ in self.offsets}:
            worst = max((o for (v, _), o in self.offsets.items() if v == venue), key=abs)
            self._metrics.gauge("clock_offset_seconds", worst, venue=venue)
        return [told for key, offset in self.offsets.items() for told in self._judge(key, offset, limit_s)]

    def _judge(self, key: Key, offset: float, limit_s: float) -> list[ClockOff]:
        if key in self._off:
            if abs(offset) < limit_s / 2:
                del self._off[key]
                return [ClockOff(*key, offset, settled=True)]
            self._off[key] = offset
        elif abs(offset) > limit_s:
            self._off[key] = offset
            return [ClockOff(*key, offset)]
        return []

    async def health(self) -> str:
        """Degraded while a clock is off that still receives."""
        off = sorted(self._off.keys() & self.offsets)
        named = ", ".join(f"{venue} by {source} {self.offsets[venue, source]:+g} s" for venue, source in off)
        return f"degraded: receive clock against the venue's: {named}" if off else "healthy"

    def status(self) -> dict[str, dict[str, float]]:
        """Seconds by venue and source."""
        found: dict[str, dict[str, float]] = {}
        for (venue, source), offset in self.offsets.items():
            found.setdefault(venue, {})[source] = offset
        return found
