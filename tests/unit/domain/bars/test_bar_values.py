"""Every value of bars that are revised, filled or flagged, and of the longer ones that hold them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.bars.cascade import Cascade
from marketprism_domain.bars.contract_rolls import ContractDay, delivery_of, rolls
from marketprism_domain.bars.market_bar import MarketBar
from marketprism_domain.bars.open_minute import DayTotals
from marketprism_domain.bars.state import BuilderState, Running
from marketprism_domain.bars.windows import Window, minute_window
from marketprism_domain.errors import InvalidValue, InvariantBroken
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import Interval
from tests.fakes.ticks import at, tick
from tests.unit.domain.bars.test_bars import DAY, builder, feed


def gap(since: str, until: str, kind: str = "") -> Gap:
    ts_from, ts_to = at(DAY + since), at(DAY + until)
    return Gap("shfe", "rb2505", "test", 0, 1, ts_to, 0, 0, ts_from, ts_to, "silence", "20250303", kind)


def closed_first_minute(calendar: MarketCalendar, *intervals: str) -> BarBuilder:
    """09:00 closed by the clock: 10 lots at 100, twice told."""
    made = builder(calendar, *intervals)
    feed(made, tick(DAY + "09:00:01", 100, 5), tick(DAY + "09:00:10", 100, 10, ts_recv=at(DAY + "09:00:10.1")))
    assert made.on_clock(at(DAY + "09:01:03"))
    return made


def test_a_late_tick_revises_every_value_of_its_minute_and_of_the_longer_bar(calendar: MarketCalendar) -> None:
    made = closed_first_minute(calendar, "1m", "5m")
    late = tick(DAY + "09:00:59", 97, 25, ts_recv=at(DAY + "09:01:05"), open_interest=Decimal(990))
    (one,) = made.on_tick(late._replace(source="other", ts_pub=77))
    assert (one.open, one.high, one.low, one.close, one.volume, one.turnover) == (100, 100, 97, 97, 25, 25_000)
    assert (one.ticks, one.revision, one.open_interest, one.source) == (3, 1, 990, "other")
    assert (one.ts_recv, one.ts_pub) == (at(DAY + "09:01:05"), 77)
    # The differences of what follows are from the late one.
    bars = feed(made, tick(DAY + "09:01:10", 98, 32), tick(DAY + "09:05:00", 99, 33))
    assert [(bar.interval, bar.volume, bar.turnover, bar.close) for bar in bars] == [
        ("1m", 7, 7_000, 98),
        ("5m", 32, 32_000, 98),
    ]
    assert (bars[1].low, bars[1].high, bars[1].ticks, bars[1].revision) == (97, 100, 4, 0)


def test_a_late_tick_revises_a_longer_bar_that_has_closed_too(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "3m")
    feed(made, tick(DAY + "09:00:10", 100, 10), tick(DAY + "09:02:10", 101, 20))
    assert [(bar.interval, bar.volume) for bar in made.on_clock(at(DAY + "09:03:03"))] == [("1m", 10), ("3m", 20)]
    one, three = made.on_tick(tick(DAY + "09:02:59", 105, 26, ts_recv=at(DAY + "09:03:04")))
    assert (one.interval, one.volume, one.turnover, one.revision) == ("1m", 16, 16_000, 1)
    assert (three.interval, three.volume, three.turnover, three.revision, three.ticks) == ("3m", 26, 26_000, 1, 3)
    assert (three.high, three.close, three.ts_recv) == (105, 105, at(DAY + "09:03:04"))


@pytest.mark.parametrize(("last", "revisions"), [(100, []), (101, [(1, 101, 10)])])
def test_a_late_tick_without_a_trade_revises_where_its_price_is_another(
    calendar: MarketCalendar, last: int, revisions: list[tuple[int, int, int]]
) -> None:
    made = closed_first_minute(calendar)
    found = made.on_tick(tick(DAY + "09:00:58", last, 10, ts_recv=at(DAY + "09:01:05")))
    assert [(bar.revision, bar.close, bar.volume) for bar in found] == revisions
    assert made.late == 0


@pytest.mark.parametrize(("last", "volumes"), [(100, []), (101, [0])])
def test_a_snapshot_without_a_trade_opens_no_minute(calendar: MarketCalendar, last: int, volumes: list[int]) -> None:
    made = closed_first_minute(calendar)
    made.on_tick(tick(DAY + "09:01:10", last, 10))
    assert [bar.volume for bar in made.on_clock(at(DAY + "09:02:03"))] == volumes


def test_a_tick_of_a_minute_that_nobody_knows_is_late(calendar: MarketCalendar) -> None:
    made = closed_first_minute(calendar, "1m")
    feed(made, tick(DAY + "09:01:10", 100, 20))
    made.on_clock(at(DAY + "09:02:03"))
    assert made.on_tick(tick("2025-02-28 14:59:00", 100, 30, day="20250228")) == []
    assert made.late == 1


def test_minutes_may_be_revised_for_as_long_as_the_settings_say(calendar: MarketCalendar) -> None:
    made = builder(calendar, revision_window_s=120)
    trades = [tick(f"{DAY}09:0{n}:10", 100, None, traded=Decimal(2), traded_turnover=Decimal(200)) for n in range(4)]
    feed(made, *trades)

    def late(when: str, recv: str) -> list[int]:
        more = {"traded": Decimal(1), "traded_turnover": Decimal(150)}
        bars = made.on_tick(tick(DAY + when, 150, None, ts_recv=at(DAY + recv), **more))
        return [int(value) for bar in bars for value in (bar.volume, bar.turnover, bar.high, bar.revision)]

    assert late("09:01:50", "09:03:20") == [3, 350, 150, 1]
    assert late("09:01:50", "09:04:00") == [4, 500, 150, 2]
    assert late("09:01:50", "09:04:00.001") == []
    assert made.late == 1


@pytest.mark.parametrize(("kind", "flagged"), [("", True), ("tick", True), ("trade", True), ("orderbook", False)])
def test_a_hole_in_what_bars_are_made_of_flags_them_and_is_told_once(
    calendar: MarketCalendar, kind: str, flagged: bool
) -> None:
    made = closed_first_minute(calendar)
    found = made.on_gap(gap("09:00:20", "09:00:30", kind))
    assert [(bar.gap, bar.revision) for bar in found] == ([(True, 1)] if flagged else [])
    assert made.on_gap(gap("09:00:40", "09:00:50", kind)) == []
    made.on_tick(tick(DAY + "09:01:10", 101, 11))
    made.on_gap(gap("09:01:20", "09:01:30", kind))
    (next_one,) = made.on_clock(at(DAY + "09:02:03"))
    assert next_one.gap is flagged


def test_a_longer_bar_knows_of_a_hole_in_a_minute_that_had_no_trade(calendar: MarketCalendar) -> None:
    made = builder(calendar, "5m")
    made.on_tick(tick(DAY + "09:00:10", 100, 5))
    made.on_gap(gap("09:02:10", "09:02:50"))
    (bar,) = feed(made, tick(DAY + "09:01:10", 100, 6), tick(DAY + "09:05:10", 100, 7))
    assert (bar.gap, bar.volume) == (True, 6)


def test_a_window_ends_before_its_end_and_a_hole_with_its() -> None:
    window = Window(10, 20, "20250303")
    assert [window.meets(((start, end),)) for start, end in ((20, 30), (19, 30), (1, 9), (1, 10))] == [
        False,
        True,
        False,
        True,
    ]


def test_an_empty_minute_is_flat_at_the_close_before_it(calendar: MarketCalendar) -> None:
    made = builder(calendar, fill_empty=True)
    feed(made, tick(DAY + "09:00:10", 100, 5), tick(DAY + "09:00:20", 107, 6), tick(DAY + "09:00:30", 103, 7))
    bars = made.on_clock(at(DAY + "09:02:03"))
    assert [(b.open, b.high, b.low, b.close, b.volume, b.turnover, b.ticks) for b in bars] == [
        (100, 107, 100, 103, 7, 7_000, 3),
        (103, 103, 103, 103, 0, 0, 0),
    ]
    assert [(bar.revision, bar.gap) for bar in bars] == [(0, False)] * 2


def test_a_day_that_no_whole_number_of_bars_fills_ends_with_a_shorter_one(calendar: MarketCalendar) -> None:
    made = builder(calendar, "2h")
    feed(made, tick(DAY + "14:50:00", 100, 5))
    (bar,) = made.on_clock(at(DAY + "15:00:03"))
    assert bar.ts_close == at(DAY + "15:00:00")


def test_windows_by_the_clock_are_counted_from_midnight_in_china(calendar: MarketCalendar) -> None:
    made = builder(calendar, "45m", alignment="clock")
    feed(made, tick(DAY + "09:46:00", 100, 5), tick(DAY + "10:31:00", 100, 6), tick(DAY + "11:16:00", 100, 7))
    bars = made.on_clock(at(DAY + "11:30:03"))
    assert [bar.ts_open for bar in bars] == [at(DAY + "11:15:00")]
    schedule = calendar.schedule("shfe", "rb2505")
    cascade = Cascade(["45m"], schedule, by_clock=True)
    session = schedule.place(at(DAY + "09:46:00")).session
    assert session is not None
    window = cascade.window(Interval.parse("45m"), minute_window(session, at(DAY + "09:46:00")))
    assert (window.ts_open, window.ts_close) == (at(DAY + "09:45:00"), at(DAY + "10:15:00"))


def test_a_length_that_no_day_is_made_of_is_counted_from_midnight_too(calendar: MarketCalendar) -> None:
    made = builder(calendar, "7m", alignment="clock")
    feed(made, tick(DAY + "09:46:00", 100, 5))
    (bar,) = made.on_clock(at(DAY + "09:48:03"))
    assert (bar.ts_open, bar.ts_close) == (at(DAY + "09:41:00"), at(DAY + "09:48:00"))


def test_a_hole_in_a_closed_minute_is_one_in_the_longer_bar_that_has_closed_with_it(calendar: MarketCalendar) -> None:
    made = builder(calendar, "1m", "3m")
    feed(made, tick(DAY + "09:00:10", 100, 10), tick(DAY + "09:02:10", 101, 20))
    made.on_clock(at(DAY + "09:03:03"))
    assert [(bar.interval, bar.gap, bar.revision) for bar in made.on_gap(gap("09:02:20", "09:02:30"))] == [
        ("1m", True, 1),
        ("3m", True, 1),
    ]


def test_a_minute_of_a_bar_that_nobody_has_revises_none(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("shfe", "rb2505")
    cascade = Cascade(["5m"], schedule)
    made = builder(calendar)
    feed(made, tick(DAY + "09:00:10", 100, 10))
    current = made.state().current
    assert current is not None
    assert cascade.revise(current, current._replace(revision=1), None) == []
    cascade.add(current)
    cascade.close_until(at(DAY + "09:05:00"))
    later = current._replace(window=Window(at(DAY + "09:07:00"), at(DAY + "09:08:00"), "20250303"))
    assert cascade.revise(later, later._replace(revision=1), None) == []
    assert [(name, bar.revision) for name, bar in cascade.revise(current, current._replace(revision=1), None)] == [
        ("5m", 1)
    ]


def test_extremes_of_the_day_count_where_they_have_moved() -> None:
    totals = DayTotals(Running("20250303"))
    first = tick(DAY + "09:00:10", 100, 5, high=Decimal(104), low=Decimal(96))
    assert totals.extremes(first, Decimal(100)) == (96, 104)
    totals.remember(first)
    assert totals.running() == Running("20250303", Decimal(5), Decimal(5_000), Decimal(100), Decimal(104), Decimal(96))
    assert totals.extremes(first, Decimal(101)) == (101, 101)
    wider = tick(DAY + "09:00:11", 100, 6, high=Decimal(105), low=Decimal(95))
    assert totals.extremes(wider, Decimal(101)) == (95, 105)
    assert totals.extremes(wider, Decimal(110)) == (95, 110)
    totals.remember(tick(DAY + "09:00:12", 99, None, turnover=None))
    assert totals.running() == Running("20250303", Decimal(5), Decimal(5_000), Decimal(99), Decimal(104), Decimal(96))


def test_open_interest_is_the_last_that_was_told(calendar: MarketCalendar) -> None:
    made = builder(calendar)
    feed(
        made,
        tick(DAY + "09:00:10", 100, 5, open_interest=Decimal(7)),
        tick(DAY + "09:00:20", 100, 6, open_interest=None),
    )
    (bar,) = made.on_clock(at(DAY + "09:01:03"))
    assert bar.open_interest == 7
    feed(
        made,
        tick(DAY + "09:01:10", 100, 7, open_interest=Decimal(8)),
        tick(DAY + "09:01:20", 100, 8, open_interest=Decimal(9)),
    )
    (bar,) = made.on_clock(at(DAY + "09:02:03"))
    assert bar.open_interest == 9


def test_settings_are_those_that_are_documented_up_to_their_bounds() -> None:
    assert BarSettings().intervals == ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")
    assert (BarSettings().grace_s, BarSettings().revision_window_s) == (3.0, 60.0)
    assert (BarSettings().alignment, BarSettings().fill_empty) == ("session", False)
    for name in ("grace_s", "revision_window_s"):
        for value in (0, 3_600):
            assert getattr(BarSettings(**{name: value}), name) == value  # type: ignore[arg-type]
        for value in (-0.5, 3_600.5):
            with pytest.raises(InvalidValue, match=f"^{name}: expected 0 to 3600 seconds, was {value}"):
                BarSettings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^intervals: expected at least one"):
        BarSettings(())
    with pytest.raises(InvalidValue, match=r"^interval: expected 1m or longer"):
        BarSettings(("30s",))


def test_a_builder_that_has_seen_nothing_remembers_nothing() -> None:
    state = BuilderState()
    assert state.running == Running("", Decimal(0), Decimal(0), None, None, None)
    assert (state.current, state.recent, state.clock, state.gaps, state.late) == (None, (), 0, (), 0)


def test_a_bar_of_a_log_is_taken_where_it_is_no_older_and_of_the_same_window(calendar: MarketCalendar) -> None:
    (bar,) = feed(builder(calendar), tick(DAY + "09:00:10", 100, 5), tick(DAY + "09:01:10", 100, 6))
    made = MarketBar(bar)
    assert made.take(bar._replace(revision=2, ts_pub=20))
    assert made.take(bar._replace(revision=2, ts_pub=30))
    assert not made.take(bar._replace(revision=1))
    assert [(stood.revision, stood.ts_pub) for ts in (19, 29, 30) if (stood := made.stood(ts))] == [
        (0, bar.ts_pub),
        (2, 20),
        (2, 30),
    ]
    with pytest.raises(InvariantBroken, match="expected the window of"):
        made.take(bar._replace(revision=3, interval="5m"))


def day(symbol: str, text: str, interest: int, close: int | None = 100) -> ContractDay:
    return ContractDay(symbol, text, None if close is None else Decimal(close), Decimal(1), Decimal(interest))


def test_who_leads_tomorrow_is_known_where_there_is_a_tomorrow() -> None:
    days = [day("rb2505", "20250303", 9), day("rb2510", "20250303", 1), day("rb2510", "20250304", 9, 200)]
    assert [(roll.trading_day, roll.symbol) for roll in rolls(days)] == [("20250303", "rb2505")]
    days += [day("rb2505", "20250304", 8, 90), day("rb2510", "20250305", 9)]
    assert [(r.trading_day, r.symbol, r.previous, r.previous_close, r.close) for r in rolls(days)] == [
        ("20250303", "rb2505", "", None, None),
        ("20250305", "rb2510", "rb2505", 90, 200),
    ]


@pytest.mark.parametrize(
    ("symbol", "month"), [("rb2505", 202505), ("AP505", 202505), ("AP412", 203412), ("SR001", 203001)]
)
def test_a_month_of_delivery_is_the_next_of_its_digits(symbol: str, month: int) -> None:
    assert delivery_of(symbol, "20250303") == month
    assert delivery_of("rb1901", "20181009") == 201901
