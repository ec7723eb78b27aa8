"""The whole system as one instance of the gateway sees it: read from what is durable, and asked of who answers.

Every part has the same short time. One that does not come within it is left out and named (`missing`): a process that
is frozen, or a stream that is away, does not keep the rest from being seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_adapters.nats.leader_watch import health_of, leaders_of
from marketprism_adapters.nats.partition_owners import shares_of
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.nats.schedule_log import SCHEDULE
from marketprism_sdk.errors import NoResponders, SdkError, StreamMissing, reason_of
from marketprism_sdk.messaging import DEAD_LETTERS, JOBS, Discovery, InstanceRecord, LeaderClient, RpcClient
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.api.operate.alerts import alerts_of
from marketprism_services.api.operate.stored_reading import stream_row
from marketprism_services.settings.services import SERVICES

Part: TypeAlias = dict[str, object] | list[dict[str, object]]
Snapshot: TypeAlias = dict[str, object]

PARTS = ("services", "instances", "leaders", "shards", "streams", "lags", "stores", "alerts")
_PART_S = 1.5
_HEALTH_S = 0.8
_AT_ONCE = 32
MOST_ASKED = 200  # instances whose health is asked; the others are in the list without it
_STORE_S = 1.0
_KEPT_S = 0.5  # answers of one moment are one answer
_REASONS = 300
_WATCHED = (*streams.MARKET_STREAMS, COMMANDS, DEAD_LETTERS, JOBS, SCHEDULE, AUDIT)


class SystemView:
    """Reads it when it is asked for; who asks meanwhile gets the same answer. `refusals` are what others
    offer and is not served."""

    def __init__(
        self,
        connection: NatsConnection,
        calls: RpcClient,
        discovery: Discovery,
        refusals: Callable[[], list[dict[str, str]]] = list,
    ) -> None:
        self._connection = connection
        self._calls = calls
        self._discovery = discovery
        self._refusals = refusals
        positions = NatsKeyValue.existing(connection, streams.SOURCE_POSITIONS)
        ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)
        self._probe = PipelineProbe(connection, positions, ranges)
        self._storage = LeaderClient(calls, "storage", wait_s=0.2, known=self._storage_leader)
        self._reading: asyncio.Task[Snapshot] | None = None
        self._read_s = float("-inf")

    async def read(self) -> Snapshot:
        """All parts, and `missing`: why a part is not there. Raises NotConnected, where NATS is away."""
        now = time.monotonic()
        if self._reading is None or (self._reading.done() and now - self._read_s > _KEPT_S):
            self._read_s = now
            self._reading = asyncio.create_task(self._read(), name="system view")
        # Whoever goes away while it is read does not end it for the others.
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Read nothing any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _storage_leader(self) -> str | None:
        found = self._discovery.leader("storage")
        return None if found is None else found.instance

    async def _read(self) -> Snapshot:
        instances = self._discovery.instances()
        parts: dict[str, Callable[[], Awaitable[Part]]] = {
            "instances": lambda: self._instances(instances),
            "leaders": lambda: self.leaders(instances),
            "shards": self._shards,
            "streams": self._streams,
            "lags": self._lags,
            "stores": self._stores,
        }
        found: Snapshot = {"ts": time.time_ns()}
        missing: dict[str, str] = {}
        read = await asyncio.gather(*(self._within(name, part, missing) for name, part in parts.items()))
        found |= dict(zip(parts, read, strict=True))
        _mark_leaders(found)
        found["services"] = _services(instances)
        found["refused"] = self._refusals()
        found["missing"] = missing
        found["alerts"] = alerts_of(found)
        return found

    @staticmethod
    async def _within(name: str, part: Callable[[], Awaitable[Part]], missing: dict[str, str]) -> Part | None:
        try:
            async with asyncio.timeout(_PART_S):
                return await part()
        except (SdkError, TimeoutError) as error:
            missing[name] = f"no answer within {_PART_S:g} s" if isinstance(error, TimeoutError) else reason_of(error)
            return None

    # -- parts -----------------------------------------------------------------------------------------------------

    async def _instances(self, instances: list[InstanceRecord]) -> Part:
        room = asyncio.Semaphore(_AT_ONCE)

        async def health(number: int, record: InstanceRecord) -> tuple[str, str]:
            if number >= MOST_ASKED:
                return "not asked", ""
            async with room:
                return await self._health(record)

        # Those that belong to the product first: many others must not keep them from being asked.
        own = {row.name for row in SERVICES}
        instances = sorted(instances, key=lambda each: (each.service not in own, each.key))
        found = await asyncio.gather(*(health(number, record) for number, record in enumerate(instances)))
        return [self._row(record, *each) for record, each in zip(instances, found, strict=True)]

    async def _health(self, record: InstanceRecord) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_HEALTH_S):
                body = await health_of(self._connection, record, within_s=_HEALTH_S)
        except NoResponders:
            return "gone", "nobody answers for it; its entry runs out"
        except (SdkError, TimeoutError, ValueError):  # or its name is none that can be called
            body = None
        if body is None:
            return "no answer", f"frozen, overloaded or cut off: no answer within {_HEALTH_S:g} s"
        reasons = body.get("reasons")
        named = reasons.items() if isinstance(reasons, Mapping) else ()
        text = "; ".join(f"{name}: {reason}" for name, reason in named)[:_REASONS]
        return str(body.get("status", ""))[:40], text

    def _row(self, record: InstanceRecord, health: str, reason: str) -> dict[str, object]:
        quiet_s = self._discovery.quiet_s(record)
        partitions = record.metadata.get("partitions")
        return {
            "service": record.service,
            "instance": record.instance,
            "version": record.version,
            "group": record.group,
            "status": record.status,
            "health": health,
            "reason": reason,
            "is_silent": self._discovery.is_quiet(record),
            "quiet_s": round(quiet_s, 1),
            "ts_started": record.ts_started,
            "ts_heartbeat": record.ts_heartbeat,
            "endpoints": record.endpoints,
            "interface": record.interface,
            "connection": str(record.metadata.get("connection", ""))[:200],
            "host": str(record.metadata.get("host", ""))[:255],
            "pid": pid if isinstance(pid := record.metadata.get("pid"), int) else None,
            "is_leader": None,  # until the leases are known
            "epoch": None,
            "partitions": len(partitions) if isinstance(partitions, list) else None,
        }

    async def leaders(self, instances: list[InstanceRecord] | None = None) -> Part:
        """Every lease: who holds it, at which epoch, and when it was last renewed by the server's clock."""
        known = self._discovery.instances() if instances is None else instances
        found = await leaders_of(self._connection, known)
        return [
            {
                "service": key.partition(".")[0],
                "group": key.partition(".")[2],
                "holder": leader.holder,
                "epoch": leader.epoch,
                "state": leader.state,
                "age_s": None if leader.age_s is None else round(leader.age_s, 3),
                "problem": leader.problem,
            }
            for key, leader in sorted(found.items())
        ]

    async def _shards(self) -> Part:
        found: list[dict[str, object]] = []
        for service, bucket in streams.SHARD_BUCKETS.items():
            shares = await shares_of(NatsKeyValue(self._connection, bucket))
            owners: dict[str, list[int]] = {}
            unowned = []
            for partition, record in sorted(shares.records.items()):
                if record.state == "held":
                    owners.setdefault(record.holder, []).append(partition)
                else:
                    unowned.append(partition)
            found.append({"service": service, "owners": owners, "unowned": unowned})
        return found

    async def _streams(self) -> Part:
        read = await asyncio.gather(*(self._stream(name) for name in _WATCHED))
        return [each for each in read if each is not None]

    async def _stream(self, name: str) -> dict[str, object] | None:
        try:
            info = await stream_info(self._connection, name, within_s=_PART_S)
        except StreamMissing:
            return None
        return {**stream_row(name, info), "consumers": info["state"].get("consumer_count", 0)}

    async def _lags(self) -> Part:
        progress = await self._probe.read()
        stages: dict[str, int] = {}
        for stage, behind in progress.behind.items():
            name = stage.partition(":")[0]
            stages[name] = stages.get(name, 0) + behind
        waiting_s: dict[str, float] = {}
        for seen in progress.stages:
            waiting_s[seen.stage] = max(waiting_s.get(seen.stage, 0.0), seen.waiting.age_s)
        return {
            "stages": [
                {"stage": stage, "behind": behind, "oldest_s": round(waiting_s.get(stage, 0.0), 3)}
                for stage, behind in sorted(stages.items())
            ],
            "partitions": {stage: behind for stage, behind in sorted(progress.behind.items()) if behind},
            "accepted": progress.accepted,
            "rejected": progress.rejected,
            "bars": progress.bars,
            "source_error": progress.error or progress.away,
        }

    async def _stores(self) -> Part:
        if not self._discovery.instances("storage"):
            return []  # an alert says that nothing is stored
        found = await self._storage.call("store_status", timeout_s=_STORE_S, idempotent=True)
        return [msgspec.to_builtins(found)] if isinstance(found, dict) else []


