"""Positions from their opening to their end: what they earned, what they went through, what they paid."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from marketprism_application.backtesting.columns import FundingRow, Hole, Selection
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.orders import RoundTrip
from marketprism_application.backtesting.settings import FillMode
from marketprism_domain.trading.contracts import ContractTerms
from tests.support.backtest_rows import MIDNIGHT, SECOND, SYMBOL, Quote, quotes_and_trades
from tests.support.backtests import Act, bars, run, scripted

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

MINUTE = 60_000_000_000
ROWS = [
    (100, 100, 100, 100),
    (100, 103, 98, 102),  # bought at its open
    (102, 110, 101, 108),
    (108, 109, 95, 96),
    (96, 97, 94, 95),  # sold at its open
    (95, 95, 80, 80),
    (80, 99, 80, 99),
]


def trips(
    acts: dict[int, Act], *, instrument: Instrument | None = None, **more: object
) -> tuple[list[RoundTrip], Decimal]:
    """Positions of acts at the ends of minutes, and the net of the run."""
    data = replace(bars(ROWS, start=MIDNIGHT, instrument=instrument), **more)  # type: ignore[arg-type]
    result = run(Selection((data,)), scripted({MIDNIGHT + each * MINUTE: act for each, act in acts.items()}))
    assert abs(sum((trip.net for trip in result.trips), Decimal(0)) - result.net) < Decimal("1e-20")
    return result.trips, result.net


def test_a_position_knows_how_far_it_was_from_its_end() -> None:
    (trip,), _ = trips({1: lambda ctx: ctx.buy(SYMBOL, 2), 4: lambda ctx: ctx.sell(SYMBOL, 2)})
    assert (trip.entry, trip.exit, trip.profit, trip.mae, trip.mfe) == (100, 96, -8, -10, 20)
    assert trip.seconds == 180


def test_what_was_before_it_and_behind_it_is_not_its_own() -> None:
    (trip,), _ = trips({1: lambda ctx: ctx.sell(SYMBOL, 1), 2: lambda ctx: ctx.buy(SYMBOL, 1)})
    assert (trip.profit, trip.mae, trip.mfe) == (-2, -3, 2)


def test_parts_count_for_as_long_as_they_are_there() -> None:
    acts: dict[int, Act] = {
        1: lambda ctx: ctx.buy(SYMBOL, 2),
        2: lambda ctx: ctx.sell(SYMBOL, 1),
        3: lambda ctx: ctx.buy(SYMBOL, 1),
        5: lambda ctx: ctx.sell(SYMBOL, 2),
    }
    (trip,), _ = trips(acts)
    # 2 @ 100, one of them sold @ 102, one more @ 108: what is left costs 104 each, and is sold @ 95.
    assert (trip.quantity, trip.profit) == (3, 2 + 2 * (95 - 104))
    assert trip.mfe == (102 - 100) + (110 - 100)  # in the second minute one is left
    assert trip.mae == 2 + 2 * (94 - 104)
    assert abs(trip.entry - Decimal(308) / 3) < Decimal("1e-20")


def test_a_position_that_is_still_there_is_marked_at_the_end() -> None:
    (trip,), net = trips({4: lambda ctx: ctx.sell(SYMBOL, 1)})
    assert (trip.ts_exit, trip.exit, trip.profit, trip.mae, trip.mfe) == (0, 99, -3, -3, 16)
    assert net == -3


def test_of_an_inverse_contract_excursions_are_in_its_coin() -> None:
    inverse = Instrument("binance", SYMBOL, ContractTerms(Decimal(100), inverse=True, settle="BTC"))
    (trip,), _ = trips({1: lambda ctx: ctx.buy(SYMBOL, 1), 4: lambda ctx: ctx.sell(SYMBOL, 1)}, instrument=inverse)
    worst, best = (100 * (1 / Decimal(100) - 1 / Decimal(price)) for price in (95, 110))
    assert abs(trip.mae - worst) + abs(trip.mfe - best) < Decimal("1e-20")


def test_of_an_inverse_contract_all_lots_count_at_their_own_price() -> None:
    inverse = Instrument("binance", SYMBOL, ContractTerms(Decimal(100), inverse=True, settle="BTC"))
    data = bars(ROWS, start=MIDNIGHT, instrument=inverse)
    buys = {MIDNIGHT + each * MINUTE: (lambda ctx: ctx.buy(SYMBOL, 1)) for each in (1, 3, 5)}
    result = run(Selection((data,)), scripted(buys))
    worth = sum(100 * (1 / Decimal(price) - 1 / Decimal(99)) for price in (100, 108, 95))
    assert abs(result.net - worth) < Decimal("1e-20")
    assert abs(result.days[-1].open_profit - worth) < Decimal("1e-20")
    assert abs(result.curve.equity[-1] - float(result.capital + worth)) < 1e-6


def test_funding_belongs_to_who_held_then() -> None:
    rates = tuple(FundingRow(MIDNIGHT + each * MINUTE, Decimal("0.01"), Decimal(100)) for each in (2, 3, 6))
    acts: dict[int, Act] = {
        1: lambda ctx: ctx.buy(SYMBOL, 2),
        3: lambda ctx: ctx.sell(SYMBOL, 3),  # at the open of the minute whose funding was paid
        5: lambda ctx: ctx.buy(SYMBOL, 1),
    }
    found, _ = trips(acts, funding=rates)
    assert [(trip.sign, trip.funding) for trip in found] == [(1, Decimal(-4)), (-1, Decimal(0))]


def test_a_position_that_was_held_through_a_gap_says_so() -> None:
    hole = Hole(MIDNIGHT + 2 * MINUTE, MIDNIGHT + 3 * MINUTE, MIDNIGHT + 3 * MINUTE, "silence")
    acts: dict[int, Act] = {
        1: lambda ctx: ctx.buy(SYMBOL, 1),
        4: lambda ctx: ctx.sell(SYMBOL, 1),
        5: lambda ctx: ctx.buy(SYMBOL, 1),
    }
    found, _ = trips(acts, holes=(hole,))
    assert [trip.held_through for trip in found] == [True, False]


def test_a_gap_bounds_the_result_inside_the_limits_of_its_day() -> None:
    """Three deviations of the time that is missing, or as far as the price may go on that day."""
    sizes = [100 + 30 * (each // 60 % 2) for each in range(600)]
    hole = Hole(MIDNIGHT + 300 * SECOND, MIDNIGHT + 420 * SECOND, MIDNIGHT + 420 * SECOND, "silence")

    def bound(**limits: int) -> Decimal:
        rows = [Quote(price, 9, price + 1, 9, last=price, **limits) for price in sizes]
        data = replace(quotes_and_trades(rows, ()), holes=(hole,))
        strategy = scripted({MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 2)})
        gaps = run(Selection((data,)), strategy, fill=FillMode.QUOTE).gaps
        assert (gaps.held_through, gaps.minutes_missing) == (1, 2)
        return (gaps.net_high - gaps.net_low) / 2

    assert bound(limit_up=140, limit_down=95) == 2 * 35  # at 130 the lower limit is as far as it goes
    assert bound(limit_up=10_000, limit_down=1) == bound()
