"""Where an order stands behind others, and that nothing that is shown or traded fills two orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from marketprism_application.backtesting.columns import NO_PRICE, Hole, Selection
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, GapPolicy, QueueModel
from tests.support.backtest_rows import MIDNIGHT, SECOND, SYMBOL, Quote, quotes_and_trades
from tests.support.backtests import Act, run, scripted

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

BOTH = (FillMode.QUEUE, FillMode.TRADE)


def at(second: int) -> int:
    return MIDNIGHT + second * SECOND


def filled(result: RunResult) -> list[tuple[int, int, int, bool]]:
    """Second, quantity, price, and whether it took."""
    return [((f.ts - MIDNIGHT) // SECOND, int(f.quantity), int(f.price), f.taker) for f in result.fills]


def by(
    rows: Sequence[Quote], act: Act, *, fill: FillMode, trades: Sequence[tuple[int, int, int, int]] = (), **more: object
) -> list[tuple[int, int, int, bool]]:
    data = quotes_and_trades(rows, trades)
    return filled(run(Selection((data,)), scripted({at(0): act}), fill=fill, **more))


@pytest.mark.parametrize("fill", BOTH)
def test_what_is_left_of_a_taker_is_not_filled_by_the_size_that_it_took(fill: FillMode) -> None:
    rows = [Quote(99, 50, 100, 37), Quote(99, 50, 100, 37), Quote(99, 50, 100, 37), Quote(99, 50, 100, 37)]
    assert by(rows, lambda ctx: ctx.buy(SYMBOL, 40, limit=100), fill=fill) == [(1, 37, 100, True)]


def test_what_is_left_of_a_taker_is_filled_by_who_comes_to_its_level_later() -> None:
    rows = [Quote(99, 50, 100, 37), Quote(99, 50, 100, 37), Quote(99, 50, 100, 39), Quote(98, 5, 99, 5)]
    found = by(rows, lambda ctx: ctx.buy(SYMBOL, 40, limit=100), fill=FillMode.QUEUE)
    assert found == [(1, 37, 100, True), (2, 2, 100, False), (3, 1, 100, False)]


@pytest.mark.parametrize("fill", BOTH)
def test_a_taker_goes_on_taking_while_its_limit_crosses(fill: FillMode) -> None:
    rows = [Quote(99, 50, 100, 37), Quote(99, 50, 100, 37), Quote(99, 50, 101, 2), Quote(99, 50, 102, 9)]
    found = by(rows, lambda ctx: ctx.buy(SYMBOL, 40, limit=102), fill=fill)
    assert found == [(1, 37, 100, True), (2, 2, 101, True), (3, 1, 102, True)]


def test_an_order_below_the_best_price_waits_behind_what_its_level_shows_later() -> None:
    rows = [
        Quote(100, 10, 101, 10),
        Quote(100, 10, 101, 10),
        Quote(99, 80, 101, 10),
        Quote(99, 60, 101, 10, sold=20),
        Quote(99, 5, 101, 10, sold=65),
    ]
    found = by(rows, lambda ctx: ctx.buy(SYMBOL, 10, limit=99), fill=FillMode.QUEUE)
    assert found == [(4, 5, 99, False)]


def test_an_order_below_the_best_price_waits_behind_its_level_with_a_tape_too() -> None:
    rows = [Quote(100, 10, 101, 10), Quote(100, 10, 101, 10), Quote(99, 80, 101, 10), Quote(99, 80, 101, 10)]
    trades = [(1, 99, 4, -1), (3, 99, 70, -1), (4, 99, 15, -1)]
    for fill in BOTH:
        assert by(rows, lambda ctx: ctx.buy(SYMBOL, 10, limit=99), fill=fill, trades=trades) == [(4, 5, 99, False)]


def test_one_slices_lots_fill_one_order() -> None:
    rows = [Quote(100, 10, 101, 10), Quote(100, 10, 101, 10), Quote(100, 10, 101, 10, sold=18)]

    def twice(ctx: object) -> None:
        ctx.buy(SYMBOL, 5, limit=100)  # type: ignore[attr-defined]
        ctx.buy(SYMBOL, 5, limit=100)  # type: ignore[attr-defined]

    assert by(rows, twice, fill=FillMode.QUEUE) == [(2, 5, 100, False), (2, 3, 100, False)]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (QueueModel.RISK_AVERSE, []),  # 40 are before it, then no more than the 30 that are left, of which 25 trade
        (QueueModel.PROPORTIONAL, [(4, 5, 100, False)]),  # half of the 50 that went away were before it
        (QueueModel.POWER, [(4, 5, 100, False)]),
    ],
)
@pytest.mark.parametrize("with_tape", [False, True])
def test_cancellations_move_an_order_up_by_the_model_with_and_without_a_tape(
    model: QueueModel, found: list[tuple[int, int, int, bool]], with_tape: bool
) -> None:
    sizes = (40, 40, 80, 30, 5)
    rows = [Quote(100, size, 101, 9, sold=25 if size == 5 and not with_tape else 0) for size in sizes]
    trades = [(4, 100, 25, -1)] if with_tape else []
    seen = by(rows, lambda ctx: ctx.buy(SYMBOL, 5, limit=100), fill=FillMode.QUEUE, trades=trades, queue_model=model)
    assert seen == found


@pytest.mark.parametrize("fill", BOTH)
def test_a_trailing_stop_follows_in_every_mode(fill: FillMode) -> None:
    rows = [Quote(each - 1, 9, each, 9, last=each) for each in (100, 100, 110, 120, 113, 109, 108)]
    strategy = scripted({at(0): lambda ctx: ctx.buy(SYMBOL, 1), at(2): lambda ctx: ctx.trailing(SYMBOL, 10)})
    result = run(Selection((quotes_and_trades(rows, ()),)), strategy, fill=fill)
    assert filled(result) == [(1, 1, 100, True), (5, 1, 108, True)]


def test_a_stop_with_a_limit_rests_at_it_once_it_is_touched() -> None:
    trades = [(0, 100, 5, 1), (1, 98, 5, -1), (2, 103, 5, 1), (3, 104, 5, 1), (4, 101, 5, -1)]
    data = quotes_and_trades((), trades)
    strategy = scripted({}, trades={at(0): lambda ctx: ctx.buy(SYMBOL, 1, stop=103, limit=102)})
    assert filled(run(Selection((data,)), strategy, fill=FillMode.TRADE)) == [(4, 1, 102, False)]


@pytest.mark.parametrize("fill", [FillMode.QUOTE, *BOTH])
def test_a_market_without_another_side_does_not_refuse_who_is_closed_by_force(fill: FillMode) -> None:
    rows = [Quote(100, 9, 101, 9), Quote(100, 9, 101, 9), Quote(NO_PRICE, 0, 101, 9), Quote(90, 9, 101, 9)]

    hole = Hole(at(0), at(1), at(1) + 1, "silence")
    data = replace(quotes_and_trades(rows, ()), holes=(hole,))
    strategy = scripted({at(0): lambda ctx: ctx.buy(SYMBOL, 1)})
    result = run(Selection((data,)), strategy, fill=fill, gap_policy=GapPolicy("flat_before_unknown"))
    assert filled(result) == [(1, 1, 101, True), (3, 1, 90, True)]
