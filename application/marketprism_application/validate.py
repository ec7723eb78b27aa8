"""Raw ticks of one partition in; validated ticks, gaps, events and quality reports out.

A pure function of the raw log: receive times, punctuation and rules are in it, no clock is read. The memory of every
stream is in the snapshot, so a run that is interrupted anywhere says the same as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from marketprism_application.contracts.codec import Mark, Packed
from marketprism_application.validator_state import SavedStream, ValidatorState, Watched
from marketprism_domain.anomalies import Anomaly
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.events import (
    AbnormalPriceDetected,
    DataGapDetected,
    DuplicateDataDetected,
    InvalidDataDetected,
    RejectionsSummarized,
    StaleDataDetected,
    to_record,
)
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.rules import ValidationRules
from marketprism_domain.sessions import Placement, SessionChange
from marketprism_domain.stream import Rejected
from marketprism_domain.validation import DUPLICATE, TickValidationService

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


_decoder = msgspec.msgpack.Decoder(ValidatorState)


class ShardValidator:
    """Streams of every instrument of one partition.

    `name` makes event ids unique between partitions.
    """

    def __init__(self, calendar: MarketCalendar, rules: ValidationRules, epoch: int = 0, name: str = "0") -> None:
        self._calendar = calendar.own()
        self._service = TickValidationService(rules)
        self._epoch = epoch
        self._name = name
        self._watched: dict[tuple[str, str], Watched] = {}
        self._counts: dict[str, Any] = {}
        self._session, self._chain = "", 0
        self.out_of_chain = 0

    @property
    def rules(self) -> ValidationRules:
        """The version in force."""
        return self._service.rules

    def change_rules(self, rules: ValidationRules) -> None:
        """Use another version from the next message on."""
        self._service = TickValidationService(rules)

    def process(self, packed: Packed, seq: int, ts_pub: int) -> ValidationOutput:
        """Validate one raw message; `seq` is its stream sequence, from which event ids are made."""
        run = _Run(self, packed, seq, ts_pub)
        if not self._follows(packed):
            return run.out
        asides: list[tuple[int, int, Callable[[Any], None], Any]] = [
            *((at, 0, run.changed, change) for at, change in packed.changes),
            *((mark.at, 1, run.mark, mark) for mark in packed.marks),
            *((at, 2, run.told_gap, gap) for at, gap in packed.gaps),
        ]
        asides.sort(key=itemgetter(0, 1))
        done = 0
        for index, tick in enumerate(packed.ticks):
            while done < len(asides) and asides[done][0] <= index:
                asides[done][2](asides[done][3])
                done += 1
            run.tick(tick)
        for _, _, tell, what in asides[done:]:
            tell(what)
        run.finish()
        return run.out

    def _follows(self, packed: Packed) -> bool:
        """Whether nothing is missing before this message.

        A message behind a lost one is not taken: its gateway sees the loss too, begins a new session before the hole,
        and sends both again. Messages without a session come from a source that loses nothing.
        """
        if not packed.session:
            return True
        expected = self._chain + 1 if packed.session == self._session else 0
        if packed.chain != expected:
            self.out_of_chain += 1
            return False
        self._session, self._chain = packed.session, packed.chain
        return True

    def watched(self, venue: str, symbol: str) -> Watched:
        """Memory of an instrument, made at its first tick."""
        found = self._watched.get((venue, symbol))
        if found is None:
            found = self._watched[venue, symbol] = Watched(self._calendar.schedule(venue, symbol))
        return found

    def counts(self, source: str) -> dict[str, Any]:
        """Running counts of a source."""
        found: dict[str, Any] | None = self._counts.get(source)
        if found is None:
            found = self._counts[source] = {"accepted": 0, "stale": 0, "redelivered": 0, "rejected": {}}
        return found

    def stats(self) -> dict[str, Any]:
        """Counts by source: accepted, stale (of the accepted), redelivered, rejected by first reason."""
        return self._counts

    def snapshot(self) -> bytes:
        """Complete state."""
        saved = tuple(
            SavedStream(*key, w.stream.state, w.anomalies.state, w.silence.state, w.quality.state, w.stale)
            for key, w in self._watched.items()
        )
        return msgspec.msgpack.encode(
            ValidatorState(
                self._service.rules.to_dict(), self._session, self._chain, saved, self._counts, self._calendar.changes()
            )
        )

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`; its rules come with it."""
        state = _decoder.decode(data)
        self._service = TickValidationService(ValidationRules.from_dict(state.rules))
        self._session, self._chain = state.session, state.chain
        self._counts = state.counts
        for change in state.changes:
            self._calendar.overrule(change)
        self._watched = {
            (saved.venue, saved.symbol): Watched(self._calendar.schedule(saved.venue, saved.symbol), saved)
            for saved in state.streams
        }

    def overrule(self, change: SessionChange) -> None:
        """The venue's own word about its sessions goes before the table."""
        self._calendar.overrule(change)

    @property
    def service(self) -> TickValidationService:
        """The checks in force."""
        return self._service

    @property
    def epoch(self) -> int:
        """Fencing token that accepted ticks carry."""
        return self._epoch

    @property
    def name(self) -> str:
        """Prefix of event ids."""
        return self._name


