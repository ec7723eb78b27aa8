"""Whole runs held against the results that the field's engines agree on, their statistics, and gaps cut into data."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_application.backtesting.breakdown import breakdown
from marketprism_application.backtesting.causality import prove_causality
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from tests.support.backtests import CU, IGNORE, RU, DoubleAverage, calendar, double_average, rows_of, run

pytestmark = pytest.mark.xdist_group("backtest")  # one process reads the recordings


def figures(result: RunResult) -> tuple[int, int, str, str, str]:
    lots, gross, fees, net = (
        format(each.normalize(), "f") for each in (result.lots, result.gross, result.fees, result.net)
    )
    return result.sent, int(lots), gross, fees, net


def test_bars_of_a_file_give_the_reference_result() -> None:
    result = double_average(rows_of((CU,), FillMode.BAR, "1m", "0.0001"), 10, 30)
    assert figures(result) == (870, 1739, "-23550", "42554.115", "-66104.115")
    assert (result.gaps.minutes, result.gaps.minutes_missing) == (21_840, 111)


def test_bars_of_recordings_give_the_reference_result() -> None:
    result = double_average(rows_of(RU, FillMode.BAR, "1m", "0.000045"), 10, 30)
    assert figures(result) == (40, 79, "1150", "445.92075", "704.07925")
    assert result.gaps.share == 0


@pytest.mark.parametrize("limit_size", [True, False])
def test_ticks_give_the_reference_result(limit_size: bool) -> None:
    selection = rows_of(RU, FillMode.QUOTE, "", "0.000045")
    result = double_average(selection, 120, 480, fill=FillMode.QUOTE, limit_size=limit_size)
    assert figures(result) == (362, 723, "-12700", "4070.3535", "-16770.3535")
    assert [day.trading_day for day in result.days] == ["20181008", "20181009", "20181010", "20181011"]


def test_statistics_are_those_of_the_fields_libraries() -> None:
    result = double_average(rows_of((CU,), FillMode.BAR, "1m", "0.0001"), 10, 30)
    expected = {
        "sharpe": -10.801843700233434,
        "sortino": -9.150337254966246,
        "max_drawdown": -0.06610411499999984,
        "annual_return": -0.3016599906630367,
        "volatility": 0.03316585922376513,
        "calmar": -4.563407144366693,
        "tail_ratio": 0.2708091228911215,
        "omega": 0.10610318939024997,
        "stability": 0.9518444686806773,
        "var_5": -0.004294012271541298,
        "var_5_normal": -0.004858151581529392,
        "cvar_5": -0.006843442402968192,
        "cvar_5_normal": -0.0057311650238560516,
        "skew": -2.459080946516065,
        "kurtosis": 11.297360422393657,
        "profit_factor_days": 0.10610318939024997,
        "ulcer": 0.03648455064639008,
        "best_day": 0.0019394604798099735,
        "worst_day": -0.011618851623566573,
    }
    found = {name: result.statistic(name) for name in expected}
    assert found == {name: pytest.approx(value, abs=1e-9, rel=1e-9) for name, value in expected.items()}
    assert result.statistic("sharpe_log_240") == pytest.approx(-10.5238, abs=6e-5)
    assert result.statistic("trading_days") == 48


@pytest.fixture(scope="module")
def without_ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The recordings without 09:40 to 09:50 of the second day: 1 170 of 116 498 rows."""
    cut = tmp_path_factory.mktemp("cut") / RU[1].name
    with gzip.open(RU[1], "rt", encoding="utf-8") as whole, gzip.open(cut, "wt", encoding="utf-8") as part:
        for line in whole:
            if not any(f'"09:{minute}:' in line for minute in range(40, 50)):
                part.write(line)
    return (RU[0], cut, RU[2])


@pytest.mark.long
def test_a_hole_of_ten_minutes_changes_the_result_and_is_said(without_ten_minutes: tuple[Path, ...]) -> None:
    result = double_average(rows_of(without_ten_minutes, FillMode.BAR, "1m", "0.000045"), 10, 30)
    gaps = result.gaps
    assert figures(result)[0] == 38
    assert round(result.net, 4) == Decimal("1026.7818")
    assert (gaps.fills_in_gaps, gaps.minutes_missing, gaps.minutes, gaps.held_through) == (0, 10, 1_035, 1)
    assert gaps.share > 0
    assert gaps.tainted_decisions == 0
    assert gaps.net_low < result.net < gaps.net_high


@pytest.mark.parametrize(
    ("fill", "fast", "slow"), [(FillMode.BAR, 10, 30), (FillMode.QUOTE, 120, 480)], ids=["bars", "ticks"]
)
@pytest.mark.long_on("ticks")
def test_no_decision_sees_the_future(fill: FillMode, fast: int, slow: int) -> None:
    selection = rows_of(RU[:1], fill, "1m" if fill is FillMode.BAR else "", "0.000045")
    spec = RunSpec(DoubleAverage, DoubleAverage.Params(fast=fast, slow=slow), RunSettings(fill=fill, gap_policy=IGNORE))
    trials = prove_causality(selection, calendar(), spec, points=20)
    assert len(trials) == 40
    assert max(trial.decisions for trial in trials) > 5
    assert [trial for trial in trials if trial.difference] == []


