"""Where ticks fall among the sections of a calendar, for many ticks at once: minutes, and which ticks are theirs."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from marketprism_application.columns.decimals import Flags, Ints
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import NANOS_PER_MINUTE

MOST_DAYS = 400


class DayGrid(NamedTuple):
    """Session minutes of a trading day, in order."""

    trading_day: str
    sessions: tuple[Session, ...]
    starts: Ints  # of each minute
    is_plain: bool  # minutes are counted without a hole, sections follow one another

    @staticmethod
    @lru_cache(maxsize=1_024)
    def of(trading_day: str, sessions: tuple[Session, ...]) -> DayGrid:
        """The minutes of a day's sections."""
        minutes = [np.arange(s.ts_open, s.ts_close, NANOS_PER_MINUTE, dtype=np.int64) for s in sessions]
        counted, plain, end = 0, True, 0
        for session, each in zip(sessions, minutes, strict=True):
            plain &= session.minute_offset == counted and session.ts_auction >= end and len(each) > 0
            plain &= (session.ts_close - session.ts_open) % NANOS_PER_MINUTE == 0
            plain &= session.ts_auction <= session.ts_open
            counted, end = counted + len(each), session.ts_close
        starts = np.concatenate(minutes)
        starts.flags.writeable = False  # every instrument of such a day has it
        return DayGrid(trading_day, sessions, starts, plain)


class Days(NamedTuple):
    """Trading days that follow one another, as one grid of minutes."""

    grids: list[DayGrid]
    starts: Ints  # of each minute of all of them
    first: Ints  # place of each day's first minute in `starts`, and the end of the last
    digits: Ints  # of each day

    @classmethod
    def of(cls, grids: list[DayGrid]) -> Days:
        """Days with their minutes in order."""
        sizes = [0, *(len(grid.starts) for grid in grids)]
        starts = np.concatenate([grid.starts for grid in grids])
        digits = np.array([int(grid.trading_day) for grid in grids], np.int64)
        return cls(grids, starts, np.cumsum(sizes), digits)

    def numbers_of(self, starts: Ints) -> Ints:
        """Of minutes that are theirs the number of the day."""
        if len(self.grids) == 1:
            return np.zeros(len(starts), np.int64)
        return np.searchsorted(self.starts[self.first[:-1]], starts, "right") - 1


