"""Bars of ticks in columns: the builder of bars goes on where columns leave off, and columns where it does.

A stretch of ticks that come in order, of one trading day or of many, is made bars at once; whatever else there is (the
first tick of all, a late one, a gap, a change of the sections, numbers that no machine word holds) goes through the
live pipeline's builder, tick by tick. Both have one memory, `BuilderState`, so that nobody can tell who made a bar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from marketprism_application.columns.bar_rows import BarRows, BarTable
from marketprism_application.columns.decimals import DecimalColumn, Flags, InexactColumn, Ints, places_of
from marketprism_application.columns.longer import Closing, LongerBars, longer_bars
from marketprism_application.columns.minutes import minutes_of
from marketprism_application.columns.sections import MOST_DAYS, DayGrid, Days, Groups, Sections
from marketprism_application.columns.tick_columns import TickColumns
from marketprism_application.columns.windows import Units, Windows, meets
from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.bars.cascade import Cascade, Minute
from marketprism_domain.bars.state import BuilderState, Running
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND, Interval

Notice = tuple[int, Gap | SessionChange]
_LEAST = 48  # ticks: fewer are made bars one by one in the time that columns take to begin
_LONGEST = (MOST_DAYS - 30) * NANOS_PER_DAY
_MOST_LEFT_OUT = 8  # of so many ticks one may be left out where they stand, or those that count are gathered
_MOST_LATE = 20  # of so many ticks one may be late, or all go one by one


class ColumnBuilder:
    """Bars of one instrument; `one_by_one` counts the ticks that went through the live pipeline's builder."""

    def __init__(
        self, venue: str, symbol: str, calendar: MarketCalendar, settings: BarSettings, schema: pa.Schema
    ) -> None:
        """`calendar` is the builder's own: changes of sessions go into it. `schema` is that of stored bars."""
        self._venue, self._symbol = venue, symbol
        self._calendar = calendar
        self._schedule = calendar.schedule(venue, symbol)
        self._settings = settings
        self._live = BarBuilder(venue, symbol, self._schedule, settings)
        longer = sorted((Interval.parse(text) for text in settings.intervals if text != "1m"), key=lambda i: i.seconds)
        self._longer = [(str(interval), interval) for interval in longer]
        self._names = ["1m", *(name for name, _ in self._longer)]
        self._by_clock = settings.alignment == "clock"
        self._cascade = Cascade((), self._schedule, by_clock=self._by_clock)
        self._revisable = int(settings.revision_window_s * NANOS_PER_SECOND)
        self._bars = BarTable(venue, symbol, self._names, schema)
        self._sources: list[str] = []
        self.one_by_one = 0

    def table(self) -> pa.Table:
        """Bars since the last call, in the order in which they closed or were revised."""
        return self._bars.table()

    def state(self) -> BuilderState:
        """The memory of the builder, as it is behind what was fed."""
        return self._live.state()

    @property
    def late(self) -> int:
        """Ticks too late even for a revision."""
        return self._live.late

    def close_until(self, ts: int) -> None:
        """The venue's event time has reached `ts`."""
        self._bars.add_bars(self._live.on_clock(ts))

    def feed(self, ticks: TickColumns, notices: Iterable[Notice] = ()) -> None:
        """Ticks in order, and what was told in between: each before the first tick whose time is not before its own."""
        waiting = sorted(notices, key=lambda pair: pair[0])
        reached = np.maximum.accumulate(ticks.ts_event) if waiting else ticks.ts_event
        at = 0
        for ts, each in waiting:
            place = int(np.searchsorted(reached, ts, "left"))
            self._feed(ticks, at, place)
            at = place
            self.tell(each)
        self._feed(ticks, at, len(ticks))

    def tell(self, each: Gap | SessionChange) -> None:
        """A gap, or a change of the sections, behind all ticks so far."""
        if isinstance(each, Gap):
            self._bars.add_bars(self._live.on_gap(each))
        else:
            self._calendar.overrule(each)
            self._live.sessions_changed()

    def _feed(self, ticks: TickColumns, first: int, last: int) -> None:
        if first == last:
            return
        part = ticks.taken(slice(first, last))
        has_trades = part.traded.there is None or bool(part.traded.there.any())
        if has_trades and part.traded.there is not None and not bool(part.traded.there.all()):
            self._one_by_one(part, range(len(part)))  # some have their own amount, some a running total
            return
        counts = _counts(part, trades=has_trades)
        rows = None if counts is None else np.flatnonzero(counts)
        ts = part.ts_event if rows is None else part.ts_event.take(rows)
        if not len(ts):
            return
        ordered = bool((ts[1:] >= ts[:-1]).all())
        low, high = (int(ts[0]), int(ts[-1])) if ordered else (int(ts.min()), int(ts.max()))
        if high - low > _LONGEST and len(part) > 1:
            middle = (first + last) // 2
            self._feed(ticks, first, middle)
            self._feed(ticks, middle, last)
            return
        sections = Sections(self._schedule, low, high)
        if sections.are_plain and len(ts) >= _LEAST and ordered:
            groups = sections.cuts(ts)
            sizes = groups.end - groups.begin
            if int(sizes.sum()) != len(ts):
                covered = np.flatnonzero(_covered(groups, len(ts)))
                rows = covered if rows is None else rows.take(covered)
                ends = np.cumsum(sizes)
                groups = groups._replace(begin=ends - sizes, end=ends)
            if rows is not None and groups.size and (len(part) - len(rows)) * _MOST_LEFT_OUT <= len(part):
                groups = groups.of_rows(rows, len(part))
            elif rows is not None:
                part = part.taken(rows)
            self._in_order(part, groups, sections, trades=has_trades)
            return
        part = part if rows is None else part.taken(rows)
        if sections.are_plain and len(part) >= _LEAST:
            self._jumbled(part, sections, trades=has_trades)
        else:
            self._one_by_one(part, range(len(part)))

    def _jumbled(self, part: TickColumns, sections: Sections, *, trades: bool) -> None:
        """Ticks whose times go back: within their minute, or late."""
        start, day = sections.minutes_of(part.ts_event)
        inside = start >= 0
        if not bool(inside.all()):
            part, start, day = part.taken(np.flatnonzero(inside)), start[inside], day[inside]
            if not len(part):
                return
        late = np.flatnonzero(start < np.maximum.accumulate(start))
        if len(late) * _MOST_LATE > len(part):
            self._one_by_one(part, range(len(part)))
            return
        at = 0
        for row in [*late.tolist(), len(part)]:
            if row > at:
                piece = part.taken(slice(at, row))
                self._in_order(piece, Groups.of_starts(start[at:row], day[at:row]), sections, trades=trades)
            if row < len(part):
                self._one_by_one(part, [row])
            at = row + 1

    def _in_order(self, ticks: TickColumns, groups: Groups, sections: Sections, *, trades: bool) -> None:
        """Ticks that all count, by their minutes, none of which goes back."""
        first = 0
        while first < groups.size:
            last = int(np.searchsorted(groups.day, groups.day[first], "right"))
            grid = sections.days[int(groups.day[first])]
            row, end = int(groups.begin[first]), int(groups.end[last - 1])
            while row < end:
                counts = groups.counts(row)
                if counts and end - row >= _LEAST and self._goes_on(grid, _start_of(groups, row)):
                    break
                self._one_by_one(ticks, [row] if counts else [])
                row += 1
            if row < end:
                at = int(np.searchsorted(groups.end, row, "right"))
                if (
                    last < groups.size
                    and self._is_of_days()
                    and self._days(ticks, groups.part(at, groups.size, row), sections, trades=trades)
                ):
                    return
                self._try_day(ticks, groups.part(at, last, row), sections, trades=trades)
            first = last

    def _one_by_one(self, ticks: TickColumns, rows: Sequence[int]) -> None:
        self.one_by_one += len(rows)
        for tick in ticks.ticks(rows):
            self._bars.add_bars(self._live.on_tick(tick))

    def _goes_on(self, grid: DayGrid, start: int) -> bool:
        """Whether the memory is as it is in the midst of a day: one minute open, and with it the longer bars."""
        state = self._live.state()
        current, running = state.current, state.running
        if current is None or running.last is None or running.trading_day != grid.trading_day:
            return False
        window = current.window
        place = int(np.searchsorted(grid.starts, window.ts_open))
        if (
            window.trading_day != grid.trading_day
            or window.ts_open > start
            or place == len(grid.starts)
            or int(grid.starts[place]) != window.ts_open
            or window.ts_close != window.ts_open + NANOS_PER_MINUTE
        ):
            return False
        for name, interval in self._longer:
            making, closed = state.cascade.making.get(name), state.cascade.closed.get(name)
            own = self._cascade.window(interval, window)
            if making is not None and (making.window != own or making.revision):
                return False
            if making is None and closed is not None and closed.window.ts_open == own.ts_open:
                return False
        if self._settings.fill_empty and state.recent:
            between = self._cascade.minutes_between(state.recent[-1].window, window.ts_open)
            return next(iter(between), None) is None
        return True

    def _is_of_days(self) -> bool:
        """Whether the days behind that of the memory can be made at once: the builder has no gap to forget and no empty
        minute to make when one begins."""
        return not self._settings.fill_empty and not self._live.state().gaps

    def _try_day(self, ticks: TickColumns, groups: Groups, sections: Sections, *, trades: bool) -> None:
        if self._days(ticks, groups, sections, trades=trades):
            return
        first, last = int(groups.begin[0]), int(groups.end[-1])
        try:  # a sample of the numbers said too little
            part = ticks.taken(slice(first, last)).refined()
            self._stretch(part, groups.moved_by(first), sections, trades=trades)
        except InexactColumn:
            self._one_by_one(ticks, [row for row in range(first, last) if groups.counts(row)])

    def _days(self, ticks: TickColumns, groups: Groups, sections: Sections, *, trades: bool) -> bool:
        """Bars of a stretch of ticks; whether they could be made, else nothing has changed."""
        try:
            self._stretch(ticks, groups, sections, trades=trades)
        except InexactColumn:
            return False
        return True

    def _stretch(self, ticks: TickColumns, groups: Groups, sections: Sections, *, trades: bool) -> None:
        """Bars of ticks of one day or of several, behind a memory that goes on; several where that has no gap, and
        empty minutes are not wanted. Raises InexactColumn, and has changed nothing."""
        state = self._live.state()
        days = Days.of(sections.days[int(groups.day[0]) : int(groups.day[-1]) + 1])
        assert state.current is not None  # noqa: S101 (it goes on)
        units = self._units(ticks, state, trades=trades)
        current = units.windows([state.current])
        minutes, running = minutes_of(ticks, groups, current, state.running, units, days, state.gaps, trades=trades)
        starts = groups.start if int(groups.start[0]) > int(current.ts_open[0]) else groups.start[1:]
        if not len(starts):
            (opened,) = units.minutes(minutes, days.digits)
            self._remember(state, state.recent, opened, running, None)
            return
        if self._settings.fill_empty:
            minutes = _filled(minutes, days.starts, int(starts[-1]), state.gaps)
        event = np.searchsorted(starts, minutes.ts_open, "right")
        count = int((event < len(starts)).sum())
        done, closing = minutes.taken(slice(0, count)), Closing(starts, event[:count])
        made = None
        if self._longer:
            intervals = [(interval, state.cascade.making.get(name)) for name, interval in self._longer]
            made = longer_bars(
                done, closing, intervals, days, self._cascade, state.gaps, units, by_clock=self._by_clock
            )
        horizon = int(done.ts_close[-1]) - self._revisable - NANOS_PER_MINUTE
        day = days.digits[days.numbers_of(minutes.ts_open)]
        kept = slice(int(np.searchsorted(done.ts_close, horizon, "right")), None)  # one is open behind them, or none
        closed = units.minutes(minutes.taken(kept), day[kept])
        still_open = closed.pop() if count < minutes.size else None
        recent = (*(minute for minute in state.recent if minute.window.ts_close > horizon), *closed)
        self._bars.add_rows(self._rows(done, closing, made, day[:count]), units)
        self._remember(state, recent, still_open, running, made)

    def _units(self, ticks: TickColumns, state: BuilderState, *, trades: bool) -> Units:
        """Units in which the columns and the memory have a place."""
        volume, turnover = ("traded", "traded_turnover") if trades else ("volume", "turnover")
        held = [each for each in (state.current, *state.cascade.making.values()) if each is not None]
        running = state.running
        prices = [getattr(each, name) for each in held for name in ("open", "high", "low", "close")]
        prices += [price for price in (running.last, running.high, running.low) if price is not None]
        volumes = [each.volume for each in held] + ([] if trades else [running.volume])
        money = [each.turnover for each in held] + ([] if trades else [running.turnover])
        interests = [each.open_interest for each in held if each.open_interest is not None]
        columns: dict[str, DecimalColumn] = {name: getattr(ticks, name) for name in ("last", "high", "low", "open")}
        return Units(
            max(*(column.scale for column in columns.values()), *map(places_of, prices)),
            max(getattr(ticks, volume).scale, *map(places_of, volumes)),
            max(getattr(ticks, turnover).scale, *map(places_of, money)),
            max((ticks.open_interest.scale, *map(places_of, interests))),
            self._sources,
        )

    def _rows(self, minutes: Windows, closing: Closing, longer: LongerBars | None, day: Ints) -> BarRows:
        """Closed minutes and longer bars in the order in which they closed."""
        places, ranks = minutes.size + 1, len(self._names)
        rows: list[tuple[Windows, Ints, Ints, Ints]] = []
        if "1m" in self._settings.intervals:
            order = (closing.event * places + np.arange(minutes.size)) * ranks
            rows.append((minutes, np.zeros(minutes.size, np.int64), day, order))
        if longer is not None:
            rank = longer.interval + 1
            rows.append((longer.bars, rank, longer.trading_day, (longer.event * places + longer.place) * ranks + rank))
        windows, interval, days, order = rows[0]
        if len(rows) > 1:
            windows = windows.then(rows[1][0])
            interval, days, order = (np.concatenate(pair) for pair in zip(rows[0][1:], rows[1][1:], strict=True))
        chosen = np.argsort(order, kind="stable")
        return BarRows(interval[chosen], days[chosen], np.zeros(len(chosen), np.int64), windows.taken(chosen))

    def _remember(
        self,
        state: BuilderState,
        recent: tuple[Minute, ...],
        current: Minute | None,
        running: Running,
        longer: LongerBars | None,
    ) -> None:
        """The memory behind what was longer."""
        state.recent, state.current, state.running = recent, current, running
        for (name, _), left in zip(self._longer, () if longer is None else longer.left, strict=longer is not None):
            if left.closed is not None:
                state.cascade.closed[name] = left.closed
            if left.making is not None:
                state.cascade.making[name] = left.making
            else:
                state.cascade.making.pop(name, None)
        self._live = BarBuilder.restore(self._venue, self._symbol, self._schedule, self._settings, state)


