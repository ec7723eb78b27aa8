"""What people want of jobs, in the bucket `schedules`: how they are defined, and what they ask for.

Every instance of the scheduler writes it, and reads it for who asks; the one that leads follows it. A definition is
written by compare-and-swap. A request is handled once: the state of its job says up to which revision they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.schedule_records import JobDefinition, JobRequest
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import Stop
from marketprism_sdk.values import decode_or_none

SCHEDULES = "schedules"
_JOB, _REQUEST = "job.", "request."


class Stored(NamedTuple):
    """A definition and its revision in the bucket."""

    definition: JobDefinition
    revision: int


class Asked(NamedTuple):
    """A request, its key and its revision."""

    request: JobRequest
    key: str
    revision: int


class JobStore:
    """The bucket. Methods raise what it raises."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> JobStore:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, SCHEDULES, replicas=replicas))

    async def definitions(self, *, latest: bool = False) -> dict[str, Stored]:
        """What is written of every job, by its name; a replica that is behind may lack some, unless it is to be the
        latest."""
        found = {}
        for entry in await (self._bucket.entries_latest(_JOB) if latest else self._bucket.entries(_JOB)):
            if (definition := decode_or_none(entry, JobDefinition)) is not None:
                found[entry.key.removeprefix(_JOB)] = Stored(definition, entry.revision)
        return found

    async def write(self, job: str, definition: JobDefinition, revision: int) -> int:
        """Write what is to hold of a job, whose revision is `revision`, 0 where nothing is written yet.

        Raises:
            KeyExists, RevisionConflict: somebody else was first.
        """
        value = msgspec.msgpack.encode(definition)
        if revision:
            return await self._bucket.update(f"{_JOB}{job}", value, revision)
        return await self._bucket.create(f"{_JOB}{job}", value)

    async def forget(self, job: str, revision: int) -> None:
        """Take out what is written of a job. Raises RevisionConflict."""
        await self._bucket.delete(f"{_JOB}{job}", revision)

    async def ask(self, request: JobRequest) -> int:
        """Leave a request for the leader; its revision."""
        return await self._bucket.create(f"{_REQUEST}{secrets.token_hex(8)}", msgspec.msgpack.encode(request))

    async def requests(self) -> list[Asked]:
        """Requests that nobody has handled yet, the oldest first."""
        found = [
            Asked(request, entry.key, entry.revision)
            for entry in await self._bucket.entries(_REQUEST)
            if (request := decode_or_none(entry, JobRequest)) is not None
        ]
        return sorted(found, key=lambda asked: asked.revision)

    async def handled(self, asked: Asked) -> None:
        """Take a request out."""
        await self._bucket.delete(asked.key)

    async def watch(self, on_definition: Callable[[], None], on_request: Callable[[], None]) -> Stop:
        """Call when something was written; a hint, reading is what counts."""
        return await self._bucket.watch(
            "", lambda entry: on_definition() if entry.key.startswith(_JOB) else on_request()
        )


__all__ = ["SCHEDULES", "Asked", "JobStore", "Stored"]
