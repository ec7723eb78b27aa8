"""Trading days: which dates the exchanges trade on, and China's midnight. Instants are nanoseconds UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import NANOS_PER_SECOND, TradingDay

CHINA_OFFSET_NS = 8 * 3600 * NANOS_PER_SECOND
NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND
EPOCH = date(1970, 1, 1)


def day_text(day: date) -> str:
    """A day as `YYYYMMDD`."""
    return day.strftime("%Y%m%d")


def day_of(text: str) -> date:
    """Date of `YYYYMMDD`.

    Raises:
        InvalidValue: not a date.
    """
    try:
        return datetime.strptime(TradingDay(text), "%Y%m%d").replace(tzinfo=UTC).date()
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
    """Which dates are trading days: weekdays that are no holiday (make-up week-ends stay closed)."""

    def __init__(self, holidays: Iterable[date] = ()) -> None:
        self._holidays = frozenset(holidays)

    def is_trading_day(self, day: date) -> bool:
        """Whether the exchanges trade on that date."""
        return day.weekday() < 5 and day not in self._holidays

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

        Friday evening belongs to Monday; the evening before a holiday has no session.
        """
        evening = self.previous(trading_day)
        between = (evening + timedelta(days=n) for n in range(1, (trading_day - evening).days))
        return None if any(day.weekday() < 5 for day in between) else evening
