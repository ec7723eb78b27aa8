"""Hours, codes and days of one contract, product or venue, and not of another; the bounds of what is said of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from marketprism_domain.events.registry import MarketHalted, TradingHoursOverruled
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours, ConnectionTimes, SessionBell
from marketprism_domain.sessions.last_days import last_day_of
from marketprism_domain.sessions.listed_codes import as_listed, lists
from marketprism_domain.sessions.phases import PhaseWatch
from marketprism_domain.sessions.sessions import SessionChange, changed
from marketprism_domain.sessions.short_days import ShortDay, ShortDays
from marketprism_domain.sessions.trading_days import TradingDays, utc_day_text
from tests.fakes.ticks import at

DAY = "2025-03-04 "  # a Tuesday
EVE = "2025-03-03 "
S = 10**9


@pytest.mark.parametrize(
    ("venue", "symbol", "code"),
    [
        ("shfe", "RB2505", "rb2505"),
        ("czce", "ap505", "AP505"),
        ("cffex", "if2503", "IF2503"),
        ("czce", "sr505c6000", "SR505C6000"),
        ("dce", "M2505-c-3000", "m2505-C-3000"),
        ("shfe", "ZZ2505", "ZZ2505"),
        ("shfe", "rb", "rb"),
        ("binance", "RB2505", "RB2505"),
        ("dce", "rb2505", "rb2505"),
    ],
)
def test_a_code_is_written_as_its_exchange_lists_it(venue: str, symbol: str, code: str) -> None:
    assert as_listed(venue, symbol) == code


def test_an_exchange_lists_its_own_products_only() -> None:
    assert [lists("shfe", "rb2505"), lists("dce", "rb2505"), lists("binance", "rb2505")] == [True, False, False]


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        ("T2506", date(2025, 6, 13)),
        ("TF2506", date(2025, 6, 13)),
        ("TS2506", date(2025, 6, 13)),
        ("IF1403", date(2014, 3, 21)),
        ("IC1505", date(2015, 5, 15)),
        ("IH1505", date(2015, 5, 15)),
        ("IF1401", date(2014, 1, 17)),
        ("T2510", date(2025, 10, 10)),
        ("IF2503", None),
        ("T2513", None),
        ("T2500", None),
        ("T250", None),
        ("rb2505", None),
    ],
)
def test_a_last_day_is_the_second_or_third_friday_of_its_month(symbol: str, day: date | None) -> None:
    found = last_day_of("cffex", symbol, TradingDays([]))
    assert (found.day if found is not None else None) == day
    assert last_day_of("shfe", symbol, TradingDays([])) is None


def test_a_last_day_on_a_holiday_is_the_next_trading_day() -> None:
    found = last_day_of("cffex", "T2506", TradingDays([date(2025, 6, 13), date(2025, 6, 16)]))
    assert found is not None
    assert found.day == date(2025, 6, 17)


@pytest.mark.parametrize(
    ("short", "of", "alone"),
    [
        (ShortDay("20250304", 690), "rb2505", False),
        (ShortDay("20250304", 690, "shfe"), "rb2505", False),
        (ShortDay("20250304", 690, "shfe", "RB"), "rb2505", False),
        (ShortDay("20250304", 690, "shfe", "Rb2505"), "rb2505", True),
        (ShortDay("20250304", 690, "", "rb2505"), "SP rb2505&rb2510", True),
        (ShortDay("20250304", 690, "", "rb"), "rb", False),
    ],
)
def test_a_short_day_is_of_a_product_or_of_one_contract(short: ShortDay, of: str, alone: bool) -> None:
    assert short.is_of("shfe", of)
    assert (short.is_of_one(of), ShortDays([short], of).its_own) == (alone, alone)
    assert ShortDays([short, ShortDay("20250305", 690)], of).its_own is alone  # whatever comes behind it


@pytest.mark.parametrize(
    "short",
    [ShortDay("20250304", 690, "dce"), ShortDay("20250304", 690, "", "hc"), ShortDay("20250304", 690, "", "rb2510")],
)
def test_a_short_day_of_others_is_none(short: ShortDay) -> None:
    assert not short.is_of("shfe", "rb2505")
    assert not short.is_of_one("rb2505")
    assert "20250304" in ShortDays([short], "rb2505")
    assert ShortDays((), "rb2505").its_own is False


def test_a_section_that_opens_late_is_the_products_and_no_others(calendar: MarketCalendar) -> None:
    own = calendar.copy()
    for symbol in ("rb2505", "hc2505", "RB2510"):
        own.schedule("shfe", symbol)
    own.schedule("dce", "rb2505")
    before = own.schedule("shfe", "hc2505").sessions("20250304")
    change = SessionChange("shfe", "rb", "20250304", at(DAY + "09:30:00"), at(DAY + "10:15:00"))
    own.overrule(change)
    assert change.ts_open in [each.ts_open for each in own.schedule("shfe", "rb2505").sessions("20250304")]
    assert change.ts_open in [each.ts_open for each in own.schedule("shfe", "RB2510").sessions("20250304")]
    assert own.schedule("shfe", "hc2505").sessions("20250304") == before
    own.overrule(change)
    assert own.changes() == (change,)


def test_a_market_that_never_closes_has_every_day(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("binance", "BTC-USDT")
    assert schedule.next_day(date(2025, 2, 28)) == date(2025, 3, 1)
    session = schedule.next_session(at(DAY + "12:00:00"))
    assert (session.ts_open, session.ts_close) == (at(DAY + "08:00:00"), at("2025-03-05 08:00:00"))


def test_a_change_that_only_touches_a_section_is_one_of_its_own(calendar: MarketCalendar) -> None:
    sections = calendar.schedule("shfe", "rb2505").sessions("20250304")
    after = SessionChange("shfe", "rb", "20250304", sections[-1].ts_close, sections[-1].ts_close + 600 * S)
    assert [(each.ts_open, each.last) for each in changed(sections, after)] == [
        *[(each.ts_open, False) for each in sections],
        (after.ts_open, True),
    ]
    first = sections[0]
    before = SessionChange("shfe", "rb", "20250304", first.ts_auction - 600 * S, first.ts_auction)
    made = changed(sections, before)
    assert [each.ts_open for each in made] == [before.ts_open, *(each.ts_open for each in sections)]
    assert [each.minute_offset for each in made][:2] == [0, 10]


# -- when a source is connected


def test_a_connection_is_kept_over_what_is_too_short_to_leave_it(calendar: MarketCalendar) -> None:
    def stretches(shortest_s: float) -> tuple[int, int]:
        hours = ConnectionHours(calendar, (("cffex", "IF"),), ConnectionTimes("calendar", 0, 0), shortest_s)
        found = hours.at(at(DAY + "09:00:00"))
        return found.ts_from, found.ts_to

    noon = 5_400  # from 11:30 to 13:00
    assert stretches(noon) == (at(DAY + "09:25:00"), at(DAY + "11:30:00"))
    assert stretches(noon + 0.001) == (at(DAY + "09:25:00"), at(DAY + "15:00:00"))
    assert ConnectionHours(calendar, ()).shortest_away_s == 10_800.0
    assert ConnectionHours(calendar, ()).at(5).ts_to > at("2099-01-01 00:00:00")


def test_the_stretch_that_holds_an_instant_is_found_in_its_morning_and_in_its_night(calendar: MarketCalendar) -> None:
    hours = ConnectionHours(calendar, (("shfe", "au"), ("cffex", "IF")))
    for when in ("00:30:00", "01:59:00"):
        found = hours.at(at(DAY + when))
        assert found.ts_from == at(EVE + "20:40:00")
        assert found.ts_to == at(DAY + "03:00:00")
    assert hours.at(at(DAY + "04:00:00")).ts_from == at(DAY + "08:40:00")
    friday = hours.at(at("2025-03-08 12:00:00"))  # a Saturday
    assert friday.ts_from == at("2025-03-10 08:40:00")


def test_who_trades_is_counted_from_the_auction_to_the_close(calendar: MarketCalendar) -> None:
    bell = SessionBell(calendar, [("shfe", "rb"), ("cffex", "IF"), ("binance", "BTC-USDT")])
    counted = {
        when: bell.trading_at(at(DAY + when))
        for when in (
            "08:54:59",
            "08:55:00",
            "09:24:59",
            "09:25:00",
            "11:29:59",
            "11:30:00",
            "12:00:00",
            "14:59:59",
            "15:00:00",
        )
    }
    assert list(counted.values()) == [0, 1, 1, 2, 2, 0, 0, 2, 0], counted
    assert bell.products == 2


def test_the_bell_is_silent_before_it_knows_the_time_and_where_the_time_stands(calendar: MarketCalendar) -> None:
    bell = SessionBell(calendar, [("cffex", "IF")])
    assert bell.on_clock(at(DAY + "09:31:00")) == []
    assert bell.on_clock(at(DAY + "11:29:59.9")) == []
    (paused,) = bell.on_clock(at(DAY + "11:30:00"))
    assert type(paused).__name__ == "TradingSessionPaused"
    assert bell.on_clock(at(DAY + "11:30:00")) == []
    assert bell.on_clock(at(DAY + "09:25:00")) == []


# -- what a venue says of its phases


@pytest.mark.parametrize(("hours", "prolonged"), [("15:05:00", True), ("20:40:00", True)])
def test_trades_after_the_end_prolong_the_last_section_or_open_one(
    calendar: MarketCalendar, hours: str, prolonged: bool
) -> None:
    watch = PhaseWatch(calendar.copy())
    watch.on_status("shfe", "rb", "continuous", at(DAY + "14:00:00"))
    verdict = watch.on_trade("shfe", "rb", at(DAY + hours))
    assert verdict is not None
    assert bool(verdict.changes) is prolonged
    (told,) = [each for each in verdict.events if isinstance(each, TradingHoursOverruled)]
    assert told.product == "rb"


def said(calendar: MarketCalendar, *words: tuple[str, str]) -> list[object]:
    watch = PhaseWatch(calendar.copy())
    return [event for phase, when in words for event in watch.on_status("shfe", "rb", phase, at(DAY + when)).events]


@pytest.mark.parametrize("rest", ["pre_open", "break", "closed"])
def test_a_rest_in_the_middle_of_a_section_is_a_halt(calendar: MarketCalendar, rest: str) -> None:
    def halted(when: str) -> list[str]:
        events = said(calendar, ("continuous", "09:00:00"), (rest, when))
        return [event.reason for event in events if isinstance(event, MarketHalted)]

    assert halted("09:30:00") == [f"rb: {rest} where the table says continuous"]
    assert [halted(when) for when in ("09:00:30", "09:01:00", "10:14:00", "10:14:30")] == [[]] * 4
    assert [len(halted(when)) for when in ("09:01:01", "10:13:59")] == [1, 1]


def test_a_source_that_was_away_says_nothing_of_when_a_section_began(calendar: MarketCalendar) -> None:
    watch = PhaseWatch(calendar.copy())
    watch.on_status("shfe", "rb", "pre_open", at(DAY + "08:30:00"))
    watch.forget()
    assert watch.on_status("shfe", "rb", "continuous", at(DAY + "09:40:00")).changes == []
    heard = PhaseWatch(calendar.copy())
    heard.on_status("shfe", "rb", "pre_open", at(DAY + "08:30:00"))
    (late,) = heard.on_status("shfe", "rb", "continuous", at(DAY + "09:40:00")).changes
    assert late.ts_open == at(DAY + "09:40:00")


def test_a_section_that_no_table_has_replaces_none(calendar: MarketCalendar) -> None:
    watch = PhaseWatch(calendar.copy())
    events = watch.on_status("cffex", "IF", "continuous", at(DAY + "20:00:30")).events
    (told,) = [each for each in events if isinstance(each, TradingHoursOverruled)]
    assert (told.ts_open, told.table_open, told.table_close) == (at(DAY + "20:00:00"), 0, 0)
    ended = watch.on_status("cffex", "IF", "closed", at(DAY + "20:00:40"))
    assert [(each.ts_open, each.ts_close) for each in ended.changes] == [(at(DAY + "20:00:00"), at(DAY + "20:01:00"))]
    again = PhaseWatch(calendar.copy())
    again.on_status("cffex", "IF", "continuous", at(DAY + "20:00:30"))
    ended = again.on_status("cffex", "IF", "closed", at(DAY + "20:30:00"))
    assert [each.ts_close for each in ended.changes] == [at(DAY + "20:30:00")]


def test_trading_days_of_dates() -> None:
    days = TradingDays([])
    assert days.next(date(2025, 3, 7)) == date(2025, 3, 10)
    assert days.previous(date(2025, 3, 10)) == date(2025, 3, 7)
    assert days.is_trading_day(date(2025, 3, 7) + timedelta(days=3))
    assert [utc_day_text(at(f"2025-03-04 {hour}:59:59")) for hour in ("07", "08")] == ["20250303", "20250304"]
