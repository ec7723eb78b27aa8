"""Group `gaps`: what bars say of gaps, held against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketprism_application.integrity.bar_rows import BarRows, Index
from marketprism_application.integrity.exact_numbers import Flags
from marketprism_application.integrity.expected_grid import Grid


class GapFlags(NamedTuple):
    """Rows that overlap a gap and do not say so, and rows that say so although the ledger has none there."""

    unflagged: Flags
    unknown: Flags


def gap_flags(rows: BarRows, at: Index, grid: Grid, gaps: Sequence[tuple[int, int]]) -> GapFlags:
    """Each bar against the gaps of the ledger, [ts_from, ts_to]; the tick that ends a gap belongs to it."""
    assert rows.gap is not None  # noqa: S101 (asked of series that have it)
    opens, closes = grid.ts_open[at], grid.ts_close[at]
    if not gaps:
        return GapFlags(np.zeros(len(rows), dtype=np.bool_), rows.gap.copy())
    ordered = np.array(sorted(gaps), dtype=np.int64).reshape(-1, 2)
    begins = ordered[:, 0]
    ends = np.maximum.accumulate(ordered[:, 1])  # of all that begin so early, the one that lasts longest
    before = np.searchsorted(begins, closes, side="left") - 1
    overlaps = (before >= 0) & (ends[np.maximum(before, 0)] >= opens)
    return GapFlags(overlaps & ~rows.gap, rows.gap & ~overlaps)
