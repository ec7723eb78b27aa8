"""Bars of trades: sums of what was traded, in the minute of the trade, whenever it comes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import AlwaysOpen

MINUTE = 60_000_000_000
DAY = 1_700_006_400_000_000_000 // 86_400_000_000_000 * 86_400_000_000_000
D = Decimal


def tick(ts: int, price: str, quantity: str, seq: int = 0, recv: int | None = None) -> Tick:
    return Tick(
        "binance",
        "BTC-USDT",
        "s",
        0,
        seq,
        ts,
        ts if recv is None else recv,
        0,
        seq,
        "",
        D(price),
        traded=D(quantity),
        traded_turnover=D(price) * D(quantity),
        verdict="valid",
    )


def builder(*intervals: str) -> BarBuilder:
    return BarBuilder("binance", "BTC-USDT", AlwaysOpen(), BarSettings(intervals or ("1m",), revision_window_s=60))


def test_a_bar_is_the_sum_of_its_trades() -> None:
    made = builder()
    out: list[Bar] = []
    for each in (
        tick(DAY + 1, "10", "1"),
        tick(DAY + 2, "10", "1"),
        tick(DAY + 3, "9", "2"),
        tick(DAY + 4, "0.5", "0"),
    ):
        out += made.on_tick(each)
    out += made.on_tick(tick(DAY + MINUTE, "12", "1"))
    (bar,) = out
    assert (bar.open, bar.high, bar.low, bar.close) == (D(10), D(10), D(9), D(9))
    assert (bar.volume, bar.turnover, bar.ticks) == (D(4), D(38), 3)


def test_a_trade_that_comes_behind_the_next_minute_revises_its_own() -> None:
    made = builder("1m", "5m")
    made.on_tick(tick(DAY + 1, "10", "1"))
    made.on_tick(tick(DAY + MINUTE + 1, "11", "1"))
    (revised,) = made.on_tick(tick(DAY + MINUTE - 1, "8", "3", recv=DAY + MINUTE + 2))
    assert (revised.ts_open, revised.revision, revised.volume, revised.low, revised.close) == (DAY, 1, D(4), D(8), D(8))
    assert made.late == 0


def test_a_longer_bar_closes_as_its_last_minute_whichever_minute_came_last() -> None:
    made = BarBuilder("binance", "BTC-USDT", AlwaysOpen(), BarSettings(("1m", "5m"), revision_window_s=300))
    third, fourth, behind = (DAY + number * MINUTE for number in (3, 4, 5))
    for each in (tick(third, "10", "1"), tick(fourth, "11", "1"), tick(behind, "12", "1")):
        made.on_tick(each)
    early = made.on_tick(tick(third + 9, "13", "1", recv=behind + 1))
    assert [(bar.interval, bar.close) for bar in early] == [("1m", D(13)), ("5m", D(11))]
    late = made.on_tick(tick(fourth + 9, "14", "1", recv=behind + 2))
    assert [(bar.interval, bar.revision, bar.close) for bar in late] == [("1m", 1, D(14)), ("5m", 2, D(14))]


def test_minutes_whose_trades_came_at_one_instant_are_told_apart() -> None:
    made = builder("1m", "5m")
    third, fourth, at_once = DAY + 3 * MINUTE, DAY + 4 * MINUTE, DAY + 4 * MINUTE + 30
    made.on_tick(tick(third, "10", "1", recv=at_once))
    made.on_tick(tick(fourth, "11", "1", recv=at_once))
    made.on_tick(tick(DAY + 5 * MINUTE, "12", "1"))
    (minute, longer) = made.on_tick(tick(third + 9, "13", "1", recv=DAY + 5 * MINUTE))
    assert (minute.close, longer.close) == (D(13), D(11))


def test_also_across_midnight() -> None:
    made = builder("1m", "1d")
    made.on_tick(tick(DAY - 5, "10", "1"))
    closed = made.on_tick(tick(DAY + 1, "11", "1"))
    assert [bar.interval for bar in closed] == ["1m", "1d"]
    revised = made.on_tick(tick(DAY - 1, "12", "2", recv=DAY + 2))
    assert next((bar.interval, bar.volume, bar.high) for bar in revised) == ("1m", D(3), D(12))


def test_a_hole_in_a_book_says_nothing_of_a_bar_and_one_in_the_tape_does() -> None:
    made = builder()
    made.on_tick(tick(DAY + 1, "10", "1"))
    hole = Gap("binance", "BTC-USDT", "s", 0, 0, DAY, DAY, 0, DAY + 1, DAY + 9, "sequence", "", "orderbook")
    made.on_gap(hole)
    (bar,) = made.on_tick(tick(DAY + MINUTE, "10", "1"))
    assert not bar.gap
    made.on_gap(hole._replace(kind="trade", ts_from=DAY + MINUTE, ts_to=DAY + MINUTE + 5))
    (bar,) = made.on_tick(tick(DAY + 2 * MINUTE, "10", "1"))
    assert bar.gap


@pytest.mark.parametrize("marked", [False, True])
def test_trades_of_an_outage_that_are_fetched_afterwards_make_the_bars_of_it(marked: bool) -> None:
    made = builder("1m", "5m")
    back = DAY + 12 * MINUTE + 1
    out = made.on_tick(tick(DAY + 1, "10", "1"))
    if marked:  # somebody said meanwhile that the time has passed
        out += made.on_clock(back)
    for minute in range(1, 12):
        for second in (1, 59):
            out += made.on_tick(
                tick(DAY + minute * MINUTE + second * 1_000_000_000, str(minute * 100 + second), "1", recv=back)
            )
    out += made.on_tick(tick(back, "7", "1"))
    newest = {(bar.interval, (bar.ts_open - DAY) // MINUTE): bar for bar in out}
    for minute in range(1, 12):
        bar = newest["1m", minute]
        assert (bar.open, bar.close, bar.volume) == (D(minute * 100 + 1), D(minute * 100 + 59), D(2))
    assert (newest["5m", 0].open, newest["5m", 0].close, newest["5m", 0].volume) == (D(10), D(459), D(9))
    assert (newest["5m", 5].open, newest["5m", 5].close, newest["5m", 5].volume) == (D(501), D(959), D(10))
    assert made.late == 0
