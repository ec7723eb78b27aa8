"""The bar rules a to j of docs/adr/0004, one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.bars.market_bar import MarketBar
from marketprism_domain.errors import InvalidValue, InvariantBroken
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, tick

DAY = "2025-03-03 "


def builder(
    calendar: MarketCalendar, *intervals: str, venue: str = "shfe", symbol: str = "rb2505", **more: object
) -> BarBuilder:
    settings = BarSettings(intervals or ("1m",), **more)  # type: ignore[arg-type]
    return BarBuilder(venue, symbol, calendar.schedule(venue, symbol), settings)


def feed(made: BarBuilder, *ticks: object) -> list[Bar]:
    return [bar for each in ticks for bar in made.on_tick(each)]  # type: ignore[arg-type]


def test_a_an_auction_tick_belongs_to_the_first_minute_and_its_volume_is_kept(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    bars = feed(
        made, tick(DAY + "08:59:00", 100, 500), tick(DAY + "09:00:10", 101, 510), tick(DAY + "09:01:00", 101, 511)
    )
    assert [(b.ts_open, b.volume, b.open, b.close) for b in bars] == [(at(DAY + "09:00:00"), 510, 100, 101)]


def test_b_a_tick_just_after_a_section_belongs_to_its_last_minute(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "10:14:50", 100, 10), tick(DAY + "10:15:00.5", 102, 15))
    (bar,) = made.on_clock(at(DAY + "10:15:03"))
    assert (bar.ts_open, bar.ts_close, bar.volume, bar.close) == (at(DAY + "10:14:00"), at(DAY + "10:15:00"), 15, 102)


def test_c_a_tick_in_the_break_or_after_the_close_is_in_no_bar(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "1d")
    feed(made, tick(DAY + "14:59:00", 100, 10), tick(DAY + "15:30:00", 107, 10))
    assert {b.close for b in made.on_clock(at(DAY + "15:31:00"))} == {Decimal(100)}


def test_d_session_minutes_run_across_a_break_and_clock_windows_are_cut(calendar: MarketCalendar) -> None:
    ticks = [
        tick(f"{DAY}{h:02}:{m:02}:30", 100 + m, 10 * (h * 60 + m)) for h, m in ((10, 5), (10, 31), (10, 44), (10, 46))
    ]
    in_session = builder(calendar, "30m")
    by_clock = builder(calendar, "30m", alignment="clock")
    (first,) = [
        b for b in feed(in_session, *ticks, tick(DAY + "10:50:00", 1, 9000)) if b.ts_open == at(DAY + "10:00:00")
    ]
    assert (first.ts_close, first.ticks) == (at(DAY + "10:45:00"), 3)
    (cut,) = [b for b in feed(by_clock, *ticks) if b.ts_open == at(DAY + "10:00:00")]
    assert (cut.ts_close, cut.ticks) == (at(DAY + "10:15:00"), 1)


def test_e_the_last_bar_of_a_section_closes_by_the_clock_alone(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "1d", grace_s=3)
    feed(made, tick(DAY + "14:59:59", 100, 10))
    assert made.on_clock(at(DAY + "15:00:02.9")) == []
    assert [b.interval for b in made.on_clock(at(DAY + "15:00:03"))] == ["1m", "1d"]
    assert made.on_clock(at(DAY + "15:00:03")) == []


def test_f_the_day_bar_is_the_trading_day_with_the_evening_before(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1d", symbol="ru1901")
    feed(made, tick("2018-10-08 21:00:01", 90, 5, day="20181009", symbol="ru1901"))
    feed(made, tick("2018-10-09 14:59:00", 95, 25, day="20181009", symbol="ru1901"))
    (bar,) = made.on_clock(at("2018-10-09 15:01:00"))
    assert (bar.trading_day, bar.ts_open, bar.open, bar.close, bar.volume) == (
        "20181009",
        at("2018-10-08 21:00:00"),
        90,
        95,
        25,
    )


@pytest.mark.parametrize(
    ("fill", "minutes"), [(False, ["09:00", "09:03"]), (True, ["09:00", "09:01", "09:02", "09:03"])]
)
def test_g_empty_minutes_are_skipped_or_filled(calendar: MarketCalendar, fill: bool, minutes: list[str]) -> None:
    made = builder(calendar, fill_empty=fill)
    bars = feed(made, tick(DAY + "09:00:10", 100, 5), tick(DAY + "09:03:10", 103, 9), tick(DAY + "09:04:00", 103, 10))
    assert [b.ts_open for b in bars] == [at(f"{DAY}{m}:00") for m in minutes]
    if fill:
        assert (bars[1].open, bars[1].close, bars[1].volume, bars[1].ticks) == (100, 100, 0, 0)


def test_h_a_bar_carries_both_its_times(calendar: MarketCalendar) -> None:
    (bar,) = feed(builder(calendar), tick(DAY + "09:00:10", 100, 5), tick(DAY + "09:01:10", 100, 6))
    assert (bar.ts_open, bar.ts_close, bar.ts_event) == (
        at(DAY + "09:00:00"),
        at(DAY + "09:01:00"),
        at(DAY + "09:01:00"),
    )


def test_i_a_late_tick_revises_inside_the_window_and_is_counted_outside(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "5m", revision_window_s=60)
    feed(made, tick(DAY + "09:04:10", 100, 5))
    made.on_clock(at(DAY + "09:05:03"))
    revised = feed(made, tick(DAY + "09:04:59", 105, 9))
    assert [(b.interval, b.revision, b.high, b.volume) for b in revised] == [("1m", 1, 105, 9), ("5m", 1, 105, 9)]
    made.on_clock(at(DAY + "09:06:30"))
    assert feed(made, tick(DAY + "09:04:59.5", 110, 12)) == []
    assert made.late == 1


def test_j_a_bar_that_overlaps_a_gap_says_so(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "5m")
    feed(made, tick(DAY + "09:00:10", 100, 5))
    hole = Gap("shfe", "rb2505", "x", 0, 0, 0, 0, 0, at(DAY + "09:01:20"), at(DAY + "09:02:59"), "silence")
    made.on_gap(hole)
    bars = feed(made, tick(DAY + "09:01:30", 100, 6), tick(DAY + "09:03:10", 100, 7), tick(DAY + "09:05:00", 100, 8))
    assert [(b.interval, b.gap) for b in bars] == [("1m", False), ("1m", True), ("1m", False), ("5m", True)]


def test_j_the_tick_that_ends_a_gap_at_a_whole_minute_brings_what_was_traded_in_it(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "09:00:10", 100, 5))
    end = at(DAY + "09:03:00")
    made.on_gap(Gap("shfe", "rb2505", "x", 0, 0, 0, 0, 0, at(DAY + "09:00:10"), end, "interrupted"))
    bars = feed(made, tick(DAY + "09:03:00", 101, 95), tick(DAY + "09:04:00", 101, 96))
    assert [(b.ts_open, b.volume, b.gap) for b in bars] == [(at(DAY + "09:00:00"), 5, True), (end, 90, True)]


def test_j_a_gap_in_an_earlier_minute_leaves_a_longer_bar_the_open_interest_of_its_last(
    calendar: MarketCalendar,
) -> None:
    made = builder(calendar, "1m", "5m", revision_window_s=300)
    feed(
        made,
        tick(DAY + "09:03:10", 100, 5, open_interest=Decimal(1_000)),
        tick(DAY + "09:04:10", 101, 6, open_interest=Decimal(2_000)),
        tick(DAY + "09:05:10", 102, 7, open_interest=Decimal(3_000)),
    )
    hole = Gap("shfe", "rb2505", "x", 0, 0, 0, 0, 0, at(DAY + "09:03:20"), at(DAY + "09:03:40"), "silence")
    revised = made.on_gap(hole)
    assert [(b.interval, b.revision, b.gap, b.close, b.open_interest) for b in revised] == [
        ("1m", 1, True, 100, 1_000),
        ("5m", 1, True, 101, 2_000),
    ]


def test_stale_ticks_and_ticks_without_a_trade_make_no_bar(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(
        made,
        tick(DAY + "09:00:10", 100, 5, verdict="stale"),
        tick(DAY + "09:00:11", None, 0),
        tick(DAY + "09:00:12", 100, 0),
    )
    assert made.on_clock(at(DAY + "15:10:00")) == []


def test_an_extreme_between_two_snapshots_is_in_the_minute(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "09:00:10", 100, 5, open=Decimal(100), high=Decimal(100), low=Decimal(100)))
    (bar,) = feed(
        made, tick(DAY + "09:00:20", 101, 9, high=Decimal(104), low=Decimal(97)), tick(DAY + "09:01:00", 101, 10)
    )
    assert (bar.high, bar.low, bar.close) == (104, 97, 101)


def test_a_new_trading_day_closes_the_old_one_without_a_mark(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "1d")
    feed(made, tick(DAY + "14:59:00", 100, 10))
    bars = feed(made, tick("2025-03-03 21:00:01", 101, 3, day="20250304"))
    assert [(b.interval, b.trading_day, b.volume) for b in bars] == [("1m", "20250303", 10), ("1d", "20250303", 10)]


def test_a_week_closes_with_its_last_trading_day(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1w")
    for n, day in enumerate(("03", "04", "05", "06", "07")):
        feed(made, tick(f"2025-03-{day} 14:59:30", 100 + n, 10 + n, day=f"202503{day}"))
    (week,) = made.on_clock(at("2025-03-07 15:00:10"))
    assert (week.open, week.close, week.volume, week.trading_day) == (100, 104, 60, "20250307")


@pytest.mark.parametrize(
    "bad", [{"intervals": ()}, {"intervals": ("1x",)}, {"intervals": ("1s",)}, {"alignment": "x"}, {"grace_s": -1}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidValue, match="expected"):
        BarSettings(**bad)  # type: ignore[arg-type]


def test_a_closed_bar_is_corrected_by_its_next_revision_only(calendar: MarketCalendar) -> None:
    (bar,) = feed(builder(calendar), tick(DAY + "09:00:10", 100, 5), tick(DAY + "09:01:10", 100, 6))
    made = MarketBar(bar)
    made.revise(bar._replace(revision=1, high=Decimal(105)))
    assert (made.bar.high, made.bar.revision) == (105, 1)
    for wrong in (
        {"revision": 1},
        {"revision": 3},
        {"revision": 2, "ts_open": bar.ts_open + 1},
        {"revision": 2, "interval": "5m"},
    ):
        with pytest.raises(InvariantBroken, match="bar revision"):
            made.revise(bar._replace(**wrong))
    with pytest.raises(InvalidValue, match="high"):
        MarketBar(bar._replace(high=Decimal(1)))
    with pytest.raises(InvariantBroken, match="expected a close after"):
        MarketBar(bar._replace(ts_close=bar.ts_open))


def test_an_empty_minute_is_there_before_the_longer_bar_it_ends_closes(calendar: MarketCalendar) -> None:
    settings = BarSettings(("1m", "5m"), fill_empty=True)
    builder = BarBuilder("shfe", "rb2505", calendar.schedule("shfe", "rb2505"), settings)
    bars = [
        bar
        for when, lots in (("09:00:01", 1), ("09:06:01", 2))
        for bar in builder.on_tick(tick(f"2025-03-03 {when}", 100, lots))
    ]
    # Five minutes of the first bar, one of the next; the longer bar once, with the last of its minutes.
    assert [(bar.interval, bar.revision) for bar in bars] == [*[("1m", 0)] * 5, ("5m", 0), ("1m", 0)]
