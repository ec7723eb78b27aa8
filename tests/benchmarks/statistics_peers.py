"""Our statistics held against empyrical-reloaded and quantstats, in an environment that has them: `make check-statistics`.

It needs no package of ours but the module of statistics and that of a benchmark. Prints the largest difference of each
number over random series, and the numbers that tests keep as constants. Exits 1 beyond 1e-9.
"""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from marketprism_application.backtesting.benchmark import benchmark_statistics
from marketprism_application.backtesting.breakdown import rolling
from marketprism_application.backtesting.statistics import statistics_of

warnings.filterwarnings("ignore")
MOST = 1e-9


def fixed_series() -> tuple[list[float], list[float]]:
    """Returns and a benchmark of 300 days that need no generator of random numbers."""
    mine = [0.001 + 0.01 * math.sin(k * k * 0.37) + 0.004 * math.cos(3.1 * k) for k in range(300)]
    return mine, [0.0005 + 0.008 * math.sin(k * k * 0.37 + 0.5) for k in range(300)]


def ours(returns: Sequence[float], benchmark: Sequence[float]) -> dict[str, float | None]:
    """Every statistic of a series by its name."""
    equity = np.cumprod(1 + np.array(returns)).tolist()
    found = {each.name: each.value for each in statistics_of(equity, 1.0, year=252)}
    found |= {each.name: each.value for each in benchmark_statistics(np.array(returns), np.array(benchmark))}
    last = rolling([str(k) for k in range(len(equity))], equity, 1.0)[-1]
    return found | {"rolling_sharpe": last.sharpe, "rolling_volatility": last.volatility}


def theirs(returns: Sequence[float], benchmark: Sequence[float]) -> dict[str, float]:
    """The same of the two libraries, `library.name` by our names."""
    import empyrical as ep  # type: ignore[import-not-found]  # noqa: PLC0415 (only in their environment)
    import pandas as pd  # noqa: PLC0415 (as above)
    import quantstats.stats as qs  # type: ignore[import-not-found]  # noqa: PLC0415 (as above)

    days = pd.bdate_range("2020-01-01", periods=len(returns))
    mine, held = pd.Series(returns, index=days), pd.Series(benchmark, index=days)
    alpha, beta = ep.alpha_beta(mine, held)
    both: dict[str, Callable[[object], float]] = {
        "empyrical.total_return": ep.cum_returns_final,
        "empyrical.annual_return": ep.annual_return,
        "empyrical.volatility": ep.annual_volatility,
        "empyrical.sharpe": ep.sharpe_ratio,
        "empyrical.sortino": ep.sortino_ratio,
        "empyrical.calmar": ep.calmar_ratio,
        "empyrical.max_drawdown": ep.max_drawdown,
        "empyrical.omega": ep.omega_ratio,
        "empyrical.tail_ratio": ep.tail_ratio,
        "empyrical.var_5": ep.value_at_risk,
        "empyrical.cvar_5": ep.conditional_value_at_risk,
        "empyrical.stability": ep.stability_of_timeseries,
        "quantstats.annual_return": qs.cagr,
        "quantstats.volatility": qs.volatility,
        "quantstats.sharpe": qs.sharpe,
        "quantstats.sortino": qs.sortino,
        "quantstats.calmar": qs.calmar,
        "quantstats.max_drawdown": qs.max_drawdown,
        "quantstats.omega": qs.omega,
        "quantstats.tail_ratio": qs.tail_ratio,
        "quantstats.var_5_normal": qs.var,
        "quantstats.cvar_5_normal": qs.cvar,
        "quantstats.skew": qs.skew,
        "quantstats.kurtosis": qs.kurtosis,
        "quantstats.ulcer": qs.ulcer_index,
        "quantstats.profit_factor_days": qs.profit_factor,
        "quantstats.win_rate_days": qs.win_rate,
        "quantstats.best_day": qs.best,
        "quantstats.worst_day": qs.worst,
    }
    found = {name: float(count(mine)) for name, count in both.items()}
    found |= {"empyrical.alpha": float(alpha), "empyrical.beta": float(beta)}
    found["quantstats.correlation"] = float(np.corrcoef(mine, held)[0, 1])
    found["quantstats.rolling_sharpe"] = float(qs.rolling_sharpe(mine, rolling_period=60).iloc[-1])
    found["quantstats.rolling_volatility"] = float(qs.rolling_volatility(mine, rolling_period=60).iloc[-1])
    return found


def main() -> int:
    """Compare, print, and say by the exit code whether all is equal."""
    generator, worst = random.Random(7), dict[str, float]()
    cases = [fixed_series()]
    for _ in range(200):
        count, drift, spread = generator.randrange(60, 800), generator.gauss(0, 0.002), generator.uniform(0.002, 0.04)
        held = [generator.gauss(0, 0.01) for _ in range(count)]
        cases.append(([drift + 0.3 * each + generator.gauss(0, spread) for each in held], held))
    for returns, held in cases:
        mine = ours(returns, held)
        for name, value in theirs(returns, held).items():
            found = mine[name.partition(".")[2]]
            apart = math.inf if found is None else abs(found - value) / max(1.0, abs(value))
            worst[name] = max(worst.get(name, 0.0), apart)
    for name, value in theirs(*cases[0]).items():
        print(f'"{name}": {value!r},  # at most {worst[name]:.1e} apart')
    return 1 if max(worst.values()) > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
