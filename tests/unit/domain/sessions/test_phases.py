"""The venue's own phases against the table, and when a source is to be connected."""

from __future__ import annotations

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.registry import (
    AfterHoursOpened,
    MarketHalted,
    MarketStatusReceived,
    PreMarketOpened,
    TradingHoursOverruled,
    TradingSessionClosed,
    TradingSessionOpened,
    TradingSessionPaused,
    TradingSessionResumed,
)
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours, ConnectionTimes, SessionBell
from marketprism_domain.sessions.phases import PhaseVerdict, PhaseWatch
from marketprism_domain.sessions.sessions import SessionChange, changed
from marketprism_domain.values import TimeWindow
from tests.fakes.ticks import at

DAY = "2025-03-04 "  # a Tuesday
EVE = "2025-03-03 "


def heard(
    calendar: MarketCalendar, product: str, *words: tuple[str, str], venue: str = "shfe"
) -> tuple[MarketCalendar, PhaseVerdict]:
    own = calendar.copy()
    watch, verdict = PhaseWatch(own), PhaseVerdict([], [])
    for phase, when in words:
        following = watch.on_status(venue, product, phase, at(when))
        verdict = PhaseVerdict(verdict.events + following.events, verdict.changes + following.changes)
    return own, verdict


def spans(calendar: MarketCalendar, symbol: str, day: str, venue: str = "shfe") -> list[tuple[int, int]]:
    return [(s.ts_open, s.ts_close) for s in calendar.schedule(venue, symbol).sessions(day)]


def test_a_day_as_the_table_has_it_changes_nothing(calendar: MarketCalendar) -> None:
    words = [
        ("auction_order", EVE + "20:55:00"),
        ("auction_match", EVE + "20:59:00"),
        ("continuous", EVE + "21:00:00"),
        ("break", EVE + "23:00:01"),
        ("auction_order", DAY + "08:55:00"),
        ("continuous", DAY + "09:00:00"),
        ("break", DAY + "10:15:00"),
        ("continuous", DAY + "10:30:00"),
        ("break", DAY + "11:30:00"),
        ("continuous", DAY + "13:30:00"),
        ("closed", DAY + "15:00:00"),
    ]
    own, verdict = heard(calendar, "rb", *words)
    assert verdict.changes == []
    assert [type(event) for event in verdict.events] == [MarketStatusReceived] * len(words)
    assert spans(own, "rb2505", "20250304") == spans(calendar, "rb2505", "20250304")


@pytest.mark.parametrize("skew", ["20:59:58", "21:00:31"])
def test_clocks_that_differ_by_seconds_disagree_with_nothing(calendar: MarketCalendar, skew: str) -> None:
    words = [
        ("pre_open", EVE + "20:50:00"),
        ("continuous", EVE + skew),
        ("pre_open", EVE + "22:59:57"),
        ("continuous", DAY + "08:59:58"),
        ("pre_open", DAY + "10:14:58"),
        ("continuous", DAY + "10:29:58"),
        ("pre_open", DAY + "11:30:02"),
        ("continuous", DAY + "13:29:31"),
        ("closed", DAY + "15:00:02"),
    ]
    for venue, product in (("shfe", "rb"), ("czce", "SR")):
        own, verdict = heard(calendar, product, *words, venue=venue)
        assert verdict.changes == []
        assert {type(event) for event in verdict.events} == {MarketStatusReceived}
        assert spans(own, f"{product}505", "20250304", venue) == spans(calendar, f"{product}505", "20250304", venue)


def test_a_late_opening_shortens_the_section_and_keeps_its_auction(calendar: MarketCalendar) -> None:
    own, verdict = heard(calendar, "rb", ("pre_open", EVE + "20:50:00"), ("continuous", EVE + "22:30:02"))
    assert verdict.changes == [SessionChange("shfe", "rb", "20250304", at(EVE + "22:30:00"), at(EVE + "23:00:00"))]
    night, morning = own.schedule("shfe", "rb2505").sessions("20250304")[:2]
    assert (night.ts_auction, night.ts_open) == (at(EVE + "20:55:00"), at(EVE + "22:30:00"))
    assert morning.minute_offset == 30
    assert own.schedule("shfe", "rb2505").place(at(EVE + "22:29:00")).phase == "auction"
    (overruled,) = (event for event in verdict.events if isinstance(event, TradingHoursOverruled))
    assert (overruled.table_open, overruled.ts_open) == (at(EVE + "21:00:00"), at(EVE + "22:30:00"))
    assert spans(calendar, "rb2505", "20250304")[0] == (at(EVE + "21:00:00"), at(EVE + "23:00:00")), "ours alone"


def test_a_login_in_mid_section_is_no_late_opening(calendar: MarketCalendar) -> None:
    assert heard(calendar, "rb", ("continuous", EVE + "21:40:00"))[1].changes == []


def test_a_night_that_the_table_does_not_have_belongs_to_the_next_trading_day(calendar: MarketCalendar) -> None:
    words = (("break", EVE + "15:00:00"), ("continuous", EVE + "21:00:00"), ("break", EVE + "23:00:00"))
    own, verdict = heard(calendar, "wr", *words)
    assert spans(own, "wr2505", "20250304")[0] == (at(EVE + "21:00:00"), at(EVE + "23:00:00"))
    first = own.schedule("shfe", "wr2505").sessions("20250304")[1]
    assert (first.ts_open, first.minute_offset) == (at(DAY + "09:00:00"), 120)
    assert own.schedule("shfe", "wr2505").place(at(EVE + "21:30:00")).trading_day == "20250304"
    assert [change.ts_close for change in verdict.changes] == [at(DAY + "03:00:00"), at(EVE + "23:00:00")]


