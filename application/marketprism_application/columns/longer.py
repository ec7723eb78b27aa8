"""Longer bars of the minutes of trading days: `Cascade` over columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketprism_application.columns.decimals import Flags, Ints
from marketprism_application.columns.sections import DayGrid, Days
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
    days: Days,
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
    of_day = days.numbers_of(minutes.ts_open)
    making = [bar for _, bar in intervals if bar is not None]
    known = units.windows(making).then(minutes) if making else minutes
    # The rows of one interval behind those of another; what is being made of it is its first.
    spans = [_windows(minutes.ts_open, of_day, interval, days, cascade, by_clock=by_clock) for interval, _ in intervals]
    rows, opens, closes, of_days, of_interval = [], [], [], [], []
    of_minutes, used = np.arange(len(making), known.size), 0
    for each, ((_, bar), (ts_open, ts_close, trading_day)) in enumerate(zip(intervals, spans, strict=True)):
        if bar is not None:
            rows.append(np.array([used]))
            opens.append(ts_open[:1])
            closes.append(ts_close[:1])
            of_days.append(trading_day[:1])
            used += 1
        rows.append(of_minutes)
        opens.append(ts_open)
        closes.append(ts_close)
        of_days.append(trading_day)
        of_interval.append(np.full(minutes.size + (bar is not None), each))
    index, begin, end, trading_days, numbers = map(np.concatenate, (rows, opens, closes, of_days, of_interval))
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
    day = trading_days[starts]
    left = _left(bars, number, done, day, len(intervals), units)
    return LongerBars(bars.taken(np.flatnonzero(done)), number[done], day[done], event[done], place[done], left)


def _left(bars: Windows, number: Ints, done: Flags, day: Ints, intervals: int, units: Units) -> list[Left]:
    """Of each interval the last bar that is done, and the one behind it."""
    ends = np.searchsorted(number, np.arange(intervals), "right").tolist()
    rows: list[int] = []
    places: list[tuple[int | None, int | None]] = []  # in `rows`
    for each, end in enumerate(ends):
        is_done = bool(done[end - 1])
        last = end - 1 if is_done else end - 2
        closed = making = None
        if last >= 0 and int(number[last]) == each:
            closed = len(rows)
            rows.append(last)
        if not is_done:
            making = len(rows)
            rows.append(end - 1)
        places.append((closed, making))
    at = np.array(rows)
    made = units.minutes(bars.taken(at), day[at])
    return [Left(*(None if place is None else made[place] for place in pair)) for pair in places]


def _windows(
    starts: Ints, of_day: Ints, interval: Interval, days: Days, cascade: Cascade, *, by_clock: bool
) -> tuple[Ints, Ints, Ints]:
    """Begin, end and trading day of the window of each minute, as `Cascade.window` has them; `of_day` is the number of
    each one's day."""
    if interval.unit in ("d", "w"):
        wholes = [cascade.window(interval, _first_minute(grid)) for grid in days.grids]
        opened = np.array([whole.ts_open for whole in wholes], np.int64)
        closed = np.array([whole.ts_close for whole in wholes], np.int64)
        ends_in = np.array([int(whole.trading_day) for whole in wholes], np.int64)
        return opened[of_day], closed[of_day], ends_in[of_day]
    trading_day = days.digits[of_day]
    if by_clock:
        opened = np.array([s.ts_open for grid in days.grids for s in grid.sessions], np.int64)
        closed = np.array([s.ts_close for grid in days.grids for s in grid.sessions], np.int64)
        section = np.searchsorted(opened, starts, "right") - 1
        since = (starts + CHINA_OFFSET_NS) % NANOS_PER_DAY % interval.nanos
        begin = starts - since
        return (
            np.maximum(begin, opened[section]),
            np.minimum(begin + interval.nanos, closed[section]),
            trading_day,
        )
    length = interval.seconds // 60
    begun = days.first[of_day]
    position = np.searchsorted(days.starts, starts) - begun
    first = position - position % length + begun
    last = np.minimum(first + length, days.first[of_day + 1]) - 1
    return days.starts[first], days.starts[last] + NANOS_PER_MINUTE, trading_day


def _first_minute(grid: DayGrid) -> Window:
    start = int(grid.starts[0])
    return Window(start, start + NANOS_PER_MINUTE, grid.trading_day)
