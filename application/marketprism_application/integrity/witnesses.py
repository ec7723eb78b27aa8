"""Groups `day_sums`, `klines`, `trades`: a series held against other sources of the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from marketprism_application.integrity.bar_rows import PRICES, BarRows, Index
from marketprism_application.integrity.exact_numbers import ExactNumbers, Flags, Ints
from marketprism_application.integrity.expected_grid import NOWHERE, Grid
from marketprism_application.integrity.findings import defect, of_places
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_domain.integrity.report import SAMPLE_ROWS, Defect, SampleRow


class Compared(NamedTuple):
    """Defects of a comparison, and how much could not be compared."""

    defects: list[Defect]
    compared: int
    skipped: int


def day_sums(rows: BarRows, at: Index, grid: Grid, whole: Flags, days: BarRows, day_grid: Grid) -> Compared:
    """Bars of each whole day added up, against the bar of the day: volume and turnover exactly, first open, highest
    high, lowest low, last close. `whole` says of each day of the grid whether none of its bars is missing: a day that
    is not is no witness of anything but that."""
    if not len(rows):
        return Compared([], 0, 0)
    numbers = grid.day[at]
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    made = _day_bars(rows, starts)
    mine, theirs = made.fitted(days)
    place = {
        day_grid.trading_day(int(where)): row for row, where in enumerate(day_grid.place(days.ts)) if where != NOWHERE
    }
    defects: list[Defect] = []
    compared = skipped = 0
    for row, number in enumerate(numbers[starts].tolist()):
        other = place.get(grid.days[number])
        if other is None or not whole[number]:
            skipped += 1
            continue
        compared += 1
        differing = [*_differing(mine, row, theirs, other, (*PRICES, "volume")), *_money(made, row, days, other)]
        if differing:
            begin = int(starts[row])
            end = int(starts[row + 1]) if row + 1 < len(starts) else len(rows)
            defects.append(
                defect(
                    "volume_mismatch",
                    (int(grid.ts_open[at[begin]]), int(grid.ts_close[at[end - 1]])),
                    end - begin,
                    trading_day=grid.days[number],
                    text=f"of the bar of the day: {', '.join(differing)}",
                    rows=(theirs.sample(other), mine.sample(row)),
                )
            )
    return Compared(defects, compared, skipped)


def _day_bars(rows: BarRows, starts: Index) -> BarRows:
    """One bar of each day out of the bars that begin at these rows."""
    ends = np.r_[starts[1:], len(rows)] - 1
    traded = np.asarray(rows.volume.units > 0, dtype=np.bool_)
    # A bar without a trade repeats the price before it: the day opens with the first that has one, if any has.
    first = np.array(
        [
            begin + int(np.argmax(traded[begin : end + 1]))
            for begin, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ],
        dtype=np.intp,
    )
    idle = ~np.add.reduceat(traded, starts).astype(np.bool_)  # days without a trade: their bars say what they say
    counted = traded | np.repeat(idle, np.diff(np.r_[starts, len(rows)]))
    high = np.where(counted, rows.high.units, rows.high.units.min())
    low = np.where(counted, rows.low.units, rows.low.units.max())
    return BarRows(
        rows.ts[starts],
        rows.row[starts],
        rows.open.taken(first),
        ExactNumbers(np.maximum.reduceat(high, starts), rows.high.scale),
        ExactNumbers(np.minimum.reduceat(low, starts), rows.low.scale),
        rows.close.taken(ends),
        rows.volume.sums(starts),
        None if rows.turnover is None else rows.turnover.sums(starts),
    )


def _differing(mine: BarRows, row: int, theirs: BarRows, other: int, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        one, two = getattr(mine, name), getattr(theirs, name)
        if one.units[row] != two.units[other]:
            yield f"{name} {two.text(other)} there, {one.text(row)} here"


def _money(mine: BarRows, row: int, days: BarRows, other: int) -> Iterator[str]:
    if mine.turnover is None or days.turnover is None:
        return
    if mine.turnover.decimal(row) != days.turnover.decimal(other):
        yield f"turnover {days.turnover.text(other)} there, {mine.turnover.text(row)} here"


def klines(
    rows: BarRows,
    at: Index,
    grid: Grid,
    theirs: BarRows,
    *,
    code: str = "kline_mismatch",
    known_holes: Sequence[tuple[int, int]] = (),
) -> Compared:
    """Bars against those of another source, one by one: prices and volume exactly, the count of trades where both have
    it. What only the other has, with volume, is missing here, but in known holes."""
    places = grid.place(theirs.ts)
    row_of = np.full(len(grid), NOWHERE, dtype=np.intp)
    row_of[at] = np.arange(len(rows))
    there = np.flatnonzero(places != NOWHERE)
    here = row_of[places[there]]
    both = here != NOWHERE
    mine, other = rows.fitted(theirs)
    left, right = here[both], there[both]
    wrong = np.zeros(len(left), dtype=np.bool_)
    for name in (*PRICES, "volume"):
        wrong |= (getattr(mine, name).units[left] != getattr(other, name).units[right]).astype(np.bool_)
    if mine.trades is not None and other.trades is not None:
        wrong |= mine.trades[left] != other.trades[right]
    order = np.argsort(left[wrong], kind="stable")
    found = _pairs(code, mine, other, (left[wrong][order], right[wrong][order]), at, grid)
    absent = there[~both]
    absent = absent[~grid.inside(known_holes)[places[absent]]]
    return Compared([*found, *_only_there(grid, other, absent, places)], len(left), int((places == NOWHERE).sum()))


def _only_there(grid: Grid, theirs: BarRows, rows: Index, places: Index) -> Iterator[Defect]:
    traded = rows[np.asarray(theirs.volume.units[rows] > 0, dtype=np.bool_)]
    for each in of_places("missing_range", grid, np.unique(places[traded]), text="another source has volume there"):
        yield each if each.total > 1 else each._replace(code="missing_bar")


def _pairs(
    code: str, mine: BarRows, theirs: BarRows, pairs: tuple[Index, Index], at: Index, grid: Grid
) -> Iterator[Defect]:
    left, right = pairs
    if not len(left):
        return
    edges = np.flatnonzero(np.diff(at[left]) != 1)
    for first, last in zip(np.r_[0, edges + 1].tolist(), np.r_[edges, len(left) - 1].tolist(), strict=True):
        samples: list[SampleRow] = []
        for number in range(first, min(last + 1, first + SAMPLE_ROWS // 2)):
            samples += [mine.sample(int(left[number])), theirs.sample(int(right[number]))]
        begin, end = int(at[left[first]]), int(at[left[last]])
        differing = ", ".join(_differing(mine, int(left[first]), theirs, int(right[first]), (*PRICES, "volume")))
        yield defect(
            code,
            (int(grid.ts_open[begin]), int(grid.ts_close[end])),
            last - first + 1,
            trading_day=grid.trading_day(begin),
            text=differing,
            rows=tuple(samples),
        )


def bars_of_trades(trades: TradeRows, grid: Grid) -> BarRows:
    """The bars that a tape makes in a grid: a row for each bar with a trade; prints off the book belong in none."""
    if trades.off_book is not None and trades.off_book.any():
        trades = trades.taken(~trades.off_book)
    at = np.searchsorted(grid.ts_open, trades.ts, side="right") - 1
    inside = (at >= 0) & (trades.ts < grid.ts_close[np.maximum(at, 0)])
    trades, at = trades.taken(inside), at[inside]
    order = np.argsort(at, kind="stable")
    trades, at = trades.taken(order), at[order]
    starts = np.flatnonzero(np.r_[True, at[1:] != at[:-1]]) if len(at) else np.zeros(0, dtype=np.intp)
    ends = np.r_[starts[1:], len(at)] - 1 if len(at) else starts
    price = trades.price
    if not len(at):
        none = ExactNumbers(np.zeros(0, dtype=np.int64), 0)
        empty = np.zeros(0, dtype=np.int64)
        return BarRows(empty, empty, none, none, none, none, none)
    return BarRows(
        grid.ts_open[at[starts]],
        trades.row[starts],
        price.taken(starts),
        ExactNumbers(np.maximum.reduceat(price.units, starts), price.scale),
        ExactNumbers(np.minimum.reduceat(price.units, starts), price.scale),
        price.taken(ends),
        trades.quantity.sums(starts),
    )


def traded_span(trades: TradeRows, grid: Grid) -> Grid:
    """The part of a grid that a tape covers whole: a bar that began before it, or ends behind it, is no witness."""
    if not len(trades):
        return replace(grid, required=np.zeros(len(grid), dtype=np.bool_))
    covered = (grid.ts_open >= int(trades.ts.min())) & (grid.ts_close <= int(trades.ts.max()) + 1)
    return replace(grid, required=covered)


def holes_of(first: Ints, last: Ints) -> tuple[Index, Ints]:
    """Where numbers that follow one another do not: the rows before a hole, and how many numbers are missing in it."""
    skipped = first[1:] - last[:-1] - 1
    rows = np.flatnonzero(skipped > 0)
    return rows, skipped[rows]