class Peeking(DoubleAverage):
    """Looks at rows that are not there yet, by a way that a strategy must not go."""

    def on_bar(self, ctx: object, bar: object) -> None:
        columns = bar.market.data.bars["1m"]  # type: ignore[attr-defined]
        row = int(columns.ts_open.searchsorted(bar.ts_open)) + 1  # type: ignore[attr-defined]
        if row < len(columns):
            side = 1 if columns.close[row] > columns.close[row - 1] else -1
            ctx.target(bar.symbol, side)  # type: ignore[attr-defined]


def test_a_strategy_that_looks_ahead_is_found() -> None:
    spec = RunSpec(Peeking, Peeking.Params(), RunSettings(gap_policy=IGNORE))
    trials = prove_causality(rows_of(RU[:1], FillMode.BAR, "1m", "0.000045"), calendar(), spec, points=5)
    assert any(trial.difference for trial in trials)


@pytest.mark.long
def test_equal_runs_have_equal_ids_and_other_rows_another(without_ten_minutes: tuple[Path, ...]) -> None:
    selection = rows_of(RU, FillMode.BAR, "1m", "0.000045")
    one, other = (double_average(selection, 10, 30) for _ in range(2))
    assert one.run_id == other.run_id
    assert one.decisions == other.decisions
    assert one.fills == other.fills
    assert double_average(selection, 10, 31).run_id != one.run_id
    assert double_average(selection, 10, 30, touch=True).run_id != one.run_id
    cut = double_average(rows_of(without_ten_minutes, FillMode.BAR, "1m", "0.000045"), 10, 30)
    series = "bar.1m shfe.ru1901"
    assert cut.run_id != one.run_id
    changed = [day for day, digest in cut.digests[series].items() if digest != one.digests[series][day]]
    assert changed == ["20181009"]


@pytest.mark.parametrize("fill", list(FillMode))
def test_every_fill_is_proved_by_its_row(fill: FillMode) -> None:
    is_bar = fill is FillMode.BAR
    selection = rows_of(RU, fill, "1m" if is_bar else "", "0.000045")
    result = double_average(selection, *((10, 30) if is_bar else (120, 480)), fill=fill)
    active = {order.number: order.ts for order in result.orders}
    settings = RunSettings(fill=fill)
    found = verify_fills(result.fills, selection, settings, active)
    assert (found.fills, found.unproved, found.gross) == (len(result.fills), [], result.gross)
    assert found.fills > 30
    wrong = [result.fills[0]._replace(price=result.fills[0].price + 100_000), *result.fills[1:]]
    assert len(verify_fills(wrong, selection, settings, active).unproved) == 1


def test_money_adds_up_to_the_last_digit() -> None:
    result = double_average(rows_of((CU,), FillMode.BAR, "1m", "0.0001"), 10, 30)
    assert result.days[-1].equity - result.capital == result.net
    assert sum(trip.profit - trip.fees for trip in result.trips) == pytest.approx(result.net, abs=Decimal("1e-20"))
    for day in result.days:
        assert day.equity == day.cash + day.open_profit


def test_positions_in_groups_add_up_to_the_whole() -> None:
    result = double_average(rows_of(RU, FillMode.BAR, "1m", "0.000045"), 10, 30)
    groups = breakdown(result.trips)
    for by in ("side", "symbol", "session", "weekday", "hour"):
        mine = [each for each in groups if each.by == by]
        assert sum(each.profit for each in mine) == pytest.approx(result.net, abs=Decimal("1e-20"))
        assert sum(each.positions for each in mine) == len(result.trips)
    assert [each.value for each in groups if each.by == "session"] == ["afternoon", "morning", "night"]
    assert [each.value for each in groups if each.by == "weekday"] == ["Monday", "Tuesday", "Wednesday"]
    assert {each.value for each in groups if each.by == "hour"} <= {"09", "10", "11", "13", "14", "21", "22"}


def test_holding_all_the_time_is_the_benchmark() -> None:
    class Holds(Strategy):
        def on_bar(self, ctx: Context, bar: BarView) -> None:
            if not ctx.position(bar.symbol):
                ctx.target(bar.symbol, 1)

    selection = rows_of(RU, FillMode.BAR, "1m")
    result = run(selection, Holds, capital=Decimal(100_000))
    columns = selection.instruments[0].bars["1m"]
    found = columns.close[-1] / columns.close[0] - 1
    assert result.statistic("benchmark_return") == pytest.approx(found)
    assert result.statistic("correlation") == pytest.approx(1.0, abs=0.01)
    assert result.statistic("exposure") == pytest.approx(1034 / 1035, abs=0.002)
