"""The scheduler over a real NATS server: jobs that other services do, given by whoever leads."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats.schedule_log import SCHEDULE, LogPlace, ScheduleLog, ScheduleReader, ensure_schedule
from marketprism_application.contracts.schedule_records import JobState, RunRecord
from marketprism_domain.scheduling.runs import RunOrigin, RunStatus
from marketprism_sdk.errors import Fenced, RemoteError
from marketprism_sdk.messaging import JOBS, HttpCall, RpcClient
from marketprism_sdk.nats.jetstream import delete_stream
from tests.support.scheduled import SECOND, Place, job_of


async def test_a_job_runs_at_each_time_at_which_it_is_due(place: Place) -> None:
    await place.scheduler()
    defined = await place.define("tick", trigger="every 1s", body={"text": "hello"})
    assert defined["revision"] > 0
    assert [due % SECOND for due in defined["next"]] == [0] * 5
    runs = await place.ended("tick", 3)
    assert {run["status"] for run in runs} == {"succeeded"}
    dues = [run["due"] for run in runs]
    assert dues == sorted(set(dues), reverse=True)
    assert {later - earlier for earlier, later in itertools.pairwise(reversed(dues))} == {SECOND}
    assert runs[0]["output"] == {"noted": "hello"}
    assert all(0 <= run["begun_at"] - run["due"] < 2 * SECOND for run in runs)
    assert [run.due for run in place.worker.runs][: len(dues)] == sorted(dues)


async def test_a_run_that_fails_is_tried_again_as_its_job_says_and_told_of_at_the_end(place: Place) -> None:
    scheduler = await place.scheduler()
    await place.define("twice", trigger="manual", body={"fails": 1}, attempts=2, retry_pause="100ms")
    await place.define("never", trigger="manual", body={"fails": 9}, attempts=2, retry_pause="100ms")
    await place.ask("run", job="twice", who="ann")
    await place.ask("run", job="never", who="ann")
    (twice,) = await place.ended("twice")
    (never,) = await place.ended("never")
    assert (twice["status"], twice["attempts"], twice["by"]) == ("succeeded", 2, "ann")
    assert (never["status"], never["attempts"], never["reason"]) == ("failed", 2, "attempt 2 fails")
    assert scheduler.metrics.total("schedule_retries_total") == 2
    shown = await place.ask("job", job="never")
    assert (shown["failures"], shown["last_status"], shown["document"]["attempts"]) == (1, "failed", 2)


async def test_jobs_wait_for_one_another(place: Place) -> None:
    await place.scheduler()
    await place.define("first", trigger="manual", body={"text": "1"})
    await place.define("then", trigger="after", after=["first"], body={"text": "2"})
    await place.define("else", trigger="after", after=["first:failure"], body={"text": "3"})
    await place.ask("run", job="first")
    assert (await place.ended("then"))[0]["status"] == "succeeded"
    assert (await place.ended("else"))[0]["status"] == "skipped"
    assert [run.body["text"] for run in place.worker.runs] == ["1", "2"]


async def test_a_run_is_cancelled_where_it_is_done(place: Place, eventually: Callable[..., Any]) -> None:
    await place.scheduler()
    await place.define("hang", trigger="manual", command="worker.hang")
    due = (await place.ask("run", job="hang"))["due"]
    await eventually(lambda: place.worker.runs)
    (shown,) = (await place.ask("job", job="hang"))["open"]
    assert (shown["due"], shown["status"]) == (due, "running")
    await place.ask("cancel", job="hang", due=due, who="ann")
    (ended,) = await place.ended("hang")
    assert (ended["status"], ended["reason"]) == ("cancelled", "cancelled by ann")
    with pytest.raises(RemoteError, match="expected that of a run that is not done"):
        await place.ask("cancel", job="hang", due=due)


async def test_a_run_that_takes_too_long_is_given_up(place: Place) -> None:
    await place.scheduler()
    await place.define("hang", trigger="manual", command="worker.hang", timeout="1s")
    await place.ask("run", job="hang")
    (ended,) = await place.ended("hang")
    assert (ended["status"], ended["reason"]) == ("timed_out", "took longer than 1 s")


async def test_what_nobody_begins_times_out_and_says_so(place: Place) -> None:
    await place.scheduler(built_in={"lost": job_of(trigger="manual", command="nobody.there", begin_within="1s")})
    await place.ask("run", job="lost")
    (ended,) = await place.ended("lost")
    assert (ended["status"], ended["reason"]) == ("timed_out", "nobody began it in 1 s")


async def test_a_run_whose_instance_is_gone_is_tried_again(place: Place, eventually: Callable[..., Any]) -> None:
    await place.scheduler()
    await place.define("hang", trigger="manual", command="worker.hang", attempts=2, retry_pause="100ms")
    await place.ask("run", job="hang")
    await eventually(lambda: place.worker.runs)
    place.worker.registration.record = msgspec.structs.replace(  # type: ignore[union-attr]
        place.worker.registration.record,
        instance="another",  # type: ignore[union-attr]
    )
    await place.connection.publish(
        "$KV.service_instances.worker." + place.worker.instance, b"", b"NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"
    )
    await eventually(lambda: len(place.worker.runs) == 2, 30)
    assert [run.attempt for run in place.worker.runs] == [1, 2]


async def test_another_leader_goes_on_with_what_is_open_and_gives_no_run_twice(
    place: Place, eventually: Callable[..., Any]
) -> None:
    first = await place.scheduler()
    second = await place.scheduler()
    leader, other = (first, second) if first.election.is_leader() else (second, first)
    await place.define("tick", trigger="every 1s")
    await place.ended("tick", 2)
    await leader.election.release()
    await eventually(other.election.is_leader)
    before = len(place.worker.runs)
    await place.ended("tick", before + 3)
    keys = [run.key for run in place.worker.runs]
    assert len(keys) == len(set(keys))
    dues = [run.due for run in place.worker.runs]
    assert {b - a for a, b in itertools.pairwise(dues)} == {SECOND}


async def test_due_times_that_passed_while_nobody_led_are_made_up_for_or_named(
    place: Place, eventually: Callable[..., Any]
) -> None:
    await ensure_schedule(place.connection)
    log = await ScheduleLog.open(place.connection, "before", 0)
    cursor = (time.time_ns() // (60 * SECOND) - 10) * 60 * SECOND
    names = ("none", "last", "all")
    await log.write([JobState(name, cursor, trigger="every 1m") for name in names], [])
    jobs = {name: job_of(trigger="every 1m", catch_up=name, late="1s", body={"text": name}) for name in names}
    await place.scheduler(built_in=jobs)

    def made_up(name: str) -> list[int]:
        return [run.due for run in place.worker.runs if run.body["text"] == name and run.due < cursor + 601 * SECOND]

    await eventually(lambda: len(made_up("all")) >= 9 and made_up("last"))
    assert made_up("all")[:9] == [cursor + n * 60 * SECOND for n in range(1, 10)]
    missed = {}
    for name in ("none", "last"):
        (only,) = [run for run in await place.ended(name) if run["status"] == "missed"]
        missed[name] = only["runs"]
        assert "nobody ran it within 1 s" in only["reason"]
    assert missed["none"] - missed["last"] == 1
    assert missed["none"] in (9, 10)


async def test_a_job_is_paused_resumed_changed_removed_and_reset(place: Place, eventually: Callable[..., Any]) -> None:
    await place.scheduler(built_in={"tick": job_of(trigger="every 1s", body={"text": "built in"})})
    await eventually(lambda: place.worker.runs)
    await place.ask("pause", job="tick", who="ann", reason="too loud")
    shown = await place.ask("job", job="tick")
    assert (shown["paused"], shown["origin"], shown["written"]["by"]) == (True, "built-in", "ann")
    await asyncio.sleep(1.5)
    count = len(place.worker.runs)
    await asyncio.sleep(2.2)
    assert len(place.worker.runs) == count
    await place.ask("resume", job="tick")
    await eventually(lambda: len(place.worker.runs) > count)
    missed = [run for run in await place.ended("tick", 2) if run["status"] == "missed"]
    assert missed
    assert missed[0]["reason"] == "paused"
    await place.define("tick", trigger="every 1s", body={"text": "written"})
    await eventually(lambda: place.worker.runs[-1].body["text"] == "written")
    await place.ask("remove", job="tick")
    assert await place.ask("jobs") == []
    await place.ask("reset", job="tick")
    await eventually(lambda: place.worker.runs[-1].body["text"] == "built in")


async def test_times_of_the_past_are_run_for(place: Place) -> None:
    await place.scheduler(built_in={"hourly": job_of(trigger="every 1h")})
    now = time.time_ns()
    first = now - 5 * 3_600 * SECOND
    due = (await place.ask("backfill", job="hourly", first=first, last=now))["due"]
    assert len(due) == 5
    runs = await place.ended("hourly", 5)
    assert sorted(run["due"] for run in runs) == due
    assert {run["origin"] for run in runs} == {"backfill"}
    again = (await place.ask("backfill", job="hourly", first=due[0], last=due[0]))["due"]
    assert again == due[:1]
    await place.ended("hourly", 6)
    for wrong in ({"first": 0, "last": 5}, {"first": now, "last": now - 1}, {"first": now - 5, "last": now - 4}):
        with pytest.raises(RemoteError, match="first, last: expected"):
            await place.ask("backfill", job="hourly", **wrong)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"trigger": "cron 61 * * * *"}, "trigger: expected five fields of cron"),
        ({"trigger": "cron 0 0 30 2 *"}, "trigger: expected five fields of cron"),
        ({"trigger": "cron 0 0 * * * Mars/Olympus"}, "trigger: expected an IANA time zone"),
        ({"trigger": "every 0s"}, "trigger: expected"),
        ({"trigger": "session nowhere.rb day_open"}, "an exchange that opens and closes"),
        ({"trigger": "manual", "command": "worker.steal"}, "expected one of hang, note, was 'steal'"),
        ({"trigger": "manual", "command": "stranger.note"}, "expected a job of a service that runs"),
        ({"trigger": "manual", "body": {"txt": 1}}, "txt: expected a field of text, fails"),
        ({"trigger": "manual", "attempts": 0}, "attempts: expected"),
        ({"trigger": "manual", "retry_pause": "-5s"}, "retry_pause: expected"),
        ({"trigger": "manual", "colour": "red"}, "unknown field `colour`"),
        ({"trigger": "after", "after": ["ghost"]}, "after: expected a job that is defined"),
        ({"trigger": "after", "after": ["b"]}, "no circle of jobs that wait for each other, was 'b → a → b'"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_before_it_is_written(
    place: Place, document: dict[str, object], text: str
) -> None:
    await place.scheduler(built_in={"b": job_of(trigger="after", after=["a"]), "a": job_of()})
    asked = {"command": "worker.note", **document}
    for dry_run in (True, False):
        with pytest.raises(RemoteError, match=text) as caught:
            await place.ask("define", job="a", document=asked, dry_run=dry_run)
        assert caught.value.code == "INVALID_PARAMETER"
    assert (await place.ask("job", job="a"))["origin"] == "built-in"


async def test_a_dry_run_writes_nothing_and_a_revision_that_is_not_the_newest_replaces_nothing(place: Place) -> None:
    await place.scheduler()
    document = {"trigger": "manual", "command": "worker.note"}
    assert (await place.ask("define", job="a", document=document, dry_run=True))["revision"] == 0
    assert await place.ask("jobs") == []
    revision = (await place.ask("define", job="a", document=document, revision=0))["revision"]
    with pytest.raises(RemoteError, match=f"expected {revision}, the newest of a, was 0"):
        await place.ask("define", job="a", document=document, revision=0)
    with pytest.raises(RemoteError, match="expected one that is defined, was 'ghost'"):
        await place.ask("run", job="ghost")


async def test_every_instance_knows_what_cannot_be_planned(place: Place) -> None:
    jobs = {"a": job_of(trigger="session nowhere.rb day_open"), "b": job_of(trigger="after", after=["c"])}
    await place.scheduler(built_in=jobs)
    await place.scheduler(built_in=jobs)
    for _ in range(8):  # whoever answers
        refused = {each["job"]: each["refused"] for each in await place.ask("jobs")}
        assert "an exchange that opens and closes" in refused["a"]
        assert "expected a job that is defined" in refused["b"]
        shown = await place.ask("job", job="a")
        assert (shown["next"], shown["refused"]) == ([], refused["a"])
    health = [await service.http.report() for service in place.schedulers]
    assert any("2 cannot be planned" in str(each) for each in health)


async def test_what_others_wait_for_is_not_removed(place: Place) -> None:
    await place.scheduler(built_in={"b": job_of(trigger="after", after=["a"]), "a": job_of()})
    with pytest.raises(RemoteError, match=r"a job that is defined \(b waits for it\)"):
        await place.ask("remove", job="a")


async def test_what_a_leader_planned_before_it_was_replaced_is_refused(place: Place) -> None:
    await ensure_schedule(place.connection)  # no scheduler, which would take the fence back
    old = await ScheduleLog.open(place.connection, "old", 1_000)
    new = await ScheduleLog.open(place.connection, "new", 1_001)
    record = RunRecord("a", 5, RunStatus.SUCCEEDED, RunOrigin.SCHEDULE, 1, 2)
    await new.write([JobState("a", 5)], [record])
    for states, records in (([JobState("a", 9)], []), ([JobState("a", 9)], [record]), ([], [record, record])):
        with pytest.raises(Fenced):
            await old.write(states, records)
    state = await ScheduleReader(place.connection).state("a")
    assert state is not None
    assert state.cursor == 5


async def test_streams_that_somebody_deletes_are_made_anew_and_no_run_is_lost_or_repeated(place: Place) -> None:
    await place.scheduler()
    await place.define("tick", trigger="every 1s")
    await place.ended("tick", 2)
    await delete_stream(place.connection, SCHEDULE)
    await delete_stream(place.connection, JOBS)
    await place.ended("tick", 4)
    dues = [run.due for run in place.worker.runs]
    assert {later - earlier for earlier, later in itertools.pairwise(dues)} == {SECOND}


async def test_history_is_read_page_by_page_from_the_newest_on(place: Place) -> None:
    await ensure_schedule(place.connection)  # no scheduler, which would take the fence back
    log = await ScheduleLog.open(place.connection, "writer", 1_000)
    records = [RunRecord("a", n, RunStatus.SUCCEEDED, RunOrigin.SCHEDULE, 1, n) for n in range(1_700)]
    other = RunRecord("b", 1, RunStatus.FAILED, RunOrigin.SCHEDULE, 1, 1)
    await log.write([JobState("a", 5)], [*records, other])
    reader, now = ScheduleReader(place.connection), time.time_ns()
    found: list[int] = []
    before = LogPlace(now + SECOND)
    while page := await reader.runs("a", 700, before=before, now=now):
        found += [record.due for _, record in page]
        before = page[-1][0]
    assert found == list(range(1_699, -1, -1))
    assert [each.job for _, each in await reader.runs(None, 1, before=LogPlace(now + SECOND), now=now)] == ["b"]


async def test_the_same_over_http(place: Place) -> None:
    await place.scheduler(built_in={"a": job_of()})
    calls = RpcClient(place.schedulers[0].bus)

    async def http(method: str, path: str, **values: object) -> Any:
        caller = {"id": "user:ann"}
        call = HttpCall(method, f"/api/v1/scheduler{path}", msgspec.convert(caller, type=Any), values)
        return await calls.call("scheduler", "http", call)

    await http("POST", "/jobs/{job}/pause", job="a", reason="x", who="not me")
    shown = await http("GET", "/jobs/{job}", job="a")
    assert (shown["paused"], shown["written"]["by"]) == (True, "user:ann")
    assert len(await http("GET", "/jobs/{job}/next", job="a", count="2")) == 2
    handlers = await http("GET", "/handlers")
    assert {"worker.note", "worker.hang", "scheduler.command", "scheduler.call"} <= set(handlers)


async def test_a_question_to_a_service_can_be_a_job(place: Place) -> None:
    await place.scheduler()
    body = {"service": "worker", "method": "health"}
    await place.define("ask", trigger="manual", command="scheduler.call", body=body)
    await place.ask("run", job="ask")
    (ended,) = await place.ended("ask")
    assert (ended["status"], ended["output"]["status"]) == ("succeeded", "healthy")
