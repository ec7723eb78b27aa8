"""What runs are ranked by: a statistic, or a sum of money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

from marketprism_application.backtesting.statistics import statistics_of, trip_statistics

_SUMS = ("net", "gross", "fees", "orders", "lots", "gap_exposure")
_TRADED = ("turnover", "turnover_a_day", "fees_share", "exposure", "alpha", "beta", "correlation")


def value_of(result: Mapping[str, object], objective: str) -> float | None:
    """The value of a run by which it is ranked, None where it has none."""
    statistics = result.get("statistics")
    value = result.get(objective) if objective in _SUMS else None
    if value is None and isinstance(statistics, Mapping):
        value = statistics.get(objective)
    if value is None:
        return None
    number = float(str(value))
    return number if math.isfinite(number) else None


@cache
def objectives() -> tuple[str, ...]:
    """Every name that runs can be ranked by."""
    found = [*statistics_of([1.0, 1.1, 1.05], 1.0), *trip_statistics([1.0, -1.0], [1.0, 1.0])]
    return (*_SUMS, *dict.fromkeys(each.name for each in found), *_TRADED)


__all__ = ["objectives", "value_of"]
