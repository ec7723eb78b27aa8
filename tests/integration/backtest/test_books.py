"""Mode `queue` with a book of many levels and a tape: sweeps, places, cancellations, and that nothing is taken twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pytest

from marketprism_application.backtesting.book_columns import REPLACES, UNKNOWN, UPDATES, BookColumns
from marketprism_application.backtesting.book_feed import BookView
from marketprism_application.backtesting.book_ladder import Ladder
from marketprism_application.backtesting.columns import NO_PRICE, InstrumentData, Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, QueueModel, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from tests.conftest import FIXTURES
from tests.support.backtest_rows import DAY, MIDNIGHT, PERPETUAL, SECOND, SYMBOL, quotes_and_trades
from tests.support.backtests import Act, rows_of, run

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

Levels = Mapping[int, int]
START = (REPLACES, {100: 10, 99: 20, 97: 5}, {101: 4, 102: 6, 104: 50})


def book(steps: Sequence[tuple[int, Levels, Levels]]) -> BookColumns:
    """Steps a second apart: what each is, its bids and its asks."""
    count = len(steps)
    prices = [price for _, bids, asks in steps for side in (bids, asks) for price in side]
    sizes = [size for _, bids, asks in steps for side in (bids, asks) for size in side.values()]
    bids = np.cumsum([0, *(len(bids) + len(asks) for _, bids, asks in steps)])
    ts = MIDNIGHT + np.arange(count, dtype=np.int64) * SECOND
    return BookColumns(
        ts,
        ts,
        np.arange(count, dtype=np.int64),
        np.full(count, DAY, dtype=np.int64),
        np.array([form for form, _, _ in steps], dtype=np.int64),
        bids.astype(np.int64),
        (bids[:-1] + np.array([len(bids) for _, bids, _ in steps])).astype(np.int64),
        np.array(prices, dtype=np.int64),
        np.array(sizes, dtype=np.int64),
    )


def data(steps: Sequence[tuple[int, Levels, Levels]], trades: Sequence[tuple[int, int, int, int]]) -> InstrumentData:
    tape = quotes_and_trades((), trades or [(0, 100, 1, -1)]).trades
    return InstrumentData(PERPETUAL, Decimal(1), Decimal(1), trades=tape, books=book(steps))


def by(
    steps: Sequence[tuple[int, Levels, Levels]],
    acts: Mapping[int, Act],
    trades: Sequence[tuple[int, int, int, int]] = (),
    **how: object,
) -> tuple[list[tuple[int, int, int, bool]], RunResult]:
    """Second, quantity, price of each fill and whether it took; acts are by the second of their step."""

    class OfBooks(Strategy):
        def on_book(self, ctx: Context, seen: BookView) -> None:
            act = acts.get((seen.ts - MIDNIGHT) // SECOND)
            if act is not None:
                act(ctx)

    result = run(Selection((data(steps, trades),)), OfBooks, fill=FillMode.QUEUE, **how)
    fills = [((f.ts - MIDNIGHT) // SECOND, int(f.quantity), int(f.price), f.taker) for f in result.fills]
    return fills, result


STILL = (UPDATES, {97: 5}, {})


def test_a_taker_sweeps_the_levels_that_a_book_shows() -> None:
    act = {0: lambda ctx: ctx.buy(SYMBOL, 15)}
    assert by([START, STILL, STILL], act)[0] == [(1, 4, 101, True), (1, 6, 102, True), (1, 5, 104, True)]
    assert by([START, STILL, STILL], act, depth=2)[0] == [(1, 4, 101, True), (1, 6, 102, True)]
    assert by([START, STILL], act, limit_size=False)[0] == [(1, 15, 101, True)]


def test_a_level_is_taken_once_for_each_update_of_its_own() -> None:
    def twice(ctx: Context) -> None:
        ctx.buy(SYMBOL, 3, tif="fak")
        ctx.buy(SYMBOL, 3, tif="fak")

    again = {0: twice, 1: lambda ctx: ctx.buy(SYMBOL, 9, tif="fak")}
    steps = [START, STILL, (UPDATES, {}, {101: 4})]
    assert by(steps, again)[0] == [
        (1, 3, 101, True),
        (1, 1, 101, True),
        (1, 2, 102, True),
        (2, 4, 101, True),  # the level was updated
        (2, 4, 102, True),  # of the other one four are left
        (2, 1, 104, True),
    ]


def test_fill_or_kill_looks_at_all_levels_first() -> None:
    assert by([START, STILL], {0: lambda ctx: ctx.buy(SYMBOL, 11, limit=102, tif="fok")})[0] == []
    found, _ = by([START, STILL], {0: lambda ctx: ctx.buy(SYMBOL, 10, limit=102, tif="fok")})
    assert found == [(1, 4, 101, True), (1, 6, 102, True)]


def test_an_order_joins_behind_its_own_level_however_deep() -> None:
    steps = [START, STILL, (UPDATES, {100: 0}, {}), (UPDATES, {99: 20}, {}), STILL]
    trades = [(0, 100, 1, -1), (2, 100, 10, -1), (3, 99, 19, -1), (4, 99, 4, -1)]
    found, result = by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 5, limit=99)}, trades)
    assert found == [(4, 3, 99, False)]
    assert result.fills[0].evidence.series == "trade"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (QueueModel.RISK_AVERSE, []),
        (QueueModel.PROPORTIONAL, [(4, 5, 100, False)]),
        (QueueModel.POWER, [(4, 5, 100, False)]),
    ],
)
def test_cancellations_of_a_level_move_an_order_up(
    model: QueueModel, expected: list[tuple[int, int, int, bool]]
) -> None:
    # Behind 40 of 40; 40 more join; 50 leave without a trade; 25 are traded.
    steps = [(REPLACES, {100: 40}, {101: 9}), STILL, (UPDATES, {100: 80}, {}), (UPDATES, {100: 30}, {}), STILL]
    trades = [(0, 100, 1, -1), (4, 100, 25, -1)]
    assert by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 5, limit=100)}, trades, queue_model=model)[0] == expected


def test_what_is_traded_is_no_cancellation() -> None:
    steps = [(REPLACES, {100: 40}, {101: 9}), STILL, (UPDATES, {100: 20}, {}), STILL]
    trades = [(0, 100, 1, -1), (2, 100, 20, -1), (3, 100, 20, -1)]
    act = {0: lambda ctx: ctx.buy(SYMBOL, 5, limit=100)}
    assert by(steps, act, trades, queue_model=QueueModel.PROPORTIONAL)[0] == []


def test_who_rests_is_filled_where_the_other_side_comes_to_its_price() -> None:
    steps = [START, STILL, (UPDATES, {100: 0}, {100: 3}), STILL]
    found, result = by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 5, limit=100)})
    assert found == [(2, 5, 100, False)]
    assert result.fills[0].evidence[0::4] == ("book", 2)


def test_what_is_left_of_a_taker_is_filled_by_who_comes_later() -> None:
    steps = [START, STILL, STILL, (UPDATES, {}, {101: 2}), STILL]
    found, _ = by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 9, limit=101)})
    assert found == [(1, 4, 101, True), (3, 2, 101, False)]


def test_nothing_is_filled_by_a_book_that_is_not_known() -> None:
    steps = [START, (UNKNOWN, {}, {}), (UPDATES, {}, {101: 4}), (REPLACES, {99: 5}, {100: 4, 101: 9})]
    found, _ = by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 5)})
    assert found == [(3, 4, 100, True), (3, 1, 101, True)]


def test_a_stop_is_touched_by_a_trade_and_then_takes() -> None:
    trades = [(0, 100, 1, -1), (2, 104, 1, 1)]
    steps = [START, STILL, (UPDATES, {}, {105: 9}), STILL]
    assert by(steps, {0: lambda ctx: ctx.buy(SYMBOL, 2, stop=104)}, trades)[0] == [(2, 2, 101, True)]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_level_is_that_of_all_levels(sign: int) -> None:
    chance = np.random.default_rng(7)
    side, levels = Ladder(sign, 1), dict[int, int]()
    for _ in range(20_000):
        prices = chance.choice(60, size=chance.integers(1, 6), replace=False)
        sizes = np.maximum(0, chance.integers(-3, 4, size=len(prices)))
        levels.update(zip(prices.tolist(), sizes.tolist(), strict=True))
        side.change(prices.tolist(), sizes.tolist())
        there = [price for price, size in levels.items() if size]
        assert side.best == (max(there, key=lambda each: each * sign) if there else NO_PRICE)
        ordered = sorted(there, key=lambda each: -each * sign)[:5]
        assert [price for price, _ in side.from_best(5)] == ordered


def test_another_level_is_another_run() -> None:
    steps = [START, STILL]
    ids = {by([START, (UPDATES, {97: size}, {})], {})[1].run_id for size in (5, 6)}
    ids |= {by(steps, {})[1].run_id, by([START, (UPDATES, {}, {97: 5})], {})[1].run_id}
    assert len(ids) == 3


def test_every_fill_by_a_book_is_proved_by_its_step() -> None:
    steps = [START, STILL, (UPDATES, {100: 0}, {100: 3}), (UPDATES, {}, {101: 4}), STILL]
    acts: dict[int, Act] = {
        0: lambda ctx: (ctx.buy(SYMBOL, 15), ctx.buy(SYMBOL, 5, limit=100)),
        1: lambda ctx: ctx.sell(SYMBOL, 2),
    }
    _, result = by(steps, acts)
    selection, settings = Selection((data(steps, ()),)), RunSettings(fill=FillMode.QUEUE)
    active = {order.number: order.ts for order in result.orders}
    assert verify_fills(result.fills, selection, settings, active).unproved == []
    assert [fill.taker for fill in result.fills] == [True, True, True, False, True]
    first = result.fills[0]
    for changed in (
        first._replace(price=first.price - 2),
        first._replace(quantity=first.quantity + 1),
        first._replace(taker=False, price=Decimal(99)),
        first._replace(evidence=first.evidence._replace(seq=9)),
    ):
        assert len(verify_fills([changed], selection, settings, active).unproved) == 1


def test_a_recording_of_a_venue_has_its_book_and_its_trades() -> None:
    """Two sides are quoted at the best prices, as a market maker would: queues, sweeps and funding of real rows."""

    class Maker(Strategy):
        def on_book(self, ctx: Context, seen: BookView) -> None:
            if seen.bid is None or seen.ask is None or ctx.orders:
                return
            held = ctx.position(SYMBOL)
            if held < Decimal("0.05"):
                ctx.buy(SYMBOL, "0.01", limit=seen.bid)
            if held > Decimal("-0.05"):
                ctx.sell(SYMBOL, "0.01", limit=seen.ask)

    file = FIXTURES / "binance" / "usdm" / "hft_btcusdt_20230404.txt.xz"
    selection = rows_of((file,), FillMode.QUEUE)
    found = selection.instruments[0]
    assert found.books is not None
    assert found.trades is not None
    assert (len(found.books), len(found.trades)) == (4_323, 2_197)
    assert found.funding[0].rate == Decimal("0.00002754")
    counts = {}
    for model in QueueModel:
        result = run(selection, Maker, fill=FillMode.QUEUE, queue_model=model, currency="USDT")
        assert (result.state, result.failed) == ("done", None)
        counts[model] = len(result.fills)
        settings = RunSettings(fill=FillMode.QUEUE, queue_model=model)
        active = {order.number: order.ts for order in result.orders}
        assert verify_fills(result.fills, selection, settings, active).unproved == []
        assert {fill.evidence.series for fill in result.fills} <= {"book", "trade"}
    assert 0 < counts[QueueModel.RISK_AVERSE] <= counts[QueueModel.PROPORTIONAL]
