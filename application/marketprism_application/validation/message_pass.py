"""One raw message on its way through a validator."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from marketprism_application.contracts.packed import Mark, Packed
from marketprism_application.validation.gateway_sessions import GatewaySession
from marketprism_application.validation.memory import PartitionMemory
from marketprism_domain.events.registry import (
    AbnormalPriceDetected,
    DataGapDetected,
    DuplicateDataDetected,
    Event,
    InvalidDataDetected,
    RejectionsSummarized,
    StaleDataDetected,
    to_record,
)
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.gap import MISSING_TRADES, Gap
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import Placement, SessionChange
from marketprism_domain.ticks.clocks import AGREES_NS, VenueClock
from marketprism_domain.ticks.gaps import EXCLUDED, JOINED, TRUNCATED
from marketprism_domain.ticks.memory import StreamMemory
from marketprism_domain.ticks.rejections import findings, row_of
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Exclusion, Findings, Interruption, Rejected
from marketprism_domain.ticks.validation import DUPLICATE
from marketprism_domain.values import NANOS_PER_MINUTE

# More rejections than this in one message are summed up by reason: an event storm helps nobody.
MAX_REJECTION_EVENTS = 20


class ValidationOutput(NamedTuple):
    """What one raw message amounts to; `gaps` and `changes` stand before the accepted tick of that index."""

    ticks: list[Tick]
    marks: list[Mark]
    gaps: list[tuple[int, Gap]]
    events: list[EventRecord]
    reports: list[QualityReport]
    changes: list[tuple[int, SessionChange]]


def _rejection(verdict: Rejected, previous: Tick | None, rules: ValidationRules) -> Event:
    """The event of one rejected tick, with the row as it came."""
    tick, reasons = verdict.tick, verdict.reasons
    row = _json(row_of(tick))
    wrong = _json([list(each) for each in findings(tick, previous, reasons, rules)])
    if reasons[0] == DUPLICATE:
        return DuplicateDataDetected(tick.venue, tick.symbol, tick.source_seq, row, wrong)
    last, volume = str(tick.last or ""), str(tick.volume if tick.volume is not None else "")
    return InvalidDataDetected(
        tick.venue, tick.symbol, ",".join(reasons), verdict.score, tick.source_seq, last, volume, row, wrong
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same_snapshot(tick: Tick, last: Tick | None) -> bool:
    return last is not None and (tick.ts_event, tick.volume, tick.last) == (last.ts_event, last.volume, last.last)


class MessagePass:
    """One message on its way through."""

    def __init__(self, memory: PartitionMemory, packed: Packed, seq: int, ts_pub: int) -> None:
        self._memory = memory
        self._packed = packed
        self._seq = seq
        self._ts_pub = ts_pub
        self._rejections = 0
        self._summed: dict[tuple[str, str, str], int] = {}
        self._ids = 0
        self._ts = 0
        self._session: GatewaySession | None = None
        self._holes = bool(memory.cut_since)  # whether anything may be missing before a tick of this message
        self._source = ""
        self._venue = ""
        self._clock: VenueClock | None = None
        self.out = ValidationOutput([], [], [], [], [], [])

    def of_session(self, session: GatewaySession) -> None:
        """The session that the message is of."""
        self._session = session
        self._holes = self._holes or session.joined

    def add_event(self, event: Any) -> None:
        """An event of the message as a whole."""
        self._ts = self._ts or self._memory.alive
        self._event(event)

    def tick(self, tick: Tick) -> None:
        """Accept, reject or drop one tick."""
        memory = self._memory
        self._ts = ts_recv = tick.ts_recv
        memory.alive = max(memory.alive, ts_recv)
        watched = memory.stream_of(tick.venue, tick.symbol)
        counts = memory.counts(tick.source)
        if watched.missing is not None and _same_snapshot(tick, watched.stream.last):
            watched.missing = None  # what a login brings is the newest there is: nothing came after what we have
        if self._holes:
            self._look_for_hole(tick, watched)
        if self._clock is None or tick.source != self._source or tick.venue != self._venue:
            self._source, self._venue = tick.source, tick.venue
            self._clock = memory.clock(tick.venue, tick.source)
        accepted = watched.accept(tick, self._clock, memory.service, memory.epoch, self._ts_pub)
        if accepted is None:
            counts["redelivered"] += 1
            return
        if isinstance(accepted, Rejected):
            self.reject(accepted, watched, counts)
            return
        counts["accepted"] += 1
        if accepted.verdict == "stale":
            counts["stale"] += 1
            self._stale(accepted, watched)
        else:
            watched.stale = False
            named = watched.hole is not None  # the log's own hole says the same as the silence it leaves
            if not watched.whole:
                self._behind(accepted, watched, self._clock.offset_ns)
            found = watched.observe(accepted, memory.service.rules)
            if found is not None:
                self._tell(accepted, found, named=named)
        self.out.ticks.append(accepted)

    def _stale(self, accepted: Tick, watched: StreamMemory) -> None:
        """Tell of a tick far from the receive clock, which bars leave out."""
        if not watched.stale:
            age_s = (accepted.ts_recv - accepted.ts_event) / 1e9
            self._event(StaleDataDetected(accepted.venue, accepted.symbol, round(age_s, 3)))
        self._exclude(accepted, watched.placement, watched)
        watched.stale = True
        self._quality(watched, accepted, accepted.quality_score or 0, accepted.warnings, accepted=True)

    def _behind(self, accepted: Tick, watched: StreamMemory, offset_ns: int) -> None:
        """Tell of what is missing before an accepted tick."""
        if watched.excluded is not None:
            self._include(accepted, watched.excluded, watched)
        self._missed(accepted, watched.placement, watched, offset_ns)

    def _tell(self, tick: Tick, found: Findings, *, named: bool) -> None:
        """Tell of what an accepted tick shows."""
        hole = found.silence
        # A trade tape may be quiet for as long as it likes: its holes are told by those who read it.
        if hole is not None and (tick.traded is None or hole[2] == JOINED) and not named:
            self._hole(tick, *hole)
        for anomaly in found.anomalies:
            self._event(AbnormalPriceDetected(tick.venue, tick.symbol, *anomaly))
        self._judged(found.report, found.change)

    def reject(self, verdict: Rejected, watched: StreamMemory, counts: dict[str, Any]) -> None:
        """Count a tick that is not accepted, and tell of it."""
        tick, reason = verdict.tick, verdict.reasons[0]
        counts["rejected"][reason] = counts["rejected"].get(reason, 0) + 1
        self._rejections += 1
        if self._rejections > MAX_REJECTION_EVENTS:
            key = (tick.venue, tick.symbol, reason)
            self._summed[key] = self._summed.get(key, 0) + 1
        else:
            self._event(_rejection(verdict, watched.stream.last, self._memory.rules))
        self._quality(watched, tick, verdict.score, verdict.reasons, accepted=False)

    def _look_for_hole(self, tick: Tick, watched: StreamMemory) -> None:
        """Whether messages of the log are missing before this tick, where that is so for some instruments.

        A tick at the very next place of its source shows that nothing is, and so does a session that goes on behind a
        cut where it was before.
        """
        stream, session, cut = watched.stream, self._session, self._memory.cut_since
        if tick.source_seq <= stream.positions.get(tick.source, -1):
            return
        found = []
        if (since := cut.pop(watched.key, None)) is not None and not (session is not None and session.whole):
            found.append(since)
        if session is not None and session.joined:
            if (since := session.since.pop(watched.key, None)) is not None:
                found.append(since)
            elif not stream.positions:
                found.append(0)
        if found and not stream.follows(tick):
            watched.hole = min(found) if watched.hole is None else min(watched.hole, *found)

    def _missed(self, tick: Tick, placement: Placement, watched: StreamMemory, offset_ns: int) -> None:
        """What the log has lost, and what a live source did not see between two sessions of it."""
        if watched.hole is not None:
            opened = watched.schedule.sessions(placement.trading_day)[0].ts_open
            since, watched.hole, watched.missing = watched.hole or opened, None, None
            if since < tick.ts_event:
                self._hole(tick, since, tick.ts_event, TRUNCATED)
            return
        missing = watched.missing
        if missing is None or tick.ts_event <= missing.since:  # the last snapshot again, which comes with a login
            return
        watched.missing = None
        if abs(offset_ns) > AGREES_NS:
            missing = Interruption(missing.since, missing.lost_at - offset_ns, missing.back_at - offset_ns)
        bounds = missing.bounds(watched.schedule, tick.ts_event)
        if bounds is not None:
            self._hole(tick, *bounds, "interrupted")

    def _exclude(self, tick: Tick, placement: Placement, watched: StreamMemory) -> None:
        """A tick that is left out of bars: a gap, one a minute, if anything is lost by it.

        A snapshot that a login brings again, or the first row of all when it is of long ago, is no loss.
        """
        before, last = watched.excluded, watched.stream.last
        age, since = tick.ts_recv - tick.ts_event, tick.ts_event
        if tick.traded is not None:
            lost = bool(tick.traded)
        elif last is not None:
            lost = tick.ts_event > last.ts_event and (tick.volume, tick.last) != (last.volume, last.last)
        else:
            lost = before is not None and tick.ts_event > before.last and abs(age - before.age_ns) <= AGREES_NS
            since = before.last if before is not None else since
        named_to = before.named_to if before is not None else 0
        if lost and placement.session is not None and tick.ts_event >= named_to:
            named_to = tick.ts_event - tick.ts_event % NANOS_PER_MINUTE + NANOS_PER_MINUTE
            self._hole(tick, since, max(since + 1, named_to - 1), EXCLUDED)
        watched.excluded = Exclusion(tick.ts_event, age, named_to)

    def _include(self, tick: Tick, excluded: Exclusion, watched: StreamMemory) -> None:
        """The first tick behind those that were left out: a snapshot brings what was traded in them."""
        watched.excluded = None
        since = excluded.named_to
        if not since and abs(tick.ts_recv - tick.ts_event - excluded.age_ns) <= AGREES_NS:
            since = excluded.last  # it was of the very clock that is believed now
        if since and since < tick.ts_event and (tick.traded is None or not excluded.named_to):
            self._hole(tick, since, tick.ts_event, EXCLUDED)

    def _hole(self, tick: Tick, ts_from: int, ts_to: int, cause: str) -> None:
        self._gap(
            Gap(
                tick.venue,
                tick.symbol,
                tick.source,
                tick.epoch,
                tick.seq,
                tick.ts_event,
                tick.ts_recv,
                self._ts_pub,
                ts_from,
                ts_to,
                cause,
                tick.trading_day,
            )
        )

    def _quality(
        self,
        watched: StreamMemory,
        tick: Tick,
        score: int,
        reasons: tuple[str, ...],
        *,
        accepted: bool,
    ) -> None:
        self._judged(*watched.quality.observe(tick, score, reasons, (), self._memory.rules, accepted=accepted))

    def _judged(self, report: QualityReport | None, change: Event | None) -> None:
        """Report a window of quality that has ended, and what that changes."""
        if report is not None:
            self.out.reports.append(report._replace(epoch=self._memory.epoch, ts_pub=self._ts_pub))
        if change is not None:
            self._event(change)

    def mark(self, mark: Mark) -> None:
        """Punctuation passes through, before the next accepted tick."""
        self._memory.alive = max(self._memory.alive, mark.ts_event)
        self.out.marks.append(mark._replace(at=len(self.out.ticks)))

    def changed(self, change: SessionChange) -> None:
        """Another section than the table's, from here on and for whoever reads what this writes."""
        self._memory.calendar.overrule(change)
        self.out.changes.append((len(self.out.ticks), change))

    def gap(self, gap: Gap) -> None:
        """A hole that the source knows of, unless another collector of the same tape filled it."""
        stream = self._memory.stream_of(gap.venue, gap.symbol).stream
        if gap.cause == MISSING_TRADES and not stream.missing(gap.source):
            return
        self._gap(gap._replace(epoch=self._memory.epoch, ts_pub=self._ts_pub))

    def _gap(self, gap: Gap) -> None:
        self.out.gaps.append((len(self.out.ticks), gap))
        self._ts = self._ts or gap.ts_event
        self._event(DataGapDetected(gap.venue, gap.symbol, gap.ts_from, gap.ts_to, gap.cause))

    def finish(self) -> None:
        """Say what was only counted."""
        for (venue, symbol, reason), ticks in self._summed.items():
            self._event(RejectionsSummarized(venue, symbol, reason, ticks))

    def _event(self, event: Any) -> None:
        event_id = f"v{self._memory.event_prefix}-{self._seq}-{self._ids}"
        self._ids += 1
        self.out.events.append(
            to_record(
                event,
                event_id=event_id,
                source=self._packed.source,
                ts_event=self._ts,
                ts_pub=self._ts_pub,
                epoch=self._memory.epoch,
                seq=self._seq,
            )
        )
