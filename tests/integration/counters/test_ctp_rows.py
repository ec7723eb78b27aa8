"""Rows of the recordings: right trading day, right minute, kept or refused for the reason that is stated.

All that lie near the edge of a session, outside of all, or are like the one before, and a sixth of the others.

The expectations are made here, from the raw columns and hours that are written down here, without our calendar.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.replay.rebuild import rebuild
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at
from tests.unit.domain.bars.test_bars import builder

DBL_MAX = 1.7976931348623157e308
HOURS = {
    "AP": [(540, 615), (630, 690), (810, 900)],
    "ru": [(1260, 1380), (540, 615), (630, 690), (810, 900)],
    "IF": [(570, 690), (780, 900)],
}
AUCTIONS = {"AP": [540], "ru": [1260, 540], "IF": [570]}
FILES = {
    **{f"AP010_2020080{n}": "AP" for n in range(3, 8)},
    "AP101_20200803": "AP",
    "AP101_20200804": "AP",
    **{f"ru1901_201810{n}": "ru" for n in ("08", "09", "10")},
    "CFFEX_IF2101_20210104": "IF",
    "CFFEX_IF2101_20210105": "IF",
}
FIRST_DAYS = {"AP010_20200803", "AP101_20200803", "ru1901_20181008", "CFFEX_IF2101_20210104"}
FURTHER_DAYS = sorted(FILES.keys() - FIRST_DAYS)


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def part_of(path: Path, folder: Path, product: str) -> Path:
    """The rows of a recording that may be read in more than one way, and a sixth of the others."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        header, *lines = text.readlines()
    rows = csv.DictReader([header, *lines])
    part = folder / path.name
    with gzip.open(part, "wt", encoding="utf-8", newline="", compresslevel=1) as file:
        file.write(header)
        for number, (line, row) in enumerate(zip(lines, rows, strict=True)):
            if number % 6 == 0 or line in lines[max(0, number - 1) : number + 2 : 2] or is_near_an_edge(product, row):
                file.write(line)
    return part


def is_near_an_edge(product: str, row: dict[str, str]) -> bool:
    """Whether a row is of the two minutes around an opening or a close, or of no session."""
    seconds = read(row)[2]
    edges = [edge * 60 for hours in HOURS[product] for edge in hours]
    return minute_of(product, seconds) is None or any(abs(seconds - edge) <= 60 for edge in edges)


