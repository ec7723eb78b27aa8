"""Shards: who works on which partition.

Partitions go to members by highest random weight, so a change of membership moves only what it must. A partition is
claimed and released by compare-and-swap on its owner record, whose epoch grows with each claim. Nobody claims what a
living member holds: a member that is to lose a partition commits and releases it, then the next one claims it.
Sessions and their end are in `membership.py`. As with leases, the owner's writes are fenced elsewhere (`stage.py`);
this gives liveness, and nobody decides for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import structlog

from marketprism_sdk.clock import Clock, SystemClock, sleep_or
from marketprism_sdk.errors import Fenced, KeyExists, RevisionConflict, SdkError
from marketprism_sdk.hashing import partition_of, rendezvous, weight
from marketprism_sdk.lease import Epoch, LeaseSettings, Prober
from marketprism_sdk.membership import PREFIX, Membership
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

_OWN = "own."
_REFRESH_S = 1.0


class OwnerRecord(msgspec.Struct, frozen=True):
    """A partition's owner."""

    holder: str
    epoch: Epoch
    state: str = "held"  # held, released


def _decode_owner(entry: KvEntry) -> OwnerRecord:
    """A value that is no record is as good as free; where its epoch was higher, the checkpoint says so."""
    return decode_or_none(entry, OwnerRecord) or OwnerRecord("", 0, "released")


@dataclass(frozen=True, slots=True)
class ShardClaimed:
    """This member owns a partition."""

    member: str
    partition: int
    epoch: int


@dataclass(frozen=True, slots=True)
class ShardReleased:
    """This member owns a partition no longer."""

    member: str
    partition: int
    epoch: int