def test_trading_after_the_close_goes_on_in_a_section_of_its_own(calendar: MarketCalendar) -> None:
    words = (("closed", EVE + "15:00:00"), ("continuous", EVE + "15:05:00"), ("closed", EVE + "15:30:00"))
    own, verdict = heard(calendar, "lc", *words, venue="gfex")
    assert spans(own, "lc2505", "20250303", "gfex")[-1] == (at(EVE + "15:05:00"), at(EVE + "15:30:00"))
    assert AfterHoursOpened("gfex", "20250303", "lc") in verdict.events


def test_trades_after_the_tables_end_prolong_the_section_until_the_venue_ends_it(calendar: MarketCalendar) -> None:
    own = calendar.copy()
    watch = PhaseWatch(own)
    watch.on_status("cffex", "IF", "continuous", at(EVE + "13:00:00"))
    assert watch.on_trade("cffex", "IF", at(EVE + "14:59:00")) is None
    verdict = watch.on_trade("cffex", "IF", at(EVE + "15:05:00"))
    assert verdict is not None
    assert [(c.ts_open, c.trading_day) for c in verdict.changes] == [(at(EVE + "13:00:00"), "20250303")]
    assert own.schedule("cffex", "IF2503").place(at(EVE + "15:06:00")).phase == "continuous"
    watch.on_status("cffex", "IF", "closed", at(EVE + "15:15:00"))
    assert spans(own, "IF2503", "20250303", "cffex")[-1] == (at(EVE + "13:00:00"), at(EVE + "15:15:00"))


def test_trades_out_of_hours_alone_do_not_overrule_the_table(calendar: MarketCalendar) -> None:
    watch = PhaseWatch(calendar.copy())
    assert watch.on_trade("cffex", "IF", at(EVE + "15:05:00")) is None
    watch.on_status("cffex", "IF", "continuous", at(EVE + "13:00:00"))
    watch.forget()
    assert watch.on_trade("cffex", "IF", at(EVE + "15:05:00")) is None, "the trader front is away: nobody speaks"


def test_a_halt_is_told_and_changes_no_section(calendar: MarketCalendar) -> None:
    words = (("continuous", DAY + "09:00:00"), ("break", DAY + "09:30:00"), ("continuous", DAY + "09:45:00"))
    own, verdict = heard(calendar, "rb", *words)
    assert verdict.changes == []
    kinds = [type(event) for event in verdict.events if not isinstance(event, MarketStatusReceived)]
    assert kinds == [MarketHalted, TradingSessionResumed]
    assert spans(own, "rb2505", "20250304") == spans(calendar, "rb2505", "20250304")


def test_a_change_without_length_or_with_half_minutes_is_refused(calendar: MarketCalendar) -> None:
    sessions = calendar.schedule("shfe", "rb2505").sessions("20250304")
    opens = at(DAY + "09:00:00")
    for bad in (opens, opens - 60_000_000_000, opens + 30_000_000_000):
        with pytest.raises(InvalidValue, match="whole minutes"):
            changed(sessions, SessionChange("shfe", "rb", "20250304", opens, bad))


def test_a_connection_is_wanted_around_the_sections_of_its_products(calendar: MarketCalendar) -> None:
    hours = ConnectionHours(calendar, (("shfe", "ag"), ("cffex", "IF")))
    for inside, start, end in (
        (EVE + "20:40:00", EVE + "20:40:00", DAY + "03:00:00"),
        (DAY + "12:15:00", DAY + "08:40:00", DAY + "15:30:00"),  # nobody logs out over lunch
        (DAY + "04:00:00", DAY + "08:40:00", DAY + "15:30:00"),  # the next stretch
        ("2025-03-01 12:00:00", "2025-03-03 08:40:00", "2025-03-03 15:30:00"),  # a Saturday
        ("2025-09-30 21:00:00", "2025-10-09 08:40:00", "2025-10-09 15:30:00"),  # no night before a holiday
    ):
        assert hours.at(at(inside)) == TimeWindow(at(start), at(end)), inside


def test_day_products_alone_keep_the_evening_free(calendar: MarketCalendar) -> None:
    hours = ConnectionHours(calendar, (("sse", "90005909"),), ConnectionTimes(warm_up_s=600, linger_s=60))
    assert hours.at(at(EVE + "20:00:00")) == TimeWindow(at(DAY + "09:05:00"), at(DAY + "15:01:00"))


def test_wrong_hours_are_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match="warm_up_s: expected 0 to 86400, was -1"):
        ConnectionTimes(warm_up_s=-1)


def test_the_bell_rings_each_boundary_once_and_in_order(calendar: MarketCalendar) -> None:
    bell = SessionBell(calendar, [("shfe", "rb"), ("czce", "AP"), ("binance", "BTC-USDT")])
    start, events = at(EVE + "20:54:00"), []
    for minute in range(0, 19 * 60, 7):
        events += bell.on_clock(start + minute * 60_000_000_000)
    assert [(type(e), e.product) for e in events] == [  # type: ignore[attr-defined]
        (PreMarketOpened, "rb"),
        (TradingSessionOpened, "rb"),
        (TradingSessionPaused, "rb"),
        (PreMarketOpened, "AP"),
        (PreMarketOpened, "rb"),
        (TradingSessionOpened, "AP"),
        (TradingSessionResumed, "rb"),
        (TradingSessionPaused, "AP"),
        (TradingSessionPaused, "rb"),
        (TradingSessionResumed, "AP"),
        (TradingSessionResumed, "rb"),
        (TradingSessionPaused, "AP"),
        (TradingSessionPaused, "rb"),
        (TradingSessionResumed, "AP"),
        (TradingSessionResumed, "rb"),
        (TradingSessionClosed, "AP"),
        (TradingSessionClosed, "rb"),
    ]
    assert bell.on_clock(start) == []
