"""A gateway whose host's clock is off, at a front: every trade is in the bar of its own time, and the offset is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.simulated_front.markets import Recorded
from marketprism_application.contracts.packed import Packed
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.events.pipeline import ClockOff
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.observability import Metrics
from marketprism_services.validator.clock_watch import ClockWatch
from tests.integration.counters.test_ctp_front import Line
from tests.unit.adapters.counters.test_spoiled_rows import ctp_row, save

pytestmark = pytest.mark.timeout(120)

FRIDAY, SATURDAY, MONDAY = "20250307", "20250308", "20250310"
# From the auction of a Friday's night over its opening, midnight and its end to the opening of the Monday.
EDGES = (
    (FRIDAY, 20 * 3600 + 59 * 60 - 20, 140),
    (FRIDAY, 23 * 3600 + 59 * 60, 60),
    (SATURDAY, 0, 60),
    (SATURDAY, 2 * 3600 + 29 * 60, 61),
    (MONDAY, 9 * 3600, 90),
)


@pytest.fixture
async def line(calendar: MarketCalendar, tmp_path: Path) -> AsyncIterator[Line]:
    made = Line(calendar, tmp_path)
    yield made
    for front in made.fronts:
        await front.stop()


def recording(path: Path) -> Path:
    rows: list[dict[str, str]] = []
    for day, first, seconds in EDGES:
        for second in range(first, first + seconds):
            clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            days = {"ActionDay": day, "TradingDay": MONDAY, "UpdateTime": clock}
            rows.append(ctp_row(len(rows)) | {"InstrumentID": "au2506", "UpdateMillisec": "0", **days})
    return save(path, CTP_COLUMNS, rows)


async def heard(
    line: Line, path: Path, calendar: MarketCalendar, off_s: float
) -> tuple[Rebuilt, dict[str, float], list[ClockOff]]:
    market = await asyncio.to_thread(Recorded, f"sim:{path}", calendar)
    source = line.source(await line.open(market, speed=50_000.0, clock_off_s=off_s), instruments=("au2506",))
    await source.connect()
    clock = VenueClock()

    def hear(packed: Packed) -> None:
        for tick in packed.ticks:
            clock.hears(tick.symbol, tick.ts_event, tick.ts_recv)

    settings = BarSettings(intervals=("1m", "4h"))
    made = await rebuild(source.stream({}), calendar, bars=settings, rules=ValidationRules(), on_validated=hear)
    await source.close()
    watch = ClockWatch(Metrics("validator"))
    found = watch.look([(0, {("shfe", "ctp"): clock})], 3.0)
    return made, watch.status().get("shfe", {}), found


def of_bars(bars: list[Bar]) -> list[tuple[object, ...]]:
    return [
        (bar.interval, bar.trading_day, bar.ts_open, bar.ts_close, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in bars
    ]


@pytest.mark.parametrize("off_s", [-30.0, 30.0, -3600.0])
async def test_a_clock_that_is_off_moves_no_trade_of_a_night(
    line: Line, tmp_path: Path, calendar: MarketCalendar, off_s: float
) -> None:
    path = recording(tmp_path / "au.csv")
    right, _, nothing = await heard(line, path, calendar, 0.0)
    assert nothing == []
    assert {bar.trading_day for bar in right.bars} == {MONDAY}
    made, offsets, found = await heard(line, path, calendar, off_s)
    assert (made.rejected, made.ticks_read) == (right.rejected, right.ticks_read)
    assert offsets == {"ctp": pytest.approx(off_s, abs=1.0)}
    assert [event.offset_s for event in found] == [pytest.approx(off_s, abs=1.0)]
    first = of_bars(right.bars)[0][2]
    # What came before the offset was known, in the auction, is a gap of the first minute.
    assert made.stale <= 3
    assert [bar for bar in of_bars(made.bars) if bar[2] != first] == [
        bar for bar in of_bars(right.bars) if bar[2] != first
    ]
    assert {bar.trading_day for bar in made.bars} == {MONDAY}