def minute_of(product: str, seconds: float) -> int | None:
    """Minute of the day that a time belongs to; None outside."""
    for opens, closes in HOURS[product]:
        if opens * 60 <= seconds < closes * 60:
            return int(seconds // 60)
        if closes * 60 <= seconds < closes * 60 + 60:
            return closes - 1
        if opens in AUCTIONS[product] and (opens - 5) * 60 <= seconds < opens * 60:
            return opens
    return None


def read(row: dict[str, str]) -> tuple[str, str, float, int]:
    """Stated trading day, natural day, seconds of the day, the day's volume."""
    if "action_time" in row:
        clock = row["action_time"].zfill(9)
        seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6]) + int(clock[6:]) / 1000
        return row["trading_date"], row["action_date"], seconds, int(float(row["total_volume"]))
    hours, minutes, second = (int(part) for part in row["UpdateTime"].split(":"))
    seconds = hours * 3600 + minutes * 60 + second + int(row["UpdateMillisec"]) / 1000
    return row["TradingDay"], row["ActionDay"], seconds, int(float(row["Volume"]))


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.long_on(*FURTHER_DAYS)
async def test_every_row_has_its_trading_day_and_its_lots_are_in_its_minute(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar, name: str
) -> None:
    product = FILES[name]
    path = part_of(fixtures / f"ctp/ticks/{name}.csv.gz", tmp_path, product)
    raw = rows_of(path)
    lots: dict[tuple[str, str, int], int] = defaultdict(int)
    before: dict[str, int] = {}
    days, repeats, early = [], 0, 0
    for number, row in enumerate(raw):
        day, natural, seconds, volume = read(row)
        days.append(day)
        minute = minute_of(product, seconds)
        if number and row == raw[number - 1]:
            repeats += 1
        elif minute is None and not before:
            early += 1  # the last snapshot of an evening before, sent at login
        elif minute is not None:
            lots[day, natural, minute] += volume - before.get(day, 0)
            before[day] = volume
    assert len(raw) > 300
    ticks: list[Tick] = []
    source = ReplaySource([path], calendar, checked=True)
    await source.connect()
    built = await rebuild(
        source.stream({}),
        calendar,
        bars=BarSettings(("1m",)),
        rules=ValidationRules(),
        on_validated=lambda packed: ticks.extend(packed.ticks),
    )
    await source.close()
    assert built.rejected == ({"duplicate": repeats} if repeats else {})
    assert built.stale == early
    assert Counter(tick.trading_day for tick in ticks) + Counter(
        day for number, day in enumerate(days) if number and raw[number] == raw[number - 1]
    ) == Counter(days)
    made = {}
    for bar in built.bars:
        seconds = (bar.ts_open + 8 * 3600 * 10**9) // 10**9
        natural = at_day(seconds)
        made[bar.trading_day, natural, seconds % 86_400 // 60] = bar.volume
    assert made == {key: Decimal(count) for key, count in lots.items() if key in made or count}


def at_day(seconds: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d")


def message(**given: Any) -> dict[str, Any]:
    """The fields of the API: what is not given has no value."""
    from marketprism_adapters.counters.depth.messages import CTP_COLUMNS  # noqa: PLC0415

    whole = {name: 0 for name in CTP_COLUMNS if "Volume" in name}
    return {**dict.fromkeys(CTP_COLUMNS, DBL_MAX), **whole, "ExchangeID": "", "ActionDay": "", **given}


def judged(calendar: MarketCalendar, ticks: list[Tick]) -> list[Tick]:
    made = Packed(PACKED_VERSION, "ctp", 1, 0, tuple(ticks))
    return ShardValidator(calendar, ValidationRules()).process(made, 1, 0).ticks


def test_single_ticks_of_shanghai_and_dalian(fixtures: Path, calendar: MarketCalendar) -> None:
    lines = (fixtures / "ctp/messages/ctp_ticks_single.jsonl").read_text().splitlines()
    night, early = (DepthReader(calendar, "ctp").tick(message(**json.loads(line)), 1) for line in lines)
    assert isinstance(night, Tick)
    assert (night.venue, night.trading_day, night.ts_event) == ("shfe", "20211119", at("2021-11-18 23:40:51.5"))
    assert (len(night.bids), len(night.asks), night.average_price) == (5, 5, Decimal("91700.12750944626"))
    (kept,) = judged(calendar, [night])
    assert (kept.phase, kept.verdict) == ("continuous", "valid")
    assert isinstance(early, Tick)
    assert (early.venue, early.trading_day, early.ts_event) == ("dce", "20180824", at("2018-08-24 07:54:41.5"))
    assert early.settlement is None
    assert early.asks[1:] == early.bids[1:] == ()
    (aside,) = judged(calendar, [early])
    assert aside.phase in ("break", "closed")
    bars = builder(calendar, venue="dce", symbol="j1901")
    assert bars.on_tick(aside) == []
    assert bars.on_clock(at("2018-08-24 09:30:00")) == [], "kept as it is, in no bar"
    late = early._replace(ts_recv=at("2018-08-24 08:30:00"))
    assert judged(calendar, [late])[0].verdict == "stale", "sent again at a login"


def test_silvers_evening_rows_before_and_in_the_auction(fixtures: Path, calendar: MarketCalendar) -> None:
    with (fixtures / "ctp/messages/ag2505_auction_rows.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    ticks = []
    for number, row in enumerate(rows, 1):
        numbers = {
            name: float(value) if value else DBL_MAX
            for name, value in row.items()
            if name not in ("TradingDay", "InstrumentID", "UpdateTime")
        }
        whole = {name: int(numbers[name]) for name in numbers if "Volume" in name or name == "UpdateMillisec"}
        made = DepthReader(calendar, "ctp").tick(message(**{**row, **numbers, **whole}), number)
        assert isinstance(made, Tick)
        ticks.append(made)
    assert {tick.trading_day for tick in ticks} == {"20250303"}
    assert ticks[0].ts_event == at("2025-02-28 18:37:52.377"), "Friday evening belongs to Monday"
    kept = judged(calendar, ticks)
    assert [tick.phase for tick in kept] == ["closed", "auction", "continuous", "continuous", "continuous"]
    bars = builder(calendar, symbol="ag2505")
    for tick in kept:
        assert bars.on_tick(tick) == []
    (bar,) = bars.on_clock(at("2025-02-28 21:01:05"))
    assert (bar.ts_open, bar.open, bar.volume, bar.close) == (at("2025-02-28 21:00:00"), 7850, 104, 7847)


def test_an_option_on_a_fund_trades_in_the_stock_exchanges_hours(calendar: MarketCalendar) -> None:
    listed = {"90005909": "szse", "10009876": "sse"}
    reader = DepthReader(calendar, "sopt", listed)
    for clock, ms, phase in (
        ("09:20:00", 0, "auction"),
        ("09:30:00", 40, "continuous"),
        ("11:30:00", 0, "section_end"),
        ("12:00:00", 0, "break"),
        ("14:58:30", 990, "continuous"),
        ("15:00:00", 0, "section_end"),
    ):
        for symbol, venue in listed.items():
            given = message(
                InstrumentID=symbol,
                TradingDay="20250813",
                UpdateTime=clock,
                UpdateMillisec=ms,
                LastPrice=0.1234,
                Volume=7,
                BidPrice1=0.1233,
                BidVolume1=3,
                AskPrice1=0.1235,
                AskVolume1=2,
                UpperLimitPrice=DBL_MAX,
            )
            tick = reader.tick(given, 1)
            assert isinstance(tick, Tick)
            assert (tick.venue, tick.last, tick.limit_up) == (venue, Decimal("0.1234"), None)
            assert tick.ts_event == at(f"2025-08-13 {clock}") + ms * 1_000_000
            assert judged(calendar, [tick])[0].phase == phase, clock
