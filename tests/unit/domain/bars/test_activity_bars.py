"""Bars by ticks, volume and turnover."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.bars.activity_bars import Activity, ActivityBarBuilder
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
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


def test_the_trading_day_ends_a_bar(calendar: MarketCalendar) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity.parse("volume:1000"))
    builder.on_tick(TICKS[0])
    (bar,) = builder.on_tick(tick("2025-03-04 09:00:01", 50, 3, day="20250304"))
    assert (bar.trading_day, bar.volume) == ("20250303", 10)


@pytest.mark.parametrize("text", ["time:5", "tick:0", "volume:-1", "volume:", "volume:x", "volume", "turnover:1e99"])
def test_other_measures_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^interval: expected tick:100, volume:1000 or turnover:1000000, was "):
        Activity.parse(text)
