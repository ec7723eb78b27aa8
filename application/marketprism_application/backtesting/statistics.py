"""Statistics of daily equity, each with the convention it is counted by. Held equal to empyrical and quantstats.

Returns are simple ones of trading days. `ddof 1` deviations; a year is the market's number of trading days, and 252 for
comparison with others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketprism_domain.instruments.exchange_codes import is_chinese

Floats = NDArray[np.float64]
YEAR = 252  # trading days, for comparison with others


class Statistic(NamedTuple):
    """A number and the convention by which it is counted; None where there is too little to count it by."""

    name: str
    value: float | None
    convention: str


def days_a_year(*venues: str) -> int:
    """Trading days by which returns are made those of a year: of China where one of the venues is there."""
    return 242 if any(is_chinese(venue) for venue in venues) else 365


def statistics_of(
    equity: Sequence[float], capital: float, *, year: int = 242, intraday: Floats | None = None
) -> list[Statistic]:
    """Every statistic of the equity at the ends of trading days; `intraday` is the equity at every row's price."""
    levels = np.array([capital, *equity], dtype=np.float64)
    found = [Statistic("trading_days", float(len(equity)), "days with rows, nights of the next day included")]
    if len(equity) < 2 or bool((levels <= 0).any()):
        found.append(
            Statistic("total_return", float(levels[-1] / capital - 1) if capital else None, "end over capital, less 1")
        )
        return found
    returns = levels[1:] / levels[:-1] - 1
    found.append(Statistic("total_return", float(levels[-1] / capital - 1), "end over capital, less 1"))
    for days, suffix in ((YEAR, ""), (year, f"_{year}"))[: 1 if year == YEAR else 2]:
        found += _annual(returns, days, suffix)
    found += _drawdowns(levels, intraday)
    found += _tails(returns)
    logs = np.log1p(returns)
    deviation = float(logs.std(ddof=1))
    found.append(
        Statistic(
            "sharpe_log_240", _ratio(float(logs.mean()), deviation, math.sqrt(240)), "log returns, year of 240 days"
        )
    )
    found += _of_days(returns, np.diff(levels), logs)
    return found


def _annual(returns: Floats, days: int, suffix: str) -> list[Statistic]:
    year = f"year of {days} days"
    count, total = len(returns), float(np.prod(1 + returns))
    annual = total ** (days / count) - 1 if total > 0 else None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    downside = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()))
    depth = _depth(np.r_[1.0, np.cumprod(1 + returns)])
    return [
        Statistic(f"annual_return{suffix}", annual, f"compounded, {year}"),
        Statistic(f"volatility{suffix}", deviation * math.sqrt(days), f"standard deviation, ddof 1, {year}"),
        Statistic(f"sharpe{suffix}", _ratio(mean, deviation, math.sqrt(days)), f"mean / deviation, ddof 1, {year}"),
        Statistic(f"sortino{suffix}", _ratio(mean, downside, math.sqrt(days)), f"root mean square of losses, {year}"),
        Statistic(
            f"calmar{suffix}",
            None if annual is None or not depth else annual / -depth,
            f"annual return / drawdown, {year}",
        ),
    ]


def _drawdowns(levels: Floats, intraday: Floats | None) -> list[Statistic]:
    peaks = np.maximum.accumulate(levels)
    below = levels / peaks - 1
    longest, run = 0, 0
    for depth in below.tolist():
        run = run + 1 if depth < 0 else 0
        longest = max(longest, run)
    found = [
        Statistic("max_drawdown", float(below.min()), "of equity at day ends, share of the peak"),
        Statistic("max_drawdown_money", float((levels - peaks).min()), "of equity at day ends, money"),
        Statistic("longest_drawdown_days", float(longest), "trading days below a peak"),
        Statistic(
            "ulcer",
            math.sqrt(float((below[1:] ** 2).sum()) / max(1, len(below) - 2)),
            "root of mean squared drawdown, n - 1",
        ),
    ]
    if intraday is not None and len(intraday):
        found.append(Statistic("max_drawdown_intraday", _depth(intraday), "of equity at every row's price"))
    return found


