"""Registry: what runs where, kept alive by heartbeats; discovery: a cache of it that outlives an outage."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.following import FollowedRevisions
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.observability.outages import Outage
from marketprism_sdk.partitions import weight
from marketprism_sdk.ports import KeyValue, KvEntry, Stop
from marketprism_sdk.values import decode_or_none

log = get_logger(__name__)

REGISTRY = "service_instances"  # the bucket
HEARTBEAT_S = 1.0
TTL_S = 5.0
_WHOLE_REFRESH_S = 30.0  # where the watch has told everything, and nobody is quiet
_QUIET_S = 2.5 * HEARTBEAT_S  # an instance that is not heard for so long is called only where no other is there


class InstanceRecord(msgspec.Struct, frozen=True):
    """One running instance of a service."""

    service: str
    instance: str
    version: str
    status: str  # starting, standby, active, finished, failed, draining
    ts_started: int
    ts_heartbeat: int
    endpoints: dict[str, str] = {}
    metadata: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """The key of the entry in the registry's bucket."""
        return f"{self.service}.{self.instance}"

    @property
    def single_active(self) -> bool:
        """Whether only the leader of its group works; the others stand by."""
        return self.metadata.get("single_active") is True

    @property
    def group(self) -> str:
        """Who competes with it for one lease; empty for a service without leaders."""
        return str(self.metadata.get("group", ""))

    @property
    def interface(self) -> str:
        """The digest of what it offers (`ServiceInterface`); empty where that is nothing."""
        return str(self.metadata.get("interface", ""))[:64]

    @property
    def load(self) -> float:
        """How busy it says it is, 0 where it says nothing that is a number."""
        load = self.metadata.get("load", 0)
        return float(load) if isinstance(load, int | float) else 0.0


