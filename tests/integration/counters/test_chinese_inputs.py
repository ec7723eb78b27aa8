"""Recordings as people of the Chinese market have them, through reader, validator and aggregator."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from marketprism_adapters.counters.depth.fields import Numbers
from marketprism_adapters.counters.depth.messages import CTP_COLUMNS, ctp_maker
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_application.contracts.packed import Packed
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at

DBL_MAX = "1.7976931348623157e+308"
INTERVALS = ("1m", "1h", "4h", "1d")


async def bars_of(path: Path, calendar: MarketCalendar) -> tuple[Rebuilt, list[Tick], ReplaySource]:
    source = ReplaySource([path], calendar)
    await source.connect()
    ticks: list[Tick] = []

    def keep(packed: Packed) -> None:
        ticks.extend(packed.ticks)

    made = await rebuild(
        source.stream({}), calendar, bars=BarSettings(INTERVALS), rules=ValidationRules(), on_validated=keep
    )
    return made, ticks, source


def row(**cells: object) -> str:
    plain = dict.fromkeys(CTP_COLUMNS, DBL_MAX)
    plain |= {name: "0" for name in CTP_COLUMNS if name.startswith(("BidVolume", "AskVolume"))}
    plain |= {"ExchangeID": "", "UpdateMillisec": "0", "TradingDay": "", "ActionDay": ""}
    return ",".join(str((plain | cells)[name]) for name in CTP_COLUMNS)


def save(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([",".join(CTP_COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["SPD_SR509_SR511_20250617", "SPD_SR509_SR511_no_exchange"])
async def test_a_calendar_spread_around_zero(fixtures: Path, calendar: MarketCalendar, name: str) -> None:
    made, ticks, source = await bars_of(fixtures / f"turn2/{name}.csv", calendar)
    assert (made.ticks_read, made.published, made.rejected, source.skipped) == (25, 25, {}, {})
    assert {(tick.venue, tick.verdict) for tick in ticks} == {("czce", "valid")}
    assert sum(tick.last == 0 for tick in ticks) == 4
    minutes = [(b.open, b.high, b.low, b.close, b.volume) for b in made.bars if b.interval == "1m"]
    assert minutes[:4] == [(-3, 2, -3, 2, 12), (1, 1, -4, -4, 12), (-5, 0, -5, 0, 12), (0, 3, 0, 1, 12)]
    assert made.bars[0].ts_open == at("2025-06-17 09:00:00")
    assert {bar.trading_day for bar in made.bars} == {"20250617"}


async def test_a_file_with_a_mark_is_read_like_the_file_without(fixtures: Path, calendar: MarketCalendar) -> None:
    _, marked, _ = await bars_of(fixtures / "turn2/T2506_with_bom.csv", calendar)
    _, plain, _ = await bars_of(fixtures / "turn2/T2506_20250314.csv.gz", calendar)
    assert len(marked) > 100
    fields = Tick._fields[Tick._fields.index("last") : Tick._fields.index("asks") + 1]
    assert [[getattr(t, f) for f in fields] for t in marked] == [
        [getattr(t, f) for f in fields] for t in plain[: len(marked)]
    ]


async def test_an_ordinary_day_of_a_bond_future(fixtures: Path, calendar: MarketCalendar) -> None:
    made, _, source = await bars_of(fixtures / "turn2/T2506_20250314.csv.gz", calendar)
    (day,) = [bar for bar in made.bars if bar.interval == "1d"]
    assert (day.ts_close, day.gap, source.skipped) == (at("2025-03-14 15:15:00"), False, {})


async def test_the_last_day_of_a_bond_future_ends_at_half_past_eleven(
    fixtures: Path, calendar: MarketCalendar, tmp_path: Path
) -> None:
    def last_day() -> Path:
        with gzip.open(fixtures / "turn2/T2506_20250314.csv.gz", "rt", encoding="utf-8") as text:
            lines = text.read().replace("T2506", "T2503").splitlines()
        clock = lines[0].split(",").index("UpdateTime")
        path = tmp_path / "T2503.csv"
        path.write_text(
            "\n".join([lines[0], *(x for x in lines[1:] if x.split(",")[clock] < "11:30:01")]) + "\n", "utf-8"
        )
        return path

    made, _, _ = await bars_of(await asyncio.to_thread(last_day), calendar)
    found = {bar.interval: bar for bar in made.bars}
    assert {"1d", "4h"} <= set(found)
    assert found["1d"].ts_close == found["4h"].ts_close == at("2025-03-14 11:30:00")
    assert not found["1d"].gap


async def test_a_night_without_a_trading_day(fixtures: Path, calendar: MarketCalendar) -> None:
    made, ticks, source = await bars_of(fixtures / "turn2/p2605_night_without_trading_day.csv", calendar)
    assert (len(ticks), made.rejected, source.skipped) == (32, {}, {})
    assert {tick.trading_day for tick in ticks} == {"20260106"}
    assert (ticks[0].ts_event, ticks[-1].ts_event > at("2026-01-06 09:00:00")) == (at("2026-01-05 21:00:00"), True)


# -- what fronts put into the date columns ----------------------------------------------------------------------------

CASES = {
    "Shanghai, natural days, after midnight": (
        "ag2506",
        "20250304",
        "20250304",
        "00:30:00",
        "2025-03-04 00:30:00",
        "20250304",
    ),
    "Dalian, ActionDay of the session, Friday's night": (
        "m2505",
        "20250310",
        "20250310",
        "21:00:01",
        "2025-03-07 21:00:01",
        "20250310",
    ),
    "Zhengzhou, both natural, Friday's night": (
        "SR505",
        "20250307",
        "20250307",
        "21:00:01",
        "2025-03-07 21:00:01",
        "20250310",
    ),
    "Shanghai, Friday's night after midnight": (
        "ag2506",
        "20250310",
        "20250308",
        "01:00:00",
        "2025-03-08 01:00:00",
        "20250310",
    ),
    "no ActionDay, Friday's night after midnight": (
        "ag2506",
        "20250310",
        "",
        "01:00:00",
        "2025-03-08 01:00:00",
        "20250310",
    ),
    "no TradingDay, Dalian, before a day without a night": (
        "m2505",
        "",
        "20250407",
        "21:00:01",
        "2025-04-07 21:00:01",
        "20250408",
    ),
    "no TradingDay, Dalian, ActionDay of the session on a holiday's eve": (
        "m2505",
        "",
        "20250403",
        "21:00:01",
        "2025-04-02 21:00:01",
        "20250403",
    ),
    "days as doubles": ("rb2505", "20250304.0", "20250304.0", "09:00:01", "2025-03-04 09:00:01", "20250304"),
}


@pytest.mark.parametrize("name", CASES)
def test_days_of_a_row(calendar: MarketCalendar, name: str) -> None:
    symbol, trading_day, action_day, clock, when, day = CASES[name]
    cells = row(
        InstrumentID=symbol, TradingDay=trading_day, ActionDay=action_day, UpdateTime=clock, LastPrice=1, Volume=1
    )
    tick = ctp_maker(calendar, "x", Numbers())(tuple(cells.split(",")), 1, None)
    assert isinstance(tick, Tick)
    assert (tick.ts_event, tick.trading_day) == (at(when), day)


LIVE = {
    "ActionDay of the session on Friday's night": ("ag2506", "20250310", "20250310", "21:00:01", "2025-03-07 21:00:01"),
    "no day at all": ("m2505", "", "", "21:00:01", "2025-03-07 21:00:01"),
    "no day at all, after midnight": ("ag2506", "", "", "00:00:00", "2025-03-08 00:00:00"),
    "what a login brings of the evening before": ("rb2505", "20250307", "20250306", "22:59:59", "2025-03-06 22:59:59"),
}


@pytest.mark.parametrize("name", LIVE)
def test_days_of_a_live_message_by_when_it_came(calendar: MarketCalendar, name: str) -> None:
    symbol, trading_day, action_day, clock, when = LIVE[name]
    data: dict[str, object] = dict.fromkeys(CTP_COLUMNS, float(DBL_MAX))
    data |= {c: 0 for c in CTP_COLUMNS if "Volume" in c} | {"ExchangeID": "", "UpdateMillisec": 0, "LastPrice": 1.0}
    data |= {"InstrumentID": symbol, "TradingDay": trading_day, "ActionDay": action_day, "UpdateTime": clock}
    came = at("2025-03-07 08:30:00") if "login" in name else at(when) + 30_000_000_000  # half a minute off besides
    tick = DepthReader(calendar, "ctp").tick(data, 1, came)
    assert isinstance(tick, Tick)
    assert tick.ts_event == at(when)


async def test_several_snapshots_of_one_second_and_rows_of_two_fronts(tmp_path: Path, calendar: MarketCalendar) -> None:
    """Zhengzhou stamps whole seconds: what differs counts, what is the same is a duplicate."""
    same = {"InstrumentID": "SR505", "TradingDay": "20250304", "ActionDay": "20250304", "UpdateTime": "09:00:01"}
    rows = [
        row(**same, LastPrice=price, Volume=volume) for price, volume in ((5900, 1), (5901, 2), (5901, 2), (5902, 3))
    ]
    made, ticks, _ = await bars_of(await asyncio.to_thread(save, tmp_path / "x.csv", *rows), calendar)
    assert [int(tick.last or 0) for tick in ticks] == [5900, 5901, 5902]
    assert made.rejected == {"duplicate": 1}
    (minute,) = [bar for bar in made.bars if bar.interval == "1m"]
    assert (minute.open, minute.high, minute.close, minute.volume) == (5900, 5902, 5902, 3)


async def test_a_trade_at_settlement_and_a_spread_of_dalian_without_an_exchange(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    day = {"TradingDay": "20250304", "ActionDay": "20250304", "UpdateTime": "09:00:01", "LastPrice": 0, "Volume": 2}
    rows = [
        row(InstrumentID="sc2505TAS", **day, Turnover=0),
        row(
            InstrumentID="SP m2505&m2509", **day, Turnover=-268500, BidPrice1=0, BidVolume1=3, AskPrice1=1, AskVolume1=1
        ),
        row(InstrumentID="rb2505", **day, BidPrice1=0, BidVolume1=3, Turnover=-1),
    ]
    made, ticks, _ = await bars_of(await asyncio.to_thread(save, tmp_path / "x.csv", *rows), calendar)
    assert made.rejected == {}
    found = {tick.symbol: tick for tick in ticks}
    assert [(each.venue, each.last, each.turnover, len(each.bids)) for each in found.values()] == [
        ("ine", 0, 0, 0),
        ("dce", 0, None, 1),
        ("shfe", None, None, 0),  # of an ordinary future 0 is no price
    ]
    assert all(bar.turnover >= 0 for bar in made.bars)
