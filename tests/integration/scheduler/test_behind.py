"""A scheduler that takes over where a replica that is behind answers it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats.job_store import SCHEDULES, JobStore
from marketprism_adapters.nats.schedule_log import SCHEDULE, ScheduleLog, ScheduleReader, ensure_schedule
from marketprism_application.contracts.schedule_records import JobDefinition, JobState
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.scheduler.jobs_in_force import JobsInForce
from marketprism_services.scheduler.service import SchedulerService
from tests.support.behind import Behind, behind
from tests.support.scheduled import SECOND, Place, job_of
from tests.support.services import running


@pytest.fixture
async def late(own_nats_url: str) -> AsyncIterator[Behind]:
    found = await behind(own_nats_url)
    yield found
    await found.close()


async def test_who_takes_over_goes_on_from_states_that_a_replica_lacks(
    place: Place, late: Behind, eventually: Callable[..., Any]
) -> None:
    await ensure_schedule(place.connection)
    log = await ScheduleLog.open(place.connection, "before", 0)
    cursor = (time.time_ns() // (60 * SECOND) - 10) * 60 * SECOND
    await log.write([JobState("tick", cursor, trigger="every 1m")], [])
    late.ends[SCHEDULE] = log.seq
    assert await ScheduleReader(late).states() == {}
    before = late.late
    jobs = {"tick": job_of(trigger="every 1m", catch_up="none", late="1s")}
    service = SchedulerService(late, chinese_calendar_of_markets, built_in=jobs, file={}, funding_hours={})
    place.schedulers.append(service)
    async with running(service):
        await eventually(lambda: late.late > before)
        await asyncio.sleep(0.3)
        late.ends.clear()
        (missed,) = [run for run in await place.ended("tick") if run["status"] == "missed"]
    assert missed["runs"] in (9, 10)


async def test_a_job_that_a_replica_lacks_is_not_removed(late: Behind) -> None:
    bucket = await NatsKeyValue.open(late, SCHEDULES)
    store = JobStore(bucket)
    definition = JobDefinition(job_of(trigger="manual"), "ann", "a test", 1)
    first = await store.write("first", definition, 0)
    in_force = JobsInForce(store, chinese_calendar_of_markets, {}, {}, {})
    await store.write("second", definition, 0)

    def lag() -> None:
        late.ends[f"KV_{SCHEDULES}"] = first
        asyncio.get_running_loop().call_later(0.3, late.ends.clear)

    lag()
    assert set(await in_force.read(1)) == {"first", "second"}
    lag()
    assert await in_force.changes(1) == ({}, [])
    await store.forget("second", (await store.definitions())["second"].revision)
    assert await in_force.changes(1) == ({}, ["second"])
