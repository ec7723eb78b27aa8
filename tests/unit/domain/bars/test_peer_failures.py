"""Failures of other bar builders, on inputs like the ones that broke them: none of them here."""

from __future__ import annotations

from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, tick
from tests.unit.domain.bars.test_bars import DAY, builder, feed


def test_vnpy_1_the_last_bar_waits_for_the_evening(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "14:59:30", 100, 8))
    assert [b.ts_open for b in made.on_clock(at(DAY + "15:00:10"))] == [at(DAY + "14:59:00")]


def test_vnpy_2_the_closing_tick_makes_a_bar_of_its_own(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "14:59:59", 100, 8), tick(DAY + "15:00:00", 101, 16))
    (bar,) = made.on_clock(at(DAY + "15:00:10"))
    assert (bar.ts_open, bar.volume, bar.close) == (at(DAY + "14:59:00"), 16, 101)


def test_vnpy_3_the_same_minute_of_two_days_is_one_bar(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    bars = feed(
        made,
        tick(DAY + "10:00:01", 100, 5),
        tick("2025-03-04 10:00:01", 200, 5, day="20250304"),
        tick("2025-03-04 10:01:01", 200, 6, day="20250304"),
    )
    assert [(b.trading_day, b.open, b.close) for b in bars] == [("20250303", 100, 100), ("20250304", 200, 200)]


def test_vnpy_4_a_late_tick_doubles_bars(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    bars = feed(
        made,
        tick(DAY + "09:00:30", 100, 5),
        tick(DAY + "09:01:01", 101, 7),
        tick(DAY + "09:00:59", 99, 6),
        tick(DAY + "09:01:30", 102, 9),
        tick(DAY + "09:02:00", 102, 10),
    )
    assert [(b.ts_open, b.revision) for b in bars] == [(at(DAY + "09:00:00"), 0), (at(DAY + "09:01:00"), 0)]


def test_vnpy_5_a_30m_bar_of_45_minutes(calendar: MarketCalendar) -> None:
    made = builder(calendar, "30m", alignment="clock")
    bars = feed(
        made,
        *(
            tick(f"{DAY}{h:02}:{m:02}:30", 100, 1 + h * 60 + m)
            for h, m in ((10, 1), (10, 14), (10, 31), (10, 59), (11, 1))
        ),
    )
    assert [(b.ts_close - b.ts_open) // 60_000_000_000 for b in bars] == [15, 30]


def test_vnpy_6_a_minute_without_a_trade_misaligns_5m_bars(calendar: MarketCalendar) -> None:
    made = builder(calendar, "5m")
    bars = feed(made, *(tick(f"{DAY}09:{m:02}:30", 100, m + 1) for m in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10)))
    assert [b.ts_open for b in bars] == [at(DAY + "09:00:00"), at(DAY + "09:05:00")]


def test_vnpy_7_the_auction_makes_a_bar_and_its_lots_are_lost(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", symbol="ru1901")
    night = "2018-10-08 "
    bars = feed(
        made,
        tick(night + "20:59:00", 100, 500, day="20181009", symbol="ru1901"),
        tick(night + "21:00:01", 101, 520, day="20181009", symbol="ru1901"),
        tick(night + "21:01:01", 101, 521, day="20181009", symbol="ru1901"),
    )
    assert [(b.ts_open, b.volume) for b in bars] == [(at(night + "21:00:00"), 520)]


def test_vnpy_8_the_tick_at_0230_makes_a_bar(calendar: MarketCalendar) -> None:
    made = builder(calendar, symbol="ag2505")
    feed(
        made,
        tick("2025-03-04 02:29:59", 100, 5, day="20250304", symbol="ag2505"),
        tick("2025-03-04 02:30:00", 101, 9, day="20250304", symbol="ag2505"),
    )
    (bar,) = made.on_clock(at("2025-03-04 02:30:10"))
    assert (bar.ts_open, bar.volume) == (at("2025-03-04 02:29:00"), 9)


def test_vnpy_9_the_first_tick_of_a_day_loses_its_lots(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1d")
    feed(
        made,
        tick(DAY + "14:59:00", 100, 40),
        tick("2025-03-04 09:00:01", 100, 30, day="20250304"),
        tick("2025-03-04 14:59:01", 100, 35, day="20250304"),
    )
    (day,) = made.on_clock(at("2025-03-04 15:00:10"))
    assert day.volume == 35


def test_vnpy_10_two_days_merge_when_the_last_minute_has_no_trade(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1d")
    bars: list[Bar] = feed(made, tick(DAY + "14:30:00", 100, 40), tick("2025-03-04 10:00:00", 200, 5, day="20250304"))
    bars += made.on_clock(at("2025-03-04 15:00:10"))
    assert [(b.trading_day, b.open, b.volume) for b in bars] == [("20250303", 100, 40), ("20250304", 200, 5)]


def test_nautilus_1_a_late_trade_is_folded_into_the_next_bar(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "09:00:30", 100, 5))
    made.on_clock(at(DAY + "09:01:03"))
    (revised,) = feed(made, tick(DAY + "09:00:59", 9, 6, ts_recv=at(DAY + "09:01:04")))
    assert (revised.ts_open, revised.revision, revised.low) == (at(DAY + "09:00:00"), 1, 9)
    feed(made, tick(DAY + "09:01:10", 100, 7))
    (following,) = made.on_clock(at(DAY + "09:02:03"))
    assert (following.open, following.low) == (100, 100)


def test_nautilus_2_membership_follows_arrival_not_time(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    bars = feed(
        made, tick(DAY + "09:00:59.999", 100, 5), tick(DAY + "09:01:00", 101, 6), tick(DAY + "09:02:00", 101, 7)
    )
    assert [(b.ts_open, b.close) for b in bars] == [(at(DAY + "09:00:00"), 100), (at(DAY + "09:01:00"), 101)]


def test_nautilus_3_after_a_gap_the_bar_is_stamped_with_the_gaps_start(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    bars = feed(made, tick(DAY + "09:00:30", 100, 5), tick(DAY + "09:04:30", 101, 6), tick(DAY + "09:05:00", 101, 7))
    assert [b.ts_open for b in bars] == [at(DAY + "09:00:00"), at(DAY + "09:04:00")]


def test_nautilus_4_flat_bars_are_printed_through_an_outage(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(made, tick(DAY + "09:00:30", 100, 5))
    bars = [bar for minute in range(1, 60) for bar in made.on_clock(at(f"{DAY}09:{minute:02}:30"))]
    assert len(bars) == 1