def _mark_leaders(found: Snapshot) -> None:
    """Say of each instance whether it leads its group, and since which epoch. None: it has no group, or no lease could
    be read."""
    instances, leaders = found["instances"], found["leaders"]
    if not isinstance(instances, list) or not isinstance(leaders, list):
        return
    held = {(each["service"], each["group"]): each for each in leaders if each["state"] == "held"}
    for row in instances:
        if row["group"]:
            lease = held.get((row["service"], row["group"]))
            row["is_leader"] = lease is not None and lease["holder"] == row["instance"]
            row["epoch"] = lease["epoch"] if lease is not None and row["is_leader"] else None


def _services(instances: list[InstanceRecord]) -> Part:
    """Services that there should be, and others that are there."""
    rows = {row.name: row for row in SERVICES}
    names = [*rows, *sorted({each.service for each in instances} - rows.keys())]
    found: list[dict[str, object]] = []
    for name in names:
        own = [each for each in instances if each.service == name]
        active = sum(each.status == "active" for each in own)
        row = rows.get(name)
        found.append(
            {
                "service": name,
                "instances": len(own),
                "active": active,
                "versions": sorted({each.version for each in own}),
                "kind": row.instances.name.lower() if row is not None else "",
                "without": row.without if row is not None and not active else "",
            }
        )
    return found
