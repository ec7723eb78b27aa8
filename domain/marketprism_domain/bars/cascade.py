"""Longer bars out of one-minute bars.

Updating one interval a tick and the others a minute is six to eight times cheaper than updating each on each
tick, and makes every interval agree with the minutes below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from marketprism_domain.bars.windows import CascadeState, Gaps, Minute, Window, minute_window
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import CHINA_OFFSET_NS, NANOS_PER_DAY
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

__all__ = ["Cascade", "CascadeState", "Gaps", "Minute", "Window", "minute_window"]


class Cascade:
    """Makes the longer intervals of one instrument."""

    def __init__(self, intervals: Iterable[str], schedule: Schedule, *, by_clock: bool = False) -> None:
        parsed = sorted((Interval.parse(text) for text in intervals), key=lambda interval: interval.seconds)
        self._intervals = [(str(interval), interval) for interval in parsed]
        self._schedule = schedule
        self._by_clock = by_clock
        self._s = CascadeState()
        self._sections: tuple[Session, ...] = ()
        self._windows: dict[str, Window] = {}  # the last one of each interval, where these sections hold

    def state(self) -> CascadeState:
        """The complete memory, as `restore` takes it; it goes on changing with the cascade."""
        return self._s

    def restore(self, state: CascadeState) -> None:
        """Go on where `state` was taken."""
        self._s = state

    def add(self, minute: Minute, gaps: Gaps = ()) -> list[tuple[str, Minute]]:
        """Longer bars that this closed minute closes, shortest first."""
        out: list[tuple[str, Minute]] = []
        for name, interval in self._intervals:
            window = self._window(name, interval, minute.window)
            making = self._s.making.get(name)
            closed = self._s.closed.get(name)
            if making is not None and making.window.ts_open != window.ts_open:
                self._close(name, out)
                making = None
            if making is None and closed is not None and closed.window.ts_open == window.ts_open:
                # The bar was closed by the clock and this minute came late: a revision.
                merged = _merge(closed, minute)._replace(revision=closed.revision + 1, window=window)
                self._s.closed[name] = merged
                out.append((name, merged))
                continue
            if making is None:
                making = minute._replace(window=window, revision=0, gap=minute.gap or window.meets(gaps))
            else:
                making = _merge(making, minute)
            self._s.making[name] = making
            if window.ts_close == minute.window.ts_close:
                self._close(name, out)
        return out

    def close_until(self, ts: int) -> list[tuple[str, Minute]]:
        """Bars whose window ends at or before `ts`."""
        out: list[tuple[str, Minute]] = []
        for name, _ in self._intervals:
            making = self._s.making.get(name)
            if making is not None and making.window.ts_close <= ts:
                self._close(name, out)
        return out

    def revise(self, old: Minute, new: Minute, following: int | None) -> list[tuple[str, Minute]]:
        """Carry a revised minute into the bars that hold it; closed ones come out as a new revision.

        `following` is when the minute behind it opened, None where none has closed yet: a bar closes as its last minute
        does, whichever of its ticks was received last.
        """
        out: list[tuple[str, Minute]] = []
        for name, interval in self._intervals:
            start = self._window(name, interval, old.window).ts_open
            making, closed = self._s.making.get(name), self._s.closed.get(name)
            if making is not None and making.window.ts_open == start:
                self._s.making[name] = _shift(making, old, new, following)
            elif closed is not None and closed.window.ts_open == start:
                revised = _shift(closed, old, new, following)._replace(revision=closed.revision + 1)
                self._s.closed[name] = revised
                out.append((name, revised))
        return out

    def sessions_changed(self) -> None:
        """The day's sections are others than before: bars that are being made end where they end now."""
        for name, interval in self._intervals:
            making = self._s.making.get(name)
            if making is not None:
                window = self.window(interval, making.window)
                self._s.making[name] = making._replace(window=window._replace(ts_open=making.window.ts_open))

    def flag(self, gaps: Gaps) -> None:
        """Mark the bars being made that overlap a gap."""
        for name, making in self._s.making.items():
            if not making.gap and making.window.meets(gaps):
                self._s.making[name] = making._replace(gap=True)

    def _close(self, name: str, out: list[tuple[str, Minute]]) -> None:
        made = self._s.making.pop(name)
        self._s.closed[name] = made
        out.append((name, made))

    def _window(self, name: str, interval: Interval, minute: Window) -> Window:
        """As `window`, without finding it again for each of its minutes.

        A change of the day's sections makes another tuple of them. By the clock, windows begin anew at midnight, also
        inside one that is open.
        """
        if interval.unit == "w" or self._by_clock:
            return self.window(interval, minute)
        sections = self._schedule.sessions(minute.trading_day)
        if sections is not self._sections:
            self._sections = sections
            self._windows.clear()
        known = self._windows.get(name)
        if known is None or not known.ts_open <= minute.ts_open < known.ts_close:
            known = self._windows[name] = self.window(interval, minute)
        return known

    def window(self, interval: Interval, minute: Window) -> Window:
        """Window of the longer bar that a session minute belongs to."""
        if interval.unit == "w":
            first, last = self._schedule.week(minute.trading_day)
            opens, closes = self._schedule.sessions(first)[0], self._schedule.sessions(last)[-1]
            return Window(opens.ts_open, closes.ts_close, last)
        sessions = self._schedule.sessions(minute.trading_day)
        if interval.unit == "d":
            return Window(sessions[0].ts_open, sessions[-1].ts_close, minute.trading_day)
        session = _session_of(sessions, minute)
        if self._by_clock:
            return _clock_window(interval.nanos, session, minute)
        length = interval.seconds // 60
        position = session.minute_offset + max(0, minute.ts_open - session.ts_open) // NANOS_PER_MINUTE
        first_minute = position - position % length
        ts_open, _ = _session_minute(sessions, first_minute)
        _, ts_close = _session_minute(sessions, first_minute + length - 1)
        return Window(ts_open, ts_close, minute.trading_day)

    def minutes_between(self, after: Window, until: int) -> Iterator[Window]:
        """Session minutes of `after`'s trading day that follow it and end at or before `until`."""
        for session in self._schedule.sessions(after.trading_day):
            start = max(session.ts_open, after.ts_close)
            for ts in range(start, min(session.ts_close, until) - NANOS_PER_MINUTE + 1, NANOS_PER_MINUTE):
                yield minute_window(session, ts)


