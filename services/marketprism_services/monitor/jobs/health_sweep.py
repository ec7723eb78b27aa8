"""A look at everything that runs, written down with the run: instances, leaders, the pipeline, streams, disks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec

from marketprism_adapters.nats.leader_watch import health_of, leaders_of
from marketprism_adapters.nats.stream_budget import StreamFill
from marketprism_application.monitoring.reconciliation import Problem
from marketprism_sdk.errors import JobFailed, NoResponders, SdkError
from marketprism_sdk.messaging import INSPECT, METRICS, InstanceRecord, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import MetricRow
from marketprism_sdk.service import job
from marketprism_services.monitor.jobs.findings import MOST_FINDINGS, Finding, first_of

_STORER = "storage"  # who says how full the disks of the store are
_PARALLEL = 16
_ASK_S = 5.0
_UNHEALTHY, _DEGRADED = "unhealthy", "degraded"
_REASONS = 300
_FREE, _SIZE = "store_disk_free_bytes", "store_disk_bytes"


class SweepCheck(msgspec.Struct, frozen=True):
    """A disk of the store has to have a share of at least `least_free` that is free."""

    least_free: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1


class SweepOutput(msgspec.Struct, frozen=True):
    """What was looked at, and what is wrong with it; `warnings` are of what works and somebody should look at, such as
    a certificate that ends soon. At most 50 of each are listed."""

    instances: int
    unhealthy: int
    degraded: int
    leaders: int
    streams: int
    disks: int
    problems: list[Finding]
    warnings: list[Finding]


class Views(NamedTuple):
    """What the monitor knows anyway: the registry, what its audit of the pipeline says, how full the streams are."""

    instances: Callable[[], Sequence[InstanceRecord]]
    problems: Callable[[], Iterable[Problem]]
    fills: Callable[[], Sequence[StreamFill]]


def health_finding(record: InstanceRecord, body: Mapping[str, object] | None, *, away: bool = False) -> Finding | None:
    """What is wrong with an instance by what it answered; `body` None: it did not."""
    where = f"{record.service} {record.instance}"
    if away:
        return Finding("instance", where, f"is gone, was {record.status}")
    if body is None:
        return Finding("instance", where, "does not answer: frozen, overloaded or cut off")
    status, reasons = str(body.get("status", "")), body.get("reasons")
    if status not in (_UNHEALTHY, _DEGRADED):
        return None
    named = reasons.items() if isinstance(reasons, dict) else ()
    why = "; ".join(f"{name}: {reason}" for name, reason in named)[:_REASONS] or "it does not say why"
    return Finding(_DEGRADED if status == _DEGRADED else "instance", where, f"is {status}: {why}")


def disk_findings(rows: Iterable[MetricRow], where: str, least_free: float) -> tuple[int, list[Finding]]:
    """How many disks a store says it has, and those that are nearly full."""
    sizes: dict[str, dict[str, float]] = {}
    for row in rows:
        for name in (_FREE, _SIZE):
            if row.name.endswith(name) and row.value is not None:
                sizes.setdefault(row.labels.get("disk", ""), {})[name] = row.value
    found = []
    for disk, size in sorted(sizes.items()):
        whole, free = size.get(_SIZE, 0.0), size.get(_FREE, 0.0)
        if whole and free / whole < least_free:
            found.append(Finding("disk", f"{where} {disk}", f"{free / whole:.0%} of it is free"))
    return len(sizes), found


def stream_findings(fills: Iterable[StreamFill]) -> tuple[list[Finding], list[Finding]]:
    """Streams that are nearly full, and those of which a replica is behind."""
    full, behind = [], []
    for fill in fills:
        if fill.filling:
            full.append(Finding("stream", fill.name, f"{fill.share:.0%} full, the oldest goes before its time"))
        if fill.replicas_behind:
            behind.append(Finding("stream", fill.name, f"{fill.replicas_behind} replicas are behind or away"))
    return full, behind


def failure_of(output: SweepOutput, sick: Sequence[Finding]) -> str:
    """In one line what is wrong, instances first; empty where nothing is."""
    others = [each for each in output.problems if each.what != "instance"]
    parts = []
    if sick:
        names = [f"{each.where} {each.text}" for each in sick]
        parts.append(f"{len(sick)} of {output.instances} instances are not healthy: {first_of(names)}")
    if others:
        names = [f"{each.where}: {each.text}" for each in others]
        parts.append(f"{len(others)} other problems: {first_of(names)}")
    return "; ".join(parts)


class HealthSweep:
    """Asks each instance itself; what the monitor looks at all the time it takes from there."""

    def __init__(self, connection: NatsConnection, views: Views) -> None:
        self._connection = connection
        self._views = views
        self._inspect = RpcClient(NatsBus(connection), root=INSPECT)

    @job("health_sweep")
    async def health_sweep(self, check: SweepCheck) -> SweepOutput:
        """Look at every instance and leader, at the pipeline, the streams, the store's disks and certificates."""
        instances = self._views.instances()
        found = [each for each in await self._health(instances) if each is not None]
        sick, degraded = _split(found)
        leaders = await leaders_of(self._connection, instances)
        fills = self._views.fills()
        full, behind = stream_findings(fills)
        disks, nearly_full = await self._disks(instances, check.least_free)
        problems = [
            *sick,
            *(Finding("leader", key, leader.problem) for key, leader in leaders.items() if leader.problem),
            *(Finding("pipeline", f"{of.stage} {of.where}", of.text) for of in self._views.problems()),
            *full,
            *nearly_full,
        ]
        output = SweepOutput(
            len(instances),
            len(sick),
            len(degraded),
            len(leaders),
            len(fills),
            disks,
            problems[:MOST_FINDINGS],
            [*degraded, *behind][:MOST_FINDINGS],
        )
        if text := failure_of(output, sick):
            raise JobFailed(text, output)
        return output

    async def _health(self, instances: Sequence[InstanceRecord]) -> list[Finding | None]:
        room = asyncio.Semaphore(_PARALLEL)

        async def ask(record: InstanceRecord) -> Finding | None:
            async with room:
                try:
                    return health_finding(record, await health_of(self._connection, record))
                except NoResponders:
                    return health_finding(record, None, away=True)

        # The monitor's own health is that of the pipeline, which is listed by itself.
        own = {each.instance for each in instances if each.service == "monitor"}
        return list(await asyncio.gather(*(ask(each) for each in instances if each.instance not in own)))

    async def _disks(self, instances: Sequence[InstanceRecord], least_free: float) -> tuple[int, list[Finding]]:
        disks, found = 0, []
        for record in instances:
            if record.service != _STORER or record.status != "active":
                continue
            try:
                answer = await self._inspect.call(_STORER, METRICS, instance=record.instance, timeout_s=_ASK_S)
                rows = msgspec.convert(answer, list[MetricRow])
            except (SdkError, msgspec.ValidationError):
                continue  # whether it answers at all is looked at above
            more, nearly_full = disk_findings(rows, record.service, least_free)
            disks += more
            found += nearly_full
        return disks, found


def _split(found: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """What is unhealthy, and what is degraded."""
    sick: list[Finding] = []
    degraded: list[Finding] = []
    for each in found:
        (degraded if each.what == _DEGRADED else sick).append(each)
    return sick, degraded


__all__ = [
    "HealthSweep",
    "SweepCheck",
    "SweepOutput",
    "Views",
    "disk_findings",
    "failure_of",
    "health_finding",
    "stream_findings",
]
