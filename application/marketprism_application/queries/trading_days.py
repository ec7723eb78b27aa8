"""Questions by trading day: which days, and where in time they lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import Continuous, Daily, Records, Statistics
from marketprism_application.errors import QueryError
from marketprism_domain.errors import DomainError
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY, day_of, day_text, midnight

# A trading day begins on an evening at most some days before its date, a week's bar, which has the date of its last
# day, up to a week; behind its date it ends within a day of UTC.
_BEFORE_DAYS, _BEHIND_DAYS = 12, 2
AROUND_DAYS = _BEFORE_DAYS + _BEHIND_DAYS + 1

OfDays = TypeVar("OfDays", bound=Records | Daily | Statistics | Continuous | Coverage | GapLedger | QualityOverview)


def day_text_of(value: str, name: str) -> str:
    """`20181009` of `2018-10-09` or `20181009`.

    Raises:
        QueryError: not a date.
    """
    text = value.strip()
    if len(text) == 10 and text[4] == text[7] == "-":
        text = text.replace("-", "")
    try:
        return day_text(day_of(text))
    except (DomainError, ValueError) as error:
        raise QueryError(f"{name}: expected a trading day like 2018-10-09 or 20181009, was {value[:80]!r}") from error


def days_given(from_day: str | None, to_day: str | None) -> tuple[str | None, str | None]:
    """First and last day as YYYYMMDD, None where one is not given.

    Raises:
        QueryError: not a date, or the last before the first.
    """
    first, last = (
        None if day is None else day_text_of(day, name) for name, day in (("from_day", from_day), ("to_day", to_day))
    )
    if first is not None and last is not None and last < first:
        raise QueryError(f"to_day: expected at or after from_day ({from_day}), was {to_day}")
    return first, last


def with_days(question: OfDays) -> OfDays:
    """The question with its days as YYYYMMDD, and within bounds in time that hold all of them, for the store to look no
    further; which rows belong to the days is told by the rows.

    Raises:
        QueryError: not a day, or the last one before the first.
    """
    if question.from_day is None and question.to_day is None:
        return question
    first, last = days_given(question.from_day, question.to_day)
    ts_from, ts_to = question.ts_from, question.ts_to
    if first is not None:
        ts_from = max(ts_from or 0, midnight(day_of(first)) - _BEFORE_DAYS * NANOS_PER_DAY)
    if last is not None:
        end = midnight(day_of(last)) + (_BEHIND_DAYS + 1) * NANOS_PER_DAY
        ts_to = end if ts_to is None else min(ts_to, end)
    if ts_from is not None and ts_to is not None and ts_to < ts_from:
        ts_to = ts_from
    return msgspec.structs.replace(question, from_day=first, to_day=last, ts_from=ts_from, ts_to=ts_to)


def by_session(query: Records, calendar: MarketCalendar, venues: Iterable[str]) -> Records:
    """A query of a kind whose records carry no trading day, by the sessions of its days at these venues instead."""
    if (query.from_day is None and query.to_day is None) or "trading_day" in KINDS[query.kind].fields:
        return query
    schedules = [calendar.schedule(venue, query.symbol) for venue in venues]
    ts_from, ts_to = query.ts_from, query.ts_to
    if query.from_day is not None and schedules:
        ts_from = max(ts_from or 0, min(each.sessions(query.from_day)[0].ts_auction for each in schedules))
    if query.to_day is not None and schedules:
        end = max(each.sessions(query.to_day)[-1].ts_close for each in schedules)
        ts_to = end if ts_to is None else min(ts_to, end)
    if ts_from is not None and ts_to is not None and ts_to < ts_from:
        ts_to = ts_from
    return msgspec.structs.replace(query, ts_from=ts_from, ts_to=ts_to, from_day=None, to_day=None)
