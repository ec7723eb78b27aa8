"""Trading days of the Chinese exchanges, from the package chinesecalendar (State Council holidays) and the law."""

from __future__ import annotations

from datetime import date

from marketprism_adapters.calendars.settings import CalendarSettings
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.holidays import LAST_YEAR, statutory_holidays
from marketprism_domain.sessions.trading_days import TradingDays

# Closed by the exchanges' own notice although no public holiday (checked against the SSE calendar 2010-2026).
EXCHANGE_CLOSURES = (date(2024, 2, 9),)


def chinese_trading_days(settings: CalendarSettings | None = None) -> TradingDays:
    """Weekdays that are public holidays are closed; make-up working week-ends stay closed too.

    Of years that the package does not know yet, those holidays that the law fixes, and what the settings name; up to
    which day the closed days are complete is `known_to` of the answer.
    """
    import chinese_calendar  # noqa: PLC0415 (settings are read without a table of holidays)

    given = settings or CalendarSettings()
    announced = set(chinese_calendar.holidays)
    last = max(day.year for day in announced)
    fixed = {day for year in range(last + 1, LAST_YEAR + 40) for day in statutory_holidays(year)}
    holidays = (announced | fixed | set(EXCHANGE_CLOSURES) | given.closed_days()) - given.open_days()
    return TradingDays(holidays, max(date(last, 12, 31), given.known_day() or date.min))


def chinese_calendar_of_markets(
    settings: CalendarSettings | None = None, edge_tolerance_s: float = 60.0
) -> MarketCalendar:
    """The market calendar every service uses."""
    short = settings.short_days() if settings is not None else ()
    return MarketCalendar(chinese_trading_days(settings), edge_tolerance_s, short)


def shortage_of(days: TradingDays, today: date) -> str | None:
    """What is to be told of a calendar that ends within 60 days of a day, None where it goes on for longer."""
    left = days.ends_in(today)
    if left is None:
        return None
    return (
        f"closed days are announced up to {days.known_to} ({left} days left), later ones are those that the law fixes: "
        "update chinesecalendar, or name them in [calendar] closed and known_to"
    )


__all__ = [
    "EXCHANGE_CLOSURES",
    "CalendarSettings",
    "chinese_calendar_of_markets",
    "chinese_trading_days",
    "shortage_of",
]
