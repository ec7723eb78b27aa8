"""Jobs of the data service, their tasks and documents, in the bucket `data_jobs`.

Keys are `job.<id>`, `task.<id>.<n>`, `document.<name>.head` and `document.<name>.<token>.<n>`.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from marketprism_application.contracts.data_jobs import DataJob, TaskRecord
from marketprism_application.errors import StoreError
from marketprism_application.ports.data_jobs import DataJobConflict, RecordChange
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

DATA_JOBS = "data_jobs"
DOCUMENTS = ("report", "recheck", "plan", "repair")  # of a task, as `<one of these>.<job>.<number>`
_JOB, _TASK, _DOCUMENT = "job.", "task.", "document."
_PIECE = 800_000  # a record is a message, whose limit is 1 MB where nobody has raised it
_TRIES = 3  # a document that is written anew while it is read
T = TypeVar("T")


async def _asked(ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except (KeyExists, RevisionConflict) as error:
        raise DataJobConflict(reason_of(error)) from error
    except SdkError as error:
        raise StoreError(f"bucket {DATA_JOBS}: {reason_of(error)}", retryable=error.retryable) from error


def _decoded(entry: KvEntry, of: type[T]) -> T:
    found = decode_or_none(entry, of)
    if found is None:
        raise StoreError(f"bucket {DATA_JOBS}, {entry.key}: expected a {of.__name__}, there is something else")
    return found


async def data_jobs_bucket(connection: NatsConnection, replicas: int = 1) -> NatsKeyValue:
    """The bucket, made where it is not there. Raises what JetStream raises."""
    return await NatsKeyValue.open(connection, DATA_JOBS, replicas=replicas)


class NatsDataJobStore:
    """Fulfils `DataJobStore`."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    async def jobs(self) -> Sequence[tuple[DataJob, int]]:
        """Every job with its revision, the newest first."""
        entries = await _asked(lambda: self._bucket.entries(_JOB))
        # A value that is no job is nobody's, and is logged: the others go on.
        read = [(decode_or_none(entry, DataJob), entry.revision) for entry in entries]
        found = [(job, revision) for job, revision in read if job is not None]
        return sorted(found, key=lambda each: (each[0].created_at, each[0].id), reverse=True)

    async def job(self, job_id: str) -> tuple[DataJob, int] | None:
        """One job and its revision, None where there is none."""
        entry = await _asked(lambda: self._bucket.get(f"{_JOB}{job_id}"))
        return None if entry is None else (_decoded(entry, DataJob), entry.revision)

    async def write_job(self, job: DataJob, revision: int) -> int:
        """Write a job over that revision of it; the new one."""
        return await self._write(f"{_JOB}{job.id}", msgspec.msgpack.encode(job), revision)

    async def tasks(self, job_id: str) -> Sequence[tuple[TaskRecord, int]]:
        """Tasks of a job by number, each with its revision."""
        entries = await _asked(lambda: self._bucket.entries(f"{_TASK}{job_id}."))
        found = [(_decoded(entry, TaskRecord), entry.revision) for entry in entries]
        return sorted(found, key=lambda each: each[0].number)

    async def task(self, job_id: str, number: int) -> tuple[TaskRecord, int] | None:
        """One task and its revision, None where there is none."""
        entry = await _asked(lambda: self._bucket.get(f"{_TASK}{job_id}.{number}"))
        return None if entry is None else (_decoded(entry, TaskRecord), entry.revision)

    async def write_task(self, task: TaskRecord, revision: int) -> int:
        """Write a task over that revision of it; the new one."""
        return await self._write(f"{_TASK}{task.id}", msgspec.msgpack.encode(task), revision)

    async def _write(self, key: str, value: bytes, revision: int) -> int:
        if revision:
            return await _asked(lambda: self._bucket.update(key, value, revision))
        return await _asked(lambda: self._bucket.create(key, value))

    async def forget(self, job_id: str) -> None:
        """Take a job out, with its tasks and documents; the job last: who is killed before does it again."""
        prefixes = [f"{_DOCUMENT}{what}.{job_id}." for what in DOCUMENTS]
        for prefix in (*prefixes, f"{_TASK}{job_id}."):
            for entry in await _asked(lambda prefix=prefix: self._bucket.entries(prefix)):  # type: ignore[misc]
                await _asked(lambda key=entry.key: self._bucket.delete(key))  # type: ignore[misc]
        await _asked(lambda: self._bucket.delete(f"{_JOB}{job_id}"))

    async def watch(self, receive: Callable[[RecordChange], None], on_change: Callable[[], None]) -> Stop:
        """Each record of a job or a task that is written from now on, then `on_change`. While NATS is away none comes:
        who needs all of them reads them again now and then."""

        def received(entry: KvEntry) -> None:
            change = _change_of(entry)
            if change is not None:
                receive(change)
                on_change()

        stops = [await _asked(lambda prefix=prefix: self._bucket.watch(prefix, received)) for prefix in (_JOB, _TASK)]  # type: ignore[misc]

        async def stop() -> None:
            for each in stops:
                await each()

        return stop


