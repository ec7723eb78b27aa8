"""Raw ticks of one partition in; validated ticks, gaps, events and quality reports out.

A pure function of the raw log: receive times, punctuation and rules are in it, no clock is read. The memory of every
stream is in the snapshot, so a run that is interrupted anywhere says the same as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import msgspec

from marketprism_application.contracts.packed import Packed
from marketprism_application.gateway.packing import MAX_TICKS
from marketprism_application.validation.gateway_sessions import GatewaySession, GatewaySessions, Verdict
from marketprism_application.validation.memory import SavedClock, SavedStream, ValidatorState, Watched
from marketprism_application.validation.message_pass import Run, ValidationOutput
from marketprism_domain.events.pipeline import MessagesOutOfChain, SessionJoined
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.gaps import Interruption
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.validation import TickValidationService

_decoder = msgspec.msgpack.Decoder(ValidatorState)


class ShardValidator:
    """Streams of every instrument of one partition.

    `name` makes event ids unique between partitions. Every tick of every message is counted once, as accepted (stale
    ones too), rejected, redelivered or out of chain.
    """

    def __init__(
        self, calendar: MarketCalendar, rules: ValidationRules, epoch: int = 0, name: str = "0",
        sessions: GatewaySessions | None = None,
    ) -> None:  # fmt: skip
        self._calendar = calendar.own()
        self._service = TickValidationService(rules)
        self._epoch = epoch
        self._name = name
        self._watched: dict[tuple[str, str], Watched] = {}
        self._counts: dict[str, Any] = {}
        self._sessions = GatewaySessions() if sessions is None else sessions
        self._clocks: dict[tuple[str, str], VenueClock] = {}
        self._log = ""  # which raw log this is, where it is not the first
        self.cut_since: dict[str, int] = {}  # `venue.symbol` to its last event time before the log was cut
        self.alive = 0  # receive clock of what was processed last
        self.out_of_chain = 0  # messages that were not taken
        self.joined = 0  # sessions that were taken from their middle on

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
        if packed.session and not self._follows(packed, run):
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

    def _follows(self, packed: Packed, run: Run) -> bool:
        """Whether the message is taken. Messages without a session come from a source that loses nothing."""
        verdict, session = self._sessions.judge(packed)
        if verdict in (Verdict.HELD, Verdict.REPEATED):
            self._leave(packed, session, verdict, run)
            return False
        if verdict is Verdict.JOINED:
            self._join(packed, session, run)
        session.held = 0
        if not packed.chain and packed.resumed:
            for watched in self._watched.values():
                last = watched.stream.state.last
                if last is not None and last.source == packed.source:
                    watched.missing = watched.missing or Interruption(last.ts_event, self.alive, packed.resumed)
        run.enter(session)
        return True

    def _leave(self, packed: Packed, session: GatewaySession, verdict: Verdict, run: Run) -> None:
        """Count what is not taken. Behind a hole that was given up, what is late was never taken before."""
        repeated = verdict is Verdict.REPEATED and not session.joined
        what = "redelivered" if repeated else "out_of_chain"
        for tick in packed.ticks:
            counts = self.counts(tick.source)
            counts[what] = counts.get(what, 0) + 1
        if repeated:
            return
        self.out_of_chain += 1
        if session.held == 1:
            run.tell(MessagesOutOfChain(packed.session, self._name, session.chain + 1, packed.chain))

    def _join(self, packed: Packed, session: GatewaySession, run: Run) -> None:
        """Take a session although something before this message is missing: whatever it brings next says since when."""
        self.joined += 1
        session.joined = True
        session.since = {
            watched.key: last.ts_event for watched in self._watched.values()
            if (last := watched.stream.state.last) is not None
        }  # fmt: skip
        run.tell(SessionJoined(packed.session, self._name, packed.chain, session.held))

    def truncated(self, lost: int = 0) -> None:
        """Messages may be gone that nobody read; each instrument's next tick shows whether they were of it.

        `lost` messages among them had been validated by a run whose memory is gone: the numbers that they gave to
        ticks are not given again.
        """
        self._sessions.cut()
        for watched in self._watched.values():
            last = watched.stream.state.last
            if last is not None:
                self.cut_since.setdefault(watched.key, last.ts_event)
            watched.stream.skip(lost * MAX_TICKS)

    def replaced(self, log: str, lost: int = 0) -> None:
        """As `truncated`, and the log numbers its messages from the start: `log` tells its event ids from the old."""
        self.truncated(lost)
        self._log = log

    def watched(self, venue: str, symbol: str) -> Watched:
        """Memory of an instrument, made at its first tick."""
        found = self._watched.get((venue, symbol))
        if found is None:
            key = f"{venue}.{symbol}"
            found = self._watched[venue, symbol] = Watched(key, self._calendar.schedule(venue, symbol))
        return found

    def clock(self, venue: str, source: str) -> VenueClock:
        """What is known of the clock that receives a venue's ticks from a source."""
        found = self._clocks.get((venue, source))
        if found is None:
            found = self._clocks[venue, source] = VenueClock()
        return found

    @property
    def clocks(self) -> dict[tuple[str, str], VenueClock]:
        """By venue and source."""
        return self._clocks

    def counts(self, source: str) -> dict[str, Any]:
        """Running counts of a source."""
        found: dict[str, Any] | None = self._counts.get(source)
        if found is None:
            found = self._counts[source] = {
                "accepted": 0, "stale": 0, "redelivered": 0, "rejected": {}, "out_of_chain": 0,
            }  # fmt: skip
        return found

    def stats(self) -> dict[str, Any]:
        """Ticks by source: accepted, stale (of the accepted), redelivered, rejected by first reason, out of chain."""
        return self._counts

    def snapshot(self) -> bytes:
        """Complete state."""
        saved = tuple(
            SavedStream(
                *key, w.stream.state, w.anomalies.state, w.silence.state, w.quality.state, w.stale, w.missing, w.hole,
                w.excluded,
            )
            for key, w in self._watched.items()
        )  # fmt: skip
        clocks = tuple(SavedClock(*key, clock.state) for key, clock in self._clocks.items())
        return msgspec.msgpack.encode(
            ValidatorState(
                self._service.rules.to_dict(),
                self._sessions.chains(),
                saved,
                self._counts,
                self._calendar.changes(),
                self.alive,
                self._sessions.table,
                clocks,
                self.cut_since,
                self.out_of_chain,
                self.joined,
                self._log,
            )
        )

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`; its rules come with it."""
        state = _decoder.decode(data)
        self._service = TickValidationService(ValidationRules.from_dict(state.rules))
        self._sessions.restore(state.table, state.sessions)
        self.alive, self._counts, self.cut_since = state.alive, state.counts, state.cut_since
        self.out_of_chain, self.joined, self._log = state.out_of_chain, state.joined, state.log
        self._clocks = {(saved.venue, saved.source): VenueClock(saved.clock) for saved in state.clocks}
        for change in state.changes:
            self._calendar.overrule(change)
        self._watched = {
            (saved.venue, saved.symbol): Watched(
                f"{saved.venue}.{saved.symbol}", self._calendar.schedule(saved.venue, saved.symbol), saved
            )
            for saved in state.streams
        }  # fmt: skip

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
        return f"{self._name}.{self._log}" if self._log else self._name

    @property
    def sessions(self) -> GatewaySessions:
        """Sessions of gateways."""
        return self._sessions
