"""Sessions of gateways in one partition of the raw log: which message follows which.

A gateway numbers the messages of a session in each partition (`chain`: 0, 1, 2 …), so a reader sees when one is
missing. Everything here is a function of the log: the only clock is the one by which gateways stamp their messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from marketprism_application.contracts.packed import Packed
from marketprism_domain.values import NANOS_PER_SECOND

KEEP = 64  # sessions below this number are never forgotten
MOST = 4_096  # beyond this the one that was used longest ago is forgotten, however lately that was
LIVING_NS = 3_600 * NANOS_PER_SECOND  # a session of the last hour is not forgotten, however many there are
HOLD_NS = (
    30 * NANOS_PER_SECOND
)  # a gateway sees a loss within seconds: one that goes on for so long sends nothing again
HOLD_MESSAGES = 10_000  # more than a gateway has on its way at any time
_LEAP_NS = 60 * NANOS_PER_SECOND  # a clock that leaps, of whichever gateway, makes nobody older than that


class Verdict(Enum):
    """What becomes of a message."""

    TAKEN = "taken"  # it follows what was taken before
    JOINED = "joined"  # it is taken, although something before it is missing and will not come
    REPEATED = "repeated"  # it was taken before
    HELD = "held"  # out of chain: something before it is missing, which its gateway is expected to send again


@dataclass(slots=True)
class GatewaySession:
    """One unbroken run of a gateway, as far as this partition has seen it."""

    chain: int = -1  # of the last message that was taken
    used: int = 0  # the table's clock at its last message
    held: int = 0  # messages that were not taken since
    held_from: int = 0  # the gateway's own time at the first of those
    joined: bool = False  # something of it is missing: instruments that come first now have missed their beginning
    since: dict[str, int] = field(default_factory=dict)  # `venue.symbol` to its last event time before the hole
    cut: bool = False  # the log was cut since its last message: a hole is final
    whole: bool = False  # it went on behind the cut where it was before: the cut took nothing of it


@dataclass(slots=True)
class SessionTable:
    """Complete memory; plain data."""

    sessions: dict[str, GatewaySession] = field(default_factory=dict)
    clock: int = 0
    stamp: int = 0  # the latest by which any gateway stamped a message
    cut: bool = False  # the log does not reach back to the beginning of every session
    forgotten: int = 0


class GatewaySessions:
    """The sessions of one partition, and the verdict on each message."""

    def __init__(self, *, keep: int = KEEP, most: int = MOST) -> None:
        self._keep = keep
        self._most = most
        self.table = SessionTable()

    def restore(self, table: SessionTable | None, chains: dict[str, int]) -> None:
        """Go on where a snapshot was taken; an older one has nothing but the chains."""
        self.table = table or SessionTable({name: GatewaySession(chain) for name, chain in chains.items()})

    def chains(self) -> dict[str, int]:
        """How far each session is."""
        return {name: session.chain for name, session in self.table.sessions.items()}

    def __len__(self) -> int:
        return len(self.table.sessions)

    def cut(self) -> None:
        """Messages of the partition may be gone for good: what is missing now will not be sent again."""
        self.table.cut = True
        for session in self.table.sessions.values():
            session.cut, session.whole = True, False

    def judge(self, packed: Packed) -> tuple[Verdict, GatewaySession]:
        """The verdict on the next message of the log, which has a session, and the state of that session.

        A message behind a lost one is held: its gateway sees the loss too, begins a new session before the hole, and
        sends both again. A gateway that goes on all the same, by its own clock for `HOLD_NS` or for `HOLD_MESSAGES`,
        has nothing to send again: its session is joined where it is. So is one whose beginning the log no longer has.
        """
        table = self.table
        stamp = packed.ts_pub or max((tick.ts_recv for tick in packed.ticks), default=0)
        if stamp > table.stamp:
            table.clock += min(stamp - table.stamp, _LEAP_NS) if table.stamp else 0
            table.stamp = stamp
        session = table.sessions.get(packed.session)
        known = session is not None
        # Whoever knows of no session at all has not read the log from its beginning, or the beginning is gone.
        blank = not table.sessions and not table.forgotten
        if session is None:
            self._make_room()
            session = table.sessions[packed.session] = GatewaySession()
        session.used = table.clock
        if known and packed.chain <= session.chain:
            return Verdict.REPEATED, session
        if packed.chain == session.chain + 1:
            verdict = Verdict.TAKEN
        elif session.cut or (not known and (blank or table.cut or table.forgotten)) or self._over(session, stamp):
            verdict = Verdict.JOINED
        else:
            session.held_from = session.held_from or stamp
            session.held += 1
            return Verdict.HELD, session
        session.whole = session.whole or (session.cut and known and verdict is Verdict.TAKEN)
        session.chain, session.cut = packed.chain, False
        session.held_from = 0
        return verdict, session

    @staticmethod
    def _over(session: GatewaySession, stamp: int) -> bool:
        return session.held >= HOLD_MESSAGES or (session.held > 0 and stamp - session.held_from >= HOLD_NS)

    def _make_room(self) -> None:
        table = self.table
        if len(table.sessions) < self._keep:
            return
        name = min(table.sessions, key=lambda each: table.sessions[each].used)
        if len(table.sessions) >= self._most or table.clock - table.sessions[name].used >= LIVING_NS:
            del table.sessions[name]
            table.forgotten += 1
