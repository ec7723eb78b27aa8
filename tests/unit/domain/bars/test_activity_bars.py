"""Bars by ticks, volume and turnover."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.bars.activity_bars import Activity, ActivityBarBuilder
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import Turnover
from tests.fakes.ticks import at, tick

TICKS = [tick(at("2025-03-03 09:00:00") + n * 10**9, 100 + n % 3, 10 * (n + 1)) for n in range(20)]


@pytest.mark.parametrize(("measure", "size", "ticks"), [("tick", 5, 5), ("volume", 40, 4), ("turnover", 25_000, 3)])
def test_a_bar_closes_with_the_tick_that_fills_it(
    calendar: MarketCalendar, measure: str, size: int, ticks: int
) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity(measure, Decimal(size)))
    bars = [bar for each in TICKS for bar in builder.on_tick(each)]
    assert {bar.ticks for bar in bars} == {ticks}
    assert sum((bar.volume for bar in bars), Decimal(0)) == 10 * ticks * len(bars)
    assert all(bar.low <= bar.open <= bar.high for bar in bars)
    assert bars[0].interval == f"{measure}:{size}"


def test_trades_are_counted_by_what_each_of_them_traded(calendar: MarketCalendar) -> None:
    builder = ActivityBarBuilder(calendar.schedule("binance", "BTC-USDT"), Activity.parse("volume:10"))
    trades = [
        tick(at("2025-03-03 09:00:00") + n, 100, None, venue="binance", traded=Decimal(4), traded_turnover=Decimal(400))
        for n in range(6)
    ]
    bars = [bar for each in trades for bar in builder.on_tick(each)]
    assert [(bar.volume, bar.turnover) for bar in bars] == [(12, 1_200), (12, 1_200)]


def test_every_value_of_a_bar_is_of_the_ticks_in_it(calendar: MarketCalendar) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity.parse("tick:4"))
    prices, interest = (103, 107, 101, 105), (Decimal(900), Decimal(910), None, None)
    ticks = [
        tick(f"2025-03-03 09:00:0{n + 1}", price, 10 * (n + 1), open_interest=interest[n], ts_recv=7 + n)._replace(
            ts_pub=70 + n
        )
        for n, price in enumerate(prices)
    ]
    assert [bar for each in ticks[:3] for bar in builder.on_tick(each)] == []
    (bar,) = builder.on_tick(ticks[3])
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover) == (103, 107, 101, 105, 40, 40_000)
    assert (bar.ticks, bar.open_interest, bar.revision, bar.gap) == (4, 910, 0, False)
    assert (bar.ts_open, bar.ts_close, bar.ts_event) == (ticks[0].ts_event, ticks[3].ts_event, ticks[3].ts_event)
    assert (bar.ts_recv, bar.ts_pub, bar.trading_day, bar.interval) == (10, 73, "20250303", "tick:4")
    assert bar.seq == ticks[0].ts_event // 10**9


@pytest.mark.parametrize(
    "left_out",
    [
        tick("2025-03-03 09:00:05", 100, 500, verdict="stale"),
        tick("2025-03-03 09:00:05", None, 500),
        tick("2025-03-03 09:00:05", 100, 0),
        tick("2025-03-03 16:00:00", 100, 500),
        tick("2025-02-28 14:00:00", 100, 500, day="20250228"),
    ],
    ids=["stale", "no price", "no volume", "no session", "a day before"],
)
def test_what_is_no_trade_of_this_day_is_in_no_bar(calendar: MarketCalendar, left_out: Tick) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity.parse("tick:9"))
    builder.on_tick(TICKS[0])
    before = builder.state.bar
    assert builder.on_tick(left_out) == []
    assert builder.state.bar == before


def test_a_size_is_a_number_of_its_measure() -> None:
    assert (str(Activity.parse("turnover:12.50")), str(Activity.parse("volume:3"))) == ("turnover:12.50", "volume:3")
    assert type(Activity.parse("turnover:1").size) is Turnover
    with pytest.raises(InvalidValue, match="measure: expected one of tick, volume, turnover, was 'time'"):
        Activity("time", Decimal(1))


def test_the_trading_day_ends_a_bar(calendar: MarketCalendar) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity.parse("volume:1000"))
    builder.on_tick(TICKS[0])
    (bar,) = builder.on_tick(tick("2025-03-04 09:00:01", 50, 3, day="20250304"))
    assert (bar.trading_day, bar.volume) == ("20250303", 10)


@pytest.mark.parametrize("text", ["time:5", "tick:0", "volume:-1", "volume:", "volume:x", "volume", "turnover:1e99"])
def test_other_measures_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^interval: expected tick:100, volume:1000 or turnover:1000000, was "):
        Activity.parse(text)
