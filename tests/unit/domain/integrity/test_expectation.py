"""What must be there, by the calendar version of each date, and without what cannot be yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_domain.bars.cascade import Cascade, minute_window
from marketprism_domain.errors import InvalidValue
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import (
    Alignment,
    Expectation,
    ExpectationRules,
    Halt,
    Listing,
    expectation_of,
    whole_days,
)
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.short_days import ShortDay
from marketprism_domain.values import NANOS_PER_MINUTE, Interval
from tests.support.bar_series import CALENDAR, LATER, china, expected


def by_day(expectation: Expectation) -> dict[str, int]:
    return {day.trading_day: day.expected for day in expectation.days}


def opens(expectation: Expectation) -> list[int]:
    return [run.ts_first + n * run.step_ns for day in expectation.days for run in day.runs for n in range(run.bars)]


def test_a_series_of_copper_has_465_minutes_a_day_and_none_on_the_night_before_a_holiday() -> None:
    found = by_day(expected(days=("20190403", "20190409")))
    # Qingming was Friday 5 April: Monday the 8th has no night.
    assert found == {"20190403": 465, "20190404": 465, "20190408": 225, "20190409": 465}


@pytest.mark.parametrize(
    ("venue", "symbol", "day", "minutes"),
    [
        ("dce", "jd1909", "20190409", 225),  # no night
        ("shfe", "ru1901", "20181010", 345),
        ("shfe", "ag1912", "20190409", 555),
        ("czce", "SR001", "20191211", 375),  # the night ended at 23:30 until 2019-12-11
        ("czce", "SR001", "20191212", 345),
        ("shfe", "rb1610", "20160503", 225),  # behind the holiday
        ("shfe", "rb1610", "20160429", 465),
        ("shfe", "rb1610", "20160504", 345),
        ("shfe", "cu2005", "20200420", 225),  # nights were suspended
        ("shfe", "cu2005", "20200506", 225),
        ("shfe", "cu2006", "20200507", 465),
        ("shfe", "cu2002", "20191226", 375),  # a night that opened at 22:30
        ("cffex", "IF1512", "20151231", 270),
        ("cffex", "IF1601", "20160104", 240),
        ("cffex", "T2003", "20200312", 270),
        ("cffex", "T2009", "20200720", 255),
        ("cffex", "T2006", "20200612", 135),  # its last day ends at 11:30
        ("binance", "BTC-USDT", "20240310", 1440),  # the United States put their clocks forward
        ("binance", "BTC-USDT", "20240331", 1440),
    ],
)
def test_minutes_of_a_day_are_those_of_its_date(venue: str, symbol: str, day: str, minutes: int) -> None:
    assert by_day(expected(venue, symbol, days=(day, day))) == {day: minutes}


@pytest.mark.parametrize("interval", ["3m", "5m", "15m", "30m", "1h", "2h", "4h"])
@pytest.mark.parametrize("alignment", ["session", "clock"])
@pytest.mark.parametrize("symbol", ["cu1905", "ag1912", "ru1905"])
def test_longer_bars_are_those_that_the_aggregator_makes(interval: str, alignment: str, symbol: str) -> None:
    schedule = CALENDAR.schedule("shfe", symbol)
    cascade = Cascade((interval,), schedule, by_clock=alignment == "clock")
    made: list[int] = []
    for day in ("20190401", "20190402"):
        for session in schedule.sessions(day):
            for ts in range(session.ts_open, session.ts_close, NANOS_PER_MINUTE):
                parsed = Interval.parse(interval)
                window = cascade.window(parsed, minute_window(session, ts))
                if not made or made[-1] != window.ts_open:
                    made.append(window.ts_open)
    found = expected("shfe", symbol, interval, ("20190401", "20190402"), alignment=alignment)
    assert opens(found) == list(dict.fromkeys(made))


def test_days_and_weeks_have_one_bar_each_that_opens_with_the_night() -> None:
    found = expected(interval="1d", days=("20190403", "20190409"))
    assert opens(found) == [CALENDAR.schedule("shfe", "cu1905").sessions(day)[0].ts_open for day in found.trading_days]
    weeks = expected(interval="1w", days=("20190401", "20190412"))
    assert weeks.trading_days == ("20190404", "20190412")
    assert opens(expected("binance", "BTC-USDT", "1w", ("20240101", "20240114")))[1] == 1_704_672_000 * 10**9


def test_a_short_day_and_a_change_of_a_session_are_expected_as_they_were() -> None:
    plain = chinese_calendar_of_markets()
    shortened = MarketCalendar(plain.days, 60.0, (ShortDay("20190403", 11 * 60 + 30), ShortDay("20190404", None)))
    span = {"ts_from": china("20190402", 21), "ts_to": china("20190404", 15)}
    dataset = Dataset("bar", "shfe", "cu1905", "1m", **span)
    rules = ExpectationRules(True, LATER)
    found = expectation_of(dataset, shortened.schedule("shfe", "cu1905"), rules)
    assert by_day(found) == {"20190403": 240 + 75 + 60, "20190404": 225}
    changing = plain.copy()
    changing.overrule(SessionChange("shfe", "cu", "20190403", china("20190402", 22), china("20190403", 1)))
    found = expectation_of(dataset, changing.schedule("shfe", "cu1905"), rules)
    assert by_day(found) == {"20190403": 465 - 60, "20190404": 465}


def test_listing_expiry_and_halts_cut_what_is_expected() -> None:
    listed = expected(days=("20190401", "20190404"), listing=Listing("20190402", "20190403"))
    assert by_day(listed) == {"20190402": 225, "20190403": 465}  # whether the first night was traded is not known
    first = listed.days[0].runs
    assert [run.required for run in first] == [False, True, True, True]
    instant = Listing(ts_first=china("20240101", 18), ts_last=china("20240102", 8))
    coin = expected("binance", "BTC-USDT", days=("20240101", "20240103"), listing=instant)
    assert by_day(coin) == {"20240101": 840}
    halt = Halt(china("20240101", 10, 0), china("20240101", 10, 30))
    assert by_day(expected("binance", "BTC-USDT", days=("20240101", "20240101"), halts=(halt,))) == {"20240101": 1410}
    inside = Halt(halt.ts_from + 1, halt.ts_to - 1)  # the bars at its ends traded
    assert by_day(expected("binance", "BTC-USDT", days=("20240101", "20240101"), halts=(inside,))) == {"20240101": 1412}


def test_the_bar_that_is_forming_is_not_expected() -> None:
    now = china("20190404", 9, 30)
    found = expected(days=("20190404", "20190404"), now_ns=now)
    assert opens(found)[-1] == china("20190404", 9, 28)  # 09:29 ended this instant, and may still be made
    later = expected(days=("20190404", "20190404"), now_ns=now + 6 * 10**9)
    assert opens(later)[-1] == china("20190404", 9, 29)
    assert by_day(expected(interval="1d", days=("20190404", "20190404"), now_ns=now)) == {}


def test_the_range_cuts_the_first_and_the_last_day() -> None:
    whole = expected(days=("20190404", "20190404"))
    dataset = replace(whole.dataset, ts_from=china("20190404", 9, 10), ts_to=china("20190404", 9, 20))
    found = expectation_of(dataset, CALENDAR.schedule("shfe", "cu1905"), ExpectationRules(True, LATER))
    assert (found.count, opens(found)[0]) == (10, china("20190404", 9, 10))


def test_ten_years_of_minutes_are_some_thousand_runs() -> None:
    found = expected("binance", "BTC-USDT", days=("20140101", "20231231"))
    assert sum(len(day.runs) for day in found.days) == (date(2023, 12, 31) - date(2014, 1, 1)).days + 1
    assert found.count == 3652 * 1440


@pytest.mark.parametrize(
    ("interval", "begin", "end", "days"),
    [
        ("1d", china("20190404"), china("20190409"), ["20190404", "20190408"]),
        ("1d", china("20190404", 9), china("20190409", 0, 1), ["20190408", "20190409"]),
        ("1w", china("20190401"), china("20190415"), ["20190404", "20190412"]),
        ("1w", china("20190402"), china("20190408"), []),
        ("1m", 7, 9, None),
    ],
)
def test_a_range_of_dates_as_one_of_days_and_weeks(interval: str, begin: int, end: int, days: list[str] | None) -> None:
    schedule = CALENDAR.schedule("shfe", "cu1905")
    span = whole_days(schedule, Interval.parse(interval), begin, end)
    if days is None:
        assert span == (begin, end)
    elif not days:
        assert span == (begin, end)  # no bar begins in it
    else:
        dataset = Dataset("bar", "shfe", "cu1905", interval, span.ts_from or 0, span.ts_to or 0)
        found = expectation_of(dataset, schedule, ExpectationRules(True, LATER))
        assert list(found.trading_days) == days


def test_a_dataset_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidValue, match="an end after its begin"):
        Dataset("bar", "shfe", "cu1905", "1m", 5, 5)
    with pytest.raises(InvalidValue, match="interval"):
        expected(interval="5s")


def test_days_up_to_a_saturday_end_with_the_friday_before() -> None:
    schedule = CALENDAR.schedule("cffex", "IF1904")
    day = Interval.parse("1d")
    wanted = whole_days(schedule, day, china("20190311"), china("20190316"))
    for behind in ("20190317", "20190318"):  # a Saturday, and a Sunday, are no days of trading
        assert whole_days(schedule, day, china("20190311"), china(behind)) == wanted
    assert wanted.ts_to == schedule.sessions("20190315")[-1].ts_close


def test_without_a_night_the_first_section_of_a_first_day_is_required() -> None:
    first = Listing(first_day="20190311")
    without, with_night = (
        next(iter(expected(venue, symbol, days=("20190311", "20190312"), listing=first).days))
        for venue, symbol in (("cffex", "IF1904"), ("shfe", "cu1905"))
    )
    assert [run.required for run in without.runs] == [True] * len(without.runs)
    assert [run.required for run in with_night.runs] == [False, *[True] * (len(with_night.runs) - 1)]


@pytest.mark.parametrize(("alignment", "of_a_day"), [("wall", 4), ("clock", 5)])
def test_a_break_cuts_no_window_of_the_wall_clock_in_two(alignment: Alignment, of_a_day: int) -> None:
    """Three hours from 9:00 by China's clock, over the break of 10:15: one bar by the wall clock."""
    found = opens(expected("shfe", "cu1905", "3h", ("20190312", "20190312"), alignment=alignment))
    morning = [each for each in found if china("20190312", 9) <= each < china("20190312", 12)]
    assert (len(found), len(morning)) == (of_a_day, of_a_day - 3)
