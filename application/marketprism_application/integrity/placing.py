"""Where the rows of a series belong: at which place of the grid, in which zone, and which of several of one time.

A series that is some whole hours off, as a whole or in a block, is checked where it belongs, and that it is off is one
defect: otherwise each of its rows would be unexpected and each of its bars missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketprism_application.integrity.bar_rows import PRICES, BarRows
from marketprism_application.integrity.exact_numbers import ExactNumbers, Flags
from marketprism_application.integrity.expected_grid import NOWHERE, Grid, runs_of
from marketprism_application.integrity.findings import defect
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect
from marketprism_domain.values import NANOS_PER_MINUTE

Index = NDArray[np.intp]
_HOUR = 60 * NANOS_PER_MINUTE
_SHIFTS = [sign * hours for hours in range(1, 15) for sign in (1, -1)]
_LEAST_BLOCK = 10  # rows that are off together: fewer can be there by accident
_MOSTLY, _HARDLY = 0.98, 0.9


class Stamped(NamedTuple):
    """Rows by the times at which their bars open, and what had to be found out for it."""

    rows: BarRows
    defects: tuple[Defect, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """Rows in the grid's order.

    `at` is each row's place, NOWHERE of an unexpected one. `settled` are rows that alone say what their bar is: the
    first of rows that are the same, none of several that differ. `conflicting` are rows beside another of the same
    time that differ, `repeated` rows that are there again.
    """

    rows: BarRows
    at: Index
    settled: Index
    conflicting: Index
    repeated: Index
    present: Flags
    defects: tuple[Defect, ...] = ()


def by_opening(rows: BarRows, grid: Grid, stamps: str, length_ns: int) -> Stamped:
    """The rows at the times at which their bars open.

    `stamps` says which time a row bears: "open" or "close"; empty is found out by which of them the calendar has. So
    is, whatever it says, a zone that is some whole hours off.
    """
    rows = rows.in_order()
    if not len(rows) or not len(grid):
        return Stamped(rows, (), ())
    opened = _hits(grid.place(rows.ts))
    ended = _hits(grid.place_ends(rows.ts)) if stamps != "open" else 0
    closing = stamps == "close" or (stamps == "" and _is_closing(opened, ended, len(rows)))
    if max(opened, ended) >= _HARDLY * _inside(grid, rows):
        return _of_end(rows, grid, length_ns, stamps) if closing else Stamped(rows, (), ())
    hits = {(each, False): _hits(grid.place(rows.ts - each * _HOUR)) for each in _SHIFTS}
    if stamps != "open":
        ends = {(each, True): _hits(grid.place_ends(rows.ts - each * _HOUR)) for each in _SHIFTS}
        for (each, _), count in ends.items():
            if stamps or _is_closing(hits[each, False], count, len(rows)):
                hits[each, True] = count
    hours, at_end = max(hits, key=lambda each: (hits[each], each[1]))
    if hits[hours, at_end] < _MOSTLY * len(rows):
        return _of_end(rows, grid, length_ns, stamps) if closing else Stamped(rows, (), ())
    found = defect(
        "wrong_zone",
        (int(rows.ts[0]), int(rows.ts[-1]) + length_ns),
        len(rows),
        trading_day=grid.day_at(int(rows.ts[0]) - hours * _HOUR),
        text=f"all rows are {abs(hours)} h {'late' if hours > 0 else 'early'}",
        rows=tuple(rows.sample(number) for number in range(min(SAMPLE_ROWS, len(rows)))),
    )
    shifted = rows.at(rows.ts - hours * _HOUR)
    known = _of_end(shifted, grid, length_ns, stamps) if at_end else Stamped(shifted, (), ())
    return known._replace(defects=(found,))


def _is_closing(opened: int, ended: int, count: int) -> bool:
    """Whether rows bear the end of their bars: that leaves fewer outside than if it were the begin, by a tenth."""
    return ended > opened and (count - ended) * 10 <= (count - opened) * 9


def _of_end(rows: BarRows, grid: Grid, length_ns: int, stamps: str) -> Stamped:
    """Rows that bear the end of their bars, at the times at which these open; others as long before as bars last."""
    at = grid.place_ends(rows.ts)
    ts = np.where(at == NOWHERE, rows.ts - length_ns, grid.ts_open[np.maximum(at, 0)])
    remarks = () if stamps else ("rows bear the time at which their bars close",)
    return Stamped(rows.at(ts).in_order(), (), remarks)


def placed(rows: BarRows, grid: Grid) -> Placed:
    """The rows in the grid, with blocks that are some whole hours off where they belong."""
    at = grid.place(rows.ts)
    known = at != NOWHERE
    ts = rows.ts.copy()
    ts[known] = grid.ts_open[at[known]]
    order = np.argsort(ts, kind="stable") if bool((ts[1:] < ts[:-1]).any()) else None
    if order is not None:
        ts, at, rows = ts[order], at[order], rows.taken(order)
    rows = rows.at(ts)
    found = _sorted_out(rows, at, grid)
    return _moved(found, grid)


def _sorted_out(rows: BarRows, at: Index, grid: Grid) -> Placed:
    """Which of the rows of one time stands."""
    count = len(rows)
    first = np.ones(count, dtype=np.bool_)
    conflict = np.zeros(count, dtype=np.bool_)
    if count > 1:
        same = rows.ts[1:] == rows.ts[:-1]
        first[1:] = ~same
        if same.any():
            differs = np.zeros(count, dtype=np.bool_)
            pairs = np.flatnonzero(same)
            differs[pairs + 1] = _differ(rows, pairs)
            group = np.cumsum(first) - 1
            conflict = np.isin(group, group[differs])
    surplus = ~first
    present = np.zeros(len(grid), dtype=np.bool_)
    present[at[at != NOWHERE]] = True
    return Placed(
        rows,
        at,
        np.flatnonzero(first & ~conflict & (at != NOWHERE)),
        np.flatnonzero(surplus & conflict),
        np.flatnonzero(surplus & ~conflict),
        present,
    )


def _differ(rows: BarRows, pairs: Index) -> Flags:
    """Whether the row after each of these has other values."""
    differs = np.zeros(len(pairs), dtype=np.bool_)
    for name in (*PRICES, "volume", "turnover", "open_interest"):
        column: ExactNumbers | None = getattr(rows, name)
        if column is not None:
            differs |= (column.units[pairs] != column.units[pairs + 1]).astype(np.bool_)
    return differs


def _moved(found: Placed, grid: Grid) -> Placed:
    """Blocks that are missing somewhere and are there some whole hours away."""
    defects: list[Defect] = []
    at, present = found.at.copy(), found.present.copy()
    loose = np.r_[np.flatnonzero(at == NOWHERE), found.conflicting]
    conflicting = found.conflicting
    while len(loose) >= _LEAST_BLOCK:
        absent = grid.required & ~present
        best, rows_of_best, places = 0, loose[:0], loose[:0]
        for hours in _SHIFTS:
            place = grid.place(found.rows.ts[loose] - hours * _HOUR)
            hit = (place != NOWHERE) & absent[place]
            if hit.sum() > len(places):
                best, rows_of_best, places = hours, loose[hit], place[hit]
        taken: list[int] = []
        order = np.argsort(places, kind="stable")
        rows_of_best, places = rows_of_best[order], places[order]
        for first, last in runs_of(places):
            if last - first + 1 >= _LEAST_BLOCK:
                block = rows_of_best[first : last + 1]
                defects.append(_block(found.rows, grid, block, places[first : last + 1], best))
                at[block] = np.where(at[block] == NOWHERE, places[first : last + 1], at[block])
                present[places[first : last + 1]] = True
                taken.extend(block.tolist())
        if not taken:
            break
        loose = np.setdiff1d(loose, np.array(taken))
        conflicting = np.setdiff1d(conflicting, np.array(taken))
    if not defects:
        return found
    moved = np.flatnonzero(at != found.at)
    ts = found.rows.ts.copy()
    ts[moved] = grid.ts_open[at[moved]]
    settled = np.r_[found.settled, moved]
    settled = settled[np.argsort(ts[settled], kind="stable")]
    return replace(
        found,
        rows=found.rows.at(ts),
        at=at,
        settled=settled,
        conflicting=conflicting,
        present=present,
        defects=tuple(defects),
    )


def _block(rows: BarRows, grid: Grid, block: Index, places: Index, hours: int) -> Defect:
    ts = rows.ts[block]
    return defect(
        "wrong_zone",
        (int(ts.min()), int(ts.max()) + int(grid.ts_close[places[0]] - grid.ts_open[places[0]])),
        len(block),
        trading_day=grid.trading_day(int(places[0])),
        text=f"rows are {abs(hours)} h {'late' if hours > 0 else 'early'}",
        rows=tuple(rows.sample(int(number)) for number in block[:SAMPLE_ROWS]),
    )


def _hits(places: Index) -> int:
    return int((places != NOWHERE).sum())


def _inside(grid: Grid, rows: BarRows) -> int:
    """Rows within the days of the grid: what lies before it and behind it says nothing of a zone."""
    return int(((rows.ts >= grid.ts_open[0]) & (rows.ts < grid.ts_close[-1])).sum())
