"""When a source is to be connected: around the sections of what it trades, with time to warm up and to settle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from marketprism_domain.events.sessions import (
    PreMarketOpened,
    TradingSessionClosed,
    TradingSessionOpened,
    TradingSessionPaused,
    TradingSessionResumed,
)
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.exchange_hours import versions_of
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import china_date, day_text
from marketprism_domain.values import NANOS_PER_SECOND, Bounds, TimeWindow, check_bounds

_FAR = 1 << 62


@dataclass(frozen=True)
class ConnectionTimes:
    """Whether a source is connected by the `calendar` or `always`, and if by the calendar, how long around it.

    `warm_up_s` before an auction (or an opening without one), `linger_s` after a close: settlement prices come then.

    Raises:
        InvalidValue: a time is negative or longer than a day.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    BOUNDS: ClassVar[Bounds] = {"warm_up_s": (0, 86_400), "linger_s": (0, 86_400)}

    connect: Literal["calendar", "always"] = "calendar"
    warm_up_s: float = 900.0
    linger_s: float = 1_800.0

    def __post_init__(self) -> None:
        check_bounds(self, ConnectionTimes.BOUNDS)


@dataclass(frozen=True)
class ConnectionHours:
    """The times around the sections of `products`, each (venue, product).

    A break shorter than `shortest_away_s` is not worth a logout.
    """

    calendar: MarketCalendar
    products: tuple[tuple[str, str], ...]
    times: ConnectionTimes = ConnectionTimes()
    shortest_away_s: float = 10_800.0

    def at(self, ts: int) -> TimeWindow:
        """The stretch in which the connection is wanted that holds `ts`, or the next one."""
        return next(found for found in self._around(ts) if found.ts_to > ts)

    def _around(self, ts: int) -> list[TimeWindow]:
        days = self.calendar.days
        day = days.previous(days.previous(china_date(ts) + timedelta(days=1)))
        before, after = int(self.times.warm_up_s * NANOS_PER_SECOND), int(self.times.linger_s * NANOS_PER_SECOND)
        short = int(self.shortest_away_s * NANOS_PER_SECOND)
        spans: set[tuple[int, int]] = set()
        for _ in range(4):
            for venue, product in self.products:
                for session in self.calendar.schedule(venue, product).sessions(day_text(day)):
                    spans.add((session.ts_auction - before, session.ts_close + after))
            day = days.next(day)
        found: list[TimeWindow] = []
        for start, end in sorted(spans):
            if found and start - found[-1].ts_to < short:
                found[-1] = TimeWindow(found[-1].ts_from, max(end, found[-1].ts_to))
            else:
                found.append(TimeWindow(start, end))
        return found or [TimeWindow(0, _FAR)]


class SessionBell:
    """Tells what begins and ends as a clock passes the sections of the table; markets that never close are silent."""

    def __init__(self, calendar: MarketCalendar, products: Iterable[tuple[str, str]]) -> None:
        self._schedules = {
            (venue, product): calendar.schedule(venue, product)
            for venue, product in sorted(set(products))
            if versions_of(venue, product) is not None
        }
        self._clock = 0
        self._due = 0

    def trading_at(self, ts: int) -> int:
        """How many of the products are in a section at an instant, auctions included; a market that never closes is
        none of the table's."""
        return sum(schedule.next_session(ts).ts_auction <= ts for schedule in self._schedules.values())

    @property
    def products(self) -> int:
        """How many products of the table it knows."""
        return len(self._schedules)

    def on_clock(self, ts: int) -> list[object]:
        """Events between the last call and `ts`, in order; the first call only sets the clock."""
        if ts < self._due or ts <= self._clock:
            return []
        before, self._clock = self._clock, ts
        found: list[tuple[int, object]] = []
        due = _FAR
        for (venue, product), schedule in self._schedules.items():
            for session in _from(schedule, before or ts, ts):
                for when, event in _rings(session, venue, product):
                    if when > ts:
                        due = min(due, when)
                    elif before and when > before:
                        found.append((when, event))
        self._due = due
        found.sort(key=lambda rung: rung[0])
        return [event for _, event in found]


def _from(schedule: Schedule, before: int, ts: int) -> Iterable[Session]:
    """Sections that end after `before`, up to the first that has not begun at `ts`."""
    session = schedule.next_session(before - 1)
    while True:
        yield session
        if session.ts_auction > ts:
            return
        session = schedule.next_session(session.ts_close)


def _rings(session: Session, venue: str, product: str) -> list[tuple[int, object]]:
    day, number = session.trading_day, session.number
    opened = TradingSessionResumed if number else TradingSessionOpened
    rings: list[tuple[int, object]] = [(session.ts_open, opened(venue, day, number, product))]
    if session.ts_auction < session.ts_open:
        rings.insert(0, (session.ts_auction, PreMarketOpened(venue, day, product)))
    closed = (
        TradingSessionClosed(venue, day, product) if session.last else TradingSessionPaused(venue, day, number, product)
    )
    rings.append((session.ts_close, closed))
    return rings
