"""Who takes part: a session per member, kept alive by heartbeats, missed by its peers.

A session whose heartbeat is silent for the lease, or whose connection is gone as a probe says, is declared dead by
compare-and-swap before anything of it is claimed; its owner finds out at its next heartbeat and joins anew. Each member
probes its next neighbours in the ring of names, so the cost grows with the members and not with their square.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from marketprism_sdk.clock import Clock, sleep_or
from marketprism_sdk.election import CLOCK_SLACK, LeaseSettings, Prober
from marketprism_sdk.errors import RevisionConflict, SdkError, reason_of
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.observability.outages import Outage
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none

log = get_logger(__name__)

SESSION_PREFIX = "sess."
_WATCHED = 3
_ALONE = 0.75  # of a lease between two heartbeats that nobody misses; a peer that was not heard coming still sees them
_FORGET_LEASES = 30  # a dead session's record is removed after this many leases


class SessionRecord(msgspec.Struct, frozen=True):
    """A member's session."""

    state: str  # live, drain (still owner, gets nothing new), dead
    beat: int = 0


@dataclass(slots=True)
class _Seen:
    revision: int
    state: str
    changed_at: float
    answered: bool = False
    missed: int = 0


class Membership:
    """One member's session and its view of the others. `on_change` is called when somebody comes, drains or goes."""

    def __init__(
        self,
        kv: KeyValue,
        member: str,
        settings: LeaseSettings,
        clock: Clock,
        prober: Prober | None,
        on_change: Callable[[], None],
    ) -> None:
        self._kv = kv
        self.member = member
        self._settings = settings
        self._clock = clock
        self._prober = prober
        self._on_change = on_change
        self._seen: dict[str, _Seen] = {}
        self._revision = 0
        self._beat = 0
        self._state = "live"
        self._outages = prober.outages if prober is not None else 0
        self._came = asyncio.Event()

    # -- the own session -------------------------------------------------------------------------------------------

    def _value(self) -> bytes:
        return msgspec.msgpack.encode(SessionRecord(self._state, self._beat))

    async def join(self) -> None:
        """Begin a session; probes are answered before anybody can read of it."""
        if self._prober is not None:
            await self._prober.serve(0)
        self._beat += 1
        self._revision = await self._kv.put(SESSION_PREFIX + self.member, self._value())

    async def beat(self) -> bool:
        """Renew the session; False when peers have declared it dead."""
        self._beat += 1
        try:
            self._revision = await self._kv.update(SESSION_PREFIX + self.member, self._value(), self._revision)
        except RevisionConflict:
            entry = await self._kv.get(SESSION_PREFIX + self.member)
            record = _decode(entry)
            if entry is None or record is None or record.state == "dead":
                return False
            self._revision = max(self._revision, entry.revision)  # an own write whose answer was lost
        return True

    async def drain(self) -> None:
        """Tell that this member leaves: it gets nothing new and still owns what it has not given back."""
        self._state = "drain"
        await self.beat()

    async def leave(self) -> None:
        """End the membership at once: peers need not wait until it expires. Raises SdkError."""
        if self._prober is not None:
            await self._prober.stop()
        await self._kv.delete(SESSION_PREFIX + self.member)

    # -- the others ------------------------------------------------------------------------------------------------

    def hint(self, entry: KvEntry) -> None:
        """A change that the watch told."""
        name = entry.key.removeprefix(SESSION_PREFIX)
        seen = self._seen.get(name)
        if entry.deleted:
            if self._seen.pop(name, None) is not None:
                self._on_change()
            return
        record = _decode(entry)
        if record is None or (seen is not None and entry.revision <= seen.revision):
            return
        now = self._clock.monotonic_s()
        if seen is None:
            seen = self._seen[name] = _Seen(entry.revision, record.state, now)
            changed = True
        else:
            changed = seen.state != record.state
            seen.revision, seen.state, seen.changed_at = entry.revision, record.state, now
            seen.missed = 0  # whoever writes is there: what was missed before that says nothing any more
        if changed:
            if self._suspect(name, seen):
                self._came.set()  # it counts the silence of this member from now on
            self._on_change()

    def reset(self, entries: list[KvEntry]) -> None:
        """Everything as it was read just now; silence that is known stays known."""
        there = {entry.key.removeprefix(SESSION_PREFIX) for entry in entries}
        for name in set(self._seen) - there:
            del self._seen[name]
            self._on_change()
        for entry in entries:
            self.hint(entry)

    def blind(self) -> None:
        """Nothing could be heard: silence is counted anew, and so are probes."""
        now = self._clock.monotonic_s()
        for seen in self._seen.values():
            seen.changed_at, seen.answered, seen.missed = now, False, 0

    def live(self) -> frozenset[str]:
        """Members that partitions are shared among; oneself while not leaving."""
        others = {name for name, seen in self._seen.items() if seen.state == "live" and name != self.member}
        return frozenset(others | {self.member} if self._state == "live" else others)

    def owns_still(self, name: str) -> bool:
        """Whether a member may still own something: it is alive, or draining."""
        seen = self._seen.get(name)
        return seen is not None and seen.state != "dead"

    @property
    def has_others(self) -> bool:
        """Whether there is anybody whose death is to be noticed."""
        return any(self._suspect(name, seen) for name, seen in self._seen.items())

    @property
    def pause_s(self) -> float:
        """Between two heartbeats: fewer where nobody is there who would miss them."""
        heartbeat_s = self._settings.heartbeat_s
        return heartbeat_s if self.has_others else max(heartbeat_s, _ALONE * self._settings.lease_s)

    def expires_in_s(self) -> float:
        """Until the first silence becomes a death; at least a millisecond."""
        oldest = min((s.changed_at for n, s in self._seen.items() if self._suspect(n, s)), default=float("inf"))
        return max(0.001, oldest + self._settings.lease_s * CLOCK_SLACK - self._clock.monotonic_s())

    def _suspect(self, name: str, seen: _Seen) -> bool:
        return name != self.member and seen.state != "dead"

    async def look(self) -> None:
        """Declare dead who is silent for too long or gone; remove what has been dead for long."""
        if self._prober is not None and self._prober.outages != self._outages:
            self._outages = self._prober.outages
            self.blind()
        now = self._clock.monotonic_s()
        limit_s = self._settings.lease_s * CLOCK_SLACK
        for name, seen in list(self._seen.items()):
            silent_s = now - seen.changed_at
            if seen.state == "dead" and silent_s > _FORGET_LEASES * self._settings.lease_s:
                self._seen.pop(name, None)
                await self._kv.delete(SESSION_PREFIX + name)
            elif self._suspect(name, seen) and silent_s > limit_s:
                await self._declare_dead(name, seen, f"silent for {silent_s:.2f} s")
        await self._probe_neighbours()

    async def _probe_neighbours(self) -> None:
        """The next few in the ring of names: when one watcher is itself frozen, another one sees the death."""
        ring = sorted(name for name, seen in self._seen.items() if self._suspect(name, seen))
        at = next((n for n, name in enumerate(ring) if name > self.member), 0)
        watched = (ring[at:] + ring[:at])[:_WATCHED]
        if self._prober is not None and watched:
            await asyncio.gather(*(self._probe(self._prober, name, self._seen[name]) for name in watched))

    async def _probe(self, prober: Prober, name: str, seen: _Seen) -> None:
        timeout_s = min(self._settings.probe_timeout_s, self.expires_in_s())
        asked = seen.revision
        try:
            unanswered = await prober.unanswered(0, name, timeout_s)
        except SdkError:
            return  # no answer in time is no sign of death
        if seen.revision != asked:
            return  # it was written while this was on its way: its answer is of before that
        if not unanswered:
            seen.answered, seen.missed = True, 0
        elif seen.answered:
            seen.missed += 1
            if seen.missed >= self._settings.probes:
                await self._declare_dead(name, seen, "its connection is gone")

    async def _declare_dead(self, name: str, seen: _Seen, why: str) -> None:
        try:
            value = msgspec.msgpack.encode(SessionRecord("dead"))
            revision = await self._kv.update(SESSION_PREFIX + name, value, seen.revision)
        except RevisionConflict:
            # It lives, or somebody else was first: the key says which.
            log.info("peer.not_declared_dead", member=self.member, peer=name, reason=why, revision=seen.revision)
            entry = await self._kv.get(SESSION_PREFIX + name)
            if entry is None:
                self._seen.pop(name, None)
                self._on_change()
            elif entry.revision != seen.revision:  # lower: the bucket was made anew, or a replica is behind
                seen.revision = min(seen.revision, entry.revision - 1)
                self.hint(entry)
            return
        log.warning("peer.declared_dead", member=self.member, peer=name, reason=why)
        seen.revision, seen.state, seen.changed_at = revision, "dead", self._clock.monotonic_s()
        self._on_change()

    async def keep(self, on_dead: Callable[[], object]) -> None:
        """Beat until cancelled; `on_dead` is called once when peers have declared this session dead.

        Who comes while this member is alone is shown a heartbeat at once.
        """
        pause_s, outage = self.pause_s, Outage(self._clock.monotonic_s)
        while True:
            await sleep_or(self._clock, pause_s, self._came)
            pause_s = self._settings.heartbeat_s  # again soon where it fails
            try:
                async with asyncio.timeout(self._settings.lease_s):
                    kept = await self.beat()
                if not kept:
                    on_dead()
                    return
                pause_s = self.pause_s
                if (ended := outage.ended()) is not None:
                    log.info("membership.renewed_again", member=self.member, **ended._asdict())
            except (SdkError, TimeoutError) as error:
                if attempt := outage.failed():
                    log.warning("membership.not_renewed", member=self.member, attempt=attempt, error=reason_of(error))
            except Exception:  # a session that nobody renews any more would be dead without knowing it
                log.exception("membership.not_renewed", member=self.member)


def _decode(entry: KvEntry | None) -> SessionRecord | None:
    """A value that is no session belongs to nobody alive."""
    if entry is None:
        return None
    return decode_or_none(entry, SessionRecord) or SessionRecord("dead")
