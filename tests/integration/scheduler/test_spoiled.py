"""The scheduler among values that nobody should have written, and requests that come at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats.job_store import SCHEDULES, JobStore
from marketprism_adapters.nats.schedule_log import ensure_schedule
from marketprism_application.contracts.schedule_records import JobRequest, JobState, OpenRun
from marketprism_application.errors import DefinitionError
from marketprism_application.scheduling.definitions import read_file
from marketprism_domain.scheduling.runs import RunOrigin, RunStatus
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.nats.jetstream import publish_ack
from tests.support.scheduled import SECOND, Place, job_of


async def ticks_on(place: Place, eventually: Callable[..., Any]) -> None:
    """A job of every second is run on, by whoever leads."""
    before = len(place.worker.runs)
    await eventually(lambda: len(place.worker.runs) >= before + 3, 30)


@pytest.mark.parametrize(
    "value",
    [
        b"\xc1",
        msgspec.msgpack.encode(
            {
                "document": {"trigger": "manual", "command": "a.b", "body": {"n": msgspec.msgpack.Ext(1, b"x")}},
                "actor": "",
                "reason": "",
                "at": 0,
            }
        ),
        msgspec.msgpack.encode({"document": {"trigger": 7}, "actor": "", "reason": "", "at": 0}),
    ],
)
async def test_noise_among_the_definitions_stops_no_job(
    place: Place, eventually: Callable[..., Any], value: bytes
) -> None:
    await place.scheduler(built_in={"tick": job_of(trigger="every 1s")})
    await eventually(lambda: place.worker.runs)
    for name in ("poison", "Bad Name", "tick.x"):
        await place.connection.publish(f"$KV.{SCHEDULES}.job.{name.replace(' ', '_')}", value)
    await ticks_on(place, eventually)
    assert {each["job"] for each in await place.ask("jobs")} >= {"tick"}


async def test_a_body_that_cannot_be_sent_is_refused_and_stops_no_other_job(
    place: Place, eventually: Callable[..., Any]
) -> None:
    jobs = {"large": job_of(trigger="every 1s", body={"n": 10**20}), "tick": job_of(trigger="every 1s")}
    await place.scheduler(file=jobs)
    await ticks_on(place, eventually)
    refused = {each["job"]: each["refused"] for each in await place.ask("jobs")}
    assert "what JSON and MessagePack can hold" in refused["large"]
    with pytest.raises(DefinitionError, match="body: expected what JSON and MessagePack can hold"):
        read_file('[jobs.a]\ntrigger = "manual"\ncommand = "a.b"\nbody = { n = 100000000000000000000 }\n', "here")


@pytest.mark.parametrize("spoiled", ["noise", "name", "other"])
async def test_states_that_are_none_of_a_jobs_stop_no_job(
    place: Place, eventually: Callable[..., Any], spoiled: str
) -> None:
    await ensure_schedule(place.connection)
    run = OpenRun(5, RunOrigin.SCHEDULE, 5, RunStatus.RUNNING, attempt=1)
    subject, value = {
        "noise": ("sched.state.x", b"\xc1"),
        "name": ("sched.state.x", msgspec.msgpack.encode(JobState("Bad Name", 5, open=[run]))),
        "other": ("sched.state.x", msgspec.msgpack.encode(JobState("tick", 1 << 62))),
    }[spoiled]
    await publish_ack(place.connection, subject, value)
    await place.scheduler(built_in={"tick": job_of(trigger="every 1s")})
    await ticks_on(place, eventually)


async def test_noise_in_place_of_the_fence_is_written_over(place: Place, eventually: Callable[..., Any]) -> None:
    await place.scheduler(built_in={"tick": job_of(trigger="every 1s")})
    await eventually(lambda: place.worker.runs)
    await publish_ack(place.connection, "fence.schedule", b"\xc1garbage")
    await ticks_on(place, eventually)


async def test_whoever_defines_a_job_and_asks_for_a_run_at_once_has_it(place: Place) -> None:
    await place.scheduler()
    names = [f"j{n}" for n in range(30)]
    for name in names:
        await place.define(name, trigger="manual")
        await place.ask("run", job=name)
    for name in names:
        (run,) = await place.ended(name)
        assert run["status"] == "succeeded"


async def test_a_run_of_a_job_that_cannot_be_planned_is_refused_or_named(place: Place) -> None:
    await place.scheduler(built_in={"a": job_of(trigger="session nowhere.rb day_open"), "b": job_of()})
    for method, more in (("run", {}), ("backfill", {"first": 1, "last": 2})):
        with pytest.raises(RemoteError, match="job a: expected one that can be planned: trigger"):
            await place.ask(method, job="a", **more)
    store = await JobStore.open(place.connection)
    await store.ask(JobRequest("a", "run", "ann", 5, 40 * SECOND))
    (run,) = await place.ended("a")
    assert (run["status"], run["by"], "opens and closes" in run["reason"]) == ("skipped", "ann", True)


async def test_each_of_many_runs_of_one_moment_is_known_by_its_request(place: Place) -> None:
    await place.scheduler()
    await place.define("hang", trigger="manual", command="worker.hang", overlap="allow")
    answers = await asyncio.gather(*(place.ask("run", job="hang") for _ in range(8)))
    assert len({each["asked"] for each in answers}) == 8
    async with asyncio.timeout(20):
        while len(found := (await place.ask("job", job="hang"))["open"]) < 8:
            await asyncio.sleep(0.05)
    one = found[3]
    await place.ask("cancel", job="hang", due=one["due"], asked=one["asked"])
    (ended,) = await place.ended("hang")
    assert (ended["asked"], ended["status"]) == (one["asked"], "cancelled")


async def test_forgetting_what_others_wait_for_is_refused(place: Place) -> None:
    await place.scheduler()
    await place.define("up", trigger="manual")
    await place.define("down", trigger="after", after=["up"])
    with pytest.raises(RemoteError, match=r"a job that is defined \(down waits for it\)"):
        await place.ask("reset", job="up")


async def test_a_job_may_ask_how_a_service_is_and_no_more(place: Place) -> None:
    await place.scheduler()
    body = {"service": "scheduler", "method": "remove", "request": {"job": "ask", "who": "user:boss"}}
    await place.define("ask", trigger="manual", command="scheduler.call", body=body)
    await place.ask("run", job="ask")
    (ended,) = await place.ended("ask")
    assert (ended["status"], ended["reason"].partition(",")[0]) == ("failed", "method: expected one of health")
    assert (await place.ask("job", job="ask"))["job"] == "ask"


async def test_times_beyond_every_calendar_are_refused(place: Place) -> None:
    await place.scheduler(built_in={"a": job_of()})
    for after in (-1, 1 << 62):
        with pytest.raises(RemoteError, match="after: expected 0 to"):
            await place.ask("next", job="a", after=after)
