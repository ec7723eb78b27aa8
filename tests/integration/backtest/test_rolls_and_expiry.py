"""Contracts that end: rolls to the next one, a product in one line as a strategy sees it, and last trading days."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from marketprism_application.backtesting.columns import InstrumentData, Roll, Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.continuous_view import named_rolls, with_view
from marketprism_application.backtesting.cursors import BarView
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.market_rules import RollWindow
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from marketprism_domain.bars.contract_rolls import Roll as ProductRoll
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from tests.support.backtests import bars, ns, run

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

MINUTE = 60_000_000_000
ONE_EACH = FeeRule(FeeRate(by_volume=Decimal(1)), FeeRate(by_volume=Decimal(1)), FeeRate(by_volume=Decimal(1)))
MORNING = ns("2023-12-20T09:00:00")
AFTERNOON = ns("2023-12-20T14:50:00")


def contract(symbol: str, level: int, *, start: int = MORNING, count: int = 10) -> InstrumentData:
    """Minutes of a contract that rises by one a minute."""
    return bars(
        [(level + each,) * 4 for each in range(count)],
        start=start,
        instrument=Instrument("shfe", symbol, ContractTerms(Decimal(10), settle="CNY"), Decimal(1), taker=ONE_EACH),
        day="20231220",
    )


def rolled(quantity: int, window: str, *, start: int = MORNING, roll_at: int = MORNING + 3 * MINUTE) -> RunResult:
    contracts = (contract("rb2401", 4_000, start=start), contract("rb2405", 3_900, start=start))

    class Once(Strategy):
        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if bar.ts_open == start and bar.symbol == "rb2401":
                ctx.buy("rb2401", quantity)

        def on_roll(self, ctx: Context, roll: Roll) -> None:
            ctx.log(f"{roll.leaves} {roll.enters} {ctx.position(roll.leaves)}")

    return run(Selection(contracts, (Roll(roll_at, "shfe", "rb2401", "rb2405"),)), Once, roll=window)


def legs(result: RunResult, start: int = MORNING) -> list[tuple[int, str, str, int, int]]:
    """Minute, contract, side, quantity and price of the fills of a roll."""
    return [
        ((fill.ts - start) // MINUTE, fill.symbol, fill.side, int(fill.quantity), int(fill.price))
        for fill in result.fills
        if fill.tag == "roll"
    ]


def test_a_roll_is_two_fills_and_two_fees_and_no_jump_of_the_profit() -> None:
    result = rolled(1, "first_minutes")
    assert legs(result) == [(3, "rb2401", "sell", 1, 4_003), (3, "rb2405", "buy", 1, 3_903)]
    assert [text for _, text in result.logs] == ["rb2401 rb2405 1"]
    assert result.fees == 3
    assert result.gross == (4_003 - 4_001) * 10 + (3_909 - 3_903) * 10
    assert result.counts["ROLLED"] == 1


def test_a_roll_by_twap_moves_equal_parts_a_minute_apart() -> None:
    result = rolled(5, "twap:3")
    assert legs(result) == [
        (3, "rb2401", "sell", 2, 4_003),
        (3, "rb2405", "buy", 2, 3_903),
        (4, "rb2401", "sell", 2, 4_004),
        (4, "rb2405", "buy", 2, 3_904),
        (5, "rb2401", "sell", 1, 4_005),
        (5, "rb2405", "buy", 1, 3_905),
    ]


def test_a_roll_at_the_close_is_sent_in_the_last_minutes_of_the_day() -> None:
    result = rolled(1, "close:2", start=AFTERNOON, roll_at=MORNING)
    assert legs(result, AFTERNOON) == [(8, "rb2401", "sell", 1, 4_008), (8, "rb2405", "buy", 1, 3_908)]


@pytest.mark.parametrize("text", ["clsoe", "twap:0", "twap:x", "close:-1"])
def test_a_window_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BacktestError, match="roll: expected first_minutes"):
        RollWindow.parse(text)


# A product in one line: rb2401 leads on the 19th, rb2405 from the 20th on.


def two_days() -> tuple[list[InstrumentData], list[ProductRoll]]:
    contracts = []
    for symbol, level in (("rb2401", 4_000), ("rb2405", 3_900)):
        first = contract(symbol, level, start=ns("2023-12-19T09:00:00"), count=5)
        second = contract(symbol, level + 5, start=ns("2023-12-19T21:00:00"), count=5)
        parts = first.bars["1m"], second.bars["1m"]
        names = [name for name in parts[0].__dataclass_fields__ if name != "interval"]
        joined = {name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
        joined["day"] = np.array([20231219] * 5 + [20231220] * 5)
        contracts.append(replace(first, bars={"1m": replace(parts[0], **joined)}))
    rolls = [
        ProductRoll("20231219", "rb2401", "", None, None),
        ProductRoll("20231220", "rb2405", "rb2401", Decimal(4_004), Decimal(3_904)),
    ]
    return contracts, rolls


class OnTheView(Strategy):
    seen: list[tuple[str, int]] = []  # noqa: RUF012 (of the test)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        self.seen.append((bar.symbol, int(bar.close)))
        if len(self.seen) == 1:
            ctx.target("continuous:rb", 2)
        if len(self.seen) == 8:
            ctx.buy("continuous:rb", 1, limit=bar.close + 3)
        ctx.record("held", ctx.position("continuous:rb"))


def on_the_view(adjust: str) -> tuple[RunResult, list[tuple[str, int]]]:
    contracts, rolls = two_days()
    OnTheView.seen = []
    return run(with_view("rb", contracts, rolls, adjust), OnTheView), OnTheView.seen


@pytest.mark.parametrize(
    ("adjust", "closes"),
    [
        ("difference", list(range(4_000, 4_010))),
        ("none", [*range(4_000, 4_005), *range(3_905, 3_910)]),
        ("ratio", [*range(4_000, 4_005), 4_005, 4_006, 4_007, 4_008, 4_009]),
    ],
)
def test_a_strategy_sees_a_product_in_one_line_and_trades_the_contract_in_force(adjust: str, closes: list[int]) -> None:
    result, seen = on_the_view(adjust)
    assert seen == [("continuous:rb", close) for close in closes]
    assert [(fill.symbol, fill.side, int(fill.quantity), int(fill.price), fill.tag) for fill in result.fills] == [
        ("rb2401", "buy", 2, 4_001, "target"),
        ("rb2401", "sell", 2, 4_005, "roll"),
        ("rb2405", "buy", 2, 3_905, "roll"),
        ("rb2405", "buy", 1, 3_908, ""),  # the limit is the view's, the money is the contract's own
    ]
    assert [value for _, _, value in result.series] == ["0", *["2"] * 7, *["3"] * 2]
    assert result.gross == 2 * (4_005 - 4_001) * 10 + (2 * (3_909 - 3_905) + 3_909 - 3_908) * 10
    assert result.gaps.minutes - result.gaps.minutes_missing == 2 * 10  # of the contracts alone


def test_an_adjustment_that_is_none_and_a_leader_without_rows_are_refused() -> None:
    contracts, rolls = two_days()
    with pytest.raises(BacktestError, match="did you mean 'ratio'"):
        with_view("rb", contracts, rolls, "ratios")
    with pytest.raises(BacktestError, match="expected rows of rb2405"):
        with_view("rb", contracts[:1], rolls, "none")


def test_rolls_are_named_by_a_text_and_their_closes_are_those_of_the_rows() -> None:
    contracts, rolls = two_days()
    assert named_rolls("rb2405@20231220", contracts) == rolls
    for text, problem in (("rb2405", "expected CONTRACT@YYYYMMDD"), ("rb2405@20231220,rb2401@20231219", "not named")):
        with pytest.raises(BacktestError, match=problem):
            named_rolls(text, contracts)


# Last trading days: minutes of 14:56 to 15:00 of the last day, and what is there of the next one.


def ending(last_day: str, *, settlement: str = "", **how: object) -> RunResult:
    before = contract("rb2401", 4_000, start=ns("2023-12-20T14:56:00"), count=4)
    behind = contract("rb2401", 5_000, start=ns("2023-12-20T21:00:00"), count=2)
    names = [name for name in before.bars["1m"].__dataclass_fields__ if name != "interval"]
    joined = {name: np.concatenate([getattr(each.bars["1m"], name) for each in (before, behind)]) for name in names}
    joined["day"] = np.array([20231220] * 4 + [20231221] * 2)
    data = replace(
        before,
        instrument=replace(before.instrument, last_day=last_day),
        bars={"1m": replace(before.bars["1m"], **joined)},
        settled_before={"20231221": Decimal(settlement)} if settlement else {},
    )

    class Holds(Strategy):
        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if bar.ts_open in (ns("2023-12-20T14:56:00"), ns("2023-12-20T21:00:00")):
                ctx.buy("rb2401", 1, tif="gtc")

    return run(Selection((data,)), Holds, **how)


def test_a_position_is_closed_at_the_close_of_its_contracts_last_day() -> None:
    result = ending("20231220")
    assert [(fill.side, int(fill.price), fill.tag) for fill in result.fills] == [
        ("buy", 4_001, ""),
        ("sell", 4_003, "expiry"),
    ]
    assert [order.code for order in result.orders] == ["", "", "CONTRACT_EXPIRED"]
    assert (result.fees, result.gross) == (2, 20)
    assert verify_fills(result.fills, selection_of(result), RunSettings(), {}).unproved == []
    assert ending("20231220").run_id != ending("20231221").run_id


def selection_of(result: RunResult) -> Selection:
    before = contract("rb2401", 4_000, start=ns("2023-12-20T14:56:00"), count=4)
    return Selection((before,))


@pytest.mark.parametrize(("settlement", "price", "code"), [("4002.5", "4002.5", "DELIVERED"), ("", "4003", None)])
def test_a_position_is_settled_in_cash_at_the_delivery_price(settlement: str, price: str, code: str | None) -> None:
    result = ending("20231220", settlement=settlement, expiry="settle")
    assert [str(fill.price) for fill in result.fills if fill.tag == "expiry"] == [price]
    assert result.counts[code or "DELIVERY_AT_LAST_PRICE"] == 1
    assert result.gross == (Decimal(price) - 4_001) * 10


def test_a_contract_whose_end_is_not_known_or_not_wanted_goes_on() -> None:
    for result in (ending(""), ending("20231220", expiry="ignore")):
        assert [(fill.side, int(fill.price)) for fill in result.fills] == [("buy", 4_001), ("buy", 5_001)]


def test_a_day_is_valued_at_its_settlement() -> None:
    result = ending("", settlement="4010")
    assert [(day.trading_day, day.open_profit) for day in result.days] == [("20231220", 90), ("20231221", 10_000)]