class _Run:
    """One message on its way through."""

    def __init__(self, shard: ShardValidator, packed: Packed, seq: int, ts_pub: int) -> None:
        self._shard = shard
        self._packed = packed
        self._seq = seq
        self._ts_pub = ts_pub
        self._rejections = 0
        self._summed: dict[tuple[str, str, str], int] = {}
        self._ids = 0
        self._ts = 0
        self.out = ValidationOutput([], [], [], [], [], [])

    def tick(self, tick: Tick) -> None:
        """Accept, reject or drop one tick."""
        shard, out = self._shard, self.out
        self._ts = tick.ts_recv
        watched = shard.watched(tick.venue, tick.symbol)
        placement = watched.schedule.place(tick.ts_event)
        counts = shard.counts(tick.source)
        verdict = watched.stream.accept(tick, placement, shard.service, shard.epoch, self._ts_pub)
        if verdict is None:
            counts["redelivered"] += 1
            return
        if isinstance(verdict, Rejected):
            self._reject(verdict, watched, counts)
            return
        accepted = verdict.tick
        counts["accepted"] += 1
        anomalies: tuple[Anomaly, ...] = ()
        if accepted.verdict == "stale":
            counts["stale"] += 1
            if not watched.stale:
                age_s = (tick.ts_recv - tick.ts_event) / 1e9
                self._event(StaleDataDetected(tick.venue, tick.symbol, round(age_s, 3)))
        else:
            self._silence(accepted, placement, watched)
            anomalies = watched.anomalies.on_tick(accepted, shard.rules)
            for found in anomalies:
                self._event(AbnormalPriceDetected(tick.venue, tick.symbol, *found))
        watched.stale = accepted.verdict == "stale"
        out.ticks.append(accepted)
        self._quality(watched, accepted, accepted.quality_score or 0, accepted.warnings, anomalies, accepted=True)

    def _reject(self, verdict: Rejected, watched: Watched, counts: dict[str, Any]) -> None:
        tick, reason = verdict.tick, verdict.reasons[0]
        counts["rejected"][reason] = counts["rejected"].get(reason, 0) + 1
        self._rejections += 1
        if self._rejections > MAX_REJECTION_EVENTS:
            key = (tick.venue, tick.symbol, reason)
            self._summed[key] = self._summed.get(key, 0) + 1
        elif reason == DUPLICATE:
            self._event(DuplicateDataDetected(tick.venue, tick.symbol, tick.source_seq))
        else:
            reasons = ",".join(verdict.reasons)
            last, volume = str(tick.last or ""), str(tick.volume if tick.volume is not None else "")
            self._event(
                InvalidDataDetected(tick.venue, tick.symbol, reasons, verdict.score, tick.source_seq, last, volume)
            )
        self._quality(watched, tick, verdict.score, verdict.reasons, (), accepted=False)

    def _silence(self, tick: Tick, placement: Placement, watched: Watched) -> None:
        hole = watched.silence.on_tick(tick.ts_event, placement, self._shard.rules)
        if hole is not None:
            ts_from, ts_to, cause = hole
            self._gap(Gap(
                tick.venue, tick.symbol, tick.source, tick.epoch, tick.seq, tick.ts_event, tick.ts_recv, self._ts_pub,
                ts_from, ts_to, cause, tick.trading_day,
            ))  # fmt: skip

    def _quality(
        self, watched: Watched, tick: Tick, score: int, reasons: tuple[str, ...], anomalies: tuple[Anomaly, ...],
        *, accepted: bool,
    ) -> None:  # fmt: skip
        rules = self._shard.rules
        report, event = watched.quality.observe(tick, score, reasons, anomalies, rules, accepted=accepted)
        if report is not None:
            self.out.reports.append(report._replace(epoch=self._shard.epoch, ts_pub=self._ts_pub))
        if event is not None:
            self._event(event)

    def mark(self, mark: Mark) -> None:
        """Punctuation passes through, before the next accepted tick."""
        self.out.marks.append(mark._replace(at=len(self.out.ticks)))

    def changed(self, change: SessionChange) -> None:
        """Another section than the table's, from here on and for whoever reads what this writes."""
        self._shard.overrule(change)
        self.out.changes.append((len(self.out.ticks), change))

    def told_gap(self, gap: Gap) -> None:
        """A hole that the source knows of."""
        self._gap(gap._replace(epoch=self._shard.epoch, ts_pub=self._ts_pub))

    def _gap(self, gap: Gap) -> None:
        self.out.gaps.append((len(self.out.ticks), gap))
        self._ts = self._ts or gap.ts_event
        self._event(DataGapDetected(gap.venue, gap.symbol, gap.ts_from, gap.ts_to, gap.cause))

    def finish(self) -> None:
        """Say what was only counted."""
        for (venue, symbol, reason), ticks in self._summed.items():
            self._event(RejectionsSummarized(venue, symbol, reason, ticks))

    def _event(self, event: Any) -> None:
        event_id = f"v{self._shard.name}-{self._seq}-{self._ids}"
        self._ids += 1
        self.out.events.append(
            to_record(
                event,
                event_id=event_id,
                source=self._packed.source,
                ts_event=self._ts,
                ts_pub=self._ts_pub,
                epoch=self._shard.epoch,
                seq=self._seq,
            )
        )
