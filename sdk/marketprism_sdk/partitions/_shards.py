"""Shards: who works on which partition.

Partitions go to members by highest random weight, so a change of membership moves only what it must. A partition is
claimed and released by compare-and-swap on its owner record, whose epoch grows with each claim. Nobody claims what a
living member holds: a member that is to lose a partition commits and releases it, then the next one claims it.
Sessions and their end are in `membership.py`. As with leases, the owner's writes are fenced elsewhere (`stage.py`);
this gives liveness, and nobody decides for the others.

Others wait for a record that names a living member, so it must never outlive that member's work. The record, what this
member owns and what it works on are compared as they stand, again and again; what does not agree is let go of and given
back: no answer, hint or hook has to arrive for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from marketprism_sdk.clock import Clock, SystemClock, sleep_or
from marketprism_sdk.concurrently import concurrently
from marketprism_sdk.election import LeaseSettings, Prober
from marketprism_sdk.errors import Fenced, SdkError
from marketprism_sdk.following import FollowedRevisions
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.observability.outages import Outage
from marketprism_sdk.partitions._hashing import partition_of, rendezvous, weight
from marketprism_sdk.partitions._membership import SESSION_PREFIX, Membership
from marketprism_sdk.partitions._owners import OwnerRecord, Owners
from marketprism_sdk.partitions._takeovers import Retries, ShardClaimed, ShardDisagreed, ShardReleased
from marketprism_sdk.ports import KeyValue, KvEntry

log = get_logger(__name__)

_REFRESH_S = 1.0
_WHOLE_REFRESH_S = 15.0  # where the watch has told everything
# Take-overs at once: each waits for some ten answers of servers, one after another. JetStream refuses the fifty-first
# batch that is on its way to a stream.
_AT_ONCE = 32
_IDLE_S = 1.5  # owned and not worked on for so long: a stage that reads its checkpoints again is quicker


class Shards:
    """One member. `on_own(partition, epoch)` of several partitions are awaited side by side; `on_lose(partition)` one
    at a time, and while no `on_own` goes on.

    An `on_own` that raises gives the partition back at once and is tried again a moment later, under a later epoch, by
    whoever it belongs to then. `working` tells the partitions that are truly worked on, where that can be known.
    """

    def __init__(
        self,
        kv: KeyValue,
        member: str,
        *,
        count: int,
        on_own: Callable[[int, int], Awaitable[None]],
        on_lose: Callable[[int], Awaitable[None]],
        working: Callable[[], Collection[int]] | None = None,
        settings: LeaseSettings | None = None,
        clock: Clock | None = None,
        prober: Prober | None = None,
        on_event: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._kv = kv
        self.member = member
        self._count = count
        self._on_own = on_own
        self._on_lose = on_lose
        self._working = working
        self._settings = settings or LeaseSettings()
        self._clock = clock or SystemClock()
        self._prober = prober
        self._on_event = on_event
        self.owned: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._unsettled = True
        self._membership = Membership(kv, member, self._settings, self._clock, prober, self._changed)
        self._owners = Owners(kv, member, self._clock, self._settings.lease_s, self._changed)
        self._highest: dict[int, int] = {}  # epochs that were owned here or seen by a fence: the next one is above
        self._retries = Retries(self._clock)
        self._idle_since: dict[int, float] = {}
        self._refreshed_at = self._tried_again_at = float("-inf")
        self._followed = FollowedRevisions(self._clock, self._settings.lease_s)  # its own heartbeats are among them
        self._lock = asyncio.Lock()
        self._outage = Outage(self._clock.monotonic_s)
        self._dead = False
        self._leaving = False

    def members(self) -> frozenset[str]:
        """Live members as last seen."""
        return self._membership.live()

    def disagreements(self) -> dict[int, str]:
        """Partitions on which record, ownership and work are not the same just now, with the reason.

        That is so for a moment during every hand-over; what stays is a fault.
        """
        held = set(self._owners.named())
        found = dict.fromkeys(held - self.owned.keys(), "held_unowned")
        found |= {p: "owned_unheld" for p, epoch in self.owned.items() if not self._holds(p, epoch)}
        if self._working is not None:
            working = set(self._working())
            found |= dict.fromkeys(self.owned.keys() - working - found.keys(), "owned_idle")
            found |= dict.fromkeys(working - self.owned.keys(), "worked_unowned")
        return found

    def _holds(self, partition: int, epoch: int) -> bool:
        return self._owners.of(partition) == OwnerRecord(self.member, epoch)

    def _changed(self) -> None:
        self._unsettled = True
        self._wake.set()

    def _hint(self, entry: KvEntry) -> None:
        self._followed.note(entry.revision)
        if entry.key.startswith(SESSION_PREFIX):
            self._membership.hint(entry)
        else:
            self._owners.hint(entry)

    async def run(self) -> None:
        """Take part until cancelled or until `leave` is done."""
        stop = await self._kv.watch("", self._hint)
        beating: asyncio.Task[None] | None = None
        try:
            while not self._leaving:
                if beating is None:
                    beating = await self._begin()
                    continue  # nothing is claimed without a session: peers would not wait for it
                await self._turn()
                if self._dead or beating.done():
                    await self._start_again(beating)
                    beating = None
                    continue
                await sleep_or(self._clock, min(self.pause_s(), self._membership.expires_in_s()), self._wake)
        finally:
            if beating is not None:
                beating.cancel()
            await stop()

    def pause_s(self) -> float:
        """Seconds until the next turn: soon where somebody is to be probed or something is not settled."""
        waits = self._unsettled or self._retries.waiting() or self.disagreements()
        if self._prober is not None and (waits or self._membership.has_others):
            return self._settings.probe_s
        return self._settings.heartbeat_s / 2 if waits or self._prober is None else self._membership.pause_s

    async def _begin(self) -> asyncio.Task[None] | None:
        try:
            await self._membership.join()
        except SdkError as error:
            log.warning("membership.not_started", member=self.member, error=str(error))
            await self._clock.sleep(self._settings.heartbeat_s)
            return None
        return asyncio.get_running_loop().create_task(self._membership.keep(self._declared_dead))

    def _declared_dead(self) -> None:
        self._dead = True
        self._wake.set()

    async def _start_again(self, beating: asyncio.Task[None]) -> None:
        """Peers declared this session dead: what it owned is theirs. Let go of it and join as if new."""
        log.warning("membership.lost", member=self.member, detail="a peer declared it dead, joining again")
        beating.cancel()
        async with self._lock:
            for partition in list(self.owned):
                await self._let_go(partition)
        self._dead = False
        self._refreshed_at = float("-inf")

    async def _turn(self) -> None:
        try:
            now = self._clock.monotonic_s()
            if now - self._refreshed_at >= (_WHOLE_REFRESH_S if self._followed.whole else _REFRESH_S):
                await self._refresh()
                self._refreshed_at = now
            if now - self._tried_again_at >= _REFRESH_S:
                self._tried_again_at = now
                self._unsettled = True  # what failed before is tried again
            await self._membership.look()
            if self._unsettled or self._retries.due() or self.disagreements():
                self._unsettled = False
                async with self._lock:
                    await self._settle_all()
                if (ended := self._outage.ended()) is not None:
                    log.info("shards.settled_again", member=self.member, **ended._asdict())
        except SdkError as error:
            # Silence that one could not hear is no silence: every session's clock starts anew.
            self._membership.blind()
            self._followed.missed()
            self._idle_since.clear()
            self._refreshed_at = float("-inf")
            if attempt := self._outage.failed():
                log.warning("shards.not_settled", member=self.member, attempt=attempt, error=str(error))
            await self._clock.sleep(self._settings.probe_s)

    async def _refresh(self) -> None:
        """Read everything: a watch is a hint and may have missed something."""
        self._followed.reading()
        entries = await self._kv.entries()
        self._followed.read(entries)
        self._membership.reset([entry for entry in entries if entry.key.startswith(SESSION_PREFIX)])
        self._owners.reset(entries)

    # -- settling: every step looks at what is, not at what happened -------------------------------------------------

    async def _settle_all(self) -> None:
        members = self._membership.live()
        mine = {p for p in range(self._count) if not self._leaving and rendezvous(p, members) == self.member}
        for partition in [p for p in self.owned if p not in mine]:
            await self._give_back(partition)
        await self._agree()
        self._retries.keep(mine - self.owned.keys())
        waiting = self._retries.waiting()
        for partition in self._owners.named():
            if partition not in self.owned and (partition not in mine or partition in waiting):
                self._disagreed(partition, "held_unowned")
                await self._owners.release(partition)
        claims = [partial(self._claim, partition) for partition in sorted(mine - self.owned.keys() - waiting)]
        await concurrently(claims, _AT_ONCE)

    async def _agree(self) -> None:
        """Let go of what is owned and not held, owned and not worked on, or worked on and not owned."""
        now = self._clock.monotonic_s()
        found = self.disagreements()
        self._idle_since = {p: self._idle_since.get(p, now) for p, why in found.items() if why == "owned_idle"}
        for partition, since in self._idle_since.items():
            if now - since < _IDLE_S:
                del found[partition]
        for partition, why in found.items():
            # Each is looked at again: letting go of one waits for the stage, which may have put the others right.
            if why == "held_unowned" or self.disagreements().get(partition) != why:
                continue
            self._disagreed(partition, why)
            if why == "worked_unowned":
                await self._end_work(partition)
            else:
                await self._give_back(partition)

    def _disagreed(self, partition: int, reason: str) -> None:
        log.warning("partition.mismatched", member=self.member, partition=partition, reason=reason)
        self._on_event(ShardDisagreed(self.member, partition, reason))

    async def _claim(self, partition: int) -> None:
        if self._dead:
            return
        record = self._owners.of(partition)
        held_by_other = record is not None and record.state == "held" and record.holder != self.member
        if record is not None and held_by_other and self._membership.owns_still(record.holder):
            self._retries.forget(partition)
            return  # its owner is alive and will give it back
        epoch = max(record.epoch if record is not None else 0, self._highest.get(partition, 0)) + 1
        if not await self._owners.claim(partition, epoch):
            return
        self.owned[partition] = epoch
        try:
            await self._on_own(partition, epoch)
        except Exception as error:  # noqa: BLE001 (whatever it is: nobody else may wait for this member)
            await self._not_taken_over(partition, epoch, error)
            return
        self._retries.forget(partition)
        replaced = record.holder if record is not None and held_by_other else ""
        self._on_event(ShardClaimed(self.member, partition, epoch, replaced))

    async def _not_taken_over(self, partition: int, epoch: int, error: Exception) -> None:
        self.owned.pop(partition, None)
        self._rise(partition, error.epoch if isinstance(error, Fenced) else epoch)
        self._retries.failed(partition)
        log.warning("partition.not_acquired", partition=partition, epoch=epoch, error=repr(error))
        self._on_event(ShardDisagreed(self.member, partition, "take_over_failed"))
        try:
            await self._owners.release(partition)
        except SdkError as failed:  # the record names this member, who does not own it: the next settling sees that
            log.warning("partition.not_released", partition=partition, error=str(failed))

    def _rise(self, partition: int, epoch: int) -> None:
        self._highest[partition] = max(self._highest.get(partition, 0), epoch)

    async def _let_go(self, partition: int) -> None:
        epoch = self.owned.pop(partition, None)
        if epoch is None:
            return
        self._rise(partition, epoch)
        await self._end_work(partition)
        self._on_event(ShardReleased(self.member, partition, epoch))

    async def _end_work(self, partition: int) -> None:
        try:
            await self._on_lose(partition)
        except Exception as error:  # noqa: BLE001 (what is still worked on is seen at the next settling)
            log.warning("partition.not_stopped", partition=partition, error=repr(error))

    async def _give_back(self, partition: int) -> None:
        await self._let_go(partition)
        await self._owners.release(partition)

    def lost(self, partition: int) -> None:
        """The partition's writes were refused: somebody else owns it, or will be asked anew."""
        self._rise(partition, self.owned.pop(partition, 0))
        self._refreshed_at = float("-inf")
        self._changed()

    async def leave(self) -> None:
        """Take nothing new, give everything back in order, end the session.

        Raises:
            SdkError: NATS is away; peers will miss this member.
        """
        self._leaving = True
        try:
            async with self._lock:
                await self._membership.drain()
                releasing: list[asyncio.Future[bool]] = []
                for partition in sorted({*self.owned, *self._owners.named()}):
                    await self._let_go(partition)
                    releasing.append(asyncio.ensure_future(self._owners.release(partition)))
                # Each in its turn, and none waits for the answer of another.
                answers = await asyncio.gather(*releasing, return_exceptions=True)
                if failed := [each for each in answers if isinstance(each, BaseException)]:
                    raise failed[0]
                await self._membership.leave()
        finally:
            self._wake.set()


__all__ = [
    "OwnerRecord",
    "ShardClaimed",
    "ShardDisagreed",
    "ShardReleased",
    "Shards",
    "partition_of",
    "rendezvous",
    "weight",
]
