"""Whether something grows: the slope of samples by Theil and Sen, and whether it is one by Mann and Kendall.

Both look at pairs of samples only: a peak here and there changes neither. The slope is the median of those of all
pairs; the test counts how many pairs rise. Samples of a process hang together, which a test of independent ones takes
for a trend: its variance is corrected by how much the ranks around the slope hang together (Hamed and Rao).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

_MOST = 400  # samples that are looked at: pairs are many
_SIGNIFICANT = 0.01
_LEAST = 10


@dataclass(frozen=True, slots=True)
class Slope:
    """`per_hour` in the unit of the samples, between `low` and `high` with 99 %; `p` of there being no trend."""

    per_hour: float
    low: float
    high: float
    p: float
    samples: int
    median: float
    hours: float


@dataclass(frozen=True, slots=True)
class Bound:
    """What may grow how much an hour: in the samples' unit, or as a part of their median, whichever is more. What grows
    by less than `least` in all the time that was looked at is not looked into: a run of minutes is mostly beginnings."""

    per_hour: float
    part_per_hour: float = 0.0
    least: float = 0.0

    def of(self, slope: Slope) -> float:
        """The bound for samples like these."""
        return max(self.per_hour, self.part_per_hour * abs(slope.median), self.least / slope.hours)


def verdict(slope: Slope | None, bound: Bound) -> str:
    """`holds`, `grows` (there is a trend, and all of its likely slopes are above the bound), or `unknown`."""
    if slope is None:
        return "unknown"
    limit = bound.of(slope)
    if slope.p < _SIGNIFICANT and slope.low > limit:
        return "grows"
    return "holds" if slope.high <= limit or slope.per_hour <= limit or slope.p >= _SIGNIFICANT else "unknown"


def slope_of(samples: Sequence[tuple[float, float]], *, warm_up_s: float = 0.0) -> Slope | None:
    """The slope of (seconds, value) behind a warm-up; None of fewer than ten samples."""
    begin = samples[0][0] + warm_up_s if samples else 0.0
    kept = [sample for sample in samples if sample[0] >= begin]
    kept = kept[:: max(1, math.ceil(len(kept) / _MOST))]
    if len(kept) < _LEAST:
        return None
    times, values = [time for time, _ in kept], [value for _, value in kept]
    pairs = sorted(
        (values[late] - values[early]) / (times[late] - times[early])
        for early in range(len(kept))
        for late in range(early + 1, len(kept))
        if times[late] > times[early]
    )
    rising, spread = _kendall(values), _spread(values)
    corrected = spread * _together(times, values, median(pairs))
    z = 0.0 if corrected <= 0 else (rising - math.copysign(1, rising)) / math.sqrt(corrected) if rising else 0.0
    p = 2 * (1 - NormalDist().cdf(abs(z)))
    around = NormalDist().inv_cdf(0.995) * math.sqrt(max(corrected, 0.0))
    low = pairs[max(0, int((len(pairs) - around) / 2))]
    high = pairs[min(len(pairs) - 1, math.ceil((len(pairs) + around) / 2))]
    hours = (times[-1] - times[0]) / 3_600
    return Slope(median(pairs) * 3_600, low * 3_600, high * 3_600, p, len(kept), median(values), hours)


def _kendall(values: Sequence[float]) -> int:
    """Pairs that rise, less those that fall."""
    return sum(
        (values[late] > values[early]) - (values[late] < values[early])
        for early in range(len(values))
        for late in range(early + 1, len(values))
    )


def _spread(values: Sequence[float]) -> float:
    """The variance of that number where there is no trend; equal values are worth less."""
    count = len(values)
    equal = [values.count(value) for value in set(values)]
    return (count * (count - 1) * (2 * count + 5) - sum(t * (t - 1) * (2 * t + 5) for t in equal)) / 18


def _together(times: Sequence[float], values: Sequence[float], slope: float) -> float:
    """How many times larger the variance is, as the ranks around the slope hang together; at least one."""
    grain = 1e-9 * max(map(abs, values)) or 1.0  # below it is no difference, only arithmetic
    rest = [round((value - slope * time) / grain) for time, value in zip(times, values, strict=True)]
    ordered = sorted(rest)
    ranks = [(bisect_left(ordered, each) + bisect_right(ordered, each) - 1) / 2 for each in rest]
    count = len(ranks)
    mean = (count - 1) / 2
    whole = sum((rank - mean) ** 2 for rank in ranks)
    if whole == 0:
        return 1.0
    factor = 1.0
    for lag in range(1, min(count - 2, count // 4)):
        alike = sum((ranks[at] - mean) * (ranks[at + lag] - mean) for at in range(count - lag)) / whole
        if alike < 1 / math.sqrt(count):  # from here on it may as well be chance
            break
        factor += (
            2 * (count - lag) * (count - lag - 1) * (count - lag - 2) * alike / (count * (count - 1) * (count - 2))
        )
    return max(1.0, factor)


__all__ = ["Bound", "Slope", "slope_of", "verdict"]
