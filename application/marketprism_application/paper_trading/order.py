"""Which rows may be given to a strategy: those before which nothing can come any more.

Rows of several series come one beside another. In a replay that one program sends, they come in the order of their
times. Live each service sends its own: a bar comes some time after the tick that ends it, and two instruments have
nothing to do with one another. What a row waits for is bounded by `hold_s` without a sign of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from marketprism_application.backtesting.clock import FAR_AWAY

Place = tuple[int, int]  # a time of the run, and the rank of what is due at it
BEFORE_ALL: Final[Place] = (0, 0)


class _Expected(NamedTuple):
    due: int
    since: float


@dataclass
class Reached:
    """How far a series has come: `place` is that behind its last row, `last_sign` when it came, in seconds."""

    place: Place = BEFORE_ALL
    last_sign: float = 0.0


@dataclass
class ExpectedBars:
    """Bars that must come of a series, since its ticks have ended them; by opening."""

    rank: int
    waiting: dict[int, _Expected] = field(default_factory=dict)
    last_sign: float = 0.0
    is_away: bool = False  # one did not come in time: until the next one comes none is waited for
    overdue: int = 0

    def expect(self, ts_open: int, due: int, now: float) -> None:
        """A bar is closed by a tick that has come."""
        if not self.is_away:
            self.waiting[ts_open] = _Expected(due, now)

    def arrived(self, ts_open: int, now: float) -> None:
        """A bar is there; what was expected before it comes no more."""
        self.last_sign, self.is_away = now, False
        self.waiting.pop(ts_open, None)
        for earlier in [each for each in self.waiting if each < ts_open]:
            del self.waiting[earlier]
            self.overdue += 1

    def place(self, now: float, patience_s: float) -> Place:
        """Up to where nothing of the series is missing."""
        if not self.waiting:
            return FAR_AWAY, 0
        first = min(self.waiting.values())
        if now - max(first.since, self.last_sign) >= patience_s:
            self.overdue += len(self.waiting)
            self.waiting.clear()
            self.is_away = True
            return FAR_AWAY, 0
        return first.due, self.rank

    def ends(self, patience_s: float) -> float | None:
        """When the bar that is waited for is given up."""
        if not self.waiting:
            return None
        return max(min(self.waiting.values()).since, self.last_sign) + patience_s


class ArrivalOrder:
    """The order of rows that several services send. Times of waiting are seconds of a clock that never goes back."""

    def __init__(self, hold_s: float, patience_s: float) -> None:
        self._hold_s, self._patience_s = hold_s, patience_s
        self.reached: list[Reached] = []
        self.expected: list[ExpectedBars] = []
        self._arrived: deque[tuple[float, int]] = deque()  # when rows came, and the newest time of them

    def series(self) -> Reached:
        """How far another series has come, for whoever takes its rows."""
        self.reached.append(Reached())
        return self.reached[-1]

    def bars_expected(self, rank: int) -> ExpectedBars:
        """Bars that follow from ticks, for whoever takes those."""
        self.expected.append(ExpectedBars(rank))
        return self.expected[-1]

    def arrived(self, ts: int, now: float) -> None:
        """Rows up to a time have come."""
        self._arrived.append((now, ts))

    @property
    def is_waiting(self) -> bool:
        """Whether there are rows that were not let go."""
        return bool(self._arrived)

    def horizon(self, now: float) -> Place:
        """The place before which nothing can come any more, or is waited for no longer."""
        since = self._arrived[0][0] if self._arrived else now
        waited = [each.place for each in self.reached if now - max(each.last_sign, since) < self._hold_s]
        place = min(waited) if waited else max((each.place for each in self.reached), default=BEFORE_ALL)
        for bars in self.expected:
            place = min(place, bars.place(now, self._patience_s))
        while self._arrived and self._arrived[0][1] < place[0] + (place[1] > 0):
            self._arrived.popleft()
        return place

    def wakes_at(self, now: float) -> float | None:
        """When the horizon moves next although nothing comes; None where it does not."""
        if not self._arrived:
            return None
        since = self._arrived[0][0]
        ends = [max(each.last_sign, since) + self._hold_s for each in self.reached]
        ends += [end for bars in self.expected if (end := bars.ends(self._patience_s)) is not None]
        return min((each for each in ends if each > now), default=None)


class SentOrder:
    """The order of rows that one program sends by their times: what comes ends the wait for all before it."""

    def __init__(self) -> None:
        self.sent = 0

    def arrived(self, ts: int) -> None:
        """A row of this time has come."""
        self.sent = max(self.sent, ts)

    def horizon(self) -> Place:
        """Everything before the time of the newest row is there; of its own time more may follow."""
        return self.sent, 0


__all__ = ["ArrivalOrder", "ExpectedBars", "Place", "Reached", "SentOrder"]
