"""Trading days of an instrument as commands name them: `--day`, and which range of time or of days is asked for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, NamedTuple

import typer

from marketprism_adapters.calendars import CalendarSettings, chinese_calendar_of_markets
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_services.cli.clocks import day_of_text, instrument_meant, zone_of_symbol
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.extras import is_there

HOLIDAYS = "chinese_calendar"  # the package that a calendar of sessions needs
Day = Annotated[
    str | None, typer.Option("--day", help="One trading day, 2018-10-09, night session included; instead of --from.")
]


class Range(NamedTuple):
    """Instants [from, to) in nanoseconds UTC, or the first and the last trading day where a day was asked for: whoever
    answers knows the instrument, and with it the sessions of its days."""

    ts_from: int | None
    ts_to: int | None
    trading_day: tuple[date, date] | None = None


def schedule_of(markets: MarketCalendar, symbol: str, venue: str | None = None) -> Schedule:
    """The sessions of an instrument by its name; of a name that no Chinese exchange has, days of UTC."""
    meant = instrument_meant(symbol)
    return markets.schedule(venue or meant.venue or "", meant.symbol)


def range_of(
    symbol: str,
    start: str | None,
    end: str | None,
    day: str | None,
    tz: str | None,
    interval: str = "",
    *,
    calendar: CalendarSettings | None = None,
) -> Range:
    """The range that `--from`, `--to` and `--day` mean for an instrument, and for bars of an interval.

    Raises:
        Stop: one of them is wrong, they contradict one another, or the day is no trading day.
    """
    zone = zone_of_symbol(symbol, tz)
    if day is None:
        return Range(*zone.range(start, end))
    if start is not None or end is not None:
        raise Stop(Exit.USAGE, "--day: expected neither --from nor --to with it")
    asked = day_of_text(day, "--day")
    if is_there(HOLIDAYS):  # else whoever answers knows the days
        _check_trades(asked, symbol, chinese_calendar_of_markets(calendar))
    if interval == "1w":
        # A bar of a week bears the last of its trading days.
        monday = asked - timedelta(days=asked.weekday())
        return Range(None, None, (monday, monday + timedelta(days=6)))
    return Range(None, None, (asked, asked))


def _check_trades(day: date, symbol: str, markets: MarketCalendar) -> None:
    """Refuse a day on which none of the instruments trades; of a name that says no market, every day is one."""
    schedules = [schedule_of(markets, name) for name in symbol.split(",") if name.strip()]
    if schedules and not any(schedule.trades(day) for schedule in schedules):
        raise Stop(Exit.FAILED, f"{day} is no trading day; the next one is {schedules[0].next_day(day)}")
