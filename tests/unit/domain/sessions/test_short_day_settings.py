"""Days that the settings make short: the same in the table of sessions, in bars and in gaps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_adapters.calendars import CalendarSettings, chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.rules import ValidationRules
from tests.unit.adapters.counters.test_spoiled_rows import ctp_row, save

HOUR = 3600 * 10**9


def calendar_with(*short: str) -> MarketCalendar:
    return chinese_calendar_of_markets(CalendarSettings(short=short))


def hours(calendar: MarketCalendar, venue: str, symbol: str, day: str) -> list[str]:
    def clock(ts: int) -> str:
        minutes = (ts + 8 * HOUR) // (60 * 10**9) % 1440
        return f"{minutes // 60:02}:{minutes % 60:02}"

    return [f"{clock(s.ts_open)}-{clock(s.ts_close)}" for s in calendar.schedule(venue, symbol).sessions(day)]


@pytest.mark.parametrize(
    ("short", "venue", "symbol", "sections"),
    [
        ("2025-03-04 11:30", "shfe", "rb2505", ["21:00-23:00", "09:00-10:15", "10:30-11:30"]),
        ("2025-03-04 11:00", "cffex", "IF2503", ["09:30-11:00"]),
        ("2025-03-04 10:15", "czce", "AP505", ["09:00-10:15"]),
        ("2025-03-04 no-night", "shfe", "rb2505", ["09:00-10:15", "10:30-11:30", "13:30-15:00"]),
        ("cffex 2025-03-04 11:30", "cffex", "T2506", ["09:30-11:30"]),
        ("CFFEX 2025-03-04 11:30", "shfe", "wr2505", ["09:00-10:15", "10:30-11:30", "13:30-15:00"]),
        ("SR 2025-03-04 10:15", "czce", "SPD SR505&SR507", ["21:00-23:00", "09:00-10:15"]),
        ("SR 2025-03-04 10:15", "czce", "SR505C6000", ["21:00-23:00", "09:00-10:15"]),
        ("sc.INE 2025-03-04 10:00", "ine", "sc2505TAS", ["21:00-02:30", "09:00-10:00"]),
        ("T2506 2025-03-04 10:30", "cffex", "T2506", ["09:30-10:30"]),
        ("T2506 2025-03-04 10:30", "cffex", "T2509", ["09:30-11:30", "13:00-15:15"]),
        ("2025-03-05 11:30", "cffex", "T2509", ["09:30-11:30", "13:00-15:15"]),
    ],
)
def test_a_short_day_is_that_of_what_it_names(short: str, venue: str, symbol: str, sections: list[str]) -> None:
    calendar = calendar_with(short)
    assert hours(calendar, venue, symbol, "20250304") == sections
    assert hours(calendar.copy(), venue, symbol, "20250304") == sections
    assert calendar.schedule(venue, symbol).sessions("20250304")[-1].last


def test_several_settings_of_a_day_hold_together() -> None:
    calendar = calendar_with("2025-03-04 no-night", "rb 2025-03-04 11:30")
    assert hours(calendar, "shfe", "rb2505", "20250304") == ["09:00-10:15", "10:30-11:30"]
    assert hours(calendar, "shfe", "hc2505", "20250304") == ["09:00-10:15", "10:30-11:30", "13:30-15:00"]
    assert calendar.schedule("shfe", "hc2505").is_short("20250304")
    assert not calendar.schedule("shfe", "hc2505").is_short("20250305")


def test_a_word_of_the_venue_holds_for_a_contract_with_a_day_of_its_own() -> None:
    calendar = calendar_with("T2506 2025-03-04 10:30")
    noon = calendar.schedule("cffex", "T2509").sessions("20250305")[0].ts_close
    calendar.overrule(SessionChange("cffex", "T", "20250305", noon - 2 * HOUR, noon - HOUR))
    for symbol in ("T2506", "T2509"):
        assert hours(calendar, "cffex", symbol, "20250305") == ["09:30-10:30", "13:00-15:15"]


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-04",
        "2025-03-04 16:00",
        "2025-03-04 09:00",
        "2025-03-04 1130",
        "2025-03-04 11:75",
        "11:30 2025-03-04",
        "xx 2025-03-04 11:30",
        "2025-03-08 11:30",
        "rb shfe 2025-03-04 11:30",
        "",
    ],
)
def test_what_is_no_short_day_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="short"):
        CalendarSettings(short=(text,))


def test_a_closed_day_is_no_short_one() -> None:
    with pytest.raises(InvalidValue, match="trading days"):
        CalendarSettings(closed=("2027-02-09",), short=("2027-02-09 11:30",))


def test_bars_of_a_short_day_close_with_it_and_nothing_is_missing(tmp_path: Path) -> None:
    minutes = [*range(9 * 60, 10 * 60 + 15), *range(10 * 60 + 30, 11 * 60 + 30)]
    clocks = [f"{m // 60:02}:{m % 60:02}:{s:02}" for m in minutes for s in (0, 30)]
    rows = [
        ctp_row(n) | {"InstrumentID": "wr2505", "UpdateTime": clock} for n, clock in enumerate([*clocks, "11:30:00"])
    ]
    path = save(tmp_path / "x.csv", CTP_COLUMNS, rows)

    async def bars_of(calendar: MarketCalendar) -> list[tuple[str, str, bool]]:
        source = ReplaySource([path], calendar)
        await source.connect()
        settings = BarSettings(intervals=("4h", "1d"))
        made = await rebuild(source.stream({}), calendar, bars=settings, rules=ValidationRules())
        return [(bar.interval, bar.trading_day, bar.gap) for bar in made.bars]

    assert asyncio.run(bars_of(calendar_with("wr 2025-03-04 11:30"))) == [
        ("4h", "20250304", False),
        ("1d", "20250304", False),
    ]
    # Without the setting the afternoon is still to come: no day is closed.
    assert ("1d", "20250304", False) not in asyncio.run(bars_of(calendar_with()))