def _change_of(entry: KvEntry) -> RecordChange | None:
    of_job = entry.key.startswith(_JOB)
    job, _, number = entry.key.partition(".")[2].partition(".")
    if not of_job and not number.isdecimal():
        return None
    at = None if of_job else int(number)
    if entry.deleted:
        return RecordChange(job, at, None, entry.revision)
    record = decode_or_none(entry, DataJob) if of_job else decode_or_none(entry, TaskRecord)
    return None if record is None else RecordChange(job, at, record, entry.revision)


class _Head(msgspec.Struct, frozen=True):
    """Where the pieces of a document are, and how many."""

    token: str
    pieces: int


class NatsDocumentStore:
    """Fulfils `DocumentStore`: pieces first, under a token of their own, then the head that names them."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    async def put(self, name: str, data: bytes) -> None:
        """Write a document in the place of what has the name; readers see the one or the other, whole."""
        packed = zlib.compress(data, 6)
        token, prefix = secrets.token_hex(6), f"{_DOCUMENT}{name}."
        starts = range(0, len(packed), _PIECE)
        for number, start in enumerate(starts):
            piece = packed[start : start + _PIECE]
            await _asked(lambda number=number, piece=piece: self._bucket.put(f"{prefix}{token}.{number}", piece))  # type: ignore[misc]
        head = msgspec.msgpack.encode(_Head(token, len(starts)))
        before = await self._head(name)
        await _asked(lambda: self._bucket.put(f"{prefix}head", head))
        if before is not None:
            for number in range(before.pieces):
                await _asked(lambda number=number: self._bucket.delete(f"{prefix}{before.token}.{number}"))  # type: ignore[misc]

    async def get(self, name: str) -> bytes | None:
        """A document, None where there is none."""
        for _ in range(_TRIES):
            head = await self._head(name)
            if head is None:
                return None
            pieces = await self._pieces(name, head)
            if pieces is not None:
                return zlib.decompress(pieces)
        raise StoreError(
            f"document {name}: expected {head.pieces if head else 0} pieces, some are away", retryable=True
        )

    async def _head(self, name: str) -> _Head | None:
        entry = await _asked(lambda: self._bucket.get(f"{_DOCUMENT}{name}.head"))
        return None if entry is None else _decoded(entry, _Head)

    async def _pieces(self, name: str, head: _Head) -> bytes | None:
        found = []
        for number in range(head.pieces):
            key = f"{_DOCUMENT}{name}.{head.token}.{number}"
            entry = await _asked(lambda key=key: self._bucket.get(key))  # type: ignore[misc]
            if entry is None:
                return None
            found.append(entry.value)
        return b"".join(found)


__all__ = ["DATA_JOBS", "DOCUMENTS", "NatsDataJobStore", "NatsDocumentStore", "data_jobs_bucket"]
