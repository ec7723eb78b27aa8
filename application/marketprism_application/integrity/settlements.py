"""Group `funding`: whether every settlement of a perpetual contract has its rate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.integrity.expected_grid import Index
from marketprism_application.integrity.findings import defect
from marketprism_domain.integrity.report import Defect
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

_HOUR = 60 * NANOS_PER_MINUTE
_LATE_NS = 60 * NANOS_PER_SECOND  # how long after its time a venue may stamp a settlement
_PERIODS = (1, 2, 4, 8, 24)


def period_of(ts: Ints) -> int:
    """Hours between two settlements, as most rows have them; 8, the rule of most contracts, of a single row."""
    if len(ts) < 2:
        return 8
    hours = np.rint(np.diff(np.unique(ts)) / _HOUR).astype(np.int64)
    hours = hours[np.isin(hours, _PERIODS)]
    if not len(hours):
        return 8
    found, counts = np.unique(hours, return_counts=True)
    return int(found[int(np.argmax(counts))])


def settlements(ts: Ints, ts_from: int, ts_to: int) -> tuple[Ints, Index]:
    """The settlement times of [ts_from, ts_to), counted from midnight UTC, and which of them have no row."""
    step = period_of(ts) * _HOUR
    # A venue stamps a settlement some milliseconds late: what begins with one has the one.
    due = np.arange(-(-(ts_from - _LATE_NS) // step) * step, ts_to, step, dtype=np.int64)
    late = np.abs(ts - (ts + _HOUR // 2) // step * step) <= _LATE_NS
    rounded = np.unique(((ts + _HOUR // 2) // step * step)[late])
    return due, np.flatnonzero(~np.isin(due, rounded))


def missing_settlements(due: Ints, absent: Index) -> Iterator[Defect]:
    """One defect for each run of settlements without a rate."""
    if not len(absent):
        return
    step = int(due[1] - due[0]) if len(due) > 1 else 8 * _HOUR
    edges = np.flatnonzero(np.diff(absent) != 1)
    for first, last in zip(np.r_[0, edges + 1].tolist(), np.r_[edges, len(absent) - 1].tolist(), strict=True):
        yield defect("funding_missing", (int(due[absent[first]]), int(due[absent[last]]) + step), last - first + 1)
