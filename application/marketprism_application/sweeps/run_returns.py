"""Returns of many runs of one question, made of what each of them says of its days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from marketprism_application.backtesting.identity import digest_of
from marketprism_application.backtesting.statistics import days_a_year, statistics_of

Result = dict[str, object]
RANKED: Final = "ranked"  # the state of a set that only a kernel has run


def returns_of(done: Sequence[Result], capital: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Returns by trading day [days x runs]; a day that a run does not have is one without a return."""
    equities = [dict(_days(each)) for each in done]
    days = sorted(set().union(*equities))
    found = np.zeros((len(days), len(done)), dtype=np.float64)
    for run, equity in enumerate(equities):
        last = capital
        for row, day in enumerate(days):
            now = equity.get(day, last)
            found[row, run] = now / last - 1 if last else 0.0
            last = now
    return found


def chained(windows: Sequence[Result], capital: float, venue: str) -> Result:
    """Profits behind each training, one after another: what would have been earned by whoever chose anew each time."""
    equity, chain = capital, list[list[object]]()
    for window in windows:
        last = capital
        for day, now in _days(window):
            equity += now - last
            last = now
            chain.append([day, equity])
    found = statistics_of([float(str(each[1])) for each in chain], capital, year=days_a_year(venue), intraday=None)
    return {
        "net": equity - capital,
        "equity": chain,
        "statistics": {each.name: each.value for each in found},
        "chosen": [
            {name: each.get(name) for name in ("train", "test", "params", "in_sample", "net", "tried")}
            for each in windows
        ],
    }


def winner_of(results: Sequence[Result], values: Sequence[float | None]) -> int:
    """Which result has the highest value of those that events have run, at least one of them: what a kernel alone has
    run is no winner, whatever it says. Of equal ones the first, and one without a value only where all have none."""
    by_events = [at for at, each in enumerate(results) if each.get("state") != RANKED]
    return max(by_events, key=lambda at: (values[at] is not None, values[at] or 0.0, -at))


def trials_digest(results: Sequence[Result]) -> str:
    """What makes a sweep the same as an earlier one, whether a kernel or events have run its sets."""
    return digest_of([_tried(each) for each in results])


def _tried(result: Result) -> list[object]:
    days = result.get("days")
    error = result.get("error")
    equity = [[day, str(Decimal(str(worth)).normalize())] for day, worth in days] if isinstance(days, list) else error
    params = result.get("params")
    return [dict(sorted(params.items())) if isinstance(params, dict) else params, equity]


def _days(result: Mapping[str, object]) -> list[tuple[str, float]]:
    rows = result.get("days")
    return [(str(day), float(str(equity))) for day, equity in rows] if isinstance(rows, list) else []


__all__ = ["RANKED", "Result", "chained", "returns_of", "trials_digest", "winner_of"]
