"""Gaps: silence longer than a stream's own rhythm explains, and the ledger of all holes."""

from __future__ import annotations

from typing import Final

from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.sessions import Placement, Session
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import SilenceState
from marketprism_domain.values import NANOS_PER_SECOND, InstrumentId, TimeWindow

JOINED = "joined"  # the first tick of a day came later than its opening
TRUNCATED = "truncated"  # messages of the log were gone before they were read
EXCLUDED = "excluded"  # ticks were there and were left out, because their times were not believed
_ALPHA: Final = 0.05
_WARM_UP: Final = 20
_MAX_DAYS: Final = 10  # beyond so many missing trading days the answer is the same: a gap


class SilenceDetector:
    """Watches one stream in session time: breaks, nights and holidays do not count."""

    __slots__ = ("_cadence_ns", "_count", "_schedule", "_session", "_ts_last", "_ts_open")

    def __init__(self, schedule: Schedule, state: SilenceState | None = None) -> None:
        state = state or SilenceState()
        self._schedule = schedule
        self._ts_last: int = state.ts_last
        self._session: Session | None = state.session
        self._ts_open: int = state.session.ts_open if state.session is not None else 0  # of the session
        self._cadence_ns: float = state.cadence_ns
        self._count: int = state.count

    @property
    def state(self) -> SilenceState:
        """The complete memory as it is now."""
        return SilenceState(self._ts_last, self._session, self._cadence_ns, self._count)

    def on_tick(self, ts: int, placement: Placement, rules: ValidationRules) -> tuple[int, int, str] | None:
        """(from, to, cause) when data is missing before this tick, else None.

        Silence is a gap when it is longer than `silence_min_s` and `silence_factor` times the stream's own expected
        cadence. A stream whose first tick comes later than that after the day's first opening was joined late.
        """
        session = placement.session
        if session is None:
            return None
        before, ts_last, opened = self._session, self._ts_last, self._ts_open
        self._ts_last = ts
        limit = int(rules.silence_min_s * NANOS_PER_SECOND)
        if session is not before:
            self._session, self._ts_open = session, session.ts_open
        if before is None:
            opened = self._schedule.sessions(session.trading_day)[0].ts_open
            return (opened, ts, JOINED) if self._elapsed_today(opened, ts, session) > limit else None
        # Nothing is due between the auction's match and the opening.
        same = self._ts_open == opened
        silence = ts - max(ts_last, opened) if same else self._elapsed(ts_last, before, ts, session)
        if self._count >= _WARM_UP:
            limit = max(limit, int(rules.silence_factor * self._cadence_ns))
        if silence > limit:
            return ts_last, ts, "silence"
        self._count += 1
        self._cadence_ns += (silence - self._cadence_ns) * (_ALPHA if self._count > _WARM_UP else 1 / self._count)
        return None

    def _elapsed(self, ts_from: int, before: Session, ts: int, session: Session) -> int:
        """Session time between two instants of different sections."""
        elapsed = max(0, before.ts_close - max(ts_from, before.ts_open)) + max(0, ts - session.ts_open)
        day = before.trading_day
        for _ in range(_MAX_DAYS):
            for each in self._schedule.sessions(day):
                if before.ts_close <= each.ts_open and each.ts_close <= session.ts_open:
                    elapsed += each.ts_close - each.ts_open
            if day >= session.trading_day:
                return elapsed
            day = self._next_day(day)
        return elapsed

    def _next_day(self, day: str) -> str:
        return day_text(self._schedule.next_day(day_of(day)))

    def _elapsed_today(self, opened: int, ts: int, session: Session) -> int:
        first = self._schedule.sessions(session.trading_day)[0]
        if session.ts_open == first.ts_open:
            return ts - opened
        return self._elapsed(opened, first, ts, session)


class GapLedger:
    """Append-only list of gaps; the same hole is entered once."""

    def __init__(self) -> None:
        self._entries: dict[InstrumentId, dict[tuple[int, int, str], Gap]] = {}

    def add(self, gap: Gap) -> bool:
        """Enter a gap; False when this hole, of the same cause, is there already.

        Raises:
            InvalidValue: the gap ends before it begins, or is of no instrument.
        """
        TimeWindow(gap.ts_from, gap.ts_to)
        entries = self._entries.setdefault(InstrumentId.of(gap.venue, gap.symbol), {})
        return entries.setdefault((gap.ts_from, gap.ts_to, gap.cause), gap) is gap

    def overlapping(self, instrument: InstrumentId, window: TimeWindow) -> tuple[Gap, ...]:
        """Gaps of one instrument that touch a window. The tick that ends a gap brings what was traded in it: a gap's
        end belongs to it."""
        return tuple(
            gap
            for (ts_from, ts_to, _), gap in self._entries.get(instrument, {}).items()
            if ts_from < window.ts_to and window.ts_from <= ts_to
        )

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._entries.values())
