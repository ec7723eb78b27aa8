"""Sessions, trading days, and where an instant falls."""

from __future__ import annotations

import csv
import itertools
from datetime import date, timedelta
from pathlib import Path

import pytest

from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.exchange_hours import venue_of
from marketprism_domain.sessions.trading_days import TradingDays
from tests.fakes.ticks import at


@pytest.mark.parametrize(
    ("venue", "symbol", "when", "day", "phase", "section"),
    [
        ("shfe", "ru1901", "2018-10-08 08:59:30", "20181008", "auction", 0),  # no night before: the day's auction
        ("shfe", "ru1901", "2018-10-08 20:59:30", "20181009", "auction", 0),
        ("shfe", "ru1901", "2018-10-09 08:59:30", "20181009", "auction", 1),  # Shanghai's second auction
        ("czce", "SR901", "2018-10-09 08:59:30", "20181009", "break", None),  # Zhengzhou has none
        ("shfe", "ru1901", "2018-10-08 10:15:00.5", "20181008", "section_end", 0),
        ("shfe", "ru1901", "2018-10-08 10:16:00", "20181008", "break", None),
        ("shfe", "ru1901", "2018-10-08 22:59:59.5", "20181009", "continuous", 0),
        ("shfe", "ru1901", "2018-10-08 23:00:00", "20181009", "section_end", 0),
        ("shfe", "ru1901", "2018-10-12 21:30:00", "20181015", "continuous", 0),  # Friday night is Monday's
        ("shfe", "ru1901", "2018-09-28 21:30:00", "20180928", "closed", None),  # no night before a holiday
        ("shfe", "ag2505", "2025-03-01 02:29:59", "20250303", "continuous", 0),
        ("shfe", "ag2505", "2025-03-01 02:30:00", "20250303", "section_end", 0),
        ("shfe", "cu2505", "2025-03-04 00:59:59", "20250304", "continuous", 0),
        ("czce", "AP010", "2020-07-31 19:29:00", "20200731", "closed", None),
        ("czce", "AP010", "2020-08-03 08:59:00", "20200803", "auction", 0),
        ("cffex", "IF2101", "2021-01-04 09:29:00", "20210104", "auction", 0),
        ("cffex", "IF2101", "2021-01-04 15:30:48", "20210104", "closed", None),
        ("cffex", "T2003", "2019-12-23 09:21:00", "20191223", "continuous", 0),  # bonds began at 09:15 until 2020
        ("cffex", "T2303", "2022-12-23 09:21:00", "20221223", "closed", None),
        ("dce", "m1905", "2019-03-05 23:20:00", "20190306", "continuous", 0),  # nights to 23:30 until March 2019
        ("dce", "m2005", "2019-12-05 23:20:00", "20191206", "break", None),
        ("shfe", "ru2005", "2020-02-10 21:30:00", "20200210", "closed", None),  # nights suspended
        ("gfex", "lc2505", "2025-03-03 10:29:59", "20250303", "break", None),
        ("binance", "BTC-USDT", "2025-03-03 07:59:59", "20250302", "continuous", 0),  # the UTC date
    ],
)
def test_an_instant_falls_where_the_exchange_says(
    calendar: MarketCalendar, venue: str, symbol: str, when: str, day: str, phase: str, section: int | None
) -> None:
    placed = calendar.schedule(venue, symbol).place(at(when))
    assert (placed.trading_day, placed.phase) == (day, phase)
    assert (placed.session.number if placed.session else None) == section


def test_the_order_of_questions_does_not_change_the_answers(calendar: MarketCalendar) -> None:
    instants = range(at("2025-02-27 00:00:00"), at("2025-03-05 00:00:00"), 421_000_000_000)
    fresh = MarketCalendar(calendar.days)
    forward = [fresh.schedule("shfe", "rb2505").place(ts) for ts in instants]
    backward = [MarketCalendar(calendar.days).schedule("shfe", "rb2505").place(ts) for ts in reversed(instants)]
    assert forward == backward[::-1]


def test_a_late_night_opening_shortens_the_section(calendar: MarketCalendar) -> None:
    night = calendar.schedule("shfe", "rb2005").sessions("20191226")[0]
    assert (night.ts_open, night.ts_close) == (at("2019-12-25 22:30:00"), at("2019-12-25 23:00:00"))
    assert calendar.schedule("shfe", "rb2005").sessions("20191226")[1].minute_offset == 30


def test_sections_do_not_overlap_and_minutes_add_up(calendar: MarketCalendar) -> None:
    for venue, symbol in (
        ("shfe", "au2506"),
        ("dce", "m2505"),
        ("czce", "AP505"),
        ("cffex", "T2506"),
        ("ine", "sc2506"),
    ):
        sessions = calendar.schedule(venue, symbol).sessions("20250304")
        offset = 0
        for before, after in itertools.pairwise(sessions):
            assert before.ts_close <= after.ts_auction <= after.ts_open
        for session in sessions:
            assert session.minute_offset == offset
            offset += (session.ts_close - session.ts_open) // 60_000_000_000
        assert [session.last for session in sessions] == [False] * (len(sessions) - 1) + [True]


def test_trading_days_are_those_of_the_exchange(calendar: MarketCalendar, fixtures: Path) -> None:
    with (fixtures / "ctp/reference/XSHG_sessions_2010_2026.csv").open() as file:
        official = {row["session"] for row in csv.DictReader(file)}
    day, wrong = date(2010, 1, 4), []
    while day <= date(2026, 12, 31):
        if (day.isoformat() in official) != calendar.days.is_trading_day(day):
            wrong.append(day.isoformat())
        day += timedelta(days=1)
    assert wrong == []


def test_a_night_exists_only_when_no_holiday_lies_between() -> None:
    days = TradingDays([date(2025, 3, 5)])  # a Wednesday
    assert days.night_before(date(2025, 3, 4)) == date(2025, 3, 3)
    assert days.night_before(date(2025, 3, 6)) is None
    assert days.night_before(date(2025, 3, 10)) == date(2025, 3, 7)


@pytest.mark.parametrize(
    ("symbol", "product", "venue"),
    [
        ("ru1901", "ru", "shfe"),
        ("AP010", "AP", "czce"),
        ("IF2101", "IF", "cffex"),
        ("m2505-C-3000", "m", "dce"),
        ("SR505C6000", "SR", "czce"),
        ("IO2501-C-4000", "IO", "cffex"),
        ("lc2505", "lc", "gfex"),
        ("sc2506", "sc", "ine"),
    ],
)
def test_products_and_venues_follow_from_symbols(symbol: str, product: str, venue: str) -> None:
    assert product_of(symbol) == product
    assert venue_of(symbol) == venue


def test_a_week_runs_from_its_first_to_its_last_trading_day(calendar: MarketCalendar) -> None:
    assert calendar.schedule("shfe", "rb2505").week("20250305") == ("20250303", "20250307")
    assert calendar.schedule("shfe", "ru1901").week("20181010") == ("20181008", "20181012")
