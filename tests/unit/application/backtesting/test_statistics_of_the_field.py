"""Statistics are those of empyrical-reloaded 0.7.1 and quantstats 0.0.86; `make check-statistics` makes these numbers."""

from __future__ import annotations

import numpy as np
import pytest

from marketprism_application.backtesting.benchmark import benchmark_statistics
from marketprism_application.backtesting.breakdown import rolling
from marketprism_application.backtesting.statistics import statistics_of
from tests.benchmarks.statistics_peers import fixed_series, ours

THEIRS = {
    "empyrical.total_return": 0.43272127548345507,
    "empyrical.annual_return": 0.35262009904643143,
    "empyrical.volatility": 0.12560615024027422,
    "empyrical.sharpe": 2.468666818343359,
    "empyrical.sortino": 3.9903273135601527,
    "empyrical.calmar": 6.186284709098842,
    "empyrical.max_drawdown": -0.057000302383075685,
    "empyrical.omega": 1.4199086659377855,
    "empyrical.tail_ratio": 1.1632709765828093,
    "empyrical.var_5": -0.011024099560874393,
    "empyrical.cvar_5": -0.0121626273181555,
    "empyrical.stability": 0.9292002736540054,
    "quantstats.annual_return": 0.35262009904643143,
    "quantstats.volatility": 0.12560615024027422,
    "quantstats.sharpe": 2.46866681834336,
    "quantstats.sortino": 3.9903273135601545,
    "quantstats.calmar": 6.186284709098837,
    "quantstats.max_drawdown": -0.05700030238307574,
    "quantstats.omega": 1.4199086659377853,
    "quantstats.tail_ratio": 1.1632709765828095,
    "quantstats.var_5_normal": -0.011784336627973695,
    "quantstats.cvar_5_normal": -0.01509062388134559,
    "quantstats.skew": -0.056763837553017435,
    "quantstats.kurtosis": -1.2883245093990165,
    "quantstats.ulcer": 0.02155316588553183,
    "quantstats.profit_factor_days": 1.4199086659377853,
    "quantstats.win_rate_days": 0.5533333333333333,
    "quantstats.best_day": 0.014983824968141572,
    "quantstats.worst_day": -0.012913595545605873,
    "empyrical.alpha": 0.1057259332889382,
    "empyrical.beta": 1.1562671271208667,
    "quantstats.correlation": 0.8417304648183452,
    "quantstats.rolling_sharpe": 1.6336721485964212,
    "quantstats.rolling_volatility": 0.12802990137770057,
}


@pytest.mark.parametrize("name", THEIRS)
def test_a_statistic_is_that_of_the_fields_library(name: str) -> None:
    found = ours(*fixed_series())[name.partition(".")[2]]
    assert found == pytest.approx(THEIRS[name], abs=1e-9, rel=1e-9)


def test_every_statistic_says_its_convention() -> None:
    found = statistics_of([1.0, 1.1, 1.05], 1.0, intraday=np.array([1.0, 0.9]))
    found += benchmark_statistics(np.array([0.1, 0.0, -0.1]), np.array([0.1, 0.0, 0.1]))
    assert all(len(each.convention) > 5 for each in found)
    assert len({each.name for each in found}) == len(found)


def test_what_cannot_be_counted_is_nothing() -> None:
    assert benchmark_statistics(np.array([0.1]), np.array([0.1])) == []
    assert benchmark_statistics(np.array([0.1, 0.2]), np.array([0.1, 0.1])) == []
    assert rolling(["1"] * 59, [1.0] * 59, 1.0) == []
    assert [each.sharpe for each in rolling(["1"] * 60, [1.0] * 60, 1.0)] == [None]
