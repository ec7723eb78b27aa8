"""What a taker pays beyond its row, and how long an order is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.latency import Latency
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.settings import FillMode, RunSettings, Slippage
from marketprism_application.backtesting.slippage import SlippageOf
from tests.support.backtest_rows import MIDNIGHT, SECOND, SYMBOL, Quote, quotes_and_trades
from tests.support.backtests import Act, bars, calendar, filled, ns, run, scripted

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

MINUTE = 60 * SECOND


def market_of(closes: Sequence[int], volume: int = 10_000) -> Market:
    """An instrument with one bar a day."""
    data = bars([(close,) * 4 for close in closes], start=MIDNIGHT, volume=volume)
    columns = data.bars["1m"]
    days = np.array([20240102 + each for each in range(len(closes))])
    found = Market(replace(data, bars={"1m": replace(columns, day=days)}), calendar().schedule("binance", SYMBOL), 0)
    found.start_day(int(days[-1]))
    return found


def by_quotes(rows: Sequence[Quote], act: Act, **how: object) -> list[tuple[int, str, int]]:
    result = run(Selection((quotes_and_trades(rows, ()),)), scripted({MIDNIGHT: act}), fill=FillMode.QUOTE, **how)
    return [(quantity, price, (ts - MIDNIGHT) // SECOND) for quantity, price, ts in filled(result)]


ROWS = [Quote(99, 5, 100, 5), Quote(99, 5, 100, 5), Quote(99, 5, 100, 4)]


@pytest.mark.parametrize(
    ("rule", "paid"), [("ticks:2", "102"), ("bps:150", "102"), ("spread:0.5", "101"), ("none", "100")]
)
def test_a_taker_pays_the_slippage_of_the_run(rule: str, paid: str) -> None:
    assert by_quotes(ROWS, lambda ctx: ctx.buy(SYMBOL, 1), slippage=Slippage.parse(rule)) == [(1, paid, 1)]


def test_noise_is_seeded_and_never_better_than_the_row() -> None:
    def paid(seed: int) -> list[str]:
        rows = [Quote(99, 5, 100, size) for size in range(5, 25)]
        found = by_quotes(rows, lambda ctx: ctx.buy(SYMBOL, 80), slippage=Slippage.parse("noise:3"), seed=seed)
        return [price for _, price, _ in found]

    assert paid(1) == paid(1) != paid(2)
    assert {int(price) for price in paid(1)} <= {100, 101, 102, 103}


def test_slippage_stays_inside_the_limits_of_the_day() -> None:
    rows = [row._replace(limit_up=101, limit_down=90) for row in ROWS]
    act: Act = lambda ctx: ctx.buy(SYMBOL, 1)  # noqa: E731
    assert by_quotes(rows, act, slippage=Slippage.parse("ticks:9")) == [(1, "101", 1)]


def test_an_impact_grows_with_the_root_of_the_share_of_a_days_volume() -> None:
    closes = [10_000, 10_100, 10_000, 10_100, 10_000]
    slippage = SlippageOf(RunSettings(slippage=Slippage.parse("sqrt_impact:1")))
    deviation = float(np.diff(np.log(closes[:4])).std(ddof=1))
    market = market_of(closes)
    for steps in (100, 400):
        worse = slippage.price(market, 1, 10_000, steps=steps) - 10_000
        assert worse == int(np.ceil(deviation * (steps / 10_000) ** 0.5 * 10_000))
    assert slippage.price(market, -1, 10_000, steps=400) == 10_000 - worse
    early = market_of(closes)
    early.start_day(20240103)
    assert slippage.price(early, 1, 10_000, steps=400) == 10_000  # of the days before nothing is known


def test_what_the_best_level_does_not_show_is_filled_worse_by_the_impact() -> None:
    def buys(**how: object) -> list[tuple[int, str, int]]:
        limit = how.pop("limit", None)
        tif = str(how.pop("tif", "gfd"))
        return by_quotes(ROWS, lambda ctx: ctx.buy(SYMBOL, 12, limit=limit, tif=tif), impact=2, **how)  # type: ignore[arg-type]

    assert buys() == [(5, "100", 1), (5, "102", 1), (2, "104", 1)]
    assert buys(limit=102) == [(5, "100", 1), (5, "102", 1), (2, "100", 2)]
    assert buys(limit=102, tif="fok") == []
    assert buys(limit=104, tif="fok") == [(5, "100", 1), (5, "102", 1), (2, "104", 1)]


@pytest.mark.parametrize(
    ("text", "shown", "at"),
    [
        ("0", "0ns", 0),
        ("600ms", "600000000ns", 600_000_000),
        ("1.5 s", "1500000000ns", 1_500_000_000),
        ("09:00=5ms,21:00=20ms", "09:00:00=5000000ns,21:00:00=20000000ns", 20_000_000),
        ("measured", "measured", 0),
        ("measured+2ms", "measured+2000000ns", 2_000_000),
    ],
)
def test_a_latency_is_always_the_same_or_by_the_time_of_day(text: str, shown: str, at: int) -> None:
    found = Latency.parse(text)
    assert (str(found), Latency.parse(str(found))) == (shown, found)
    data = replace(bars([(1,) * 4], start=ns("21:30:00")), ticks=None)
    market = Market(data, calendar().schedule("shfe", "ru1901"), 0)
    market.venue = "shfe"
    assert found.of(market, ns("21:30:00")) == at
    if "=" in text:
        assert found.of(market, ns("10:00:00")) == 5_000_000
        assert found.of(market, ns("03:00:00")) == 20_000_000  # the evening's goes on until the morning


@pytest.mark.parametrize("text", ["soon", "-1", "25:00=1ms", "09:00=x", "measured+x"])
def test_a_latency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BacktestError, match="latency: expected"):
        Latency.parse(text)


def test_an_order_takes_as_long_as_the_rows_of_its_market_took() -> None:
    rows = [Quote(99, 5, 100 + each, 5) for each in range(5)]

    def active(delays: Sequence[int], latency: str) -> list[str]:
        data = quotes_and_trades(rows, (), delays=delays)
        strategy = scripted({MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 1)})
        result = run(Selection((data,)), strategy, fill=FillMode.QUOTE, latency=Latency.parse(latency))
        return [price for _, price, _ in filled(result)]

    assert active([0] * 5, "measured") == ["101"]
    assert active([2 * SECOND, *[0] * 4], "measured") == ["102"]
    assert active([2 * SECOND, *[0] * 4], "measured+500ms") == ["103"]
    assert active([-SECOND, *[0] * 4], "measured") == ["101"]
