"""What has become due since a job was looked at last, however long ago that is."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from marketprism_domain.scheduling.due_times import DueTimes, PeriodicTimes
from marketprism_domain.scheduling.jobs import CatchUp, CatchUpRule
from marketprism_domain.values import NANOS_PER_SECOND

MOST_DUE = 10_000  # due times that are looked at one by one


class DueSpan(NamedTuple):
    """Due times behind a cursor: the newest ones as they are, and of those before them how many and from when to when.

    `older` counts what was looked at; of triggers that are due in no fixed period some in the middle of an outage of
    more than 10 000 due times may not have been. `first` and `last` are right all the same; 0 where nothing is due.
    """

    newest: tuple[int, ...] = ()
    older: int = 0
    first: int = 0
    last_older: int = 0

    @property
    def last(self) -> int:
        """The newest due time, 0 for none."""
        return self.newest[-1] if self.newest else self.last_older

    @property
    def total(self) -> int:
        """How many due times there are."""
        return self.older + len(self.newest)


def due_span(times: DueTimes, after: int, now: int) -> DueSpan:
    """Due times behind `after`, up to `now`, nanoseconds UTC."""
    first = times.following(after)
    if first is None or first > now:
        return DueSpan()
    if isinstance(times, PeriodicTimes):
        return _of_period(times, first, now)
    older, last_older = 0, 0
    newest: deque[int] = deque([first], maxlen=MOST_DUE)
    begun, looked = first, 1
    while (due := times.following(newest[-1])) is not None and due <= now:
        if len(newest) == MOST_DUE:
            older, last_older = older + 1, newest[0]
        newest.append(due)
        looked += 1
        if looked == MOST_DUE:  # as far behind now as these took, the rest is looked at
            resume = now - (due - begun)
            if (following := times.following(resume)) is not None and due < following <= now:
                older, last_older = older + len(newest), newest[-1]
                newest = deque([following], maxlen=MOST_DUE)
    return DueSpan(tuple(newest), older, first, last_older)


def _of_period(times: PeriodicTimes, first: int, now: int) -> DueSpan:
    count = (now - first) // times.period_ns + 1
    older = max(0, count - MOST_DUE)
    newest = tuple(first + n * times.period_ns for n in range(older, count))
    return DueSpan(newest, older, first, first + (older - 1) * times.period_ns if older else 0)


def caught_up(rule: CatchUpRule, passed: list[int], now: int) -> tuple[list[int], list[int]]:
    """Of due times that have passed, those that are made up for and those that are missed."""
    since = now - int(rule.window_s * NANOS_PER_SECOND)
    inside = [each for each in passed if each >= since]
    most = {CatchUp.NONE: 0, CatchUp.LAST: 1, CatchUp.ALL: rule.most}[rule.policy]
    chosen = inside[len(inside) - most :] if 0 < most < len(inside) else inside if most else []
    return chosen, passed[: len(passed) - len(chosen)]


__all__ = ["MOST_DUE", "DueSpan", "caught_up", "due_span"]