class Sections:
    """Sections of some trading days that follow one another, as columns."""

    def __init__(self, schedule: Schedule, ts_from: int, ts_to: int) -> None:
        """Sections from that of `ts_from` on, to the first that begins behind `ts_to`, at most MOST_DAYS days later."""
        day = day_of(schedule.trading_day_of(ts_from))
        found: list[Session] = []
        self.days: list[DayGrid] = []
        of_day: list[int] = []
        for _ in range(MOST_DAYS):
            if schedule.trades(day):
                sessions = schedule.sessions(day_text(day))
                of_day += [len(self.days)] * len(sessions)
                self.days.append(DayGrid.of(day_text(day), sessions))
                found += sessions
                if sessions[0].ts_auction > ts_to:
                    break
            day += timedelta(days=1)
        self.auction = np.array([s.ts_auction for s in found], np.int64)
        self.open = np.array([s.ts_open for s in found], np.int64)
        self.close = np.array([s.ts_close for s in found], np.int64)
        self.day = np.array(of_day, np.int64)
        # A tick shortly behind an end belongs to the section's last minute; never one of the next section.
        self.edge = np.minimum(self.close + schedule.edge_ns, np.append(self.auction[1:], np.iinfo(np.int64).max))
        self.edge = np.maximum(self.edge, self.close)
        ordered = bool((self.auction[1:] >= self.close[:-1]).all())
        self.are_plain = ordered and all(grid.is_plain for grid in self.days)

    def minutes_of(self, ts: Ints) -> tuple[Ints, Ints]:
        """Of each tick the start of its minute and its day's number in `days`; both -1 where it is in no section."""
        at = np.searchsorted(self.close, ts, "right")
        clipped = np.minimum(at, len(self.close) - 1)
        opened = self.open[clipped]
        start = ts - np.maximum(ts - opened, 0) % NANOS_PER_MINUTE
        start = np.maximum(start, opened)
        before = np.maximum(at - 1, 0)
        inside: Flags = (at < len(self.close)) & (ts >= self.auction[clipped])
        ended: Flags = ~inside & (at > 0) & (ts < self.edge[before])
        start = np.where(inside, start, np.where(ended, self.close[before] - NANOS_PER_MINUTE, -1))
        day = np.where(inside, self.day[clipped], np.where(ended, self.day[before], -1))
        return start, day

    def cuts(self, ts: Ints) -> Groups:
        """The minutes that have ticks, of ticks in order of time."""
        keys, ends, starts, days = [], [], [], []
        first = int(np.searchsorted(self.close, ts[0], "right")) - 1
        last = int(np.searchsorted(self.auction, ts[-1], "right"))
        for at in range(max(0, first), last):
            minutes = np.arange(self.open[at], self.close[at], NANOS_PER_MINUTE, dtype=np.int64)
            begin = minutes.copy()
            begin[0] = self.auction[at]
            keys.append(begin)
            ends.append(np.append(minutes[1:], self.edge[at]))
            starts.append(minutes)
            days.append(np.full(len(minutes), self.day[at]))
        if not keys:
            nothing = np.zeros(0, np.int64)
            return Groups(nothing, nothing, nothing, nothing)
        begins = np.searchsorted(ts, np.concatenate(keys), "left")
        closes = np.searchsorted(ts, np.concatenate(ends), "left")
        held = closes > begins
        return Groups(begins[held], closes[held], np.concatenate(starts)[held], np.concatenate(days)[held])


class Groups(NamedTuple):
    """Ticks by minute: rows [begin, end) are those of the minute at `start`, of the day with this number, but for those
    that are left out; the first row and the last one of each minute count."""

    begin: Ints
    end: Ints
    start: Ints
    day: Ints
    left_out: Ints = np.zeros(0, np.int64)

    @property
    def size(self) -> int:
        """How many minutes there are."""
        return len(self.begin)

    def part(self, first: int, last: int, row: int) -> Groups:
        """The groups [first, last) of them, their ticks from `row` on, which counts."""
        begin, end, start, day = (each[first:last] for each in self[:4])
        begin = begin.copy()
        begin[0] = row
        low, high = np.searchsorted(self.left_out, (row, end[-1]))
        return Groups(begin, end, start, day, self.left_out[low:high])

    def counts(self, row: int) -> bool:
        """Whether a row is not left out."""
        place = int(np.searchsorted(self.left_out, row))
        return place == len(self.left_out) or int(self.left_out[place]) != row

    def ticks(self, firsts: Ints, lasts: Ints) -> Ints:
        """How many count of the rows from each first one to its last one, which count."""
        found = lasts + 1 - firsts
        if len(self.left_out):
            found -= np.searchsorted(self.left_out, lasts) - np.searchsorted(self.left_out, firsts)
        return found

    def of_rows(self, rows: Ints, count: int) -> Groups:
        """The same, of so many ticks of which these `rows` are those that the groups are of."""
        out = np.ones(count, np.bool_)
        out[rows] = False
        begin, end = rows[self.begin], rows[self.end - 1] + 1
        out[: begin[0]] = out[end[-1] :] = False
        return self._replace(begin=begin, end=end, left_out=np.flatnonzero(out))

    def moved_by(self, rows: int) -> Groups:
        """The same where so many rows are no longer before them."""
        return self._replace(begin=self.begin - rows, end=self.end - rows, left_out=self.left_out - rows)

    @classmethod
    def of_starts(cls, start: Ints, day: Ints) -> Groups:
        """Groups of ticks whose minutes never go back; each tick is in a section."""
        begin = np.flatnonzero(np.append(True, start[1:] != start[:-1]))
        end = np.append(begin[1:], len(start))
        return cls(begin, end, start[begin], day[begin])
