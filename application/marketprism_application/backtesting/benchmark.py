"""A run held against what holding its instruments would have earned: alpha, beta, correlation.

Alpha and beta are counted as empyrical does: over daily simple returns, alpha compounded over a year of 252 days.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marketprism_application.backtesting.equity import Marks
from marketprism_application.backtesting.statistics import Floats, Statistic

_YEAR = 252
_HELD = "against holding the run's instruments, each an equal part"


def held_returns(marks: Sequence[Marks], days: Sequence[str]) -> Floats:
    """Return of each trading day of holding every instrument that has prices at both its ends, in equal parts; of its
    first day from its first price."""
    found = np.zeros(len(days), dtype=np.float64)
    parts = np.zeros(len(days), dtype=np.float64)
    wanted = np.array([int(day) for day in days], dtype=np.int64)
    for each in marks:
        ends = np.searchsorted(each.day, wanted, side="right") - 1
        before = -1
        for number, end in enumerate(ends.tolist()):
            if end > before:
                start = float(each.price[before if before >= 0 else 0])
                if start > 0:
                    found[number] += float(each.price[end]) / start - 1
                    parts[number] += 1
                before = end
    return np.divide(found, parts, out=np.zeros_like(found), where=parts > 0)


def benchmark_statistics(returns: Floats, benchmark: Floats) -> list[Statistic]:
    """Alpha, beta and correlation to a benchmark of as many days; nothing where it does not move."""
    if len(returns) < 2:
        return []
    apart = benchmark - benchmark.mean()
    variance = float((apart**2).mean())
    if variance <= 0:
        return []
    beta = float((apart * returns).mean()) / variance
    alpha = (1 + float((returns - beta * benchmark).mean())) ** _YEAR - 1
    deviation = float(returns.std())
    correlation = None
    if deviation > 0:
        correlation = float((apart * (returns - returns.mean())).mean()) / (deviation * float(benchmark.std()))
    return [
        Statistic(
            "benchmark_return", float(np.prod(1 + benchmark) - 1), "of holding the run's instruments, equal parts"
        ),
        Statistic("alpha", alpha, f"{_HELD}, compounded, year of {_YEAR} days"),
        Statistic("beta", beta, f"{_HELD}, of daily returns"),
        Statistic("correlation", correlation, f"{_HELD}, of daily returns"),
    ]


__all__ = ["benchmark_statistics", "held_returns"]
