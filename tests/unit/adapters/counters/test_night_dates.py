"""The two days of a row: whatever counters put into them, the session is the one that it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.counters.depth.event_times import NightStamp, Part
from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.recordings.night_stamps import StampedRow, night_stamp_of
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.unit.adapters.counters.test_spoiled_rows import ctp_row, save

# A Friday with its night into Saturday, and the Monday that it counts for; then a Wednesday's into Thursday.
FRI, SAT, MON, WED, THU = "20250307", "20250308", "20250310", "20250305", "20250306"
AU = ("21:00:05", "23:59:50", "00:00:10", "02:29:55", "09:00:05", "10:14:00")
NATURAL, SESSION = [FRI, FRI, SAT, SAT, MON, MON], [MON] * 6
NONE = [""] * 6

DISORDERS = {
    "as it should be": (SESSION, NATURAL),
    "the trading day in both": (SESSION, SESSION),
    "the natural day in both": (NATURAL, NATURAL),
    "swapped": (NATURAL, SESSION),
    "no ActionDay": (SESSION, NONE),
    "no ActionDay, natural days": (NATURAL, NONE),
    "no TradingDay": (NONE, NATURAL),
    "no TradingDay, days of sessions": (NONE, SESSION),
    "not changed at midnight": (SESSION, [FRI, FRI, FRI, FRI, MON, MON]),
    "changed to the Monday at midnight": (SESSION, [FRI, FRI, MON, MON, MON, MON]),
    "a TradingDay that is none": (["0", "x", "99999999", "2025", "-", "None"], NATURAL),
}


def rows_of(
    symbol: str, exchange: str, clocks: tuple[str, ...], days: list[str], actions: list[str]
) -> list[dict[str, str]]:
    return [
        ctp_row(n)
        | {"InstrumentID": symbol, "ExchangeID": exchange, "UpdateTime": clock, "TradingDay": day, "ActionDay": action}
        for n, (clock, day, action) in enumerate(zip(clocks, days, actions, strict=True))
    ]


@pytest.mark.parametrize("disorder", DISORDERS)
@pytest.mark.parametrize(
    ("symbol", "exchange"), [("au2506", "SHFE"), ("sc2506", ""), ("m2505", "DCE"), ("SR505", "CZCE")]
)
def test_a_fridays_night_is_of_the_monday(
    tmp_path: Path, calendar: MarketCalendar, disorder: str, symbol: str, exchange: str
) -> None:
    days, actions = DISORDERS[disorder]
    keep = [0, 4, 5] if symbol in ("m2505", "SR505") else [0, 1, 2, 3, 4, 5]
    rows = [rows_of(symbol, exchange, AU, days, actions)[n] for n in keep]
    straight = [rows_of(symbol, exchange, AU, SESSION, NATURAL)[n] for n in keep]
    if symbol == "m2505":  # Dalian's own order
        straight = [row | {"ActionDay": row["TradingDay"]} for row in straight]
    right = list(Recording(save(tmp_path / "right.csv", CTP_COLUMNS, straight), calendar).rows())
    recording = Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar)
    found = [(tick.ts_event, tick.trading_day) for tick in recording.rows()]
    assert recording.refused == []
    assert {day for _, day in found} == {MON}
    assert found == [(tick.ts_event, tick.trading_day) for tick in right]


def test_an_evening_behind_its_day_is_the_natural_one(tmp_path: Path, calendar: MarketCalendar) -> None:
    for days, actions in (([WED, WED, THU], [WED, WED, THU]), ([WED, THU, THU], [WED, THU, THU])):
        rows = rows_of("SR505", "CZCE", ("14:59:59", "21:00:05", "09:00:05"), days, actions)
        found = [tick.trading_day for tick in Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar).rows()]
        assert found == [WED, THU, THU]


def test_a_day_that_is_none_is_not_taken_outside_of_sessions(tmp_path: Path, calendar: MarketCalendar) -> None:
    texts = ("garbage", "20250399", "20250304.0", "2025-03-04", "2025/03/04")
    rows = [
        ctp_row(n) | {"UpdateTime": "08:50:00", "TradingDay": text, "ActionDay": "20250304"}
        for n, text in enumerate(texts)
    ]
    recording = Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar)
    assert [(tick.source_seq, tick.trading_day) for tick in recording.rows()] == [(n, "20250304") for n in (3, 4, 5)]
    assert recording.refused == [
        f"row {n}: column TradingDay: expected a date as YYYYMMDD, was {text!r}" for n, text in enumerate(texts[:2], 1)
    ]


def test_evenings_tell_what_their_day_is_by_the_rows_around() -> None:
    def found(*rows: tuple[Part, str]) -> NightStamp | None:
        return night_stamp_of(StampedRow("rb2505", part, day) for part, day in rows)

    assert found((Part.EVENING, MON), (Part.AFTER_MIDNIGHT, MON)) is None
    assert found((Part.EVENING, MON), (Part.DAY, MON)) is NightStamp.TRADING_DAY
    assert found((Part.DAY, FRI), (Part.EVENING, MON)) is NightStamp.TRADING_DAY
    assert found((Part.EVENING, FRI), (Part.DAY, MON)) is NightStamp.NATURAL
    assert found((Part.DAY, FRI), (Part.EVENING, FRI)) is NightStamp.NATURAL
    # One row that is wrong does not decide.
    spoiled = [(Part.DAY, WED), (Part.EVENING, WED), (Part.DAY, WED), (Part.DAY, THU), (Part.EVENING, THU)]
    assert found(*spoiled) is NightStamp.NATURAL
