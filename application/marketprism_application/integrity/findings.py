"""How findings become defects: ranges coded by runs, the first rows as evidence, totals that are never cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.catalogue import CODES
from marketprism_application.integrity.exact_numbers import Flags
from marketprism_application.integrity.expected_grid import Grid, runs_of
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect, SampleRow

Index = NDArray[np.intp]


def defect(
    code: str,
    ts: tuple[int, int],
    count: int,
    *,
    trading_day: str = "",
    text: str = "",
    rows: tuple[SampleRow, ...] = (),
) -> Defect:
    """A finding of a code over [ts_from, ts_to), with what the table has of the code."""
    row = CODES[code]
    return Defect(code, row.severity, row.certainty, ts[0], ts[1], count, trading_day, text, rows, row.weight)


def of_rows(
    code: str, rows: BarRows, at: Index, grid: Grid, wrong: Flags | Index, *fields: str, text: str = ""
) -> Iterator[Defect]:
    """One defect for each run of wrong rows that follow one another, `at` their places in the grid, all in order."""
    found = np.flatnonzero(wrong) if wrong.dtype == np.bool_ else wrong
    for first, last in runs_of(np.asarray(found, dtype=np.intp)):
        numbers = range(int(found[first]), int(found[last]) + 1)
        samples = tuple(rows.sample(number, *fields) for number in numbers[:SAMPLE_ROWS])
        begin, end = int(at[numbers[0]]), int(at[numbers[-1]])
        yield defect(
            code,
            (int(grid.ts_open[begin]), int(grid.ts_close[end])),
            len(numbers),
            trading_day=grid.trading_day(begin),
            text=text,
            rows=samples,
        )


def of_places(code: str, grid: Grid, places: Index, *, text: str = "") -> Iterator[Defect]:
    """One defect for each run of places of the grid, in order."""
    for first, last in runs_of(places):
        begin, end = int(places[first]), int(places[last])
        yield defect(
            code,
            (int(grid.ts_open[begin]), int(grid.ts_close[end])),
            last - first + 1,
            trading_day=grid.trading_day(begin),
            text=text,
        )
