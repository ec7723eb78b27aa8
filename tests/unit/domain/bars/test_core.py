"""What the compiled core must do as Python does: places in rows, pickles, copies. Runs over whichever core is loaded."""

from __future__ import annotations

import pickle
from datetime import date

import pytest

from marketprism_domain.marketdata import tick as rows
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import AlwaysOpen, MarketCalendar, Schedule
from marketprism_domain.sessions.last_days import last_day_of
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.trading_days import TradingDays, midnight
from marketprism_domain.values import NANOS_PER_MINUTE

DAY = date(2018, 10, 9)
HOUR = 60 * NANOS_PER_MINUTE


def test_a_place_in_the_row_is_that_of_the_field() -> None:
    places = {name: value for name, value in vars(rows).items() if name.isupper() and isinstance(value, int)}
    assert places
    assert {name: Tick._fields.index(name.lower()) for name in places} == places


def test_a_pickled_calendar_says_the_same_with_its_changes() -> None:
    calendar = MarketCalendar(TradingDays(), 45)
    opens = midnight(DAY) + 10 * HOUR
    calendar.schedule("shfe", "ru1901")
    calendar.overrule(SessionChange("shfe", "ru", "20181009", opens, opens + HOUR))
    calendar.schedule("binance", "BTCUSDT").sessions("20181009")
    again = pickle.loads(pickle.dumps(calendar))
    for venue, symbol in (("shfe", "ru1901"), ("shfe", "ru1905"), ("binance", "BTCUSDT"), ("dce", "m1901")):
        one, other = calendar.schedule(venue, symbol), again.schedule(venue, symbol)
        assert type(one) is type(other)
        assert one.sessions("20181009") == other.sessions("20181009")
        assert [one.place(midnight(DAY) + n * 7 * NANOS_PER_MINUTE) for n in range(-100, 300)] == [
            other.place(midnight(DAY) + n * 7 * NANOS_PER_MINUTE) for n in range(-100, 300)
        ]
    assert again.changes() == calendar.changes()
    assert isinstance(again.schedule("binance", "BTCUSDT"), AlwaysOpen)


def test_a_pickled_schedule_keeps_what_was_overruled_on_its_last_day() -> None:
    days = TradingDays()
    calendar = MarketCalendar(days)
    last = last_day_of("cffex", "T1812", days)
    if last is None:
        pytest.fail("expected a last day of T1812, was none")
    text = last.day.strftime("%Y%m%d")
    schedule = calendar.schedule("cffex", "T1812")
    opens = midnight(last.day) + 14 * HOUR
    schedule.overrule(SessionChange("cffex", "T", text, opens, opens + HOUR))
    again: Schedule = pickle.loads(pickle.dumps(schedule))
    assert again.sessions(text) == schedule.sessions(text)
