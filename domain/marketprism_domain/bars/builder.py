"""Bars of one instrument: built from ticks, closed by what the log says, corrected by revision.

Rules (letters as in docs/adr/0004): an auction tick belongs to the first minute of the section that follows (a);
a tick at or just after a section's end belongs to the section's last minute (b); any other tick outside a
session is not counted (c); longer bars are made of one-minute bars (d); a bar closes when a later tick of the
instrument or a mark of its venue passes its end plus grace (e); a late tick inside the revision window makes a
new revision, a later one is counted (i).
"""

from __future__ import annotations

from decimal import Decimal

from marketprism_domain.bars.cascade import Cascade, Minute, minute_window
from marketprism_domain.bars.state import DEFAULT_INTERVALS, ZERO, BarSettings, BuilderState, Running, traded_by
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Placement, Session
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

_OF_BARS = ("", "tick", "trade")


class BarBuilder:
    """Ticks, marks and gaps of one instrument in; closed bars out."""

    def __init__(self, venue: str, symbol: str, schedule: Schedule, settings: BarSettings) -> None:
        self._venue = venue
        self._symbol = symbol
        self._schedule = schedule
        self._grace = int(settings.grace_s * NANOS_PER_SECOND)
        self._revisable = int(settings.revision_window_s * NANOS_PER_SECOND)
        self._fill = settings.fill_empty
        self._one_minute = "1m" in settings.intervals
        longer = tuple(text for text in settings.intervals if text != "1m")
        self._cascade = Cascade(longer, schedule, by_clock=settings.alignment == "clock")
        self._s = BuilderState()

    @classmethod
    def restore(
        cls, venue: str, symbol: str, schedule: Schedule, settings: BarSettings, state: BuilderState
    ) -> BarBuilder:
        """A builder that goes on where `state` was taken."""
        builder = cls(venue, symbol, schedule, settings)
        builder._s = state
        builder._cascade.restore(state.cascade)
        return builder

    def state(self) -> BuilderState:
        """Complete memory; shared with the builder, so encode it before the next call."""
        self._s.cascade = self._cascade.state()
        return self._s

    @property
    def late(self) -> int:
        """Ticks too late even for a revision."""
        return self._s.late

    def on_tick(self, tick: Tick) -> list[Bar]:
        """Bars that this tick closes or revises, in time order, shortest interval first."""
        out: list[Bar] = []
        if tick.verdict == "stale" or tick.last is None or not (tick.volume if tick.traded is None else tick.traded):
            return out
        placement = self._schedule.place(tick.ts_event)
        session = placement.session
        if session is None:
            return out
        state = self._s
        if session.trading_day != state.running.trading_day:
            if session.trading_day < state.running.trading_day:
                self._late_tick(tick, _minute_start(tick.ts_event, session, placement), out)
                return out
            self._close_day(session, out)
        start = _minute_start(tick.ts_event, session, placement)
        current = state.current
        if current is None or start != current.window.ts_open:
            if current is not None and start > current.window.ts_open:
                self._close_minute(out)
            elif current is not None or (state.recent and start < state.recent[-1].window.ts_close):
                self._late_tick(tick, start, out)
                return out
            # A longer bar closes behind its last minute, also where that had no trade.
            self._fill_until(start, out)
            self._emit(self._cascade.close_until(start), out)
        self._add(tick, session, start)
        return out

    def _add(self, tick: Tick, session: Session, start: int) -> None:
        running, current = self._s.running, self._s.current
        last = tick.last
        assert last is not None  # noqa: S101 (checked by on_tick)
        grown, money = traded_by(tick, running)
        if not grown and last == running.last:
            # A snapshot without a trade moves only open interest and the receipt of a minute that traded.
            if current is not None:
                self._s.current = _touched(current, tick)
            return
        low, high = _extremes(tick, last, running)
        if current is None:
            first = tick.open if running.last is None and tick.open is not None else last
            window = minute_window(session, start)
            gap = window.meets(self._s.gaps)
            self._s.current = Minute(
                window,
                first,
                max(first, high),
                min(first, low),
                last,
                grown,
                money,
                tick.open_interest,
                1,
                gap,
                0,
                tick.source,
                tick.epoch,
                tick.ts_recv,
                tick.ts_pub,
            )
        else:
            self._s.current = Minute(
                current.window,
                current.open,
                high if high > current.high else current.high,
                low if low < current.low else current.low,
                last,
                current.volume + grown,
                current.turnover + money,
                tick.open_interest or current.open_interest,
                current.ticks + 1,
                current.gap,
                0,
                tick.source,
                tick.epoch,
                tick.ts_recv,
                tick.ts_pub,
            )
        _remember(running, tick)

    def on_clock(self, ts: int) -> list[Bar]:
        """Bars that close because the venue's event time has reached `ts`; never goes back."""
        out: list[Bar] = []
        if ts <= self._s.clock:
            return out
        self._s.clock = ts
        until = ts - self._grace
        current = self._s.current
        if current is not None and current.window.ts_close <= until:
            self._close_minute(out)
        elif current is not None:
            until = min(until, current.window.ts_open)
        self._fill_until(until, out)
        self._emit(self._cascade.close_until(until), out)
        return out

    def on_gap(self, gap: Gap) -> list[Bar]:
        """Flag bars that overlap the gap; a closed minute inside the revision window is revised.

        A hole in something that bars are not made of says nothing about them.
        """
        out: list[Bar] = []
        if gap.kind not in _OF_BARS:
            return out
        state = self._s
        state.gaps = (*state.gaps, (gap.ts_from, gap.ts_to))
        only = ((gap.ts_from, gap.ts_to),)
        if state.current is not None and state.current.window.meets(only):
            state.current = state.current._replace(gap=True)
        self._cascade.flag(only)
        for minute in state.recent:
            if minute.window.meets(only) and not minute.gap:
                self._revise(minute, minute._replace(gap=True, revision=minute.revision + 1), out)
        return out

    def sessions_changed(self) -> None:
        """The schedule says something else than before: what was the auction of a late opening is its first minute."""
        current = self._s.current
        if current is not None:
            placement = self._schedule.place(current.window.ts_open)
            if placement.session is not None and placement.phase == "auction":
                self._s.current = current._replace(window=minute_window(placement.session, placement.session.ts_open))
        self._cascade.sessions_changed()

    def _close_day(self, session: Session, out: list[Bar]) -> None:
        state = self._s
        if state.current is not None:
            self._close_minute(out)
        self._fill_until(session.ts_open, out)
        self._emit(self._cascade.close_until(session.ts_open), out)
        opened = self._schedule.sessions(session.trading_day)[0].ts_open
        # A gap that ends with the old day says nothing about the new one; the week's bar is flagged already.
        state.gaps = tuple(gap for gap in state.gaps if gap[1] >= opened)
        state.running = Running(session.trading_day)

    def _close_minute(self, out: list[Bar]) -> None:
        minute = self._s.current
        assert minute is not None  # noqa: S101 (callers look first)
        self._s.current = None
        self._fill_until(minute.window.ts_open, out)
        self._close(minute, out)

    def _fill_until(self, until: int, out: list[Bar]) -> None:
        """Minutes without a trade up to `until`, when they are wanted: flat at the close before them."""
        if not self._fill or not self._s.recent:
            return
        before = self._s.recent[-1]
        for window in self._cascade.minutes_between(before.window, until):
            flat = before.close
            empty = before._replace(
                window=window,
                open=flat,
                high=flat,
                low=flat,
                volume=ZERO,
                turnover=ZERO,
                ticks=0,
                revision=0,
                gap=window.meets(self._s.gaps),
            )
            self._close(empty, out)

    def _close(self, minute: Minute, out: list[Bar]) -> None:
        horizon = minute.window.ts_close - self._revisable - NANOS_PER_MINUTE
        self._s.recent = (*(m for m in self._s.recent if m.window.ts_close > horizon), minute)
        if self._one_minute:
            out.append(self._bar("1m", minute))
        self._emit(self._cascade.add(minute, self._s.gaps), out)

    def _late_tick(self, tick: Tick, start: int, out: list[Bar]) -> None:
        """A tick of a minute that was closed: a revision if it is recent enough."""
        running = self._s.running
        minute = next((m for m in self._s.recent if m.window.ts_open == start), None)
        last = tick.last
        assert last is not None  # noqa: S101 (checked by on_tick)
        expired = max(tick.ts_recv, self._s.clock) > start + NANOS_PER_MINUTE + self._revisable
        grown, money = traded_by(tick, running)
        # The differences of running totals belong to the minute that is open; a trade knows its own.
        misplaced = tick.traded is None and (
            self._s.current is not None
            or grown < 0
            or (minute is not None and minute.window.trading_day != running.trading_day)
        )
        if minute is None or expired or misplaced:
            self._s.late += 1
            return
        if not grown and last == running.last:
            return
        low, high = _extremes(tick, last, running)
        revised = _touched(minute, tick)._replace(
            high=max(minute.high, high),
            low=min(minute.low, low),
            close=last,
            volume=minute.volume + grown,
            turnover=minute.turnover + money,
            revision=minute.revision + 1,
        )
        if tick.traded is None:
            _remember(running, tick)
        self._revise(minute, revised, out)

    def _revise(self, minute: Minute, revised: Minute, out: list[Bar]) -> None:
        self._s.recent = tuple(revised if m is minute else m for m in self._s.recent)
        if self._one_minute:
            out.append(self._bar("1m", revised))
        self._emit(self._cascade.revise(minute, revised), out)

    def _emit(self, closed: list[tuple[str, Minute]], out: list[Bar]) -> None:
        for interval, summary in closed:
            out.append(self._bar(interval, summary))

    def _bar(self, interval: str, made: Minute) -> Bar:
        window = made.window
        # The sequence orders bars of one instrument and interval and follows from the window alone.
        seq = window.ts_open // NANOS_PER_SECOND
        return Bar(
            self._venue,
            self._symbol,
            made.source,
            made.epoch,
            seq,
            window.ts_close,
            made.ts_recv,
            made.ts_pub,
            interval,
            window.ts_open,
            window.ts_close,
            window.trading_day,
            made.open,
            made.high,
            made.low,
            made.close,
            made.volume,
            made.turnover,
            made.open_interest,
            made.ticks,
            made.revision,
            made.gap,
        )


