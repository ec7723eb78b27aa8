"""What runs where, who leads, who owns which partition, and how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.leader_watch import health_of, leaders_of
from marketprism_adapters.nats.partition_owners import Shares, lasting_problems, ranges, shares_of
from marketprism_adapters.nats.source_positions import SourcePosition
from marketprism_sdk.errors import NoResponders, SdkError
from marketprism_sdk.messaging import REGISTRY, Discovery, InstanceRecord, dead_letters
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none

_HEALTH_S = 2.0
_NO_ANSWER, _GONE = "no answer", "gone"
_UNHEALTHY, _DEGRADED = "unhealthy", "degraded"
_MONITOR = "monitor"
_SHOWN, _REASONS = 40, 300


@dataclass
class Overview:
    """Everything that `marketprism status` shows of the services."""

    instances: list[InstanceRecord] = field(default_factory=list)
    health: dict[str, str] = field(default_factory=dict)  # instance -> healthy, degraded, unhealthy, gone …
    leaders: dict[str, dict[str, Any]] = field(default_factory=dict)  # service.group -> holder, epoch, state
    shards: dict[str, dict[str, list[int]]] = field(default_factory=dict)  # service -> holder -> partitions
    unowned: dict[str, list[int]] = field(default_factory=dict)
    dead_letters: int = 0
    sources: dict[str, str] = field(default_factory=dict)  # by group of gateways: what is wrong with its source
    problems: list[str] = field(default_factory=list)  # what is wrong although every process may be healthy
    degraded: list[str] = field(default_factory=list)  # what works, and somebody should look at

    def as_dict(self) -> dict[str, Any]:
        """The overview as plain values, for `--json`."""
        instances = [{**msgspec.to_builtins(i), "health": self.health.get(i.instance, "")} for i in self.instances]
        return {
            "instances": instances,
            "leaders": self.leaders,
            "shards": self.shards,
            "unowned": self.unowned,
            "dead_letters": self.dead_letters,
            "sources": self.sources,
            "problems": self.problems,
        }


async def overview(connection: NatsConnection) -> Overview:
    """Read it from the buckets; ask every instance how it is. Raises NotConnected."""
    found = Overview()
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    await discovery.refresh()
    found.instances = discovery.instances()
    await _read_leaders(found, connection)
    for service, bucket in streams.SHARD_BUCKETS.items():
        _show(found, service, await shares_of(NatsKeyValue(connection, bucket)))
    found.problems += await lasting_problems(connection, discovery)
    for entry in await NatsKeyValue(connection, streams.SOURCE_POSITIONS).entries_if_there():
        state = decode_or_none(entry, SourcePosition)
        if state is None:
            found.problems.append(f"not understood: {entry.bucket}/{entry.key}, the place of a source")
            continue
        wrong = [state.error] * bool(state.error) + [f"{name}: {why}" for name, why in sorted(state.refused.items())]
        if state.group and wrong:
            found.sources[state.group] = "; ".join(wrong)
    try:
        found.dead_letters = len(await dead_letters(connection))
    except SdkError:
        found.dead_letters = 0  # there is no queue before the first service that takes commands
    await _read_health(found, connection)
    return found


async def _read_leaders(found: Overview, connection: NatsConnection) -> None:
    for key, leader in (await leaders_of(connection, found.instances)).items():
        found.leaders[key] = leader.as_dict()
        if leader.problem:
            found.problems.append(leader.problem)


async def _read_health(found: Overview, connection: NatsConnection) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HEALTH_S)) as http:
        answers = await asyncio.gather(*(_health(http, connection, record) for record in found.instances))
    for record, (answer, reason) in zip(found.instances, answers, strict=True):
        found.health[record.instance] = answer
        if answer == _GONE:
            found.problems.append(f"instance gone: {record.service} {record.instance} was {record.status}")
        elif answer == _NO_ANSWER:
            found.problems.append(f"{record.service} {record.instance} gives {reason}")
        elif reason and answer == _DEGRADED:
            found.degraded.append(f"{record.service} {record.instance} is {_DEGRADED}: {reason}")
        elif reason and record.service != _MONITOR:  # what makes that one unhealthy is shown by itself
            found.problems.append(f"{record.service} {record.instance} is {_UNHEALTHY}: {reason}")


def _show(found: Overview, service: str, shares: Shares) -> None:
    owners: dict[str, list[int]] = {}
    for partition, record in shares.records.items():
        if record.state == "held":
            owners.setdefault(record.holder, []).append(partition)
        else:
            found.unowned.setdefault(service, []).append(partition)
    if owners:
        found.shards[service] = {holder: sorted(partitions) for holder, partitions in sorted(owners.items())}


async def _health(http: aiohttp.ClientSession, connection: NatsConnection, record: InstanceRecord) -> tuple[str, str]:
    """What an instance says of itself, and why where that is bad.

    It is asked over NATS where its address leads to nobody or to another: to a process that was started there after it,
    or to one of this machine where it runs on another and listens at loopback.
    """
    url = record.endpoints.get("http")
    try:
        body: Mapping[str, Any] | None = await _asked(http, url) if url else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        body = {}
    if not body or str(body.get("instance", record.instance)) != record.instance:
        try:
            body = await health_of(connection, record)
        except NoResponders:
            return _GONE, ""
    if body is None:
        return _NO_ANSWER, "no answer over HTTP or NATS: frozen, overloaded or cut off"
    status, reasons = str(body.get("status", ""))[:_SHOWN], body.get("reasons")
    if status not in (_UNHEALTHY, _DEGRADED):
        return status, ""
    named = reasons.items() if isinstance(reasons, dict) else ()
    return status, "; ".join(f"{name}: {reason}" for name, reason in named)[:_REASONS] or "it does not say why"


async def _asked(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """The body of `/health`. Raises what HTTP and JSON raise."""
    async with http.get(f"{url}/health") as answer:
        body = await answer.json()
    return body if isinstance(body, dict) else {}


__all__ = ["Overview", "overview", "ranges"]
