"""Funding, liquidation, rolls, margin and gap policies on rows made for them, and fills by a tape."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.backtesting.columns import (
    FundingRow,
    Hole,
    InstrumentData,
    Roll,
    Selection,
    TradeColumns,
)
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TradeView
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_application.backtesting.options import TermsGiven
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.terms import instrument_of
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.margin_tiers import TierRow, tiers_of
from tests.support.backtests import bars, ns, run

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

MIDNIGHT = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000_000
MINUTE = 60_000_000_000
SYMBOL = "BTC-USDT-PERP"
USDT = ContractTerms(Decimal(1), settle="USDT")
# Maintenance of 0.4 % and 0.5 %, the deduction is what the rates give.
TIERS = tiers_of(
    [
        TierRow(Decimal(50_000), Decimal("0.004")),
        TierRow(Decimal(600_000), Decimal("0.005")),
        TierRow(None, Decimal("0.0065")),
    ]
)


def at_first(act: object) -> type[Strategy]:
    class AtFirst(Strategy):
        seen: list[Fill] = []  # noqa: RUF012 (of the test)

        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if bar.ts_open in act:  # type: ignore[operator]
                act[bar.ts_open](ctx)  # type: ignore[index]

        def on_liquidation(self, ctx: Context, fill: Fill) -> None:
            ctx.log(f"liquidated at {fill.price}")

    return AtFirst


def test_funding_is_paid_by_whoever_holds_at_the_settlement() -> None:
    start = MIDNIGHT - 3 * MINUTE
    data = replace(
        bars([(60_000,) * 4] * 6, start=start),
        funding=(FundingRow(MIDNIGHT, Decimal("0.0001"), Decimal(60_000)),),
    )
    fine = replace(data, step=Decimal("0.1"), instrument=replace(data.instrument, step=Decimal("0.1")))
    before = run(Selection((fine,)), at_first({start: lambda ctx: ctx.buy(SYMBOL, "0.5")}))
    assert (before.funding, before.net) == (Decimal("-3.00"), Decimal("-3.00"))
    after = run(Selection((fine,)), at_first({MIDNIGHT - MINUTE: lambda ctx: ctx.buy(SYMBOL, "0.5")}))
    assert [fill.ts for fill in after.fills] == [MIDNIGHT]
    late = run(Selection((fine,)), at_first({MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, "0.5")}))
    assert late.funding == 0


@pytest.mark.parametrize(
    ("rule", "state", "paid"),
    [
        ("strict", "failed", "-6.00"),
        ("assume:0.0002", "done", "-18.00"),
        ("stored", "done", "-6.00"),
        ("ignore", "done", "0"),
    ],
)
def test_a_settlement_without_a_rate_is_an_error_or_what_the_run_assumes(rule: str, state: str, paid: str) -> None:
    rows = (FundingRow(MIDNIGHT + 3_000_000, Decimal("0.0001"), Decimal(60_000)),)
    data = replace(bars([(60_000,) * 4] * 490, start=MIDNIGHT - 3 * MINUTE), funding=rows)
    acts = {MIDNIGHT - 3 * MINUTE: lambda ctx: ctx.buy(SYMBOL, 1)}
    result = run(Selection((data,)), at_first(acts), funding=rule)
    assert (result.state, result.funding, result.settings["funding"]) == (state, Decimal(paid), rule)
    if state == "failed":
        assert result.failed is not None
        assert result.failed.code == "FUNDING_MISSING"
        assert "at 2024-01-02T08:00:00+00:00, over which 1 is held" in result.failed.text
    flat = run(Selection((replace(data, funding=()),)), at_first({}), funding="strict")
    assert flat.state == "done"


@pytest.mark.parametrize("text", ["strikt", "assume", "assume:x", "stored:1"])
def test_a_funding_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BacktestError, match="funding: expected strict"):
        RunSettings(funding=text)


@pytest.mark.parametrize(("low", "ends"), [(5_422_110, True), (5_422_112, False)])
def test_a_position_is_liquidated_where_the_mark_crosses_its_price(low: int, ends: bool) -> None:
    fee = FeeRule(FeeRate(Decimal("0.0005")), FeeRate(Decimal("0.0005")), FeeRate(Decimal("0.0005")))
    instrument = Instrument("binance", SYMBOL, USDT, Decimal("0.01"), taker=fee, margin=TIERS, leverage=Decimal(10))
    rows = [(6_000_000,) * 4, (6_000_000,) * 4, (5_900_000, 5_900_000, low, 5_500_000), (5_500_000,) * 4]
    data = bars(rows, start=MIDNIGHT, instrument=instrument, unit="0.01")
    result = run(Selection((data,)), at_first({MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 1)}))
    closed = [fill for fill in result.fills if fill.tag == "liquidation"]
    assert bool(closed) is ends
    if ends:
        assert (closed[0].price, closed[0].profit, closed[0].fee) == (54_000, -6_000, 27)
        assert [text for _, text in result.logs] == ["liquidated at 54000"]


def test_a_position_is_liquidated_by_published_marks_and_not_by_trades() -> None:
    instrument = Instrument("binance", SYMBOL, USDT, Decimal("0.01"), margin=TIERS, leverage=Decimal(10))
    prices = [6_000_000, 6_000_000, 5_300_000, 5_900_000]
    data = bars([(price,) * 4 for price in prices], start=MIDNIGHT, instrument=instrument, unit="0.01")

    def with_marks(*marks: int) -> list[tuple[int, str, str]]:
        ts = MIDNIGHT + np.arange(1, len(marks) + 1, dtype=np.int64) * (MINUTE // 2) + MINUTE
        columns = MarkColumns(ts, np.full(len(marks), 20240102), np.array(marks, dtype=np.int64))
        result = run(Selection((replace(data, marks=columns),)), at_first({MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 1)}))
        return [(int(f.price), f.tag, f.evidence.series) for f in result.fills]

    bought = (60_000, "", "bar.1m")
    assert with_marks(6_000_000, 5_422_112, 5_422_112) == [bought]  # a trade at 53 000 does nothing
    assert with_marks(6_000_000, 6_000_000, 5_422_110, 6_000_000) == [bought, (54_000, "liquidation", "mark")]


def test_a_fee_that_a_table_knows_otherwise_is_remarked() -> None:
    tables = FileTables.read()

    def remarks(rate: str) -> tuple[str, ...]:
        given = TermsGiven(fee_rate=Decimal(rate))
        found = instrument_of(tables, "binance", SYMBOL, date(2024, 10, 1), given)
        data = bars([(100,) * 4] * 2, start=MIDNIGHT, instrument=replace(found, margin=None, step=Decimal(1)))
        return run(Selection((data,)), at_first({})).remarks

    taker = instrument_of(tables, "binance", SYMBOL, date(2024, 10, 1), TermsGiven()).taker.open.by_money
    assert remarks(str(taker)) == ()
    (text,) = remarks("0.01")
    assert text.startswith(f"fees of {SYMBOL} are 0.01 as given; the table of 20")
    assert f"has {taker.normalize():f} to open" in text


def test_a_roll_is_two_fills_with_two_fees_and_no_jump_of_the_profit() -> None:
    fee = FeeRule(FeeRate(by_volume=Decimal(1)), FeeRate(by_volume=Decimal(1)), FeeRate(by_volume=Decimal(1)))
    start = ns("2023-12-20T09:00:00")
    contracts = [
        bars(
            [(level + each,) * 4 for each in range(6)],
            start=start,
            instrument=Instrument("shfe", symbol, ContractTerms(Decimal(10), settle="CNY"), Decimal(1), taker=fee),
            day="20231220",
        )
        for symbol, level in (("rb2401", 4_000), ("rb2405", 3_900))
    ]
    roll = Roll(start + 3 * MINUTE, "shfe", "rb2401", "rb2405")
    acts = {start: lambda ctx: ctx.buy("rb2401", 1) if ctx.position("rb2401") == 0 and not ctx.orders else None}
    result = run(Selection(tuple(contracts), (roll,)), at_first(acts))
    assert [(fill.symbol, fill.side, fill.tag) for fill in result.fills] == [
        ("rb2401", "buy", ""),
        ("rb2401", "sell", "roll"),
        ("rb2405", "buy", "roll"),
    ]
    assert result.fees == 3
    assert result.gross == (4_003 - 4_001) * 10 + (3_905 - 3_903) * 10


def test_an_order_that_margin_does_not_cover_is_refused_and_the_run_goes_on() -> None:
    instrument = Instrument(
        "shfe", "ru1901", ContractTerms(Decimal(10), settle="CNY"), Decimal(1), margin=MarginRate(Decimal("0.09"))
    )
    start = ns("2018-10-08T09:00:00")
    data = bars([(12_000,) * 4] * 4, start=start, instrument=instrument, day="20181008")
    acts = {start: lambda ctx: ctx.buy("ru1901", 10), start + MINUTE: lambda ctx: ctx.buy("ru1901", 5)}
    result = run(Selection((data,)), at_first(acts), capital=Decimal(100_000))
    assert [(order.state, order.code) for order in result.orders] == [
        ("rejected", "INSUFFICIENT_MARGIN"),
        ("filled", ""),
    ]
    assert result.sent == 1


def test_a_loss_that_eats_the_margin_closes_a_future_at_the_next_price() -> None:
    instrument = Instrument(
        "shfe", "ru1901", ContractTerms(Decimal(10), settle="CNY"), Decimal(1), margin=MarginRate(Decimal("0.09"))
    )
    start = ns("2018-10-08T09:00:00")
    prices = [12_000, 12_000, 10_000, 9_900, 9_900]
    data = bars([(price,) * 4 for price in prices], start=start, instrument=instrument, day="20181008")
    acts = {start: lambda ctx: ctx.buy("ru1901", 2)}
    result = run(Selection((data,)), at_first(acts), capital=Decimal(50_000))
    assert [(fill.side, fill.price, fill.tag) for fill in result.fills] == [
        ("buy", 12_000, ""),
        ("sell", 9_900, "forced"),
    ]


def gapped(policy: str) -> list[tuple[str, str]]:
    data = bars([(100,) * 4] * 12, start=MIDNIGHT)
    hole = Hole(MIDNIGHT + 2 * MINUTE, MIDNIGHT + 3 * MINUTE, MIDNIGHT + 4 * MINUTE, "silence")
    acts = {MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 1), MIDNIGHT + 5 * MINUTE: lambda ctx: ctx.buy(SYMBOL, 1)}
    result = run(Selection((replace(data, holes=(hole,)),)), at_first(acts), gap_policy=GapPolicy.parse(policy))
    return [*((order.side, order.code or order.state) for order in result.orders), ("state", result.state)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("ignore", [("buy", "filled"), ("buy", "filled"), ("state", "done")]),
        ("no_entry:10", [("buy", "filled"), ("buy", "IN_GAP"), ("state", "done")]),
        ("no_entry:2", [("buy", "filled"), ("buy", "filled"), ("state", "done")]),
        ("flat_before_unknown", [("buy", "filled"), ("sell", "filled"), ("buy", "filled"), ("state", "done")]),
        ("stop", [("buy", "filled"), ("state", "stopped")]),
    ],
)
def test_a_gap_does_what_the_policy_of_the_run_says(policy: str, expected: list[tuple[str, str]]) -> None:
    assert gapped(policy) == expected


def tape(rows: list[tuple[int, int, int]]) -> InstrumentData:
    """Trades a second apart: price, quantity, which way the taker went."""
    price, quantity, taker = np.array(rows, dtype=np.int64).T
    count = len(rows)
    ts = MIDNIGHT + np.arange(count, dtype=np.int64) * 1_000_000_000
    columns = TradeColumns(ts, np.arange(count, dtype=np.int64), np.full(count, 20240102), price, quantity, taker)
    return InstrumentData(Instrument("binance", SYMBOL, USDT), Decimal(1), Decimal(1), trades=columns)


def by_tape(rows: list[tuple[int, int, int]], act: object) -> list[tuple[int, int, int]]:
    class OfTrades(Strategy):
        def on_trade(self, ctx: Context, trade: TradeView) -> None:
            if trade.seq == 0:
                act(ctx)  # type: ignore[operator]

    result = run(Selection((tape(rows),)), OfTrades, fill=FillMode.TRADE)
    return [(int(fill.quantity), int(fill.price), fill.evidence.seq) for fill in result.fills]


def test_a_resting_order_is_filled_by_trades_that_pass_its_price() -> None:
    rows = [(100, 5, 1), (99, 4, -1), (98, 3, -1), (97, 50, -1)]
    assert by_tape(rows, lambda ctx: ctx.buy(SYMBOL, 10, limit=98)) == [(3, 98, 2), (7, 98, 3)]
    assert by_tape(rows, lambda ctx: ctx.buy(SYMBOL, 6)) == [(4, 99, 1), (2, 98, 2)]
    assert by_tape([(100, 5, 1), (98, 3, 1)], lambda ctx: ctx.buy(SYMBOL, 10, limit=98)) == []


def test_a_trailing_stop_follows_the_best_price() -> None:
    prices = [100, 100, 110, 120, 113, 108, 107]
    data = bars([(price,) * 4 for price in prices], start=MIDNIGHT)
    acts = {MIDNIGHT: lambda ctx: ctx.buy(SYMBOL, 1), MIDNIGHT + MINUTE: lambda ctx: ctx.trailing(SYMBOL, 10)}
    result = run(Selection((data,)), at_first(acts))
    assert [(fill.side, int(fill.price)) for fill in result.fills] == [("buy", 100), ("sell", 108)]


def test_orders_of_today_and_of_days_before_cost_what_the_exchange_takes() -> None:
    rule = FeeRule(FeeRate(by_volume=Decimal(3)), FeeRate(by_volume=Decimal(2)), FeeRate(by_volume=Decimal(0)))
    instrument = Instrument(
        "dce", "m1901", ContractTerms(Decimal(10), settle="CNY"), Decimal(1), taker=rule, today_first=True
    )
    start = ns("2018-10-08T14:56:00")
    first = bars([(3_000,) * 4] * 4, start=start, instrument=instrument, day="20181008")
    acts = {start: lambda ctx: ctx.buy("m1901", 2), start + MINUTE: lambda ctx: ctx.sell("m1901", 1)}
    result = run(Selection((first,)), at_first(acts))
    assert [fill.fee for fill in result.fills] == [6, 0]
