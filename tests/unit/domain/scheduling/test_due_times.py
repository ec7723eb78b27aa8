"""When periods and sessions are due: the epoch, nights before holidays, short days."""

from __future__ import annotations

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.due_times import PeriodicTimes, SessionTimes
from marketprism_domain.scheduling.triggers import SessionTrigger, parse_trigger
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.values import NANOS_PER_SECOND
from tests.fakes.ticks import at


def session(calendar: MarketCalendar, text: str, now: str = "2025-09-01 00:00:00") -> SessionTimes:
    trigger = parse_trigger(f"session {text}")
    assert isinstance(trigger, SessionTrigger)
    return SessionTimes(trigger, calendar, at(now))


def several(times: SessionTimes, after: str, count: int) -> list[int]:
    found, here = [], at(after)
    for _ in range(count):
        due = times.following(here)
        assert due is not None
        found.append(here := due)
    return found


def test_periods_begin_at_the_epoch_whenever_they_are_asked_for() -> None:
    times = PeriodicTimes(15 * 60 * NANOS_PER_SECOND, 30 * NANOS_PER_SECOND)
    due = times.following(at("2025-03-03 09:00:30"))
    assert due == at("2025-03-03 09:15:30")
    assert times.following(due - 1) == due
    assert PeriodicTimes(7).following(-1) == 0
    assert PeriodicTimes(7).following(0) == 7


def test_a_session_is_due_on_trading_days_alone_over_the_national_day(calendar: MarketCalendar) -> None:
    opens = session(calendar, "shfe.rb day_open -30m")
    assert several(opens, "2025-09-29 12:00:00", 3) == [
        at("2025-09-30 08:30:00"),
        at("2025-10-09 08:30:00"),
        at("2025-10-10 08:30:00"),
    ]


def test_there_is_no_night_before_a_holiday(calendar: MarketCalendar) -> None:
    nights = session(calendar, "shfe.rb night_open")
    # The night of 30 September would be that of the 9th of October: the exchanges leave it out.
    assert several(nights, "2025-09-29 12:00:00", 3) == [
        at("2025-09-29 21:00:00"),
        at("2025-10-09 21:00:00"),
        at("2025-10-10 21:00:00"),
    ]


def test_a_friday_night_is_of_the_monday(calendar: MarketCalendar) -> None:
    nights = session(calendar, "shfe.rb night_open +5m")
    assert several(nights, "2025-03-06 22:00:00", 2) == [at("2025-03-07 21:05:00"), at("2025-03-10 21:05:00")]


def test_breaks_are_those_of_the_day(calendar: MarketCalendar) -> None:
    breaks = session(calendar, "shfe.rb break")
    assert several(breaks, "2025-03-03 08:00:00", 3) == [
        at("2025-03-03 10:15:00"),
        at("2025-03-03 11:30:00"),
        at("2025-03-04 10:15:00"),
    ]


def test_the_end_of_the_trading_day_is_its_last_close(calendar: MarketCalendar) -> None:
    ends = session(calendar, "cffex.IF trading_day_end +15m")
    assert several(ends, "2025-03-07 12:00:00", 2) == [at("2025-03-07 15:15:00"), at("2025-03-10 15:15:00")]


def test_a_session_that_the_exchange_moves_is_honoured(calendar: MarketCalendar) -> None:
    moved = calendar.copy()
    opens = session(moved, "shfe.rb night_open")
    moved.overrule(SessionChange("shfe", "rb", "20250304", at("2025-03-03 21:30:00"), at("2025-03-03 23:00:00")))
    assert several(opens, "2025-03-03 12:00:00", 1) == [at("2025-03-03 21:30:00")]


def test_an_anchor_that_a_product_never_has_is_refused(calendar: MarketCalendar) -> None:
    with pytest.raises(InvalidValue, match=r"an anchor that cffex\.IF has, was 'night_open'"):
        session(calendar, "cffex.IF night_open")


def test_a_market_that_never_closes_has_no_sessions(calendar: MarketCalendar) -> None:
    trigger = parse_trigger("session okx.BTC-USDT trading_day_end")
    assert isinstance(trigger, SessionTrigger)
    with pytest.raises(InvalidValue, match="an exchange that opens and closes"):
        SessionTimes(trigger, calendar, 0)