def _counts(ticks: TickColumns, *, trades: bool) -> Flags | None:
    """Which ticks bars are made of; None where all are."""
    counts = (ticks.traded if trades else ticks.volume).nonzero()
    if ticks.last.there is not None:
        counts &= ticks.last.there
    if ticks.stale is not None:
        counts &= ~ticks.stale
    return None if bool(counts.all()) else counts


def _covered(groups: Groups, count: int) -> Flags:
    """Which rows are in a group."""
    steps = np.zeros(count + 1, np.int64)
    np.add.at(steps, groups.begin, 1)
    np.add.at(steps, groups.end, -1)
    covered: Flags = np.cumsum(steps[:-1]) > 0
    return covered


def _start_of(groups: Groups, row: int) -> int:
    return int(groups.start[np.searchsorted(groups.end, row, "right")])


def _filled(minutes: Windows, all_starts: Ints, until: int, gaps: tuple[tuple[int, int], ...]) -> Windows:
    """The minutes with those between them that had no trade, flat at the close before them."""
    begin = int(minutes.ts_open[0])
    starts: Ints = all_starts[np.searchsorted(all_starts, begin) : np.searchsorted(all_starts, until)]
    if int(minutes.ts_open[-1]) >= until:
        starts = np.append(starts, minutes.ts_open[-1])
    before = np.searchsorted(minutes.ts_open, starts, "right") - 1
    made = minutes.ts_open[before] == starts
    rows = minutes.taken(before)
    ends = starts + NANOS_PER_MINUTE
    return rows._replace(
        ts_open=starts,
        ts_close=ends,
        open=np.where(made, rows.open, rows.close),
        high=np.where(made, rows.high, rows.close),
        low=np.where(made, rows.low, rows.close),
        volume=np.where(made, rows.volume, 0),
        turnover=np.where(made, rows.turnover, 0),
        ticks=np.where(made, rows.ticks, 0),
        gap=np.where(made, rows.gap, meets(starts, ends, gaps)),
    )


__all__ = ["ColumnBuilder", "Notice"]