def _session_of(sessions: tuple[Session, ...], minute: Window) -> Session:
    # A minute before a section that opened later than the table said counts as its first.
    return next((session for session in sessions if minute.ts_open < session.ts_close), sessions[-1])


def _clock_window(length_ns: int, session: Session, minute: Window) -> Window:
    """Wall-clock window in China time, cut at the section's ends."""
    day_start = (minute.ts_open + CHINA_OFFSET_NS) // NANOS_PER_DAY * NANOS_PER_DAY - CHINA_OFFSET_NS
    start = minute.ts_open - (minute.ts_open - day_start) % length_ns
    return Window(max(start, session.ts_open), min(start + length_ns, session.ts_close), minute.trading_day)


def _session_minute(sessions: tuple[Session, ...], position: int) -> tuple[int, int]:
    """Start and end of the n-th session minute of a trading day; the last one when there are fewer."""
    for session in sessions:
        length = (session.ts_close - session.ts_open) // NANOS_PER_MINUTE
        if position < session.minute_offset + length:
            start = session.ts_open + (position - session.minute_offset) * NANOS_PER_MINUTE
            return start, start + NANOS_PER_MINUTE
    return sessions[-1].ts_close - NANOS_PER_MINUTE, sessions[-1].ts_close


def _merge(bar: Minute, minute: Minute) -> Minute:
    """`bar` with a later minute added."""
    return Minute(
        bar.window,
        bar.open,
        max(bar.high, minute.high),
        min(bar.low, minute.low),
        minute.close,
        bar.volume + minute.volume,
        bar.turnover + minute.turnover,
        bar.open_interest if minute.open_interest is None else minute.open_interest,
        bar.ticks + minute.ticks,
        bar.gap or minute.gap,
        bar.revision,
        minute.source,
        minute.epoch,
        minute.ts_recv,
        minute.ts_pub,
    )


def _shift(bar: Minute, old: Minute, new: Minute, following: int | None) -> Minute:
    """`bar` with one of its minutes replaced by a revision, which only ever adds to it."""
    is_last = following is None or following >= bar.window.ts_close
    return bar._replace(
        high=max(bar.high, new.high),
        low=min(bar.low, new.low),
        close=new.close if is_last else bar.close,
        volume=bar.volume + new.volume - old.volume,
        turnover=bar.turnover + new.turnover - old.turnover,
        open_interest=new.open_interest if is_last and new.open_interest is not None else bar.open_interest,
        ticks=bar.ticks + new.ticks - old.ticks,
        gap=bar.gap or new.gap,
        ts_recv=max(bar.ts_recv, new.ts_recv),
        ts_pub=max(bar.ts_pub, new.ts_pub),
    )