class Registration:
    """The own entry. `update` changes it at once; `run` keeps it alive."""

    def __init__(self, kv: KeyValue, service: str, instance: str, version: str) -> None:
        self._kv = kv
        now = time.time_ns()
        self.record: InstanceRecord = InstanceRecord(service, instance, version, "starting", now, now)
        self._outage = Outage()

    async def update(
        self,
        *,
        status: str | None = None,
        endpoints: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Change what is given in the entry, and write it."""
        record = self.record
        self.record = msgspec.structs.replace(
            record,
            status=status or record.status,
            endpoints={**record.endpoints, **(endpoints or {})},
            metadata={**record.metadata, **(metadata or {})},
        )
        await self.beat()

    async def beat(self) -> None:
        """Write the entry with the present time."""
        self.record = msgspec.structs.replace(self.record, ts_heartbeat=time.time_ns())
        try:
            await self._kv.put(self.record.key, msgspec.msgpack.encode(self.record))
        except SdkError as error:
            if attempt := self._outage.failed():
                log.warning("heartbeat.not_written", attempt=attempt, error=reason_of(error))
            return
        if (ended := self._outage.ended()) is not None:
            log.info("heartbeat.written_again", **ended._asdict())

    async def run(self) -> None:
        """Write the entry once per heartbeat, until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(HEARTBEAT_S)

    async def leave(self) -> None:
        """Remove the entry; where that fails it expires."""
        try:
            await self._kv.delete(self.record.key)
        except SdkError as error:
            log.debug("registry.entry_not_removed", error=reason_of(error), detail="it will expire")


class Discovery:
    """Watched cache of the registry; the last known state while the registry cannot be read."""

    def __init__(self, kv: KeyValue, refresh_s: float = 2.0, clock: Clock | None = None) -> None:
        self._kv = kv
        self._refresh_s = refresh_s
        self._clock = clock or SystemClock()
        self._followed = FollowedRevisions(self._clock, max(refresh_s, 2 * HEARTBEAT_S))
        self._refreshed_at = float("-inf")
        self._known: dict[str, InstanceRecord] = {}
        self._heard: dict[str, tuple[int, float]] = {}  # heartbeat in its record, when it was seen first
        self.changes: int = 0  # of what is known, heartbeats apart
        self._turn = itertools.count()
        self._stop: Stop | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read everything and follow changes."""
        self._stop = await self._kv.watch("", self._changed)
        await self.refresh()
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop following the registry."""
        if self._task is not None:
            self._task.cancel()
        if self._stop is not None:
            await self._stop()

    async def refresh(self) -> None:
        """Read everything again (a watch is a hint, and expired entries make no change)."""
        self._followed.reading()
        try:
            entries = await self._kv.entries()
        except SdkError as error:
            self._followed.missed()
            log.debug("registry.not_readable", error=reason_of(error), detail="the last known state is used")
            return
        self._followed.read(entries)
        self._refreshed_at = self._clock.monotonic_s()
        before = self._known
        self._known = {entry.key: record for entry in entries if (record := _decode(entry)) is not None}
        if {key: _lasting(record) for key, record in before.items()} != {
            key: _lasting(record) for key, record in self._known.items()
        }:
            self.changes += 1
        self._heard = {key: heard for key, heard in self._heard.items() if key in self._known}
        for record in self._known.values():
            self._hear(record)

    def leader(self, service: str, group: str = "default") -> InstanceRecord | None:
        """The instance that says it leads its group, None when none does."""
        led = (r for r in self.instances(service) if r.single_active and r.group == group and r.status == "active")
        return next(led, None)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_s)
            if not self._is_current():
                await self.refresh()

    def _is_current(self) -> bool:
        """Whether reading everything would say nothing new: an entry that expires is quiet before that."""
        recent = self._clock.monotonic_s() - self._refreshed_at < _WHOLE_REFRESH_S
        return recent and self._followed.whole and not any(map(self.is_quiet, self._known.values()))

    def _changed(self, entry: KvEntry) -> None:
        self._followed.note(entry.revision)
        record = None if entry.deleted else _decode(entry)
        before = self._known.get(entry.key)
        if record is None:
            self.changes += before is not None
            self._known.pop(entry.key, None)
            self._heard.pop(entry.key, None)
        else:
            self.changes += before is None or _lasting(before) != _lasting(record)
            self._known[entry.key] = record
            self._hear(record)

    def _hear(self, record: InstanceRecord) -> None:
        known = self._heard.get(record.key)
        if known is None or known[0] != record.ts_heartbeat:
            self._heard[record.key] = record.ts_heartbeat, self._clock.monotonic_s()

    def quiet_s(self, record: InstanceRecord) -> float:
        """For how long no new heartbeat of an instance has come, by the own clock; 0 for one that is not known."""
        heard = self._heard.get(record.key)
        return self._clock.monotonic_s() - heard[1] if heard is not None else 0.0

    def is_quiet(self, record: InstanceRecord) -> bool:
        """Whether heartbeats of an instance are missing."""
        return self.quiet_s(record) >= _QUIET_S

    def instances(self, service: str | None = None) -> list[InstanceRecord]:
        """Known instances, of one service or of all, by name."""
        found = [r for r in self._known.values() if service is None or r.service == service]
        return sorted(found, key=lambda record: record.key)

    def pick(
        self,
        service: str,
        strategy: str = "round-robin",
        key: str = "",
        usable: Callable[[InstanceRecord], bool] = lambda _: True,
    ) -> InstanceRecord | None:
        """One instance: `round-robin`, `random`, `sticky` (same key, same instance) or `least-loaded`.

        Load is the metadata value `load`. Instances whose heartbeat is missing are picked only where all are like that:
        an entry outlives a killed process by seconds. None when no instance is known, or none that is `usable`.

        Raises:
            ValueError: another way to pick.
        """
        found = [r for r in self.instances(service) if r.status not in ("draining", "failed") and usable(r)]
        found = [record for record in found if not self.is_quiet(record)] or found
        if not found:
            return None
        if strategy == "round-robin":
            return found[next(self._turn) % len(found)]
        if strategy == "random":
            return random.choice(found)
        if strategy == "sticky":
            return max(found, key=lambda record: weight(key, record.instance))
        if strategy == "least-loaded":
            return min(found, key=lambda record: record.load)
        raise ValueError(f"pick: expected round-robin, random, sticky or least-loaded, was {strategy!r}")


def _lasting(record: InstanceRecord) -> InstanceRecord:
    """What of a record is not another with each heartbeat."""
    return msgspec.structs.replace(record, ts_heartbeat=0)


def _decode(entry: KvEntry) -> InstanceRecord | None:
    return decode_or_none(entry, InstanceRecord)