class Shards:
    """One member. `on_own(partition, epoch)` and `on_lose(partition)` are awaited in order, one at a time.

    An `on_own` that raises an SdkError is tried again under the next epoch, after the other partitions.
    """

    def __init__(
        self,
        kv: KeyValue,
        member: str,
        *,
        count: int,
        on_own: Callable[[int, int], Awaitable[None]],
        on_lose: Callable[[int], Awaitable[None]],
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
        self._settings = settings or LeaseSettings()
        self._clock = clock or SystemClock()
        self._prober = prober
        self._on_event = on_event
        self.owned: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._unsettled = True
        self._membership = Membership(kv, member, self._settings, self._clock, prober, self._changed)
        self._owners: dict[int, tuple[int, OwnerRecord]] = {}  # revision, record
        self._fenced_below: dict[int, int] = {}
        self._refreshed_at = float("-inf")
        self._lock = asyncio.Lock()
        self._dead = False
        self._leaving = False

    def members(self) -> frozenset[str]:
        """Live members as last seen."""
        return self._membership.live()

    def _changed(self) -> None:
        self._unsettled = True
        self._wake.set()

    def _hint(self, entry: KvEntry) -> None:
        if entry.key.startswith(PREFIX):
            self._membership.hint(entry)
        elif entry.key.startswith(_OWN) and not entry.deleted:
            self._see_owner(entry)

    def _see_owner(self, entry: KvEntry) -> None:
        number = entry.key.removeprefix(_OWN)
        if not (number.isascii() and number.isdigit() and len(number) <= 9):
            return
        partition, record = int(number), _decode_owner(entry)
        known = self._owners.get(partition)
        if known is not None and known[0] >= entry.revision:
            return
        self._owners[partition] = (entry.revision, record)
        if record.state != "held":
            self._changed()

    async def run(self) -> None:
        """Take part until cancelled or until `leave` is done."""
        stop = await self._kv.watch("", self._hint)
        beating: asyncio.Task[None] | None = None
        try:
            while not self._leaving:
                if beating is None:
                    beating = await self._begin()
                await self._turn()
                if self._dead:
                    await self._start_again(beating)
                    beating = None
                    continue
                pause_s = self._settings.probe_s if self._prober is not None else self._settings.heartbeat_s / 2
                await sleep_or(self._clock, min(pause_s, self._membership.expires_in_s()), self._wake)
        finally:
            if beating is not None:
                beating.cancel()
            await stop()

    async def _begin(self) -> asyncio.Task[None] | None:
        try:
            await self._membership.join()
        except SdkError as error:
            log.warning("session not begun, trying again", member=self.member, error=str(error))
            await self._clock.sleep(self._settings.heartbeat_s)
            return None
        return asyncio.get_running_loop().create_task(self._membership.keep(self._declared_dead))

    def _declared_dead(self) -> None:
        self._dead = True
        self._wake.set()

    async def _start_again(self, beating: asyncio.Task[None] | None) -> None:
        """Peers declared this session dead: what it owned is theirs. Let go of it and join as if new."""
        log.warning("session was declared dead by a peer, joining again", member=self.member)
        if beating is not None:
            beating.cancel()
        async with self._lock:
            for partition in list(self.owned):
                await self._let_go(partition)
        self._dead = False
        self._refreshed_at = float("-inf")

    async def _turn(self) -> None:
        try:
            now = self._clock.monotonic_s()
            if now - self._refreshed_at >= _REFRESH_S:
                await self._refresh()
                self._refreshed_at = now
                self._unsettled = True  # what failed before is tried again
            await self._membership.look()
            if self._unsettled:
                self._unsettled = False
                async with self._lock:
                    await self._settle_all()
        except SdkError as error:
            # Silence that one could not hear is no silence: every session's clock starts anew.
            self._membership.blind()
            self._refreshed_at = float("-inf")
            log.warning("shards not settled, trying again", member=self.member, error=str(error))
            await self._clock.sleep(self._settings.probe_s)

    async def _refresh(self) -> None:
        """Read everything: a watch is a hint and may have missed something."""
        entries = await self._kv.entries()
        self._membership.reset([entry for entry in entries if entry.key.startswith(PREFIX)])
        for entry in entries:
            if entry.key.startswith(_OWN):
                self._see_owner(entry)

    async def _settle_all(self) -> None:
        members = self._membership.live()
        mine = {p for p in range(self._count) if not self._leaving and rendezvous(p, members) == self.member}
        for partition in [p for p in self.owned if p not in mine]:
            await self._give_back(partition)
        for partition in sorted(mine - set(self.owned)):
            if self._dead:
                return
            await self._claim(partition)

    async def _claim(self, partition: int) -> None:
        revision, record = self._owners.get(partition, (0, None))
        held_by_other = record is not None and record.state == "held" and record.holder != self.member
        if record is not None and held_by_other and self._membership.owns_still(record.holder):
            return  # its owner is alive and will give it back
        epoch = max(record.epoch if record is not None else 0, self._fenced_below.get(partition, 0)) + 1
        key, claimed = f"{_OWN}{partition}", OwnerRecord(self.member, epoch)
        value = msgspec.msgpack.encode(claimed)
        try:
            if revision == 0:
                revision = await self._kv.create(key, value)
            else:
                revision = await self._kv.update(key, value, revision)
        except (KeyExists, RevisionConflict):
            await self._read_owner(key)  # never write back the old view
            return
        self._owners[partition] = (revision, claimed)
        self.owned[partition] = epoch
        try:
            await self._on_own(partition, epoch)
        except SdkError as error:
            self.owned.pop(partition, None)
            if isinstance(error, Fenced):
                self._fenced_below[partition] = max(self._fenced_below.get(partition, 0), error.epoch)
            log.warning("partition not taken over, trying again", partition=partition, epoch=epoch, error=str(error))
            return
        self._on_event(ShardClaimed(self.member, partition, epoch))

    async def _read_owner(self, key: str) -> None:
        entry = await self._kv.get(key)
        if entry is not None:
            self._see_owner(entry)
        self._changed()

    async def _let_go(self, partition: int) -> int | None:
        epoch = self.owned.pop(partition, None)
        if epoch is None:
            return None
        try:
            await self._on_lose(partition)
        except SdkError as error:
            log.warning("partition not ended in order", partition=partition, error=str(error))
        self._on_event(ShardReleased(self.member, partition, epoch))
        return epoch

    async def _give_back(self, partition: int) -> None:
        epoch = await self._let_go(partition)
        revision, record = self._owners.get(partition, (0, None))
        if epoch is None or record is None or (record.holder, record.epoch) != (self.member, epoch):
            return
        released = OwnerRecord(self.member, epoch, "released")
        try:
            revision = await self._kv.update(f"{_OWN}{partition}", msgspec.msgpack.encode(released), revision)
        except RevisionConflict:
            await self._read_owner(f"{_OWN}{partition}")
            return
        self._owners[partition] = (revision, released)

    def lost(self, partition: int) -> None:
        """The partition's writes were refused: somebody else owns it, or will be asked anew."""
        self.owned.pop(partition, None)
        self._refreshed_at = float("-inf")
        self._changed()

    async def leave(self) -> None:
        """Take nothing new, give everything back in order, end the session."""
        self._leaving = True
        async with self._lock:
            await self._membership.drain()
            for partition in list(self.owned):
                await self._give_back(partition)
            await self._membership.leave()
        self._wake.set()


__all__ = ["OwnerRecord", "ShardClaimed", "ShardReleased", "Shards", "partition_of", "rendezvous", "weight"]
