"""Raw ticks of one partition in; validated ticks, gaps, events and quality reports out.

A pure function of the raw log: receive times, punctuation and rules are in it, no clock is read. The memory of every
stream is in the snapshot, so a run that is interrupted anywhere says the same as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import msgspec

from marketprism_application.contracts.codec import Packed
from marketprism_application.validating import Run, ValidationOutput
from marketprism_application.validator_state import SavedStream, ValidatorState, Watched
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.gaps import Interruption
from marketprism_domain.rules import ValidationRules
from marketprism_domain.sessions import SessionChange
from marketprism_domain.validation import TickValidationService

_MAX_SESSIONS = 64
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
        self._sessions: dict[str, int] = {}  # runs of gateways and how far each is
        self.alive = 0  # receive clock of what was processed last
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
        run = Run(self, packed, seq, ts_pub)
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
        expected = self._sessions.get(packed.session, -1) + 1
        if packed.chain != expected:
            self.out_of_chain += 1
            return False
        if not packed.chain and packed.resumed:
            for watched in self._watched.values():
                last = watched.stream.state.last
                if last is not None and last.source == packed.source:
                    watched.missing = watched.missing or Interruption(last.ts_event, self.alive, packed.resumed)
        if packed.session not in self._sessions and len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[packed.session] = packed.chain
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
            SavedStream(*key, w.stream.state, w.anomalies.state, w.silence.state, w.quality.state, w.stale, w.missing)
            for key, w in self._watched.items()
        )
        return msgspec.msgpack.encode(
            ValidatorState(
                self._service.rules.to_dict(),
                self._sessions,
                saved,
                self._counts,
                self._calendar.changes(),
                self.alive,
            )
        )

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`; its rules come with it."""
        state = _decoder.decode(data)
        self._service = TickValidationService(ValidationRules.from_dict(state.rules))
        self._sessions, self.alive = state.sessions, state.alive
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
