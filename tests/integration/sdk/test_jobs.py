"""Runs of jobs: each begun once, its result kept, and given up by whoever gave it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from marketprism_sdk.errors import (
    CommandRejected,
    DeadlineExceeded,
    InvalidSubject,
    JobFailed,
    NotConnected,
    RemoteError,
    SdkError,
)
from marketprism_sdk.messaging import (
    JOB_CLAIMS,
    JOB_CLAIMS_S,
    JOBS,
    ClaimStatus,
    JobClaim,
    JobClaims,
    JobRun,
    JobRunner,
    ensure_job_streams,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import Service, ServiceSettings, job
from tests.support.job_desk import Desk
from tests.support.services import running


class Load(msgspec.Struct):
    """What is to be done."""

    name: str
    count: int = 1


class Worker(Service):
    """Does jobs; what it began is noted."""

    begun: list[str]
    cut: list[str]

    @job("load")
    async def load(self, load: Load, run: JobRun) -> dict[str, object]:
        """Load it."""
        self.begun.append(run.key)
        return {"name": load.name, "count": load.count, "due": run.due}

    @job("sleep")
    async def sleep(self, seconds: float, run: JobRun) -> None:
        """Take long."""
        self.begun.append(run.key)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cut.append(run.key)
            raise

    @job("wrong")
    async def wrong(self, how: str) -> object:
        """End in some way that is none."""
        match how:
            case "refuse":
                raise CommandRejected("body: expected something else")
            case "fail":
                raise JobFailed("two of three are missing", {"missing": 2})
            case "break":
                raise ValueError("cannot")
            case "large":
                return "x" * 100_000
            case "ring":
                ring: list[object] = []
                ring.append(ring)
                return ring
            case "keys":
                return {(1, 2): 3}
            case _:
                return object()


def worker(connection: NatsConnection, name: str) -> Worker:
    service = Worker(name, connection, settings=ServiceSettings(jobs_parallel=3))
    service.begun, service.cut = [], []
    return service


@pytest.fixture
async def done(connection: NatsConnection, unique: str) -> AsyncIterator[Worker]:
    service = worker(connection, unique)
    async with running(service):
        yield service


@pytest.fixture
async def desk(connection: NatsConnection, unique: str) -> Desk:
    return Desk(connection, unique, await JobClaims.open(connection))


async def test_a_run_is_done_and_what_came_out_is_kept(done: Worker, desk: Desk) -> None:
    ended = await desk.end(await desk.give("a", "load", {"name": "x", "count": 3}))
    assert (ended.status, ended.output) == (ClaimStatus.SUCCEEDED, {"name": "x", "count": 3, "due": 7})
    assert ended.instance == done.instance
    assert 0 < ended.begun_at <= ended.ended_at


async def test_a_run_that_arrives_again_is_not_begun_again(
    done: Worker, desk: Desk, connection: NatsConnection, unique: str
) -> None:
    key = await desk.give("a", "load", {"name": "x"})
    await desk.end(key)
    run = msgspec.msgpack.encode(JobRun(key, unique, "load", 7, 1, {"name": "x"}))
    await publish_ack(connection, f"job.{unique}.load", run)  # without the id by which the stream would know it
    await desk.end(await desk.give("b", "load", {"name": "y"}))
    assert done.begun == [key, f"{unique}.b"]
    info = await stream_info(connection, JOBS)
    assert info["config"]["retention"] == "workqueue"


async def test_of_many_instances_one_begins_a_run(connection: NatsConnection, unique: str, desk: Desk) -> None:
    first, second = worker(connection, unique), worker(connection, unique)
    async with running(first), running(second):
        keys = [await desk.give(str(n), "load", {"name": "x"}) for n in range(40)]
        for key in keys:
            await desk.end(key)
    assert sorted(first.begun + second.begun) == sorted(keys)


async def test_runs_are_done_beside_one_another_as_many_as_there_is_room_for(
    done: Worker, desk: Desk, eventually: Callable[..., Any]
) -> None:
    keys = [await desk.give(str(n), "sleep", 60.0) for n in range(4)]
    await eventually(lambda: len(done.begun) == 3)
    assert len(done.begun) == 3
    for key in keys[:3]:
        await desk.claims.give_up(key, ClaimStatus.CANCELLED, "enough")
    await eventually(lambda: len(done.begun) == 4)


@pytest.mark.parametrize(
    ("how", "status", "reason", "output"),
    [
        ("refuse", ClaimStatus.REFUSED, "body: expected something else", None),
        ("fail", ClaimStatus.FAILED, "two of three are missing", {"missing": 2}),
        ("break", ClaimStatus.FAILED, "ValueError: cannot", None),
        ("large", ClaimStatus.SUCCEEDED, "", {"bytes": 100_005, "beginning": "x" * 4_096}),
    ],
)
async def test_how_a_run_ends(
    done: Worker, desk: Desk, how: str, status: ClaimStatus, reason: str, output: object
) -> None:
    ended = await desk.end(await desk.give(how, "wrong", how))
    assert (ended.status, ended.reason, ended.output) == (status, reason, output)


async def test_an_output_without_a_form_is_kept_as_text(done: Worker, desk: Desk) -> None:
    ended = await desk.end(await desk.give("a", "wrong", "other"))
    assert "object object" in ended.output["text"]
    ring = await desk.end(await desk.give("b", "wrong", "ring"))
    assert (ring.status, ring.output) == (ClaimStatus.SUCCEEDED, {"text": "[[...]]"})
    keys = await desk.end(await desk.give("c", "wrong", "keys"))
    assert keys.status is ClaimStatus.SUCCEEDED


async def test_a_body_that_does_not_fit_and_a_handler_that_is_not_there_are_refused(done: Worker, desk: Desk) -> None:
    wrong = await desk.end(await desk.give("a", "load", {}))
    nobody = await desk.end(await desk.give("b", "steal"))
    assert (wrong.status, "name: expected a value" in wrong.reason) == (ClaimStatus.REFUSED, True)
    assert (nobody.status, "expected one of load, sleep, wrong" in nobody.reason) == (ClaimStatus.REFUSED, True)
    with pytest.raises(InvalidSubject):
        await desk.give("c", "a.b")


async def test_a_run_that_takes_too_long_is_cancelled_where_it_is_done(done: Worker, desk: Desk) -> None:
    key = await desk.give("a", "sleep", 60.0, timeout_s=0.2)
    ended = await desk.end(key)
    assert (ended.status, ended.reason) == (ClaimStatus.TIMED_OUT, "took longer than 0.2 s")
    assert done.cut == [key]


async def test_a_run_that_is_given_up_is_cancelled_and_its_result_counts_for_nothing(
    done: Worker, desk: Desk, eventually: Callable[..., Any]
) -> None:
    key = await desk.give("a", "sleep", 60.0)
    await eventually(lambda: done.begun == [key])
    given_up = await desk.claims.give_up(key, ClaimStatus.CANCELLED, "an operator wants it")
    await eventually(lambda: done.cut == [key])
    await eventually(lambda: done.metrics.total("job_results_refused_total") == 1)
    assert await desk.claims.get(key) == given_up
    assert (given_up.status, given_up.instance) == (ClaimStatus.CANCELLED, done.instance)


async def test_what_was_given_up_before_it_was_begun_is_never_begun(desk: Desk, connection: NatsConnection) -> None:
    key = f"{desk.service}.a"
    await desk.claims.give_up(key, ClaimStatus.TIMED_OUT, "nobody began it")
    service = worker(connection, desk.service)
    async with running(service):
        await desk.give("a", "load", {"name": "x"})
        await desk.end(await desk.give("b", "load", {"name": "y"}))
    assert service.begun == [f"{desk.service}.b"]


async def test_what_ended_by_itself_cannot_be_given_up(done: Worker, desk: Desk) -> None:
    key = await desk.give("a", "load", {"name": "x"})
    ended = await desk.end(key)
    assert await desk.claims.give_up(key, ClaimStatus.CANCELLED, "too late") == ended


async def test_a_stop_cuts_runs_off_and_says_so(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any]
) -> None:
    service = worker(connection, unique)
    async with running(service):
        key = await desk.give("a", "sleep", 60.0)
        await eventually(lambda: service.begun == [key])
    ended = await desk.end(key)
    assert (ended.status, ended.reason) == (ClaimStatus.FAILED, "the service that did it was stopped")


async def test_what_is_no_run_is_set_aside_and_counted(
    done: Worker, desk: Desk, connection: NatsConnection, unique: str, eventually: Callable[..., Any]
) -> None:
    await publish_ack(connection, f"job.{unique}.load", b"\xc1")
    await eventually(lambda: done.metrics.total("job_runs_unreadable_total") == 1)
    await desk.end(await desk.give("b", "load", {"name": "y"}))


async def test_a_service_says_which_jobs_it_does_and_checks_their_bodies(done: Worker, unique: str) -> None:
    found = await done.calls.call(unique, "job_handlers")
    assert [(each["name"], each["summary"]) for each in found] == [
        ("load", "Load it."),
        ("sleep", "Take long."),
        ("wrong", "End in some way that is none."),
    ]
    assert "count" in str(found[0]["body"])
    await done.calls.call(unique, "check_job", {"name": "load", "body": {"name": "x"}})
    for name, body, text in (
        ("load", {"nmae": "x"}, "nmae: expected a field of name, count"),
        ("load", {}, "name: expected a value"),
        ("steal", None, "expected one of load, sleep, wrong, was 'steal'"),
    ):
        with pytest.raises(RemoteError, match=text):
            await done.calls.call(unique, "check_job", {"name": name, "body": body})


async def test_a_claim_whose_answer_was_lost_is_begun_when_the_run_comes_again(
    connection: NatsConnection, unique: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = worker(connection, unique)
    begin, lost = JobClaims.begin, []

    async def begin_and_lose(self: JobClaims, key: str, instance: str) -> object:
        found = await begin(self, key, instance)
        if not lost:
            lost.append(key)
            raise DeadlineExceeded("no answer")
        return found

    monkeypatch.setattr(JobClaims, "begin", begin_and_lose)
    async with running(service):
        ended = await desk.end(await desk.give("a", "load", {"name": "x"}))
    assert (ended.status, len(service.begun), len(lost)) == (ClaimStatus.SUCCEEDED, 1, 1)


async def test_a_run_whose_acknowledgement_cannot_be_sent_is_done_all_the_same(
    connection: NatsConnection, unique: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = worker(connection, unique)
    publish, failed = NatsConnection.publish, []

    async def publish_or_not(self: NatsConnection, subject: str, payload: bytes, *more: object) -> None:
        if payload == b"+ACK" and not failed:
            failed.append(subject)
            raise NotConnected("away")
        await publish(self, subject, payload, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(NatsConnection, "publish", publish_or_not)
    async with running(service):
        ended = await desk.end(await desk.give("a", "load", {"name": "x"}))
    assert (ended.status, len(service.begun), len(failed)) == (ClaimStatus.SUCCEEDED, 1, 1)


async def test_a_result_is_kept_though_somebody_has_emptied_the_bucket(
    done: Worker, desk: Desk, eventually: Callable[..., Any]
) -> None:
    key = await desk.give("a", "sleep", 1.0)
    await eventually(lambda: done.begun == [key])
    await api(desk.connection, f"STREAM.PURGE.KV_{JOB_CLAIMS}", {"filter": f"$KV.{JOB_CLAIMS}.{key}"})
    assert (await desk.end(key)).status is ClaimStatus.SUCCEEDED


async def test_a_handler_that_cannot_be_cancelled_loses_its_place(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any]
) -> None:
    metrics, begun, may_end = Metrics(unique), [], asyncio.Event()

    async def deaf(run: JobRun) -> None:
        begun.append(run.key)
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()

    async def quick(_: JobRun) -> str:
        return "done"

    await ensure_job_streams(connection)
    runner = JobRunner(connection, unique, "one", metrics, claims=desk.claims, parallel=1, deaf_s=0.2)
    runner.add("deaf", deaf)
    runner.add("quick", quick)
    await runner.open()
    task = asyncio.create_task(runner.run())
    key = await desk.give("a", "deaf")
    await eventually(lambda: begun)
    await desk.claims.give_up(key, ClaimStatus.CANCELLED, "enough")
    assert (await desk.end(await desk.give("b", "quick"))).output == "done"
    assert metrics.total("job_handlers_deaf_total") == 1
    may_end.set()
    task.cancel()
    await asyncio.wait({task})


async def test_a_stop_keeps_the_result_that_could_not_be_stored_so_far(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = worker(connection, unique)
    end, tried = JobClaims.end, []

    async def end_or_not(self: JobClaims, key: str, revision: int, claim: JobClaim) -> bool:
        tried.append(key)
        if len(tried) == 1:
            raise NotConnected("away")
        return await end(self, key, revision, claim)

    monkeypatch.setattr(JobClaims, "end", end_or_not)
    async with running(service):
        key = await desk.give("a", "load", {"name": "x"})
        await eventually(lambda: tried)
    assert (await desk.end(key)).status is ClaimStatus.SUCCEEDED


async def test_an_output_is_forgotten_once_it_is_kept_elsewhere(done: Worker, desk: Desk) -> None:
    key = await desk.give("a", "load", {"name": "x"})
    ended = await desk.end(key)
    await desk.claims.forget_output(key)
    assert await desk.claims.get(key) == msgspec.structs.replace(ended, output=None)


async def test_a_claim_whose_answer_was_lost_is_still_the_own(desk: Desk, unique: str) -> None:
    claims = JobClaims(await NatsKeyValue.open(desk.connection, JOB_CLAIMS, ttl_s=JOB_CLAIMS_S), clock_ns=lambda: 5)
    assert await claims.begin(f"{unique}.k", "me") is not None
    assert await claims.begin(f"{unique}.k", "me") is not None  # the same claim: its first answer did not come
    assert await claims.begin(f"{unique}.k", "you") is None
    assert isinstance(JobFailed("x"), SdkError)
