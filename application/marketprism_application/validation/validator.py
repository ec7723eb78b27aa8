"""Raw ticks of one partition in; validated ticks, gaps, events and quality reports out.

A pure function of the raw log: receive times, punctuation and rules are in it, no clock is read. The memory of every
stream is in the snapshot, so a run that is interrupted anywhere says the same as one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from marketprism_application.contracts.packed import MAX_TICKS, Packed
from marketprism_application.validation.gateway_sessions import GatewaySession, GatewaySessions, Verdict
from marketprism_application.validation.memory import PartitionMemory
from marketprism_application.validation.message_pass import MessagePass, ValidationOutput
from marketprism_domain.events.pipeline import MessagesOutOfChain, SessionJoined
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Interruption
from marketprism_domain.ticks.validation import TickValidationService


class ShardValidator:
    """Streams of every instrument of one partition.

    `name` makes event ids unique between partitions. Every tick of every message is counted once, as accepted (stale
    ones too), rejected, redelivered or out of chain.
    """

    def __init__(
        self,
        calendar: MarketCalendar,
        rules: ValidationRules,
        epoch: int = 0,
        name: str = "0",
        sessions: GatewaySessions | None = None,
    ) -> None:
        self.memory = PartitionMemory(calendar, rules, epoch, name, GatewaySessions() if sessions is None else sessions)

    @property
    def rules(self) -> ValidationRules:
        """The version in force."""
        return self.memory.rules

    def change_rules(self, rules: ValidationRules) -> None:
        """Use another version from the next message on."""
        self.memory.service = TickValidationService(rules)

    def process(self, packed: Packed, seq: int, ts_pub: int) -> ValidationOutput:
        """Validate one raw message; `seq` is its stream sequence, from which event ids are made."""
        run = self.begin(packed, seq, ts_pub)
        if packed.session and not self._follows(packed, run):
            return run.out
        asides: list[tuple[int, int, Callable[[Any], None], Any]] = [
            *((at, 0, run.changed, change) for at, change in packed.changes),
            *((mark.at, 1, run.mark, mark) for mark in packed.marks),
            *((at, 2, run.gap, gap) for at, gap in packed.gaps),
        ]
        asides.sort(key=itemgetter(0, 1))
        done = 0
        for index, tick in enumerate(packed.ticks):
            while done < len(asides) and asides[done][0] <= index:
                asides[done][2](asides[done][3])
                done += 1
            run.tick(tick)
        for _, _, take, what in asides[done:]:
            take(what)
        run.finish()
        return run.out

    def begin(self, packed: Packed, seq: int, ts_pub: int) -> MessagePass:
        """The way of a message through this memory."""
        return MessagePass(self.memory, packed, seq, ts_pub)

    def _follows(self, packed: Packed, run: MessagePass) -> bool:
        """Whether the message is taken. Messages without a session come from a source that loses nothing."""
        verdict, session = self.memory.sessions.judge(packed)
        if verdict in (Verdict.HELD, Verdict.REPEATED):
            self._leave(packed, session, verdict, run)
            return False
        if verdict is Verdict.JOINED:
            self._join(packed, session, run)
        session.held = 0
        if not packed.chain and packed.resumed:
            for watched in self.memory.streams.values():
                last = watched.stream.last
                if last is not None and last.source == packed.source:
                    missing = watched.missing or Interruption(last.ts_event, self.memory.alive, packed.resumed)
                    # Of an earlier interruption nothing was seen to end: both are one, up to where it is there again.
                    watched.missing = missing._replace(back_at=max(missing.back_at, packed.resumed))
        run.of_session(session)
        return True

    def _leave(self, packed: Packed, session: GatewaySession, verdict: Verdict, run: MessagePass) -> None:
        """Count what is not taken. Behind a hole that was given up, what is late was never taken before."""
        repeated = verdict is Verdict.REPEATED and not session.joined
        what = "redelivered" if repeated else "out_of_chain"
        for tick in packed.ticks:
            counts = self.memory.counts(tick.source)
            counts[what] = counts.get(what, 0) + 1
        if repeated:
            return
        self.memory.out_of_chain += 1
        if session.held == 1:
            run.add_event(MessagesOutOfChain(packed.session, self.memory.partition, session.chain + 1, packed.chain))

    def _join(self, packed: Packed, session: GatewaySession, run: MessagePass) -> None:
        """Take a session although something before this message is missing: whatever it brings next says since when."""
        self.memory.joined += 1
        session.joined = True
        session.since = {
            watched.key: last.ts_event
            for watched in self.memory.streams.values()
            if (last := watched.stream.last) is not None
        }
        run.add_event(SessionJoined(packed.session, self.memory.partition, packed.chain, session.held))

    def truncated(self, lost: int = 0) -> None:
        """Messages may be gone that nobody read; each instrument's next tick shows whether they were of it.

        `lost` messages among them had been validated by a run whose memory is gone: the numbers that they gave to
        ticks are not given again.
        """
        self.memory.sessions.cut()
        for watched in self.memory.streams.values():
            last = watched.stream.last
            if last is not None:
                self.memory.cut_since.setdefault(watched.key, last.ts_event)
            watched.stream.skip(lost * MAX_TICKS)

    def replaced(self, log: str, lost: int = 0) -> None:
        """As `truncated`, and the log numbers its messages from the start: `log` tells its event ids from the old."""
        self.truncated(lost)
        self.memory.log = log

    def stats(self) -> dict[str, Any]:
        """Ticks by source: accepted, stale (of the accepted), redelivered, rejected by first reason, out of chain."""
        return self.memory.totals

    def snapshot(self) -> bytes:
        """The complete state as MessagePack, from which `restore` goes on."""
        return self.memory.snapshot()

    def restore(self, data: bytes) -> None:
        """State of an earlier `snapshot`; its rules come with it."""
        self.memory.restore(data)
