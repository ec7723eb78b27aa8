"""What fails again and again is logged at its beginning, now and then while it lasts, and at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

_AGAIN_S = 10.0


class Ended(NamedTuple):
    """An outage that is over: how long it lasted, and how many attempts failed in it."""

    away_s: float
    attempts: int


class Outage:
    """Something that is tried several times a second: whether its next failure is to be logged.

    The first one is, and so is each that comes `again_s` seconds behind the last one that was.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, again_s: float = _AGAIN_S) -> None:
        self._clock = clock
        self._again_s = again_s
        self._since = self._logged_at = 0.0
        self._attempts = 0

    def failed(self) -> int:
        """One more failure: how many there have been where that is to be logged, 0 where it is not."""
        now = self._clock()
        self._attempts += 1
        if self._attempts > 1 and now - self._logged_at < self._again_s:
            return 0
        if self._attempts == 1:
            self._since = now
        self._logged_at = now
        return self._attempts

    def ended(self) -> Ended | None:
        """It works: what the outage was, None where there was none."""
        if not self._attempts:
            return None
        ended = Ended(round(self._clock() - self._since, 1), self._attempts)
        self._attempts = 0
        return ended


__all__ = ["Ended", "Outage"]
