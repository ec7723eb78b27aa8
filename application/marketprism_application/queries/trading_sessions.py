"""Sections of trading days as the calendar has them: when an instrument trades, whatever is stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import pyarrow as pa

from marketprism_application.contracts.questions import Sessions
from marketprism_application.errors import QueryError
from marketprism_application.queries.trading_days import days_given
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import day_of, day_text

MOST_DAYS = 400  # of the calendar, from the first to the last: a year with room at both ends
_REACH = timedelta(days=MOST_DAYS - 1)
_FIRST, _LAST = date(1990, 1, 1), date(2100, 12, 31)
_AROUND = 5  # trading days before the one of the instant, and behind it, where an end is not given
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("venue", pa.string()),
    ("symbol", pa.string()),
    ("trading_day", pa.string()),
    ("number", pa.int64()),
    ("ts_auction", pa.int64()),
    ("ts_open", pa.int64()),
    ("ts_close", pa.int64()),
    ("last", pa.bool_()),
    ("time_zone", pa.string()),
]
COLUMNS = pa.schema(_FIELDS)


def check_days(question: Sessions) -> Sessions:
    """The question with its days as YYYYMMDD.

    Raises:
        QueryError: not a day, one before 1990 or after 2100, or the last before the first.
    """
    first, last = days_given(question.from_day, question.to_day)
    for name, day, text in (("from_day", question.from_day, first), ("to_day", question.to_day, last)):
        if text is not None and not day_text(_FIRST) <= text <= day_text(_LAST):
            raise QueryError(f"{name}: expected a day of {_FIRST.year} to {_LAST.year}, was {str(day)[:80]!r}")
    for name, ts in (("ts_from", question.ts_from), ("ts_to", question.ts_to)):
        if ts is not None and not _FIRST <= _utc_date(ts) <= _LAST:
            raise QueryError(f"{name}: expected a time of {_FIRST.year} to {_LAST.year}, was {ts}")
    return Sessions(question.symbol, question.venue, question.ts_from, question.ts_to, first, last)


def sessions_of(question: Sessions, calendar: MarketCalendar, venues: Iterable[str], now_ns: int) -> pa.Table:
    """Every section of the days asked for at these venues: `COLUMNS`, by venue and time.

    Raises:
        QueryError: more than 400 days.
    """
    rows = [
        {"venue": venue, "symbol": question.symbol, "time_zone": schedule.time_zone}
        | {
            name: getattr(session, name)
            for name in ("trading_day", "number", "ts_auction", "ts_open", "ts_close", "last")
        }
        for venue in sorted(venues)
        for schedule in (calendar.schedule(venue, question.symbol),)
        for session in _sections(schedule, question, now_ns)
    ]
    return pa.Table.from_pylist(rows, COLUMNS)


def _sections(schedule: Schedule, question: Sessions, now_ns: int) -> Iterator[Session]:
    first, last = _range_of(schedule, question, now_ns)
    ts_from, ts_to = question.ts_from, question.ts_to
    for day in _traded(schedule, first, last):
        for session in schedule.sessions(day_text(day)):
            if (ts_from is None or session.ts_close > ts_from) and (ts_to is None or session.ts_auction < ts_to):
                yield session


def _range_of(schedule: Schedule, question: Sessions, now_ns: int) -> tuple[date, date]:
    """The days that are looked at: an end that is not given lies some trading days from now, or as far from the other
    end as an answer reaches."""
    ts_from = None if question.ts_from is None else schedule.trading_day_of(question.ts_from)
    ts_to = None if question.ts_to is None else schedule.trading_day_of(question.ts_to)
    starts = [day_of(text) for text in (question.from_day, ts_from) if text is not None]
    ends = [day_of(text) for text in (question.to_day, ts_to) if text is not None]
    today = day_of(schedule.trading_day_of(now_ns))
    first, last = max(starts, default=None), min(ends, default=None)
    if last is None:
        last = _away(schedule, today if first is None else max(first, today), _AROUND)
        last = last if first is None else min(last, first + _REACH)
    if first is None:
        first = max(_away(schedule, min(last, today), -_AROUND), last - _REACH)
    if (last - first).days >= MOST_DAYS:
        name = "to_day" if question.from_day or question.to_day else "to"
        raise QueryError(
            f"{name}: expected at most {MOST_DAYS} days from the first ({day_text(first)}) on, was {day_text(last)}"
        )
    return first, last


def _away(schedule: Schedule, day: date, count: int) -> date:
    """The trading day so many after a day, or before it."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not schedule.trades(day):
            day += step
    return day


def _traded(schedule: Schedule, first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if schedule.trades(day):
            yield day


def _utc_date(ts: int) -> date:
    return date(1970, 1, 1) + timedelta(days=ts // (86_400 * 10**9))
