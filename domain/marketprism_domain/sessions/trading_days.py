"""Trading days: which dates the exchanges trade on, and China's midnight. Instants are nanoseconds UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import NANOS_PER_SECOND, TradingDay

CHINA_OFFSET_NS = 8 * 3600 * NANOS_PER_SECOND
NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND
EPOCH = date(1970, 1, 1)


def day_text(day: date) -> str:
    """A day as `YYYYMMDD`."""
    return day.isoformat().replace("-", "")  # `%Y` of a year before 1000 has fewer digits


def day_of(text: str) -> date:
    """Date of `YYYYMMDD`.

    Raises:
        InvalidValue: not a date.
    """
    try:
        return date.fromisoformat(TradingDay(text))
    except ValueError:
        raise InvalidValue("trading_day", "a date as YYYYMMDD", text) from None


@lru_cache(maxsize=64)
def _utc_day(days: int) -> str:
    return day_text(EPOCH + timedelta(days=days))


def utc_day_text(ts: int) -> str:
    """UTC date of an instant: the trading day of a market that never closes."""
    return _utc_day(ts // NANOS_PER_DAY)


@lru_cache(maxsize=4096)
def midnight(day: date) -> int:
    """Midnight of a China date, nanoseconds UTC."""
    return (day - EPOCH).days * NANOS_PER_DAY - CHINA_OFFSET_NS


def china_date(ts: int) -> date:
    """China date of an instant."""
    return EPOCH + timedelta(days=(ts + CHINA_OFFSET_NS) // NANOS_PER_DAY)


class TradingDays:
    """Which dates are trading days: weekdays that are no holiday (make-up week-ends stay closed).

    `holidays` may lie on week-ends: they are no days less, but there is no night session before them. The closed days
    up to `known_to` are announced; of later ones only those are known that the law fixes.
    """

    def __init__(self, holidays: Iterable[date] = (), known_to: date | None = None) -> None:
        self.holidays = frozenset(holidays)
        self.known_to = known_to

    def ends_in(self, today: date, within_days: int = 60) -> int | None:
        """Days until the end of what is announced, 0 from then on; None while it is further away than `within_days`."""
        if self.known_to is None or (left := (self.known_to - today).days) > within_days:
            return None
        return max(left, 0)

    def is_trading_day(self, day: date) -> bool:
        """Whether the exchanges trade on that date."""
        return day.weekday() < 5 and day not in self.holidays

    def next(self, day: date) -> date:
        """First trading day after `day`."""
        day += timedelta(days=1)
        while not self.is_trading_day(day):
            day += timedelta(days=1)
        return day

    def previous(self, day: date) -> date:
        """Last trading day before `day`."""
        day -= timedelta(days=1)
        while not self.is_trading_day(day):
            day -= timedelta(days=1)
        return day

    def night_before(self, trading_day: date) -> date | None:
        """Evening on which the trading day's night session is held; None when a holiday lies between.

        Friday evening belongs to Monday; the evening before a holiday has no session, nor has it before one that falls
        on the week-end (as 2015-09-25, the exchanges' notices on the Mid-Autumn Festival of that Sunday).
        """
        evening = self.previous(trading_day)
        between = (evening + timedelta(days=n) for n in range(1, (trading_day - evening).days))
        return None if any(day.weekday() < 5 or day in self.holidays for day in between) else evening
