"""Shards: who works on which partition.

Every member keeps a session alive; partitions go to members by highest random weight, so a change of membership moves
only what it must. A partition is claimed by compare-and-swap on its owner record, whose epoch grows with each claim.
A silent session is declared dead by compare-and-swap before its partitions are claimed, so its owner finds out at its
next renewal. As with leases, the owner's writes are fenced elsewhere (`stage.py`); this gives liveness.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable

import msgspec
import structlog

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.lease import CLOCK_SLACK, LeaseSettings
from marketprism_sdk.ports import KeyValue

log = structlog.get_logger()

_PAUSE_S = 0.05


def partition_of(key: str, count: int) -> int:
    """FNV-1a (32 bit) of the key, modulo `count`: what the NATS `partition` transform computes."""
    value = 0x811C9DC5
    for byte in key.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % count


def weight(key: str, member: str) -> bytes:
    """Random weight of a member for a key, the same everywhere."""
    return hashlib.blake2b(f"{key}/{member}".encode(), digest_size=8).digest()


def rendezvous(partition: int, members: Iterable[str]) -> str | None:
    """The member with the highest random weight for a partition."""
    return max(members, key=lambda member: weight(str(partition), member), default=None)


class SessionRecord(msgspec.Struct, frozen=True):
    """A member's session."""

    state: str  # live, drain, dead
    beat: int = 0


class OwnerRecord(msgspec.Struct, frozen=True):
    """A partition's owner."""

    holder: str
    epoch: int
    state: str = "held"  # held, released


class SessionEnded(SdkError):
    """The own session was declared dead: the process must start again as a new member."""


class Shards:
    """One member. `on_own(partition, epoch)` and `on_lose(partition)` are awaited in order, one at a time."""

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
    ) -> None:
        self._kv = kv
        self.member = member
        self._count = count
        self._on_own = on_own
        self._on_lose = on_lose
        self._settings = settings or LeaseSettings()
        self._clock = clock or SystemClock()
        self.owned: dict[int, int] = {}
        self._session_revision = 0
        self._beat = 0
        self._seen: dict[str, tuple[int, float]] = {}  # session -> revision, when it was first seen
        self._members: set[str] = set()
        self._changed = asyncio.Event()
        self._leaving = False

    async def run(self) -> None:
        """Take part until cancelled.

        Raises:
            SessionEnded: peers declared this member dead.
        """
        value = msgspec.msgpack.encode(SessionRecord("live"))
        self._session_revision = await self._kv.put(f"sess.{self.member}", value)
        stop = await self._kv.watch("", lambda _: self._changed.set())
        beating = asyncio.create_task(self._keep_session())
        try:
            while not beating.done():
                await self._round()
                try:
                    await asyncio.wait_for(self._changed.wait(), self._settings.heartbeat_s)
                except TimeoutError:
                    continue
                self._changed.clear()
                await self._clock.sleep(_PAUSE_S)  # changes come in bursts
            beating.result()
        finally:
            beating.cancel()
            await stop()

    async def _keep_session(self) -> None:
        while not self._leaving:
            await self._clock.sleep(self._settings.heartbeat_s)
            if self._leaving:
                return
            self._beat += 1
            value = msgspec.msgpack.encode(SessionRecord("live", self._beat))
            try:
                self._session_revision = await self._kv.update(f"sess.{self.member}", value, self._session_revision)
            except RevisionConflict:
                await self._adopt()
            except SdkError as error:
                log.warning("session not renewed", member=self.member, error=str(error))

    async def _adopt(self) -> None:
        """The session moved: by an own write whose answer was lost, or because peers declared it dead."""
        entry = await self._kv.get(f"sess.{self.member}")
        record = msgspec.msgpack.decode(entry.value, type=SessionRecord) if entry is not None else None
        if entry is None or record is None or record.state == "dead":
            raise SessionEnded(f"session {self.member}: declared dead by a peer")
        self._session_revision = entry.revision

    async def _round(self) -> None:
        try:
            members = await self._live_members()
            if self.member not in members:
                members.add(self.member)
            for partition in range(self._count):
                await self._settle(partition, members)
        except SdkError as error:
            if isinstance(error, SessionEnded):
                raise
            # Silence that one could not hear is no silence: every session's clock starts anew.
            self._seen.clear()
            log.warning("shards not settled, trying again", member=self.member, error=str(error))

    async def _live_members(self) -> set[str]:
        now = self._clock.monotonic_s()
        live: set[str] = set()
        for entry in await self._kv.entries("sess."):
            name = entry.key.removeprefix("sess.")
            record = msgspec.msgpack.decode(entry.value, type=SessionRecord)
            revision, since = self._seen.get(name, (-1, now))
            if revision != entry.revision:
                since = now
                self._seen[name] = (entry.revision, now)
            if record.state != "live":
                continue
            if name != self.member and now - since > self._settings.lease_s * CLOCK_SLACK:
                await self._declare_dead(name, entry.revision)
                continue
            live.add(name)
        return live

    async def _declare_dead(self, name: str, revision: int) -> None:
        try:
            await self._kv.update(f"sess.{name}", msgspec.msgpack.encode(SessionRecord("dead")), revision)
            log.warning("peer declared dead", member=self.member, peer=name)
        except RevisionConflict:
            log.debug("peer is alive after all", member=self.member, peer=name)

    async def _settle(self, partition: int, members: set[str]) -> None:
        """Take or give back one partition, as the membership says."""
        mine = rendezvous(partition, members) == self.member and not self._leaving
        if partition in self.owned:
            if not mine:
                await self._give_back(partition)
            return
        if not mine:
            return
        key = f"own.{partition}"
        entry = await self._kv.get(key)
        record = msgspec.msgpack.decode(entry.value, type=OwnerRecord) if entry is not None else None
        if record is not None and record.state == "held" and record.holder in members and record.holder != self.member:
            return  # its owner is alive and will give it back
        epoch = (record.epoch if record is not None else 0) + 1
        value = msgspec.msgpack.encode(OwnerRecord(self.member, epoch))
        try:
            if entry is None:
                await self._kv.create(key, value)
            else:
                await self._kv.update(key, value, entry.revision)
        except (KeyExists, RevisionConflict):
            return
        self.owned[partition] = epoch
        await self._on_own(partition, epoch)

    async def _give_back(self, partition: int) -> None:
        epoch = self.owned.pop(partition, None)
        if epoch is None:
            return  # leaving and settling met here
        await self._on_lose(partition)
        entry = await self._kv.get(f"own.{partition}")
        if entry is None:
            return
        record = msgspec.msgpack.decode(entry.value, type=OwnerRecord)
        if (record.holder, record.epoch) != (self.member, epoch):
            return
        value = msgspec.msgpack.encode(OwnerRecord(self.member, epoch, "released"))
        try:
            await self._kv.update(f"own.{partition}", value, entry.revision)
        except RevisionConflict:
            log.debug("partition was claimed meanwhile", partition=partition)

    async def leave(self) -> None:
        """Give everything back and end the session."""
        self._leaving = True
        for partition in list(self.owned):
            await self._give_back(partition)
        await self._kv.put(f"sess.{self.member}", msgspec.msgpack.encode(SessionRecord("drain", self._beat)))
