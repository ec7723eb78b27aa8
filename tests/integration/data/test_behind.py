"""A data service that is answered by a replica that lacks the records of a job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.nats.data_jobs import NatsDataJobStore, data_jobs_bucket
from marketprism_adapters.nats.data_tasks import DATA_TASKS, DataTaskQueue
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.data_jobs import CheckRequest, DataJob, JobStage, TaskRecord
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_services.data.actions import Doing
from marketprism_services.data.desk import DataDesk
from marketprism_services.data.workers import Workers
from marketprism_services.wiring.seen import Seen
from tests.support.behind import Behind, behind

pytestmark = pytest.mark.timeout(60)


class Slow:
    """Does a task in two seconds, in which its worker looks several times at whether it is still wanted."""

    async def do(self, doing: Doing) -> dict[str, object]:
        """As the actions of the service."""
        await asyncio.sleep(2.0)
        return {"task": doing.task.id}


class Place(NamedTuple):
    """A job of two tasks, of which the replica has the first one only."""

    connection: Behind
    store: NatsDataJobStore
    queue: DataTaskQueue


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await behind(server.url)
    bucket, queue = await data_jobs_bucket(connection), DataTaskQueue(connection)
    store = NatsDataJobStore(bucket)
    await queue.open()
    tasks = [TaskRecord(job="one", number=number, venue="SHFE", kind="bar", symbol="cu1905") for number in range(2)]
    first = await store.write_task(tasks[0], 0)
    await store.write_task(tasks[1], 0)
    await store.write_job(DataJob(id="one", request=CheckRequest(symbols=["cu1905"]), created_at=1, tasks=2), 0)
    await queue.put(tasks[1])
    connection.ends[bucket.stream] = first
    yield Place(connection, store, queue)
    await connection.close()
    await server.stop()


async def test_a_task_that_a_replica_lacks_is_done(place: Place) -> None:
    workers = Workers(place.store, place.queue, Slow(), "here")  # type: ignore[arg-type]
    working = asyncio.create_task(workers.run(1))
    async with asyncio.timeout(30):
        while (await stream_info(place.connection, DATA_TASKS))["state"]["messages"]:
            await asyncio.sleep(0.05)
    working.cancel()
    found = await place.store.task("one", 1)
    assert found is not None
    assert (found[0].stage, found[0].result) == (JobStage.DONE, {"task": "one.1"})


async def test_nobody_sees_a_job_whose_series_a_replica_lacks(place: Place) -> None:
    del place.connection.ends["KV_data_jobs"]
    last = await place.store.write_job(
        DataJob(id="two", request=CheckRequest(symbols=["cu1905"]), created_at=2, tasks=0), 0
    )
    for number in range(2):
        task = TaskRecord(job="three", number=number, venue="SHFE", kind="bar", symbol="cu1905")
        await place.store.write_task(task, 0)
    await place.store.write_job(DataJob(id="three", request=CheckRequest(symbols=["cu1905"]), created_at=3, tasks=2), 0)
    desk = DataDesk(place.store, place.queue, None, None)  # type: ignore[arg-type]
    nothing = Seen(Caller("ann"))
    place.connection.ends["KV_data_jobs"] = last
    asyncio.get_running_loop().call_later(0.3, place.connection.ends.clear)
    with pytest.raises(RemoteError) as refused:
        await desk.check_seen("three", nothing)
    assert refused.value.code == "NOT_ENTITLED"
