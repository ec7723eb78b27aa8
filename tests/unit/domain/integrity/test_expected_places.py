"""Where bars must be, at the edges: by the clock over breaks, forming ones, halts, ranges of dates."""

from __future__ import annotations

from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import (
    UNBOUNDED,
    Expectation,
    ExpectationRules,
    Halt,
    Listing,
    Run,
    Span,
    expectation_of,
    whole_days,
)
from marketprism_domain.values import NANOS_PER_MINUTE, Interval
from tests.fakes.ticks import at
from tests.support.bar_series import CALENDAR, LATER, expected

DAY = ("20190304", "20190304")


def test_what_is_known_beside_the_calendar_is_nothing_without_being_told() -> None:
    rules = ExpectationRules(True, LATER)
    assert (rules.alignment, rules.listing, rules.halts) == ("session", UNBOUNDED, ())
    assert Listing() == Listing("", "", None, None)
    found = expected(days=DAY)
    assert (found.alignment, found.trading_days, found.count) == (
        "session",
        ("20190304",),
        sum(d.expected for d in found.days),
    )
    assert Expectation(found.dataset, True, ()).alignment == "session"


def test_a_halt_takes_out_the_bars_that_lie_in_it_and_no_others() -> None:
    schedule = CALENDAR.schedule("cffex", "IF1903")
    opened = schedule.sessions("20190304")[0].ts_open
    minute = NANOS_PER_MINUTE

    def runs(ts_from: int, ts_to: int) -> list[tuple[int, int, bool]]:
        found = expected("cffex", "IF1903", days=DAY, halts=[Halt(ts_from, ts_to)])
        morning = [run for day in found.days for run in day.runs if run.ts_first < opened + 120 * minute]
        return [((run.ts_first - opened) // minute, run.bars, run.required) for run in morning]

    assert runs(opened + 10 * minute, opened + 20 * minute) == [(0, 10, True), (10, 10, False), (20, 100, True)]
    assert runs(opened + 10 * minute + 1, opened + 20 * minute - 1) == [(0, 11, True), (11, 8, False), (19, 101, True)]
    assert runs(opened, opened + minute) == [(0, 1, False), (1, 119, True)]
    assert runs(opened + 119 * minute, opened + 120 * minute) == [(0, 119, True), (119, 1, False)]
    assert runs(opened + 10 * minute + 1, opened + 11 * minute) == [(0, 120, True)]


def test_bars_of_the_clock_go_over_breaks_where_the_clock_does() -> None:
    found = expected("cffex", "IF1903", "2h", DAY, alignment="clock")
    opens = [(run.ts_first, run.bars) for day in found.days for run in day.runs]
    assert opens[0] == (at("2019-03-04 09:30:00"), 1)
    assert sum(bars for _, bars in opens) == found.count
    assert [first for first, _ in opens][:2] == [at("2019-03-04 09:30:00"), at("2019-03-04 10:00:00")]


def test_a_range_of_dates_of_a_market_that_never_closes_is_of_dates_in_utc() -> None:
    schedule = CALENDAR.schedule("binance", "BTC-USDT")
    day = 86_400 * 10**9
    assert whole_days(schedule, Interval.parse("1d"), 5 * day, 7 * day) == Span(5 * day, 7 * day)
    assert whole_days(schedule, Interval.parse("1d"), 5 * day + 1, 7 * day) == Span(6 * day, 7 * day)
    assert whole_days(schedule, Interval.parse("1d"), None, 7 * day) == Span(None, 7 * day)
    assert whole_days(schedule, Interval.parse("1h"), 5, 7) == Span(5, 7)


def test_a_range_that_begins_on_a_week_end_is_of_the_days_behind_it() -> None:
    schedule = CALENDAR.schedule("shfe", "cu1905")
    saturday, monday, tuesday = (at(f"2019-03-{day} 00:00:00") for day in ("09", "11", "12"))
    first = schedule.sessions("20190311")
    for begin in (saturday, monday):
        assert whole_days(schedule, Interval.parse("1d"), begin, tuesday) == Span(first[0].ts_open, first[-1].ts_close)
    assert whole_days(schedule, Interval.parse("1d"), saturday, monday) == Span(saturday, monday)
    before = schedule.sessions("20190308")
    assert whole_days(schedule, Interval.parse("1d"), None, monday) == Span(None, before[-1].ts_close)


def test_the_end_of_a_run_is_that_of_its_last_bar() -> None:
    run = Run(100, 10, 3, 8)
    assert (run.ts_end, run.required) == (128, True)
    dataset = Dataset("bar", "shfe", "cu1905", "1m", 5, 6)
    assert expectation_of(dataset, CALENDAR.schedule("shfe", "cu1905"), ExpectationRules(True, LATER)).count == 0
