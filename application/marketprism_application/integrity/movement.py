"""Groups `jump` and `stale`: prices that leap and come back, and prices that stand still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marketprism_application.integrity.bar_rows import BarRows, Index
from marketprism_application.integrity.exact_numbers import Flags, Floats, Ints
from marketprism_application.integrity.expected_grid import NOWHERE, Grid
from marketprism_application.integrity.inputs import Figures, TermPeriod
from marketprism_application.integrity.shape import by_period

_BLOCK = 60  # bars that are judged by the same windows
_STILL = 1e-12
_OPENING = 2.0


class Jumps(NamedTuple):
    """Rows that leap and come back, and rows that leap and stay."""

    spikes: Flags
    leaps: Flags


def jumps(rows: BarRows, closes: Ints, terms: Sequence[TermPeriod], figures: Figures, first: int = 0) -> Jumps:
    """Prices that leave the level of the bars beside them. `closes` are the ends of the bars; `first` is the number of
    the first row in its whole series, by which blocks are counted, so that a part is judged as the whole is.

    The usual move is the median deviation of the returns over the window of bars before a block and the one behind it,
    whichever is larger, so that a market that wakes up is no series of errors. Over a break or a night a price may open
    anywhere: such a return is no leap.
    """
    count = len(rows)
    none = np.zeros(count, dtype=np.bool_)
    if count < 4:
        return Jumps(none, none)
    close, high, low = (_logarithms(each.floats()) for each in (rows.close, rows.high, rows.low))
    ticks = _ticks(rows, terms, figures)
    returns = np.r_[0.0, np.diff(close)]
    returns[~np.isfinite(returns)] = 0.0
    usual = _usual(np.abs(returns), figures, first)
    reach = np.maximum(figures.jump_mads * usual, ticks)
    follows = np.r_[False, rows.ts[1:] == closes[:-1]]
    # The first bar of a section is a wild one: what traded overnight meets in it.
    room = np.where(follows, 1.0, _OPENING)
    spikes = _spikes(close, reach, figures) | _wicks(high, low, close, reach * room, figures, first)
    returned = spikes.copy()
    for step in range(1, figures.jump_bars + 1):
        returned[step:] |= spikes[:-step]
    leaps = follows & (np.abs(returns) > reach) & ~returned
    return Jumps(spikes, leaps)


def _logarithms(prices: Floats) -> Floats:
    """Logarithms of prices, NaN of those that have none."""
    found: Floats = np.full(len(prices), np.nan)
    np.log(prices, out=found, where=prices > 0)
    return found


def _ticks(rows: BarRows, terms: Sequence[TermPeriod], figures: Figures) -> Floats:
    """The least leap, as a logarithm: so many steps of the price, or units of how it is written."""
    steps = np.full(len(rows), 10.0**-rows.close.scale)
    for part, period in by_period(rows.ts, terms):
        if period.price_tick:
            steps[part] = float(period.price_tick)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log1p(figures.jump_ticks * steps / np.abs(rows.close.floats()))
    found[~np.isfinite(found)] = np.inf
    return found


def _usual(moves: Floats, figures: Figures, first: int) -> Floats:
    """The usual move at each row: the median of the moves that are any, over the windows beside the row's block."""
    size, count = figures.jump_window, len(moves)
    if count <= size:
        return np.full(count, _median(moves))
    windows = np.lib.stride_tricks.sliding_window_view(moves, size)
    starts = np.unique(np.r_[0, np.arange(-first % _BLOCK, count, _BLOCK)])
    before = np.clip(starts - size, 0, count - size)
    after = np.clip(np.r_[starts[1:], count], 0, count - size)
    wanted, place = np.unique(np.r_[before, after], return_inverse=True)
    medians = _medians(windows[wanted])[place]
    by_block = np.maximum(medians[: len(starts)], medians[len(starts) :])
    return np.repeat(by_block, np.diff(np.r_[starts, count]))


