"""Group `time_unit`: whether the times of a file have one unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.integrity.findings import defect
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect, SampleRow

UNITS = {10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}


def mixed_units(ts: Ints, digits: Ints, sample: Callable[[int], SampleRow]) -> Iterator[Defect]:
    """Rows whose time has another number of digits than most rows of the file, a defect for each such number."""
    lengths, counts = np.unique(digits, return_counts=True)
    usual = int(lengths[int(np.argmax(counts))])
    for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
        if length == usual:
            continue
        rows = np.flatnonzero(digits == length)
        yield defect(
            "time_unit",
            (int(ts[rows].min()), int(ts[rows].max()) + 1),
            count,
            text=f"in {UNITS.get(length, f'{length} digits')}, other rows in {UNITS.get(usual, f'{usual} digits')}",
            rows=tuple(sample(int(row)) for row in rows[:SAMPLE_ROWS]),
        )
