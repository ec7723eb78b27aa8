"""Partitions as their owner records say, beside what the members that are alive say they work on."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from marketprism_adapters.nats import streams
from marketprism_application.contracts.partitions import PARTITIONS
from marketprism_sdk.messaging import Discovery, InstanceRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.partitions import OWNER_PREFIX as OWNER
from marketprism_sdk.partitions import SESSION_PREFIX as SESSION
from marketprism_sdk.partitions import OwnerRecord, SessionRecord, decode_owner, partition_of_key
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

_LOOKS, _LOOK_AGAIN_S = 4, 0.75  # a hand-over is over by then: what is wrong at every look stays wrong


@dataclass(frozen=True)
class Shares:
    """The bucket of one service."""

    records: dict[int, OwnerRecord] = field(default_factory=dict)
    sessions: frozenset[str] = frozenset()  # members that are alive or leaving
    malformed: tuple[str, ...] = ()  # keys whose value is none of both


@dataclass(frozen=True, order=True)
class _Problem:
    """What is wrong with one partition; `text` has a place for its number, so that several can share a line."""

    service: str
    text: str
    partition: int


async def shares_of(kv: NatsKeyValue) -> Shares:
    """What the bucket holds; nothing where nobody has made it yet. Raises NotConnected."""
    return shares(await kv.entries_if_there())


def shares(entries: Iterable[KvEntry]) -> Shares:
    """The records of some entries; what is no record is named."""
    records: dict[int, OwnerRecord] = {}
    sessions: set[str] = set()
    malformed: list[str] = []
    for entry in entries:
        partition = partition_of_key(entry.key)
        if partition is not None:
            record = decode_owner(entry)
            if record is None:
                malformed.append(entry.key)
            else:
                records[partition] = record
        elif entry.key.startswith(OWNER):
            malformed.append(entry.key)  # no number of a partition
        elif entry.key.startswith(SESSION):
            session = decode_or_none(entry, SessionRecord)
            if session is None:
                malformed.append(entry.key)
            elif session.state != "dead":
                sessions.add(entry.key.removeprefix(SESSION))
    return Shares(records, frozenset(sessions), tuple(malformed))


def problems_of(
    service: str, found: Shares, instances: Sequence[InstanceRecord], partitions: int = PARTITIONS
) -> frozenset[_Problem]:
    """What is wrong at this moment; a hand-over looks wrong for a moment too.

    `instances` are those of the service that the registry knows. One that does not say what it works on (of an earlier
    version) is believed.
    """
    if not instances:
        return frozenset()  # a service that does not run works on nothing, and says so by not being there
    works = {i.instance: i.metadata.get("partitions") for i in instances}
    wrong: set[_Problem] = set()
    for partition in range(partitions):
        record = found.records.get(partition)
        if record is None or record.state != "held":
            text = "held by nobody"
        elif record.holder not in works or record.holder not in found.sessions:
            text = f"held by {record.holder}, who is not alive"
        elif (on := works[record.holder]) is not None and partition not in on:
            text = f"held by {record.holder}, who does not work on it"
        else:
            continue
        wrong.add(_Problem(service, text, partition))
    return frozenset(wrong)


async def lasting_problems(connection: NatsConnection, discovery: Discovery) -> list[str]:
    """One line for each kind of problem and service that is there at every one of a few looks. Raises NotConnected."""
    lines: list[str] = []
    lasting: frozenset[_Problem] | None = None
    partitions = await streams.partitions_of(connection, PARTITIONS)
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_LOOK_AGAIN_S)
            await discovery.refresh()
        now: frozenset[_Problem] = frozenset()
        lines = []
        for service, bucket in streams.SHARD_BUCKETS.items():
            found = await shares_of(NatsKeyValue(connection, bucket))
            now |= problems_of(service, found, discovery.instances(service), partitions)
            lines += [f"{service}: expected a record in {bucket}/{key}, was none" for key in found.malformed]
        lasting = now if lasting is None else lasting & now
        if not lasting:
            break
    return lines + problem_lines(lasting or frozenset())


def problem_lines(problems: Iterable[_Problem]) -> list[str]:
    """Lines for people: partitions with the same problem on one."""
    grouped: dict[tuple[str, str], list[int]] = defaultdict(list)
    for problem in sorted(problems):
        grouped[(problem.service, problem.text)].append(problem.partition)
    return [
        f"{service}: partition{'s' * (len(of) > 1)} {ranges(of)} {'are' if len(of) > 1 else 'is'} {text}"
        for (service, text), of in grouped.items()
    ]


def ranges(numbers: list[int]) -> str:
    """Sorted numbers with runs drawn together, as `0-3 7 9-10`."""
    parts: list[str] = []
    for number in sorted(numbers):
        if parts and int(parts[-1].rsplit("-", 1)[-1]) == number - 1:
            parts[-1] = f"{parts[-1].split('-', 1)[0]}-{number}"
        else:
            parts.append(str(number))
    return " ".join(parts)


__all__ = ["Shares", "lasting_problems", "problem_lines", "problems_of", "ranges", "shares", "shares_of"]
