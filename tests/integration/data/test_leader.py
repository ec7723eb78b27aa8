"""The leader of data jobs on a real nats-server: what it reads, what it tells, and what the next one makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.data_jobs import NatsDataJobStore, data_jobs_bucket
from marketprism_adapters.nats.data_tasks import DATA_TASKS, DataTaskQueue
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.data_jobs import CheckRequest, DataJob, JobStage, TaskRecord
from marketprism_application.contracts.kinds import EVENT
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.data.leader import DataLeader
from marketprism_services.data.mirror import JobMirror
from tests.support.behind import behind

pytestmark = pytest.mark.timeout(120)


class Reads(NatsDataJobStore):
    """Counts how often tasks are read; where `dies` it ends before a job is written as ended, where `lacks` it reads
    of a replica that has neither tasks nor jobs."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        super().__init__(bucket)
        self.reads = self.looks = 0
        self.dies = self.lacks = False

    async def jobs(self) -> Sequence[tuple[DataJob, int]]:
        self.looks += 1
        return [] if self.lacks else await super().jobs()

    async def tasks(self, job_id: str, least: int = 0) -> Sequence[tuple[TaskRecord, int]]:
        self.reads += 1
        return [] if self.lacks else await super().tasks(job_id, least)

    async def write_job(self, job: DataJob, revision: int) -> int:
        if self.dies and job.stage.is_final:
            await asyncio.Event().wait()  # as if killed: nothing more comes of it
        return await super().write_job(job, revision)


class Place:
    """NATS, and leaders on it."""

    def __init__(self, connection: NatsConnection, bucket: NatsKeyValue) -> None:
        self.connection, self.store, self.ends = connection, Reads(bucket), list[tuple[str, str]]()

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[DataLeader]:
        """A leader of its own."""
        events = EventPublisher(self.connection, "data")
        queue = DataTaskQueue(self.connection)
        leader = DataLeader(self.store, queue, 10**18, events.publish_once, lambda *end: self.ends.append(end))
        running = asyncio.create_task(leader.run())
        try:
            yield leader
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def job(self, name: str, tasks: int) -> None:
        """A job as the desk makes it."""
        for number in range(tasks):
            await self.store.write_task(TaskRecord(job=name, number=number, symbol=f"s{number}"), 0)
        await self.store.write_job(DataJob(id=name, request=CheckRequest(symbols=["a"]), created_at=1, tasks=tasks), 0)

    async def finish(self, name: str, numbers: Sequence[int], stage: JobStage = JobStage.DONE) -> None:
        """Tasks as workers end them."""
        for number in numbers:
            found = await self.store.task(name, number)
            assert found is not None
            ended = msgspec.structs.replace(found[0], stage=stage, ended_at=2, error="x" * (stage is JobStage.FAILED))
            await self.store.write_task(ended, found[1])

    async def stage(self, name: str) -> JobStage:
        found = await self.store.job(name)
        assert found is not None
        return found[0].stage

    async def queued(self) -> int:
        return int((await stream_info(self.connection, DATA_TASKS))["state"]["messages"])

    async def events(self) -> list[EventRecord]:
        messages = await read_stream(self.connection, streams.EVENTS, ["market.event.>"])
        return [decode(EVENT, message.data) for message in messages]

    async def until(self, fits: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while True:
                found = fits()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection)
    await DataTaskQueue(connection).open()
    yield Place(connection, await data_jobs_bucket(connection))
    await connection.close()
    await server.stop()


async def test_tasks_are_read_once_and_followed_by_their_changes(place: Place) -> None:
    await place.job("before", 40)
    async with place.leading() as leader:
        await place.job("after", 40)

        async def all_queued() -> bool:
            return await place.queued() == 80

        await place.until(all_queued)
        before = place.store.reads
        assert before <= 4
        for number in range(40):  # each a change, with turns in between
            await place.finish("before", [number])
            await place.finish("after", [number])
            await asyncio.sleep(0.01)
        await place.until(lambda: leader.open == 0)
        assert place.store.reads == before
    assert [await place.stage(name) for name in ("before", "after")] == [JobStage.DONE, JobStage.DONE]
    assert sorted(each.data["job"] for each in await place.events()) == ["after", "before"]


