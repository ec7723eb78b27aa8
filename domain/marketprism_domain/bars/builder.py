"""Bars of one instrument: built from ticks, closed by what the log says, corrected by revision.

Rules (letters as in docs/adr/0004): an auction tick belongs to the first minute of the section that follows (a);
a tick at or just after a section's end belongs to the section's last minute (b); any other tick outside a
session is not counted (c); longer bars are made of one-minute bars (d); a bar closes when a later tick of the
instrument or a mark of its venue passes its end plus grace (e); a late tick inside the revision window makes a
new revision, a later one is counted (i).
"""

from __future__ import annotations

from decimal import Decimal

from marketprism_domain.bars.cascade import Cascade
from marketprism_domain.bars.open_minute import DayTotals, OpenMinute, touched
from marketprism_domain.bars.state import DEFAULT_INTERVALS, ZERO, BarSettings, BuilderState, Running
from marketprism_domain.bars.windows import Gaps, Minute, minute_window
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import LAST, TRADED, TS_EVENT, VERDICT, VOLUME, Tick
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
        self._totals = DayTotals(Running())
        self._current: OpenMinute | None = None
        self._placement: Placement | None = None  # of the current minute, where it lies in continuous trading
        self._recent: tuple[Minute, ...] = ()
        self._clock = 0
        self._gaps: Gaps = ()
        self._late = 0

    @classmethod
    def restore(
        cls, venue: str, symbol: str, schedule: Schedule, settings: BarSettings, state: BuilderState
    ) -> BarBuilder:
        """A builder that goes on where `state` was taken."""
        builder = cls(venue, symbol, schedule, settings)
        builder._totals = DayTotals(state.running)
        builder._current = None if state.current is None else OpenMinute(state.current)
        builder._recent, builder._gaps = state.recent, state.gaps
        builder._clock, builder._late = state.clock, state.late
        builder._cascade.restore(state.cascade)
        return builder

    def state(self) -> BuilderState:
        """Complete memory; in part shared with the builder, so encode it before the next call."""
        return BuilderState(
            self._totals.running(),
            None if self._current is None else self._current.minute(),
            self._recent,
            self._clock,
            self._gaps,
            self._late,
            self._cascade.state(),
        )

    @property
    def late(self) -> int:
        """Ticks too late even for a revision."""
        return self._late

    def on_tick(self, tick: Tick) -> list[Bar]:
        """Bars that this tick closes or revises, in time order, shortest interval first."""
        out: list[Bar] = []
        last, traded = tick[LAST], tick[TRADED]
        if last is None or not (tick[VOLUME] if traded is None else traded) or tick[VERDICT] == "stale":
            return out
        ts = tick[TS_EVENT]
        placement = self._schedule.place(ts)
        current = self._current
        if current is not None and placement is self._placement and current.ts_open <= ts < current.ts_close:
            current.add(tick, last, self._totals)  # what most ticks are: another one of the same minute
            return out
        session = placement.session
        if session is None:
            return out
        totals = self._totals
        if session.trading_day != totals.trading_day:
            if session.trading_day < totals.trading_day:
                self._late_tick(tick, _minute_start(ts, session, placement), out)
                return out
            self._close_day(session, out)
            current = None
        start = _minute_start(ts, session, placement)
        if current is None or start != current.ts_open:
            if current is not None and start > current.ts_open:
                self._close_minute(current, out)
                current = None
            elif current is not None or (self._recent and start < self._recent[-1].window.ts_close):
                self._late_tick(tick, start, out)
                return out
            # A longer bar closes behind its last minute, also where that had no trade.
            self._fill_until(start, out)
            self._emit(self._cascade.close_until(start), out)
        self._placement = placement if placement.phase == "continuous" else None
        if current is not None:
            current.add(tick, last, self._totals)
        else:
            self._open(tick, last, session, start)
        return out

    def _open(self, tick: Tick, last: Decimal, session: Session, start: int) -> None:
        totals = self._totals
        grown, money = totals.traded_by(tick)
        if not grown and last == totals.last:
            return  # a snapshot without a trade opens no minute
        low, high = totals.extremes(tick, last)
        first = tick.open if totals.last is None and tick.open is not None else last
        window = minute_window(session, start)
        self._current = OpenMinute(
            Minute(
                window,
                first,
                max(first, high),
                min(first, low),
                last,
                grown,
                money,
                tick.open_interest,
                1,
                window.meets(self._gaps),
                0,
                tick.source,
                tick.epoch,
                tick.ts_recv,
                tick.ts_pub,
            )
        )
        totals.remember(tick)

    def on_clock(self, ts: int) -> list[Bar]:
        """Bars that close because the venue's event time has reached `ts`; never goes back."""
        out: list[Bar] = []
        if ts <= self._clock:
            return out
        self._clock = ts
        until = ts - self._grace
        current = self._current
        if current is not None and current.ts_close <= until:
            self._close_minute(current, out)
        elif current is not None:
            until = min(until, current.ts_open)
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
        self._gaps = (*self._gaps, (gap.ts_from, gap.ts_to))
        only = ((gap.ts_from, gap.ts_to),)
        if self._current is not None and self._current.window.meets(only):
            self._current.gap = True
        self._cascade.flag(only)
        for minute in self._recent:
            if minute.window.meets(only) and not minute.gap:
                self._revise(minute, minute._replace(gap=True, revision=minute.revision + 1), out)
        return out

    def sessions_changed(self) -> None:
        """The schedule says something else than before: what was the auction of a late opening is its first minute."""
        current = self._current
        if current is not None:
            placement = self._schedule.place(current.ts_open)
            if placement.session is not None and placement.phase == "auction":
                current.move(minute_window(placement.session, placement.session.ts_open))
        self._cascade.sessions_changed()

    def _close_day(self, session: Session, out: list[Bar]) -> None:
        if self._current is not None:
            self._close_minute(self._current, out)
        self._fill_until(session.ts_open, out)
        self._emit(self._cascade.close_until(session.ts_open), out)
        opened = self._schedule.sessions(session.trading_day)[0].ts_open
        # A gap that ends with the old day says nothing about the new one; the week's bar is flagged already.
        self._gaps = tuple(gap for gap in self._gaps if gap[1] >= opened)
        self._totals = DayTotals(Running(session.trading_day))

    def _close_minute(self, current: OpenMinute, out: list[Bar]) -> None:
        self._current = None
        self._fill_until(current.ts_open, out)
        self._close(current.minute(), out)

    def _fill_until(self, until: int, out: list[Bar]) -> None:
        """Minutes without a trade up to `until`, when they are wanted: flat at the close before them."""
        if not self._fill or not self._recent:
            return
        before = self._recent[-1]
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
                gap=window.meets(self._gaps),
            )
            self._close(empty, out)

    def _close(self, minute: Minute, out: list[Bar]) -> None:
        horizon = minute.window.ts_close - self._revisable - NANOS_PER_MINUTE
        self._recent = (*[m for m in self._recent if m.window.ts_close > horizon], minute)
        if self._one_minute:
            out.append(self._bar("1m", minute))
        self._emit(self._cascade.add(minute, self._gaps), out)

    def _late_tick(self, tick: Tick, start: int, out: list[Bar]) -> None:
        """A tick of a minute that was closed: a revision if it is recent enough."""
        totals = self._totals
        minute = next((m for m in self._recent if m.window.ts_open == start), None)
        last = tick.last
        assert last is not None  # noqa: S101 (checked by on_tick)
        expired = max(tick.ts_recv, self._clock) > start + NANOS_PER_MINUTE + self._revisable
        grown, money = totals.traded_by(tick)
        # The differences of running totals belong to the minute that is open; a trade knows its own.
        misplaced = tick.traded is None and (
            self._current is not None
            or grown < 0
            or (minute is not None and minute.window.trading_day != totals.trading_day)
        )
        if minute is None or expired or misplaced:
            self._late += 1
            return
        if not grown and last == totals.last:
            return
        low, high = totals.extremes(tick, last)
        revised = touched(minute, tick)._replace(
            high=max(minute.high, high),
            low=min(minute.low, low),
            close=last,
            volume=minute.volume + grown,
            turnover=minute.turnover + money,
            revision=minute.revision + 1,
        )
        if tick.traded is None:
            totals.remember(tick)
        self._revise(minute, revised, out)

    def _revise(self, minute: Minute, revised: Minute, out: list[Bar]) -> None:
        self._recent = tuple(revised if m is minute else m for m in self._recent)
        if self._one_minute:
            out.append(self._bar("1m", revised))
        opened = minute.window.ts_open
        following = next((m.window.ts_open for m in self._recent if m.window.ts_open > opened), None)
        self._emit(self._cascade.revise(minute, revised, following), out)

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


__all__ = ["DEFAULT_INTERVALS", "BarBuilder", "BarSettings", "BuilderState"]
