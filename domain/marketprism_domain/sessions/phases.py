"""What a venue says of its own phases, held against the table of sessions.

While it speaks, the venue is right: a section that opens late, goes on longer or is not in the table at all replaces
the table's, from there on and in the log, so that a replay counts the same minutes. Source of the phases:
OnRtnInstrumentStatus of CTP (THOST_FTDC_IS_…), pushed by product, again at every login; Zhengzhou says `pre_open` where
others say `break`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from marketprism_domain.events.sessions import (
    AfterHoursOpened,
    MarketHalted,
    MarketStatusReceived,
    TradingHoursOverruled,
    TradingSessionResumed,
)
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import Placement, Session, SessionChange
from marketprism_domain.sessions.trading_days import china_date, day_text, midnight
from marketprism_domain.values import NANOS_PER_MINUTE

_HOUR = 60 * NANOS_PER_MINUTE
_TOLERANCE = NANOS_PER_MINUTE  # clocks of venue, counter and table differ by seconds
_LONGEST = 6 * _HOUR  # a section whose end nobody said yet
_RESTS = ("pre_open", "break", "closed")


class PhaseVerdict(NamedTuple):
    """What follows from a word of the venue."""

    events: list[object]
    changes: list[SessionChange]


@dataclass(slots=True)
class _ProductPhase:
    """The state of one product: its phase, and a section that the table does not have (yet without its true end)."""

    phase: str = ""
    open_ended: SessionChange | None = None
    halted: bool = False


class PhaseWatch:
    """Phases of every product of a source. `calendar` is the source's own: changes go into it."""

    def __init__(self, calendar: MarketCalendar) -> None:
        self._calendar = calendar
        self._heard: dict[tuple[str, str], _ProductPhase] = {}

    def forget(self) -> None:
        """Nobody speaks any more: the table holds until the venue is heard again."""
        for heard in self._heard.values():
            heard.phase = ""

    def on_status(self, venue: str, product: str, phase: str, ts: int) -> PhaseVerdict:
        """The venue says that a product is in `phase` since `ts`; a repeated word says nothing.

        Phases: pre_open, break, continuous, auction_order, auction_balance, auction_match, closed.
        """
        heard = self._heard.setdefault((venue, product.lower()), _ProductPhase())
        before, heard.phase = heard.phase, phase
        verdict = PhaseVerdict([], [])
        if phase == before:
            return verdict
        verdict.events.append(MarketStatusReceived(venue, product, phase))
        place = self._calendar.schedule(venue, product).place(ts)
        if phase == "continuous":
            self._begins(venue, product, heard, before, place, ts, verdict)
        elif before == "continuous":
            self._ends(venue, product, heard, phase, place, ts, verdict)
        return verdict

    def on_trade(self, venue: str, product: str, ts: int) -> PhaseVerdict | None:
        """A trade outside every section, while the venue says that it trades: the section before goes on."""
        heard = self._heard.get((venue, product.lower()))
        if heard is None or heard.phase != "continuous":
            return None
        schedule = self._calendar.schedule(venue, product)
        place = schedule.place(ts)
        if place.session is not None:
            return None
        verdict = PhaseVerdict([], [])
        ended = [s for s in schedule.sessions(place.trading_day) if ts - _LONGEST < s.ts_close <= ts]
        if ended:
            last = ended[-1]
            change = SessionChange(venue, product, last.trading_day, last.ts_open, self._limit(venue, product, ts))
            self._overrule(heard, change, last, verdict)
        else:
            self._extra(venue, product, heard, ts, verdict)
        return verdict

    def _begins(
        self,
        venue: str,
        product: str,
        heard: _ProductPhase,
        before: str,
        place: Placement,
        ts: int,
        verdict: PhaseVerdict,
    ) -> None:
        session = place.session
        if heard.halted and session is not None:
            heard.halted = False
            verdict.events.append(TradingSessionResumed(venue, session.trading_day, session.number, product))
        elif session is None or place.phase == "section_end":
            if self._calendar.schedule(venue, product).next_session(ts + _TOLERANCE).ts_open > ts + _TOLERANCE:
                self._extra(venue, product, heard, ts, verdict)
        elif abs(ts - session.ts_open) > _TOLERANCE and (before or ts < session.ts_open):
            # Without a word from before, it may have begun in time and been interrupted since.
            opens = _whole(ts)
            change = SessionChange(venue, product, session.trading_day, opens, session.ts_close)
            self._overrule(None, change, session, verdict)

    def _ends(
        self,
        venue: str,
        product: str,
        heard: _ProductPhase,
        phase: str,
        place: Placement,
        ts: int,
        verdict: PhaseVerdict,
    ) -> None:
        session = place.session
        if heard.open_ended is not None:
            begun, heard.open_ended = heard.open_ended, None
            ends = max(_whole(ts + NANOS_PER_MINUTE - 1), begun.ts_open + NANOS_PER_MINUTE)
            self._overrule(None, begun._replace(ts_close=ends), session, verdict)
        elif (
            phase in _RESTS
            and session is not None
            and place.phase == "continuous"
            and min(session.ts_close - ts, ts - session.ts_open) > _TOLERANCE
        ):
            heard.halted = True
            verdict.events.append(MarketHalted(venue, f"{product}: {phase} where the table says continuous", product))

    def _extra(self, venue: str, product: str, heard: _ProductPhase, ts: int, verdict: PhaseVerdict) -> None:
        """A section that no table has."""
        opens, day = _whole(ts), self._trading_day(ts)
        change = SessionChange(venue, product, day, opens, self._limit(venue, product, ts))
        self._overrule(heard, change, None, verdict)
        known = self._calendar.schedule(venue, product).sessions(day)
        if known and known[-1].ts_open == opens and len(known) > 1:
            verdict.events.append(AfterHoursOpened(venue, day, product))

    def _overrule(
        self, heard: _ProductPhase | None, change: SessionChange, table: Session | None, verdict: PhaseVerdict
    ) -> None:
        """`heard`: the end is a guess, to be replaced when the venue says it."""
        if heard is not None:
            heard.open_ended = change
        self._calendar.overrule(change)
        verdict.changes.append(change)
        was = (table.ts_open, table.ts_close) if table is not None else (0, 0)
        verdict.events.append(
            TradingHoursOverruled(
                change.venue, change.product, change.trading_day, change.ts_open, change.ts_close, *was
            )
        )

    def _limit(self, venue: str, product: str, ts: int) -> int:
        """The latest end that a section may have whose true one is not known yet."""
        schedule = self._calendar.schedule(venue, product)
        following = schedule.next_session(ts)
        if following.ts_open <= ts:
            following = schedule.next_session(following.ts_close)
        return max(min(following.ts_auction, _whole(ts) + _LONGEST), _whole(ts) + NANOS_PER_MINUTE)

    def _trading_day(self, ts: int) -> str:
        """An evening's section belongs to the next trading day, and so does what follows it after midnight."""
        days, date = self._calendar.days, china_date(ts)
        of_day = ts - midnight(date)
        if of_day >= 18 * _HOUR or not days.is_trading_day(date):
            return day_text(days.next(date))
        return day_text(date)


def _whole(ts: int) -> int:
    return ts - ts % NANOS_PER_MINUTE
