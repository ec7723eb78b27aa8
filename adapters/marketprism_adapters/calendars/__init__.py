"""Trading days of the Chinese exchanges, from the package chinesecalendar (State Council holidays)."""

from __future__ import annotations

from datetime import date

import chinese_calendar
import structlog

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays

log = structlog.get_logger()

# Closed by the exchanges' own notice although no public holiday (checked against the SSE calendar 2010-2026).
EXCHANGE_CLOSURES = (date(2024, 2, 9),)


def chinese_trading_days(first_year: int = 2005, last_year: int = 2030) -> TradingDays:
    """Weekdays that are public holidays are closed; make-up working week-ends stay closed too.

    Years that the package does not know yet count every weekday as a trading day.
    """
    holidays: list[date] = list(EXCHANGE_CLOSURES)
    for year in range(first_year, last_year + 1):
        try:
            days = chinese_calendar.get_holidays(date(year, 1, 1), date(year, 12, 31), include_weekends=False)
        except NotImplementedError:
            log.debug("calendar.holidays_unknown", year=year)
            continue
        holidays += [day for day in days if day.weekday() < 5]
    return TradingDays(holidays)


def chinese_calendar_of_markets(edge_tolerance_s: float = 60.0) -> MarketCalendar:
    """The market calendar every service uses."""
    return MarketCalendar(chinese_trading_days(), edge_tolerance_s)


__all__ = ["EXCHANGE_CLOSURES", "chinese_calendar_of_markets", "chinese_trading_days"]
