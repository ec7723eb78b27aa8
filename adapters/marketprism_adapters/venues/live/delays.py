"""How long events of a venue are on their way, by the venue's clock and ours, and how far the two clocks are apart."""

from __future__ import annotations

_WINDOW_NS = 60_000_000_000


class Delays:
    """Receive time less event time, nanoseconds, of one to two minutes: the shortest and the longest.

    Of the shortest little is the way: when it is below 0 the venue's clock is ahead of ours by at least so much, and
    when it is seconds, ours is ahead, or this machine does not keep up.
    """

    __slots__ = ("_before", "_began", "_longest", "_shortest")

    def __init__(self) -> None:
        self._began = 0
        self._shortest = self._longest = 0
        self._before: tuple[int, int] | None = None

    def add(self, ts_event: int, ts_recv: int) -> None:
        """Take the delay of one event into account; both times in nanoseconds UTC."""
        delay = ts_recv - ts_event
        if ts_recv - self._began > _WINDOW_NS:
            self._before = (self._shortest, self._longest) if self._began else None
            self._began, self._shortest, self._longest = ts_recv, delay, delay
        elif delay < self._shortest:
            self._shortest = delay
        elif delay > self._longest:
            self._longest = delay

    @property
    def shortest(self) -> int:
        """0 before anything came."""
        return self._shortest if self._before is None else min(self._shortest, self._before[0])

    @property
    def longest(self) -> int:
        """0 before anything came."""
        return self._longest if self._before is None else max(self._longest, self._before[1])

    def earliest(self, ts_recv: int) -> int:
        """When, by the venue's clock, something may have happened that would have come at that receive time."""
        return ts_recv - max(0, self.longest)

    def latest(self, ts_recv: int) -> int:
        """By when, by the venue's clock, everything had happened that came until that receive time."""
        return ts_recv - min(0, self.shortest)