def _minute_start(ts: int, session: Session, placement: Placement) -> int:
    if placement.phase == "continuous":
        return ts - (ts - session.ts_open) % NANOS_PER_MINUTE
    if placement.phase == "auction":
        return session.ts_open
    return session.ts_close - NANOS_PER_MINUTE


def _extremes(tick: Tick, last: Decimal, running: Running) -> tuple[Decimal, Decimal]:
    """Lowest and highest price since the previous snapshot.

    A snapshot is a slice: the day's own high or low may have moved between two of them without `last` ever
    showing it. Then the extreme happened in this slice.
    """
    low = high = last
    if tick.high is not None and tick.high > high and (running.high is None or tick.high > running.high):
        high = tick.high
    if tick.low is not None and tick.low < low and (running.low is None or tick.low < running.low):
        low = tick.low
    return low, high


def _remember(running: Running, tick: Tick) -> None:
    if tick.volume is not None:
        running.volume = tick.volume
    if tick.turnover is not None:
        running.turnover = tick.turnover
    if tick.high is not None:
        running.high = tick.high
    if tick.low is not None:
        running.low = tick.low
    running.last = tick.last


def _touched(minute: Minute, tick: Tick) -> Minute:
    return minute._replace(
        open_interest=tick.open_interest or minute.open_interest,
        ticks=minute.ticks + 1,
        source=tick.source,
        epoch=tick.epoch,
        ts_recv=tick.ts_recv,
        ts_pub=tick.ts_pub,
    )


__all__ = ["DEFAULT_INTERVALS", "BarBuilder", "BarSettings", "BuilderState"]
