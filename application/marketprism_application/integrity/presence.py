"""Groups `missing`, `unexpected`, `duplicate`: which bars are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from marketprism_application.integrity.expected_grid import NOWHERE, Grid, Index
from marketprism_application.integrity.findings import defect, of_places
from marketprism_application.integrity.placing import Placed
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect


def missing(found: Placed, grid: Grid) -> Iterator[Defect]:
    """Bars of a dense series that must be there and are not, the head and the tail of the range included."""
    for each in of_places("missing_range", grid, absent(found, grid)):
        yield each if each.total > 1 else each._replace(code="missing_bar")


def known_holes(found: Placed, grid: Grid, holes: Sequence[tuple[int, int]]) -> Iterator[Defect]:
    """Bars that are not there and that nobody has: the venue was asked before."""
    return of_places("known_hole", grid, np.flatnonzero(grid.inside(holes) & ~found.present))


def absent(found: Placed, grid: Grid) -> Index:
    """Places of the grid that must have a bar and have none."""
    return np.flatnonzero(grid.required & ~found.present)


def unexpected(found: Placed, length_ns: int, grid: Grid) -> Iterator[Defect]:
    """Rows where the calendar has no bar: in a break, on a closed day, before the listing."""
    wrong = np.flatnonzero(found.at == NOWHERE)
    if not len(wrong):
        return
    ts = found.rows.ts[wrong]
    edges = np.flatnonzero((ts[1:] - ts[:-1]) != length_ns)
    for first, last in zip(np.r_[0, edges + 1].tolist(), np.r_[edges, len(wrong) - 1].tolist(), strict=True):
        numbers = wrong[first : last + 1]
        yield defect(
            "unexpected_bar",
            (int(ts[first]), int(ts[last]) + length_ns),
            len(numbers),
            trading_day=grid.day_at(int(ts[first])),
            rows=tuple(found.rows.sample(int(number)) for number in numbers[:SAMPLE_ROWS]),
        )


def duplicate(found: Placed, grid: Grid, length_ns: int) -> Iterator[Defect]:
    """Rows of one time that differ; the same row again is stored once, and only worth a notice."""
    for code, surplus in (("duplicate", found.conflicting), ("repeated", found.repeated)):
        if not len(surplus):
            continue
        ts = found.rows.ts[surplus]
        edges = np.flatnonzero(ts[1:] - ts[:-1] > length_ns)
        for first, last in zip(np.r_[0, edges + 1].tolist(), np.r_[edges, len(surplus) - 1].tolist(), strict=True):
            numbers = surplus[first : last + 1]
            beside = int(numbers[0]) - 1  # the row that it is beside
            shown = [beside, *numbers.tolist()][:SAMPLE_ROWS]
            yield defect(
                code,
                (int(ts[first]), int(ts[last]) + length_ns),
                len(numbers),
                trading_day=grid.day_at(int(ts[first])),
                rows=tuple(found.rows.sample(int(number)) for number in shown),
            )