async def test_a_job_whose_tasks_a_replica_lacks_has_not_ended(place: Place) -> None:
    async with place.leading() as leader:
        await place.until(lambda: place.store.looks)
        place.store.lacks = True
        await place.job("one", 2)
        await place.until(lambda: place.store.reads >= 2)
        assert await place.stage("one") is JobStage.PLANNED
        place.store.lacks = False

        async def queued() -> bool:
            return await place.queued() == 2

        await place.until(queued)
        await place.finish("one", [0, 1])
        await place.until(lambda: leader.open == 0)
    assert [(each.data["state"], each.data["tasks"]) for each in await place.events()] == [("done", 2)]


async def test_a_job_that_one_reading_lacks_is_followed_on(place: Place) -> None:
    await place.job("one", 1)
    mirror = JobMirror(place.store)
    await mirror.read()
    for lacks, there in ((True, 1), (False, 1), (True, 1), (True, 0)):
        place.store.lacks = lacks
        await mirror.read()
        assert len(mirror.open) == there


async def test_a_task_that_a_worker_has_is_not_put_there_again_because_a_replica_lacks_it(place: Place) -> None:
    connection = await behind(place.connection.url)
    queue = DataTaskQueue(connection)
    tasks = [TaskRecord(job="one", number=number) for number in range(2)]
    await queue.put(tasks[0])
    connection.ends[DATA_TASKS] = 1
    await queue.put(tasks[1])
    asyncio.get_running_loop().call_later(0.3, connection.ends.clear)
    assert await queue.held() == {task.id for task in tasks}
    connection.ends[DATA_TASKS] = 1
    assert await queue.holds(tasks[1])
    await api(connection, f"STREAM.PURGE.{DATA_TASKS}", {})
    assert await queue.held() == set()
    assert not await queue.holds(tasks[1])
    await connection.close()


async def test_a_job_whose_leader_dies_before_it_is_ended_is_told_once(place: Place) -> None:
    await place.job("one", 2)
    await place.finish("one", [0])
    await place.finish("one", [1], JobStage.FAILED)
    place.store.dies = True

    async def told() -> bool:
        return bool(await place.events())

    async with place.leading():
        await place.until(told)
    assert await place.stage("one") is JobStage.PLANNED
    place.store.dies = False
    async with place.leading() as leader:

        async def ended() -> bool:
            return (await place.stage("one")).is_final

        await place.until(ended)
        await place.until(lambda: leader.open == 0)
    (event,) = await place.events()
    assert (event.name, event.event_id) == ("DataJobEnded", "data-one-DataJobEnded")
    assert (event.data["state"], event.data["tasks"], event.data["failed"]) == ("failed", 2, 1)
    assert event.data["error"] == "s1: x"


async def test_a_job_without_tasks_is_done_and_told(place: Place) -> None:
    await place.job("none", 0)
    async with place.leading():

        async def told() -> bool:
            return (await place.stage("none")) is JobStage.DONE

        await place.until(told)
    assert [each.data["state"] for each in await place.events()] == ["done"]


async def test_tasks_that_nobody_has_begun_are_counted_when_their_job_is_cancelled(place: Place) -> None:
    await place.job("one", 3)
    found = await place.store.job("one")
    assert found is not None
    await place.store.write_job(msgspec.structs.replace(found[0], cancel=True), found[1])
    async with place.leading():

        async def ended() -> bool:
            return (await place.stage("one")).is_final

        await place.until(ended)
    assert place.ends == [("check", "cancelled")] * 3
    assert await place.stage("one") is JobStage.CANCELLED


@pytest.mark.long
async def test_a_task_whose_message_is_lost_is_put_there_again(place: Place) -> None:
    await place.job("one", 1)
    async with place.leading():

        async def queued() -> bool:
            return await place.queued() == 1

        await place.until(queued)
        await api(place.connection, f"STREAM.PURGE.{DATA_TASKS}", {})
        found = await place.store.task("one", 0)
        assert found is not None
        # A worker had it: the next attempt has another message id.
        again = msgspec.structs.replace(found[0], attempts=1)
        await place.store.write_task(again, found[1])
        await place.until(queued)
