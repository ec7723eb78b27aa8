"""A limit of requests by one number each: the generic cell rate algorithm.

The number is the time at which everything that was granted would have been used up at the limit's own pace. A request
is granted while that is at most a burst ahead of the clock.
"""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """So many a second on average, and so many at once after a rest."""

    per_second: float
    burst: float

    def share(self, instances: int) -> Rate:
        """What one of several instances may grant: its part, and a quarter more, as callers do not spread evenly."""
        if instances <= 1:
            return self
        part = 1.25 / instances
        return Rate(self.per_second * part, max(1.0, self.burst * part))


class Allowance(NamedTuple):
    """The answer to one request: whether it may go on, how many more may, and after how long it may come again."""

    allowed: bool
    limit: int  # the burst
    remaining: int
    reset_s: float  # until the burst is there in full again
    retry_after_s: float = 0.0


class Gcra:
    """One caller's side of a limit. The clock is given with each request, in seconds, and never goes back."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._used_up_s = float("-inf")

    def take(self, now_s: float, weight: float = 1.0) -> Allowance:
        """Grant `weight` requests, all of them or none. More than the burst is never granted: it counts as the burst.

        What is refused takes nothing.
        """
        rate = self.rate
        step_s = 1.0 / rate.per_second
        room_s = rate.burst * step_s
        cost_s = min(weight, rate.burst) * step_s
        begin_s = max(self._used_up_s, now_s)
        until_s = begin_s + cost_s
        over_s = until_s - now_s - room_s
        if over_s > room_s * _ROUNDING:
            ahead_s = begin_s - now_s
            return Allowance(False, int(rate.burst), _left(room_s - ahead_s, step_s), ahead_s, over_s)
        self._used_up_s = until_s
        ahead_s = until_s - now_s
        return Allowance(True, int(rate.burst), _left(room_s - ahead_s, step_s), ahead_s)


_ROUNDING = 1e-9


def _left(room_s: float, step_s: float) -> int:
    return max(0, int(room_s / step_s + _ROUNDING))
