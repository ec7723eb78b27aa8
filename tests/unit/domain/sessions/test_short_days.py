"""Last trading days, contracts of products of their own, combinations, and holidays that nobody announced yet."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from marketprism_adapters.calendars import CalendarSettings, chinese_calendar_of_markets, shortage_of
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.holidays import LAST_YEAR, statutory_holidays
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.trading_days import TradingDays, day_of, midnight
from tests.fakes.ticks import at


def hours(calendar: MarketCalendar, venue: str, symbol: str, day: str) -> str:
    sections = calendar.schedule(venue, symbol).sessions(day)
    parts = []
    for section in sections:
        opens, closes = (
            (ts - midnight(day_of(day))) // 60_000_000_000 % 1440 for ts in (section.ts_open, section.ts_close)
        )
        parts.append(f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}")
    assert [section.last for section in sections] == [False] * (len(sections) - 1) + [True]
    return " ".join(parts)


COMMODITY = "09:00-10:15 10:30-11:30 13:30-15:00"


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("T2503", "20250314", "09:30-11:30"),
        ("TL2503", "20250314", "09:30-11:30"),
        ("TF2503", "20250313", "09:30-11:30 13:00-15:15"),
        ("T2506", "20250314", "09:30-11:30 13:00-15:15"),
        ("TS2006", "20200612", "09:15-11:30"),
        ("TF1312", "20131213", "09:15-11:30"),
        ("T2106", "20210611", "09:30-11:30"),
        ("IF1512", "20151218", "09:15-11:30 13:00-15:00"),
        ("IF1601", "20151218", "09:15-11:30 13:00-15:15"),
        ("IF1406", "20140620", "09:15-11:30 13:00-15:00"),
        ("IF2501", "20250117", "09:30-11:30 13:00-15:00"),
        ("IH1502", "20150225", "09:15-11:30 13:00-15:00"),  # the third Friday lay in the Spring Festival
        ("IO2501-C-4000", "20250117", "09:30-11:30 13:00-15:00"),
    ],
)
def test_the_last_day_of_a_financial_future(calendar: MarketCalendar, symbol: str, day: str, expected: str) -> None:
    assert hours(calendar, "cffex", symbol, day) == expected


@pytest.mark.parametrize(
    ("venue", "symbol", "day", "expected"),
    [
        ("dce", "l2602F", "20260106", f"21:00-23:00 {COMMODITY}"),
        ("dce", "l_f", "20260106", f"21:00-23:00 {COMMODITY}"),
        ("ine", "sc2209TAS", "20220803", "21:00-02:30 09:00-10:15"),
        ("ine", "sc2306TAS", "20230424", "21:00-02:30 09:00-10:15"),
        ("ine", "sc2306TAS", "20230425", "21:00-02:30 09:00-10:15 10:30-11:30"),
        ("ine", "sc2306", "20230425", f"21:00-02:30 {COMMODITY}"),
        ("czce", "SPD SR509&SR511", "20250617", f"21:00-23:00 {COMMODITY}"),
        ("czce", "IPS SM509&SF509", "20250617", COMMODITY),
        ("czce", "IPS SR509&SM509", "20250617", COMMODITY),
        ("dce", "SP a2509&a2511", "20250617", f"21:00-23:00 {COMMODITY}"),
        ("dce", "SPC jd2509&m2509", "20250617", COMMODITY),
        ("gfex", "SP lc2508&lc2509", "20250617", COMMODITY),
        ("shfe", "SP ag2512&cu2512", "20250617", f"21:00-01:00 {COMMODITY}"),
    ],
)
def test_a_product_of_its_own_and_a_combination_have_the_hours_of_what_they_are_made_of(
    calendar: MarketCalendar, venue: str, symbol: str, day: str, expected: str
) -> None:
    assert hours(calendar, venue, symbol, day) == expected


def test_what_a_venue_says_of_a_product_holds_on_a_last_day_and_for_a_combination(calendar: MarketCalendar) -> None:
    own = calendar.copy()
    for symbol in ("T2503", "T2506"):
        assert own.schedule("cffex", symbol).sessions("20250314")[0].ts_open == at("2025-03-14 09:30:00")
    own.overrule(SessionChange("cffex", "T", "20250314", at("2025-03-14 10:00:00"), at("2025-03-14 11:30:00")))
    assert hours(own, "cffex", "T2503", "20250314") == "10:00-11:30"
    assert hours(own, "cffex", "T2506", "20250314") == "10:00-11:30 13:00-15:15"
    own.schedule("czce", "SPD SR509&SR511")
    own.overrule(SessionChange("czce", "SR", "20250617", at("2025-06-16 21:30:00"), at("2025-06-16 23:00:00")))
    assert hours(own, "czce", "SPD SR509&SR511", "20250617").startswith("21:30-23:00")
    assert hours(calendar, "cffex", "T2503", "20250314") == "09:30-11:30"


CLOSED_2027 = ("2027-01-01", "2027-02-05", "2027-02-08", "2027-04-05", "2027-06-09", "2027-09-15", "2027-10-01")


@pytest.mark.parametrize("day", CLOSED_2027)
@pytest.mark.parametrize(("venue", "symbol"), [("shfe", "rb2705"), ("sse", "10004567"), ("cffex", "IF2701")])
def test_holidays_that_the_law_fixes_are_closed_before_anybody_announced_them(
    day: str, venue: str, symbol: str
) -> None:
    calendar = chinese_calendar_of_markets()
    closed = date.fromisoformat(day)
    schedule = calendar.schedule(venue, symbol)
    assert not schedule.trades(closed)
    after = schedule.next_day(closed)
    assert schedule.sessions(after.strftime("%Y%m%d"))[0].ts_open >= midnight(after)  # and no night before


def test_the_law_of_forty_years() -> None:
    for year in range(2027, LAST_YEAR + 1):
        days = statutory_holidays(year)
        assert len(days) in (12, 13), year  # Qingming to Mid-Autumn; the latter may be a day of October
        assert all(day.year == year for day in days)
        assert date(year, 10, 3) in days
    assert statutory_holidays(2100) == tuple(
        date(2100, m, d) for m, d in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3))
    )


def test_what_was_announced_contains_what_the_law_fixes(calendar: MarketCalendar) -> None:
    for year in (2025, 2026):
        assert [day for day in statutory_holidays(year) if calendar.days.is_trading_day(day)] == []


def test_the_evening_before_a_holiday_on_a_week_end_has_no_night(calendar: MarketCalendar) -> None:
    assert calendar.days.night_before(date(2015, 9, 28)) is None  # the Mid-Autumn Festival of that Sunday
    assert calendar.days.night_before(date(2015, 9, 21)) == date(2015, 9, 18)


def test_settings_close_and_open_days_and_move_the_end() -> None:
    given = CalendarSettings(("2027-02-09", "2027-02-13"), ("2027-04-05",), "2027-12-31")
    days = chinese_calendar_of_markets(given).days
    assert (days.is_trading_day(date(2027, 2, 9)), days.is_trading_day(date(2027, 4, 5))) == (False, True)
    assert days.night_before(date(2027, 2, 15)) is None
    assert days.known_to == date(2027, 12, 31)
    for field, value in (
        ({"closed": ("2027-13-01",)}, "closed"),
        ({"open": ("2027-02-13",)}, "open: expected weekdays"),
        ({"open": ("2027-02-09",), "closed": ("2027-02-09",)}, "open: expected days that are not in closed"),
        ({"known_to": "soon"}, "known_to"),
    ):
        with pytest.raises(InvalidValue, match=value):
            CalendarSettings(**field)  # type: ignore[arg-type]


def test_the_end_is_told_from_sixty_days_before() -> None:
    days = TradingDays((), date(2026, 12, 31))
    end = date(2026, 12, 31)
    assert [days.ends_in(end - timedelta(days=n)) for n in (61, 60, 1, 0, -5)] == [None, 60, 1, 0, 0]
    assert shortage_of(days, end - timedelta(days=61)) is None
    assert "2026-12-31" in str(shortage_of(days, end - timedelta(days=60)))
    assert shortage_of(TradingDays(), end) is None
