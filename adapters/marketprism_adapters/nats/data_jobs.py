"""Jobs of the data service, their tasks and documents, in the bucket `data_jobs`.

Keys are `job.<id>`, `task.<id>.<n>`, `document.<name>.head` and `document.<name>.<token>.<n>`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from marketprism_adapters.nats.documents import Documents
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
        entry = await self._there(f"{_JOB}{job_id}")
        return None if entry is None else (_decoded(entry, DataJob), entry.revision)

    async def write_job(self, job: DataJob, revision: int) -> int:
        """Write a job over that revision of it; the new one."""
        return await self._write(f"{_JOB}{job.id}", msgspec.msgpack.encode(job), revision)

    async def tasks(self, job_id: str, least: int = 0) -> Sequence[tuple[TaskRecord, int]]:
        """Tasks of a job by number, each with its revision: all of them where they are `least` or more."""
        prefix = f"{_TASK}{job_id}."
        entries = await _asked(lambda: self._bucket.entries(prefix))
        if len(entries) < least:  # of a replica that is behind
            entries = await _asked(lambda: self._bucket.entries_latest(prefix))
        found = [(_decoded(entry, TaskRecord), entry.revision) for entry in entries]
        return sorted(found, key=lambda each: each[0].number)

    async def task(self, job_id: str, number: int) -> tuple[TaskRecord, int] | None:
        """One task and its revision, None where there is none."""
        entry = await self._there(f"{_TASK}{job_id}.{number}")
        return None if entry is None else (_decoded(entry, TaskRecord), entry.revision)

    async def _there(self, key: str) -> KvEntry | None:
        """As some replica has it; that there is none only the leader says, for who gives up on it does so for good."""
        return await _asked(lambda: self._bucket.get(key)) or await _asked(lambda: self._bucket.get_latest(key))

    async def write_task(self, task: TaskRecord, revision: int) -> int:
        """Write a task over that revision of it; the new one."""
        return await self._write(f"{_TASK}{task.id}", msgspec.msgpack.encode(task), revision)

    async def _write(self, key: str, value: bytes, revision: int) -> int:
        if revision:
            return await _asked(lambda: self._bucket.update(key, value, revision))
        return await _asked(lambda: self._bucket.create(key, value))

    async def forget(self, job_id: str) -> None:
        """Take a job out, with its tasks and documents; the job last: who is killed before does it again."""
        documents = Documents(self._bucket, _DOCUMENT)
        for what in DOCUMENTS:
            await _asked(lambda what=what: documents.forget(f"{what}.{job_id}"))  # type: ignore[misc]
        for entry in await _asked(lambda: self._bucket.entries(f"{_TASK}{job_id}.")):
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


class NatsDocumentStore:
    """Fulfils `DocumentStore` beside the jobs."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._documents = Documents(bucket, _DOCUMENT)

    async def put(self, name: str, data: bytes) -> None:
        """Write a document in the place of what has the name; readers see the one or the other, whole."""
        await _asked(lambda: self._documents.put(name, data))

    async def get(self, name: str) -> bytes | None:
        """A document, None where there is none."""
        return await _asked(lambda: self._documents.get(name))


__all__ = ["DATA_JOBS", "DOCUMENTS", "NatsDataJobStore", "NatsDocumentStore", "data_jobs_bucket"]