def _tails(returns: Floats) -> list[Statistic]:
    low, high = float(np.percentile(returns, 5)), float(np.percentile(returns, 95))
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    normal = NormalDist(mean, deviation).inv_cdf(0.05) if deviation > 0 else mean
    worst = returns[returns <= low]
    tail = NormalDist()
    shortfall = mean - deviation * tail.pdf(tail.inv_cdf(0.05)) / 0.05
    gains, losses = float(returns[returns > 0].sum()), float(-returns[returns < 0].sum())
    return [
        Statistic("tail_ratio", abs(high) / abs(low) if low else None, "95th over 5th percentile"),
        Statistic("var_5", low, "historical, 5th percentile"),
        Statistic("var_5_normal", normal, "normal distribution"),
        Statistic(
            "cvar_5", float(worst.mean()) if len(worst) else None, "mean of returns at or below the historical VaR"
        ),
        Statistic("cvar_5_normal", shortfall, "normal distribution"),
        Statistic("omega", gains / losses if losses else None, "sum of gains over sum of losses, threshold 0"),
        *_moments(returns, mean),
    ]


def _moments(returns: Floats, mean: float) -> list[Statistic]:
    """Sample skewness and excess kurtosis, adjusted for their bias as pandas does."""
    count = len(returns)
    apart = returns - mean
    second = float((apart**2).sum())
    skew = kurtosis = None
    if count > 2 and second > 0:
        third = float((apart**3).sum())
        skew = count * math.sqrt(count - 1) / (count - 2) * third / second**1.5
    if count > 3 and second > 0:
        fourth = float((apart**4).sum())
        lead = count * (count + 1) * (count - 1) / ((count - 2) * (count - 3))
        kurtosis = lead * fourth / second**2 - 3 * (count - 1) ** 2 / ((count - 2) * (count - 3))
    return [
        Statistic("skew", skew, "of a sample, adjusted for bias"),
        Statistic("kurtosis", kurtosis, "excess, of a sample, adjusted for bias"),
    ]


def _of_days(returns: Floats, money: Floats, logs: Floats) -> list[Statistic]:
    wins, losses = returns[returns > 0], returns[returns < 0]
    lines = np.cumsum(logs)
    stability = None
    if len(lines) > 2 and float(lines.std()) > 0:
        stability = float(np.corrcoef(np.arange(len(lines), dtype=np.float64), lines)[0, 1] ** 2)
    lost = float(-losses.sum())
    return [
        Statistic(
            "profit_factor_days", float(wins.sum()) / lost if lost else None, "returns of winning over losing days"
        ),
        Statistic(
            "win_rate_days", len(wins) / max(1, len(wins) + len(losses)), "days with a profit among those that moved"
        ),
        Statistic("best_day", float(returns.max()), "simple return"),
        Statistic("worst_day", float(returns.min()), "simple return"),
        Statistic("mean_day_money", float(money.mean()), "money a trading day"),
        Statistic("stability", stability, "R2 of a line through cumulated log returns"),
    ]


def trip_statistics(profits: Sequence[float], hours: Sequence[float]) -> list[Statistic]:
    """Statistics of round trips that are over: profits after fees, and how long each was held."""
    if not profits:
        return [Statistic("round_trips", 0.0, "positions from flat to flat or to the other side")]
    values = np.array(profits, dtype=np.float64)
    wins, losses = values[values > 0], values[values < 0]
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    lost = float(-losses.sum())
    mean_win = float(wins.mean()) if len(wins) else 0.0
    mean_loss = float(-losses.mean()) if len(losses) else 0.0
    return [
        Statistic("round_trips", float(len(values)), "positions from flat to flat or to the other side"),
        Statistic("win_rate", len(wins) / len(values), "round trips with a profit after fees"),
        Statistic("payoff", mean_win / mean_loss if mean_loss else None, "mean profit over mean loss"),
        Statistic("profit_factor", float(wins.sum()) / lost if lost else None, "profits over losses, after fees"),
        Statistic("expectancy", float(values.mean()), "money a round trip, after fees"),
        Statistic(
            "sqn", _ratio(float(values.mean()), deviation, math.sqrt(len(values))), "expectancy / deviation x root of n"
        ),
        Statistic("mean_holding_hours", float(np.mean(hours)), "wall clock"),
    ]


def monthly_returns(days: Sequence[str], equity: Sequence[float], capital: float) -> dict[str, float]:
    """Simple return of each month, `YYYYMM`, from the end of the one before."""
    ends: dict[str, float] = {}
    for day, level in zip(days, equity, strict=True):
        ends[day[:6]] = level
    found, before = {}, capital
    for month, level in ends.items():
        found[month] = level / before - 1 if before else 0.0
        before = level
    return found


def _depth(levels: Floats) -> float:
    return float((levels / np.maximum.accumulate(levels) - 1).min())


def _ratio(mean: float, deviation: float, factor: float) -> float | None:
    return mean / deviation * factor if deviation > 0 else None