def _medians(windows: Floats) -> Floats:
    """Medians over the moves of each window that are any; a window in which nothing moves has 0."""
    ordered = np.sort(windows, axis=1)
    still = (ordered <= _STILL).sum(axis=1)
    width = windows.shape[1]
    middle = np.minimum(still + (width - still) // 2, width - 1)
    found: Floats = ordered[np.arange(len(ordered)), middle]
    return found


def _median(moves: Floats) -> float:
    moving = moves[moves > _STILL]
    return float(np.median(moving)) if len(moving) else 0.0


def _spikes(close: Floats, reach: Floats, figures: Figures) -> Flags:
    """Closes that lie beyond reach of the close before and of one of the next bars, which are near one another."""
    count = len(close)
    found = np.zeros(count, dtype=np.bool_)
    away = np.r_[np.nan, close[1:] - close[:-1]]
    candidates = np.flatnonzero(np.abs(away) > reach)
    for step in range(1, figures.jump_bars + 1):
        inside = candidates[candidates + step < count]
        leap = away[inside]
        back = close[inside + step] - close[inside + step - 1]
        rest = close[inside + step] - close[inside - 1]
        home = (np.abs(back) > reach[inside]) & (np.sign(back) != np.sign(leap)) & (np.abs(rest) < 0.5 * np.abs(leap))
        for between in range(step):
            found[inside[home] + between] = True
    return found


def _wicks(high: Floats, low: Floats, close: Floats, reach: Floats, figures: Figures, first: int) -> Flags:
    """Highs and lows that lie beyond reach of everything beside them, the usual length of a bar considered."""
    opened = np.r_[close[0], close[:-1]]
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    up, down = high - top, bottom - low
    lengths = np.where(np.isfinite(up + down), np.maximum(up, down), 0.0)
    usual = _usual(lengths, figures, first)
    far = np.maximum(2.0 * reach, 2.0 * figures.jump_mads * usual)
    beside = np.maximum(np.r_[0.0, lengths[:-1]], np.r_[lengths[1:], 0.0])
    found: Flags = (lengths > far) & (lengths > 3.0 * beside)
    return found


def stale(rows: BarRows, at: Index, grid: Grid, figures: Figures) -> list[tuple[int, int]]:
    """Runs [first, last] of at least `stale_bars` rows of one trading day with volume whose four prices are one and the
    same."""
    count = len(rows)
    if count < figures.stale_bars:
        return []
    traded = rows.volume.units > 0
    same = traded[1:] & traded[:-1]
    for each in (rows.open, rows.high, rows.low, rows.close):
        same &= each.units[1:] == each.units[:-1]
    same &= grid.day[at[1:]] == grid.day[at[:-1]]
    return _long_runs(same, figures.stale_bars)


def idle(rows: BarRows, at: Index, grid: Grid, others: Sequence[BarRows], figures: Figures) -> list[tuple[int, int]]:
    """Runs [first, last] of at least `stale_bars` flat rows of one trading day without volume, in minutes in each of
    which another contract of the product traded. Days are looked at on which this one traded in at least half of those
    minutes: who trades now and then stands still as well."""
    if len(rows) < figures.stale_bars or not others:
        return []
    busy = np.zeros(len(grid), dtype=np.bool_)
    for other in others:
        place = grid.place(other.ts)
        busy[place[(place != NOWHERE) & (other.volume.units > 0)]] = True
    day, beside, traded = grid.day[at], busy[at], rows.volume.units > 0
    all_busy = np.bincount(grid.day[busy], minlength=len(grid.days))
    own = np.bincount(day[traded & beside], minlength=len(grid.days))
    flat = ~traded & beside & (2 * own >= all_busy)[day]
    for each in (rows.open, rows.high, rows.low):
        flat &= each.units == rows.close.units
    follows = flat[1:] & flat[:-1] & (np.diff(at) == 1) & (day[1:] == day[:-1])
    return _long_runs(follows, figures.stale_bars)


def _long_runs(same: Flags, least: int) -> list[tuple[int, int]]:
    """Runs [first, last] of at least so many rows, by whether each goes on from the one before it."""
    edges = np.flatnonzero(np.diff(np.r_[False, same.astype(np.bool_), False].astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    return [
        (first, last) for first, last in zip(starts.tolist(), ends.tolist(), strict=True) if last - first + 1 >= least
    ]
