"""Longer bars of one trading day's minutes: `Cascade` over columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketprism_application.columns.decimals import Flags, Ints
from marketprism_application.columns.sections import DayGrid
from marketprism_application.columns.windows import Units, Windows, meets
from marketprism_domain.bars.cascade import Cascade, Gaps, Minute, Window
from marketprism_domain.sessions.trading_days import CHINA_OFFSET_NS, NANOS_PER_DAY
from marketprism_domain.values import NANOS_PER_MINUTE, Interval


class Closing(NamedTuple):
    """What closes minutes: `starts` of the minutes whose first tick came, the n-th of which closed the minutes whose
    `event` is n."""

    starts: Ints
    event: Ints


class Left(NamedTuple):
    """What is left of an interval: the last bar that closed, where one did, and the one that is being made."""

    closed: Minute | None
    making: Minute | None


class LongerBars(NamedTuple):
    """Closed bars of all intervals, with the event that closed each and, of several within one event, its place: the
    minute that closed it, or behind all of them. `interval` is a number in the list of intervals."""

    bars: Windows
    interval: Ints
    trading_day: Ints
    event: Ints
    place: Ints
    left: list[Left]


def longer_bars(
    minutes: Windows,
    closing: Closing,
    intervals: list[tuple[Interval, Minute | None]],
    grid: DayGrid,
    cascade: Cascade,
    gaps: Gaps,
    units: Units,
    *,
    by_clock: bool,
) -> LongerBars:
    """The bars of each interval that closed minutes close, behind those that made what is being made: none, or a bar of
    the first minute's window.

    Raises:
        InexactColumn: what is being made has a number that has no place in the units.
    """
    minute = Window(int(minutes.ts_open[0]), int(minutes.ts_close[0]), grid.trading_day)
    wholes = [cascade.window(interval, minute) for interval, _ in intervals]
    making = [bar for _, bar in intervals if bar is not None]
    known = units.windows(making).then(minutes) if making else minutes
    # The rows of one interval behind those of another; what is being made of it is its first.
    spans = [
        _windows(minutes.ts_open, interval, grid, whole, by_clock=by_clock)
        for (interval, _), whole in zip(intervals, wholes, strict=True)
    ]
    rows, opens, closes, of_interval = [], [], [], []
    of_minutes, used = np.arange(len(making), known.size), 0
    for each, ((_, bar), (ts_open, ts_close)) in enumerate(zip(intervals, spans, strict=True)):
        if bar is not None:
            rows.append(np.array([used]))
            opens.append(ts_open[:1])
            closes.append(ts_close[:1])
            used += 1
        rows.append(of_minutes)
        opens.append(ts_open)
        closes.append(ts_close)
        of_interval.append(np.full(minutes.size + (bar is not None), each))
    index, begin, end, numbers = map(np.concatenate, (rows, opens, closes, of_interval))
    changes = begin[1:] != begin[:-1]
    changes |= numbers[1:] != numbers[:-1]
    starts = np.flatnonzero(np.append(True, changes))
    ends = np.append(starts[1:], len(index)) - 1
    number: Ints = numbers[starts]
    bars = known.taken(index).merged(starts)
    flagged = meets(begin[starts], end[starts], gaps)
    for each, (_, bar) in enumerate(intervals):
        if bar is not None:  # it was looked at when it began
            flagged[np.searchsorted(number, each)] = False
    bars = bars._replace(ts_open=begin[starts], ts_close=end[starts], gap=bars.gap | flagged)
    # A bar closes with its last minute, or when a minute begins behind it.
    last = index[ends] - len(making)
    with_last = bars.ts_close == minutes.ts_close[last]
    reached = np.searchsorted(closing.starts, bars.ts_close, "left")
    event = np.where(with_last, closing.event[last], np.maximum(reached, closing.event[last]))
    place = np.where(with_last, last, minutes.size)
    # Where the first minute of the next window closes before that, it closes the bar.
    following = index[starts[1:]] - len(making)
    sooner = (number[1:] == number[:-1]) & ~with_last[:-1]
    sooner &= closing.event[np.maximum(following, 0)] <= event[:-1]
    event[:-1][sooner] = closing.event[following[sooner]]
    place[:-1][sooner] = following[sooner]
    done = event < len(closing.starts)
    left = _left(bars, number, done, [whole.trading_day for whole in wholes], units)
    days = np.array([int(whole.trading_day) for whole in wholes])
    return LongerBars(
        bars.taken(np.flatnonzero(done)), number[done], days[number[done]], event[done], place[done], left
    )


def _left(bars: Windows, number: Ints, done: Flags, days: list[str], units: Units) -> list[Left]:
    """Of each interval the last bar that is done, and the one behind it."""
    found = []
    ends = np.searchsorted(number, np.arange(len(days)), "right")
    for each, (day, end) in enumerate(zip(days, ends.tolist(), strict=True)):
        is_done = bool(done[end - 1])
        last = end - 1 if is_done else end - 2
        has_closed = last >= 0 and int(number[last]) == each
        closed = units.minute(bars, last, day) if has_closed else None
        found.append(Left(closed, None if is_done else units.minute(bars, end - 1, day)))
    return found


def _windows(starts: Ints, interval: Interval, grid: DayGrid, whole: Window, *, by_clock: bool) -> tuple[Ints, Ints]:
    """Begin and end of the window of each minute, as `Cascade.window` has them; `whole` is the first minute's."""
    if interval.unit in ("d", "w"):
        return np.full(len(starts), whole.ts_open), np.full(len(starts), whole.ts_close)
    if by_clock:
        opened = np.array([s.ts_open for s in grid.sessions], np.int64)
        closed = np.array([s.ts_close for s in grid.sessions], np.int64)
        section = np.searchsorted(opened, starts, "right") - 1
        since = (starts + CHINA_OFFSET_NS) % NANOS_PER_DAY % interval.nanos
        begin = starts - since
        return np.maximum(begin, opened[section]), np.minimum(begin + interval.nanos, closed[section])
    length = interval.seconds // 60
    position = np.searchsorted(grid.starts, starts)
    first = position - position % length
    last = np.minimum(first + length, len(grid.starts)) - 1
    return grid.starts[first], grid.starts[last] + NANOS_PER_MINUTE
