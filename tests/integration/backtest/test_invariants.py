"""What holds of every run, whatever its rows and orders are."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from marketprism_application.backtesting.book_columns import REPLACES, UPDATES
from marketprism_application.backtesting.columns import FundingRow, InstrumentData, Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.latency import Latency
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, QueueModel, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from tests.integration.backtest.test_books import book
from tests.support.backtest_rows import MIDNIGHT, PERPETUAL, SECOND, SYMBOL, Quote, quotes_and_trades
from tests.support.backtests import bars, run

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

ROWS = 60
FEES = FeeRule(FeeRate(Decimal("0.0003"), Decimal("0.1")), FeeRate(Decimal("0.0002")), FeeRate())
INSTRUMENT = PERPETUAL.__class__("binance", SYMBOL, ContractTerms(Decimal(10), settle="USDT"), taker=FEES, maker=FEES)
MODES = (*FillMode, "book")


def rows_of(mode: object, chance: random.Random) -> InstrumentData:
    """Random rows for a mode: a price that walks, sizes, trades on both sides."""
    mid = 1_000 + np.cumsum([chance.randint(-2, 2) for _ in range(ROWS)])
    if mode is FillMode.BAR:
        spans = [(int(price), chance.randint(0, 4), chance.randint(0, 4)) for price in mid]
        made = [(at, at + up, at - down, at + chance.randint(-down, up)) for at, up, down in spans]
        return bars(made, start=MIDNIGHT, volume=40, instrument=INSTRUMENT)
    trades = [
        (second, int(mid[second]) + chance.randint(-2, 2), chance.randint(1, 30), chance.choice((1, -1)))
        for second in range(ROWS)
        if chance.random() < 0.7 or not second
    ]
    size = [chance.randint(1, 30) for _ in range(2 * ROWS)]
    if mode == "book":
        steps = []
        for number, price in enumerate(mid.tolist()):
            bids = {price - 1 - level: chance.randint(1, 20) for level in range(4)}
            asks = {price + 1 + level: chance.randint(1, 20) for level in range(4)}
            if number and chance.random() < 0.5:
                steps.append((UPDATES, {min(steps[-1][1]): chance.randint(1, 9)}, {max(steps[-1][2]): 3}))
            else:
                steps.append((REPLACES, bids, asks))
        tape = quotes_and_trades((), trades).trades
        return InstrumentData(INSTRUMENT, Decimal(1), Decimal(1), trades=tape, books=book(steps))
    quotes = [
        Quote(price - 1, size[2 * n], price + 1, size[2 * n + 1], chance.randint(0, 25), chance.randint(0, 25))
        for n, price in enumerate(mid.tolist())
    ]
    with_tape = mode is FillMode.TRADE or (mode is FillMode.QUEUE and chance.random() < 0.5)
    return quotes_and_trades(quotes, trades if with_tape else (), instrument=INSTRUMENT)


def anything(chance: random.Random) -> type[Strategy]:
    """A strategy that sends, cancels and changes orders of every kind at random."""

    class Anything(Strategy):
        def act(self, ctx: Context) -> None:
            last = ctx.last(SYMBOL)
            if last is None or chance.random() < 0.4:
                return
            quantity, side = chance.randint(1, 25), chance.choice((ctx.buy, ctx.sell))
            near = int(last) + chance.randint(-3, 3)
            kind = chance.randrange(7)
            tif = chance.choice(("gfd", "gtc", "fak", "fok"))
            if kind == 0:
                side(SYMBOL, quantity, tif=tif)
            elif kind in (1, 2):
                side(SYMBOL, quantity, limit=near, tif=tif)
            elif kind == 3:
                side(SYMBOL, quantity, stop=near, limit=chance.choice((None, near + 1)))
            elif kind == 4:
                ctx.target(SYMBOL, chance.randint(-20, 20))
            elif kind == 5:
                ctx.bracket(SYMBOL, quantity, stop=int(last) - 4, take=int(last) + 4)
            elif ctx.orders:
                order = chance.choice(ctx.orders)
                if chance.random() < 0.5:
                    ctx.cancel(order)
                elif order.limit is not None:
                    ctx.modify(order, limit=near)

        def on_bar(self, ctx: Context, bar: object) -> None:
            self.act(ctx)

        def on_tick(self, ctx: Context, tick: object) -> None:
            self.act(ctx)

        def on_trade(self, ctx: Context, trade: object) -> None:
            self.act(ctx)

    return Anything


def any_run(mode: object, seed: int) -> tuple[RunResult, Selection, RunSettings]:
    chance = random.Random(seed)
    data = rows_of(mode, chance)
    rate = FundingRow(MIDNIGHT + 30 * SECOND, Decimal("0.0001"), Decimal(1_000))
    selection = Selection((data.__class__(**{**data.__dict__, "funding": (rate,)}),))
    chosen = {
        "fill": FillMode.QUEUE if mode == "book" else mode,
        "queue_model": chance.choice(list(QueueModel)),
        "latency": Latency(chance.choice((0, 700_000_000))),
        "participation": chance.choice((None, Decimal("0.5"))) if mode is FillMode.BAR else None,
        "funding": "stored",
        "depth": chance.randint(1, 4),
    }
    return run(selection, anything(chance), **chosen), selection, RunSettings(**chosen)


@pytest.mark.parametrize("mode", MODES, ids=str)
@how(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_money_positions_and_proofs_add_up(mode: object, seed: int) -> None:
    result, selection, settings = any_run(mode, seed)
    assert (result.state, result.failed) == ("done", None)
    signed = [fill.quantity if fill.side == "buy" else -fill.quantity for fill in result.fills]
    held = Decimal(0)
    for fill, quantity in zip(result.fills, signed, strict=True):
        held += quantity
        assert fill.held == held
    filled = Counter[int]()
    for fill in result.fills:
        filled[fill.order] += int(fill.quantity)
    assert {order.number: int(order.filled) for order in result.orders if order.filled} == dict(filled)
    assert all(order.filled <= order.quantity for order in result.orders)

    cash = result.capital + sum(fill.profit - fill.fee for fill in result.fills) + result.funding
    assert result.days[-1].cash == cash
    assert result.days[-1].equity == result.days[-1].cash + result.days[-1].open_profit
    assert result.days[-1].equity - result.capital == result.net
    assert abs(sum((trip.net for trip in result.trips), Decimal(0)) - result.net) < Decimal("1e-15")
    assert all(trip.mae <= trip.profit <= trip.mfe and trip.mae <= 0 <= trip.mfe for trip in result.trips)

    active = {order.number: order.ts for order in result.orders}
    late = settings.latency.fixed
    of_exits = {order.number for order in result.orders if order.tif == "gtc" and order.kind in ("stop", "limit")}
    verified = verify_fills(result.fills, selection, settings, active)
    assert verified.unproved == []
    assert verified.gross == result.gross
    assert all(fill.ts >= active[fill.order] + late for fill in result.fills if fill.order not in of_exits)
    assert all(fill.fee >= 0 for fill in result.fills)


@how(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_that_is_shown_fills_two_orders(seed: int) -> None:
    result, selection, _ = any_run(FillMode.QUOTE, seed)
    ticks = selection.instruments[0].ticks
    assert ticks is not None
    taken = Counter[tuple[int, str]]()
    for fill in result.fills:
        taken[fill.evidence.seq, fill.side] += int(fill.quantity)
    for (seq, side), quantity in taken.items():
        assert quantity <= int((ticks.ask_size if side == "buy" else ticks.bid_size)[seq])


@how(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), mode=st.sampled_from(MODES))
def test_the_same_run_is_the_same(seed: int, mode: object) -> None:
    one, other = (any_run(mode, seed)[0] for _ in range(2))
    assert (one.run_id, one.fills, one.orders) == (other.run_id, other.fills, other.orders)
