"""DataJobStore and DocumentStore: every write is compared and swapped; a document is whole, or as it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import msgspec
import pytest

from marketprism_adapters.nats.data_jobs import NatsDataJobStore, NatsDocumentStore, data_jobs_bucket
from marketprism_application.contracts.data_jobs import CheckRequest, DataJob, JobStage, TaskRecord
from marketprism_application.ports.data_jobs import DataJobConflict, DataJobStore, DocumentStore
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from tests.support.behind import behind


@pytest.fixture
async def bucket(nats_url: str) -> AsyncIterator[NatsKeyValue]:
    connection = await NatsConnection.open(nats_url)
    yield await data_jobs_bucket(connection)
    await connection.close()


def job(name: str, at: int = 1) -> DataJob:
    return DataJob(id=name, request=CheckRequest(symbols=["cu1905"]), created_at=at, tasks=2)


async def test_records_are_written_by_who_knows_their_revision(bucket: NatsKeyValue, unique: str) -> None:
    store: DataJobStore = NatsDataJobStore(bucket)
    first, second = job(f"{unique}-a", 1), job(f"{unique}-b", 2)
    revision = await store.write_job(first, 0)
    await store.write_job(second, 0)
    with pytest.raises(DataJobConflict):
        await store.write_job(first, 0)
    changed = msgspec.structs.replace(first, cancel=True)
    later = await store.write_job(changed, revision)
    with pytest.raises(DataJobConflict):
        await store.write_job(first, revision)
    stored = await store.job(first.id)
    assert stored is not None
    assert (stored[0].id, stored[0].cancel, stored[0].tasks, stored[1]) == (first.id, True, 2, later)
    mine = [each.id for each, _ in await store.jobs() if each.id.startswith(unique)]
    assert mine == [second.id, first.id]
    assert await store.job(f"{unique}-c") is None


async def test_tasks_are_in_the_order_of_their_numbers_and_go_with_their_job(bucket: NatsKeyValue, unique: str) -> None:
    store: DataJobStore = NatsDataJobStore(bucket)
    documents: DocumentStore = NatsDocumentStore(bucket)
    await store.write_job(job(unique), 0)
    for number in (10, 2, 0):
        await store.write_task(TaskRecord(job=unique, number=number, stage=JobStage.PLANNED), 0)
    found = await store.tasks(unique)
    assert [task.number for task, _ in found] == [0, 2, 10]
    await store.write_task(msgspec.structs.replace(found[0][0], stage=JobStage.RUNNING), found[0][1])
    with pytest.raises(DataJobConflict):
        await store.write_task(found[0][0], found[0][1])
    await documents.put(f"report.{unique}.0", b"x")
    await store.forget(unique)
    assert await store.job(unique) is None
    assert await store.tasks(unique) == []
    assert await documents.get(f"report.{unique}.0") is None


async def test_what_a_replica_lacks_is_asked_of_the_leader(nats_url: str, unique: str) -> None:
    connection = await behind(nats_url)
    bucket = await data_jobs_bucket(connection)
    store: DataJobStore = NatsDataJobStore(bucket)
    connection.ends[bucket.stream] = await store.write_task(TaskRecord(job=unique, number=0), 0)
    await store.write_task(TaskRecord(job=unique, number=1), 0)
    await store.write_job(job(unique), 0)
    stored, late = await store.job(unique), await NatsDataJobStore(bucket).task(unique, 1)
    assert stored is not None
    assert late is not None
    assert (stored[0].id, late[0].number) == (unique, 1)
    assert await store.job(f"{unique}-c") is None
    assert len(await store.tasks(unique)) == 1
    asyncio.get_running_loop().call_later(0.3, connection.ends.clear)
    assert [task.number for task, _ in await store.tasks(unique, stored[0].tasks)] == [0, 1]
    await connection.close()


async def test_a_document_of_any_size_is_there_whole(bucket: NatsKeyValue, unique: str) -> None:
    documents: DocumentStore = NatsDocumentStore(bucket)
    name = f"report.{unique}.0"
    assert await documents.get(name) is None
    large = os.urandom(2_500_000)
    for data in (b"", b"small", large, b"small again"):
        await documents.put(name, data)
        assert await documents.get(name) == data
    left = [entry.key for entry in await bucket.entries(f"document.{name}.")]
    assert len(left) == 2  # the head and one piece: what was there before is away


async def test_who_reads_while_it_is_written_sees_the_one_or_the_other(bucket: NatsKeyValue, unique: str) -> None:
    documents: DocumentStore = NatsDocumentStore(bucket)
    name = f"report.{unique}.0"
    versions = [os.urandom(1_700_000) for _ in range(2)]
    await documents.put(name, versions[0])
    writing = asyncio.create_task(write(documents, name, versions))
    seen = 0
    while not writing.done():
        assert await documents.get(name) in versions
        seen += 1
    await writing
    assert seen


async def write(documents: DocumentStore, name: str, versions: list[bytes]) -> None:
    for number in range(10):
        await documents.put(name, versions[number % 2])


async def test_a_document_whose_writer_ends_in_the_middle_is_as_it_was(bucket: NatsKeyValue, unique: str) -> None:
    documents: DocumentStore = NatsDocumentStore(bucket)
    name = f"report.{unique}.0"
    await documents.put(name, b"as it was")
    writing = asyncio.create_task(documents.put(name, os.urandom(4_000_000)))
    written: list[str] = []

    def end(entry: KvEntry) -> None:
        written.append(entry.key)
        writing.cancel()

    stop = await bucket.watch(f"document.{name}.", end)
    with pytest.raises(asyncio.CancelledError):
        await writing
    await stop()
    assert written
    assert await documents.get(name) == b"as it was"
