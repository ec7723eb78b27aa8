"""Runs by compiled targets held against the event engine: the same orders, lots, fees and equity, to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from examples.double_average import DoubleAverage

from marketprism_application.backtesting.columns import Hole, Selection
from marketprism_application.backtesting.errors import StrategyFailed
from marketprism_application.backtesting.kernel import equity_by_day, run_kernel
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings, Slippage
from marketprism_application.backtesting.signals import (
    KEEP,
    NotForKernel,
    SignalTable,
    has_signals,
    prepared,
    reach_of,
    targets_of,
)
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.shortlist import CONFIRMED, KernelRanking, shortlist
from marketprism_backtest import BarView, Context, Ints, Parameters
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_domain.trading.fees import FeeRate, FeeRule
from tests.support.backtests import CU, RU, bars, calendar, ns, rows_of

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings

pytest.importorskip("numba", reason="the extra `fast` is not installed: make setup does")

Figures = tuple[int, int, Decimal, Decimal, Decimal, Decimal, list[tuple[str, Decimal]]]


def by_engine(
    selection: Selection, strategy: type[Strategy], params: Parameters, settings: RunSettings
) -> tuple[Figures, RunResult]:
    result = run_backtest(selection, calendar(), RunSpec(strategy, params, settings))
    assert result.state == "done"
    held = result.fills[-1].held if result.fills else Decimal(0)
    days = [(day.trading_day, day.equity) for day in result.days]
    return (result.sent, len(result.fills), result.lots, result.gross, result.fees, held, days), result


def by_kernel(
    selection: Selection, strategy: type[Strategy], params: Parameters, settings: RunSettings
) -> tuple[Figures, bool]:
    rows = prepared(selection, calendar(), settings)
    with exact_arithmetic():
        targets = targets_of(strategy, rows.table, params)
        found = run_kernel(rows, targets, reach_of(strategy, params, settings), settings.capital)
        days = list(zip(rows.days, equity_by_day(rows, found, settings.capital), strict=True))
    return (found.sent, found.fills, found.lots, found.gross, found.fees, found.held, days), found.unsure


def means(fast: int, slow: int, lots: int = 1) -> DoubleAverage.Params:
    return DoubleAverage.Params(fast=fast, slow=slow, lots=lots)


@pytest.mark.parametrize("policy", ["ignore", "no_entry", "no_entry:120"])
@pytest.mark.long_on("no_entry:120", "ignore")
def test_bars_of_a_file_are_run_as_by_events(policy: str) -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    settings = RunSettings(gap_policy=GapPolicy.parse(policy))
    for fast in (2, 5, 10, 30):
        for slow in (3, 30, 120):
            if fast < slow:
                expected, _ = by_engine(selection, DoubleAverage, means(fast, slow), settings)
                assert by_kernel(selection, DoubleAverage, means(fast, slow), settings) == (expected, False)


def test_the_reference_result_is_the_kernels_too() -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    found, _ = by_kernel(selection, DoubleAverage, means(10, 30), RunSettings(gap_policy=GapPolicy("ignore")))
    assert found[:5] == (870, 870, Decimal(1739), Decimal(-23550), Decimal("42554.115"))


def test_fees_of_today_and_of_days_before_are_told_apart() -> None:
    rates = [FeeRate(Decimal("0.0001")), FeeRate(Decimal("0.0002"), Decimal(1)), FeeRate(Decimal("0.0005"))]
    data = rows_of(RU, FillMode.BAR, "1m", "0").instruments[0]
    instrument = replace(data.instrument, taker=FeeRule(*rates))
    selection = Selection((replace(data, instrument=instrument),))
    settings = RunSettings(gap_policy=GapPolicy("ignore"), slippage=Slippage.parse("ticks:1"))
    for fast, slow, lots in ((10, 30, 1), (3, 200, 2), (60, 240, 3)):
        expected, _ = by_engine(selection, DoubleAverage, means(fast, slow, lots), settings)
        assert by_kernel(selection, DoubleAverage, means(fast, slow, lots), settings) == (expected, False)


class Steps(Strategy):
    """Targets that a seed draws: larger and smaller ones of both sides, and none."""

    class Params(Parameters):
        """Where chance begins."""

        seed: int = 0
        often: float = 0.2

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._targets = self.drawn(self.params).tolist()
        self._row = 0

    @staticmethod
    def drawn(params: Params) -> Ints:
        chance = np.random.default_rng(params.seed)
        found = chance.integers(-3, 4, 50_000, dtype=np.int64)
        found[chance.random(50_000) > params.often] = KEEP
        return found

    @classmethod
    def signals(cls, table: SignalTable, params: Params) -> Ints:
        return cls.drawn(params)[: len(table)]

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        target = self._targets[self._row]
        self._row += 1
        if target != KEEP:
            ctx.target(bar.symbol, target)


@pytest.mark.parametrize("seed", range(12))
def test_any_targets_are_filled_as_by_events(seed: int) -> None:
    """With rows taken out by chance, so that orders end with their day, at breaks and in front of holes too."""
    data = rows_of(RU, FillMode.BAR, "1m", "0.000045").instruments[0]
    columns = data.bars["1m"]
    chance = np.random.default_rng(seed)
    keep = chance.random(len(columns)) < (1.0 if seed == 0 else 0.6)
    names = ("ts_open", "ts_close", "day", "open", "high", "low", "close", "volume", "gap")
    holes = (Hole(ns("10:00", "2018-10-09"), ns("10:20", "2018-10-09"), ns("10:40", "2018-10-09"), "lost"),)
    cut = replace(columns, **{name: getattr(columns, name)[keep] for name in names})
    selection = Selection((replace(data, bars={"1m": cut}, holes=holes),))
    settings = RunSettings(gap_policy=GapPolicy.parse("no_entry:90" if seed % 2 else "ignore"))
    expected, result = by_engine(selection, Steps, Steps.Params(seed=seed), settings)
    found, unsure = by_kernel(selection, Steps, Steps.Params(seed=seed), settings)
    assert (found, unsure) == (expected, False)
    assert len(result.fills) > 20


def test_behind_the_last_bar_nothing_is_sent_where_the_market_is_closed() -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    params = Steps.Params(seed=4, often=1.0)
    settings = RunSettings(capital=Decimal(100_000_000))
    expected, result = by_engine(selection, Steps, params, settings)
    assert by_kernel(selection, Steps, params, settings) == (expected, False)
    assert len(result.decisions) == result.rows


def test_markets_that_never_close() -> None:
    rows = [(100 + n % 7, 110 + n % 7, 90, 100 + n % 11) for n in range(4_000)]
    days = np.where(np.arange(4_000) < 1_440, 20240102, np.where(np.arange(4_000) < 2_880, 20240103, 20240104))
    data = bars(rows, start=ns("2024-01-02T08:00:00"))
    columns = replace(data.bars["1m"], day=days.astype(np.int64))
    selection = Selection((replace(data, bars={"1m": columns}),))
    settings = RunSettings(capital=Decimal(100_000), currency="USDT", funding="ignore")
    expected, _ = by_engine(selection, Steps, Steps.Params(seed=7), settings)
    assert by_kernel(selection, Steps, Steps.Params(seed=7), settings) == (expected, False)


def test_a_run_that_comes_near_its_money_is_not_for_the_kernel() -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    assert selection.instruments[0].instrument.margin is not None
    settings = RunSettings(gap_policy=GapPolicy("ignore"), capital=Decimal(40_000))
    _, unsure = by_kernel(selection, DoubleAverage, means(10, 30), settings)
    assert unsure


def test_what_the_kernel_does_not_do_it_says(tmp_path: Path) -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    for settings, text in (
        (RunSettings(participation=Decimal("0.1")), "share of the volume"),
        (RunSettings(latency_ns=1), "latency"),
        (RunSettings(slippage=Slippage.parse("bps:1")), "slippage"),
        (RunSettings(gap_policy=GapPolicy("stop")), "policy"),
        (RunSettings(fill=FillMode.QUOTE), "bars"),
    ):
        with pytest.raises(NotForKernel, match=text):
            prepared(selection, calendar(), settings)
    two = Selection((*selection.instruments, *rows_of(RU, FillMode.BAR, "1m", "0").instruments))
    with pytest.raises(NotForKernel, match="one instrument"):
        prepared(two, calendar(), RunSettings())


@pytest.mark.parametrize("objective", ["net", "orders", "sharpe", "sharpe_242", "calmar"])
@pytest.mark.long_on("sharpe_242", "calmar")
def test_the_best_of_a_shortlist_is_the_best_of_all(objective: str) -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    sets = [{"fast": fast, "slow": slow} for fast in (5, 10, 20, 60) for slow in (30, 120, 480)]
    settings = RunSettings(gap_policy=GapPolicy("ignore"))
    ranking = KernelRanking(DoubleAverage, selection, calendar(), settings, objective).ranked(sets)
    values = []
    for params in sets:
        _, result = by_engine(selection, DoubleAverage, DoubleAverage.Params(**params), settings)
        sums = {"net": float(result.net), "orders": float(result.sent)}
        values.append(sums[objective] if objective in sums else result.statistic(objective))
    assert {each.number: each.value for each in ranking} == dict(enumerate(values))
    best = max(range(len(sets)), key=lambda place: values[place])
    chosen = shortlist(DoubleAverage, sets, selection, calendar(), settings, objective)
    assert len(chosen) == CONFIRMED
    assert chosen == sorted(chosen)
    assert best in chosen


def test_sets_that_the_kernel_is_not_sure_of_are_run_too() -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    sets = [{"fast": 10, "slow": 30, "lots": lots} for lots in (1, 1, 1, 1, 1, 1, 1, 100, 1, 1)]
    settings = RunSettings(gap_policy=GapPolicy("ignore"))
    assert shortlist(DoubleAverage, sets, selection, calendar(), settings, "net") == [0, 1, 2, 3, 4, 7]


def test_all_sets_are_run_where_a_kernel_cannot_rank() -> None:
    selection = rows_of((CU,), FillMode.BAR, "1m", "0.0001")
    sets = [{"fast": fast} for fast in range(1, 9)]
    for objective, settings in (("win_rate", RunSettings()), ("net", RunSettings(latency_ns=1))):
        assert shortlist(DoubleAverage, sets, selection, calendar(), settings, objective) == list(range(8))


def test_signals_that_are_no_targets_are_refused() -> None:
    class Halves(Strategy):
        @classmethod
        def signals(cls, table: SignalTable, params: Parameters) -> Ints:
            return table.close / 2  # type: ignore[return-value]

    assert has_signals(Halves)
    assert not has_signals(Strategy)
    rows = prepared(rows_of((CU,), FillMode.BAR, "1m", "0.0001"), calendar(), RunSettings())
    with pytest.raises(StrategyFailed, match="expected 21729 int64"):
        targets_of(Halves, rows.table, Parameters())
