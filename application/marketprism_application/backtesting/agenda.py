"""What is due at a time beside rows: changes of the market, gaps, funding, rolls, timers."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

from marketprism_application.backtesting.clock import FAR_AWAY, Clock
from marketprism_application.backtesting.columns import AUCTION, BREAK, CLOSED, CONTINUOUS
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import day_of, day_text

# At one time: changes of the market first, then gaps, funding, rolls; rows have 5 to 7, then what the bars' end brings.
SESSION_RANK, GAP_RANK, FUNDING_RANK, ROLL_RANK, DAY_END_RANK, TIMER_RANK = 0, 1, 2, 3, 8, 9
BEHIND_BARS_RANK = 7  # the rank of bars themselves, which go before what has the same


class _Due(NamedTuple):
    ts: int
    rank: int
    market: int
    number: int
    work: Callable[[], None]


class Agenda:
    """Work by time; the clock's limit is never behind the next of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._heap, self._number = clock, list[_Due](), 0

    def add(self, ts: int, rank: int, market: int, work: Callable[[], None]) -> None:
        """Let work be done at a time, by rank and market where several are due at once."""
        self._number += 1
        heapq.heappush(self._heap, _Due(ts, rank, market, self._number, work))
        self._clock.limit = min(self._clock.limit, ts)

    @property
    def head(self) -> tuple[int, int]:
        """Time and rank of the next work."""
        return self._heap[0][:2] if self._heap else (FAR_AWAY, 0)

    def run_next(self) -> None:
        """Do the next work, with the clock at its time."""
        due = heapq.heappop(self._heap)
        self._clock.now = max(self._clock.now, due.ts)
        due.work()


class Change(NamedTuple):
    """The market enters a phase; `day_end`: the trading day ends with it."""

    ts: int
    phase: int
    day: str
    day_end: bool = False


def changes(schedule: Schedule, ts_from: int, ts_to: int) -> Iterator[Change]:
    """Every change of a market from the trading day of one instant to that of another, in order of time.

    A market that never closes is continuous from one day to the next.
    """
    sessions = _sessions(schedule, ts_from, ts_to)
    session = next(sessions, None)
    while session is not None:
        if session.ts_auction < session.ts_open:
            yield Change(session.ts_auction, AUCTION, session.trading_day)
        yield Change(session.ts_open, CONTINUOUS, session.trading_day)
        following = next(sessions, None)
        if following is not None and following.ts_open == session.ts_close:
            yield Change(session.ts_close, CONTINUOUS, session.trading_day, day_end=session.last)
        else:
            yield Change(session.ts_close, CLOSED if session.last else BREAK, session.trading_day, session.last)
        session = following


def _sessions(schedule: Schedule, ts_from: int, ts_to: int) -> Iterator[Session]:
    day = schedule.trading_day_of(ts_from)
    while True:
        try:
            found = schedule.sessions(day)
        except InvalidValue:  # beyond what the calendar knows
            return
        yield from found
        if found[-1].ts_close > ts_to:
            return
        day = day_text(schedule.next_day(day_of(day)))
