"""`marketprism jobs` against a scheduler that runs: what people see, change and read when something is wrong."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marketprism_adapters.nats.schedule_log import ScheduleLog, ensure_schedule
from marketprism_application.contracts.schedule_records import JobState, RunRecord
from marketprism_application.scheduling.definitions import read_file
from marketprism_domain.scheduling.runs import RunOrigin, RunStatus
from marketprism_services.cli.jobs import jobs
from marketprism_services.platform.exits import Exit, Stop
from tests.support.scheduled import SECOND, Place, job_of
from tests.support.services import running

HOUR = 3_600 * SECOND
PAGE = Path(__file__).parents[3] / "docs" / "jobs.md"
Shell = Callable[..., Awaitable[Result]]


@pytest.fixture
def shell(own_nats_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs `marketprism jobs …` beside the services of this process."""
    monkeypatch.setenv("MARKETPRISM_LANG", "en")

    async def run(*words: str) -> Result:
        arguments = [*words, "--nats-url", own_nats_url]
        return await asyncio.to_thread(CliRunner().invoke, jobs, arguments)

    return run


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [line.rstrip() for line in result.stdout.splitlines()]


def stop_of(result: Result) -> tuple[Exit, str]:
    assert isinstance(result.exception, Stop), (result.output, result.exception)
    return result.exception.code, str(result.exception)


def text_of(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


async def test_without_a_scheduler_it_says_how_one_is_started(place: Place, shell: Shell) -> None:
    text = "no scheduler runs here, which knows the jobs; `marketprism run scheduler` starts one"
    assert place.schedulers == []
    assert stop_of(await shell("list")) == (Exit.FAILED, text)


async def test_the_list_has_the_trigger_the_status_and_the_newest_run(place: Place, shell: Shell) -> None:
    await place.scheduler()
    assert lines(await shell("list")) == ["no job is defined; `jobs define` takes a file of them"]
    await place.define("calm", trigger="manual", note="a note of it")
    await place.define("off", trigger="every 1d", enabled=False)
    await place.define("quiet", trigger="every 1d")
    await place.ask("pause", job="quiet")
    await place.define("stuck", trigger="manual", command="worker.hang")
    due = (await place.ask("run", job="calm"))["due"]
    await place.ended("calm")
    await place.ask("run", job="stuck")
    async with asyncio.timeout(10):
        while not any(run.handler == "hang" for run in place.worker.runs):
            await asyncio.sleep(0.05)
    title, head, *rows = lines(await shell("list"))
    assert title == "jobs, UTC"
    assert re.split(r"  +", head) == ["job", "trigger", "status", "newest run", "due at", "note"]
    found = {row.split()[0]: re.split(r"  +", row)[1:] for row in rows}
    assert found["calm"][:3] == ["manual", "waiting", "succeeded"]
    assert found["calm"][3].startswith(text_of(due))
    assert found["calm"][4] == "a note of it"
    assert found["off"] == ["every 1d", "disabled"]
    assert found["quiet"] == ["every 1d", "paused"]
    assert found["stuck"] == ["manual", "running"]
    shown = [json.loads(line) for line in lines(await shell("list", "--json"))]
    assert [row["job"] for row in shown] == ["calm", "off", "quiet", "stuck"]
    assert (shown[0]["last_due"], shown[0]["last_status"]) == (due, "succeeded")


async def test_a_job_that_cannot_be_planned_is_named_as_refused(
    place: Place, shell: Shell, eventually: Callable[..., Any]
) -> None:
    scheduler = await place.scheduler(file={"odd": job_of(trigger="cron 0 0 30 2 * UTC")})
    await eventually(scheduler.election.is_leader)

    async def row() -> str:
        return next(line for line in lines(await shell("list")) if line.startswith("odd"))

    async with asyncio.timeout(10):
        while "refused" not in (listed := await row()):
            await asyncio.sleep(0.1)
    assert "trigger: expected five fields of cron" in listed
    assert any(line.startswith("# not planned: trigger: expected five") for line in lines(await shell("show", "odd")))


async def test_what_is_shown_of_a_job_is_a_file_that_defines_it(place: Place, shell: Shell, tmp_path: Path) -> None:
    await place.scheduler()
    body = {"text": 'a "quoted" text\nof two lines, 中文', "fails": 0}
    await place.define("full", trigger="every 1h +5m", body=body, attempts=3, note="what it is for")
    await place.define("next-one", trigger="after", after=["full:any"])
    shown = await shell("show", "full")
    assert tomllib.loads(shown.stdout)["jobs"]["full"] == {
        "trigger": "every 1h +5m",
        "command": "worker.note",
        "body": body,
        "attempts": 3,
        "note": "what it is for",
    }
    comments = [line for line in lines(shown) if line.startswith("#")]
    assert comments[0] == "# status: waiting, defined by people"
    assert re.fullmatch(r"# written by operator at [-0-9]+ [:0-9]+\.\d{3}", comments[1])
    assert comments[2] == "# reason: a test"
    assert [line[:13] for line in comments[3:8]] == ["# due next: 2"] * 5
    assert comments[-1] == "# times: UTC"
    file = tmp_path / "again.toml"
    file.write_text(shown.stdout, encoding="utf-8")
    assert lines(await shell("define", str(file)))[0].startswith("full: written; due next at ")
    assert 'after = ["full:any"]' in lines(await shell("show", "next-one"))
    assert json.loads((await shell("show", "full", "--json")).stdout)["document"]["body"] == body


async def test_runs_are_shown_from_the_newest_on_and_missed_ones_as_one_line(place: Place, shell: Shell) -> None:
    await ensure_schedule(place.connection)
    log = await ScheduleLog.open(place.connection, "before", 0)
    first = (time.time_ns() // HOUR - 9) * HOUR
    missed = RunRecord(
        "a", first, RunStatus.MISSED, RunOrigin.SCHEDULE, first, first, reason="paused", last_due=first + HOUR, runs=2
    )
    skipped = RunRecord(
        "a",
        first + 2 * HOUR,
        RunStatus.SKIPPED,
        RunOrigin.SCHEDULE,
        first,
        first,
        reason=f"the run of {first} is not done",
    )
    failed = RunRecord("b", first, RunStatus.FAILED, RunOrigin.OPERATOR, first, first, first, 2, "no", ran_s=65.2)
    await log.write([JobState("a", first)], [missed, skipped, failed])
    await place.scheduler(built_in={"a": job_of(), "b": job_of(), "c": job_of()})
    title, head, *rows = lines(await shell("runs"))
    assert title == "runs, UTC"
    columns = ["job", "due at", "status", "attempts", "duration", "origin", "reason"]
    assert re.split(r"  +", head) == columns
    assert [row.split()[0] for row in rows] == ["b", "a", "a"]
    assert re.split(r"  +", rows[0])[1:] == [text_of(first), "failed", "2", "1 min 5 s", "operator", "no"]
    assert rows[1].endswith(f"the run of {text_of(first)} is not done")
    of_one = lines(await shell("runs", "a", "--tz", "+08:00"))
    assert re.split(r"  +", of_one[1]) == columns[1:]
    china = text_of(first + 9 * HOUR)
    assert of_one[0] == "runs, +08:00"
    assert of_one[-1].endswith(f"2 times, the last at {china}: paused")
    assert len(lines(await shell("runs", "--limit", "1"))) == 3
    shown = [json.loads(line) for line in lines(await shell("runs", "a", "--json"))]
    assert [(row["status"], row["runs"], row["due"]) for row in shown] == [
        ("skipped", 1, first + 2 * HOUR),
        ("missed", 2, first),
    ]
    assert lines(await shell("runs", "c")) == ["no run has ended"]


async def test_the_next_due_times_are_a_line_each(place: Place, shell: Shell) -> None:
    await place.scheduler(built_in={"hourly": job_of(trigger="every 1h"), "hand": job_of(trigger="manual")})
    found = lines(await shell("next", "hourly", "--count", "3"))
    assert len(found) == 3
    assert all(line.endswith(":00:00") for line in found)
    assert lines(await shell("next", "hand")) == ["no clock makes hand due"]
    assert (await shell("next", "hourly", "--count", "101")).exit_code == Exit.USAGE


async def test_a_run_is_waited_for_and_its_end_is_the_exit_code(place: Place, shell: Shell) -> None:
    await place.scheduler()
    await place.define("good", trigger="manual")
    await place.define("bad", trigger="manual", body={"fails": 9}, attempts=2, retry_pause="100ms")
    asked = lines(await shell("run", "good"))
    assert re.fullmatch(r"good: asked for the run of [-0-9]+ [:0-9]+(\.\d{3})?", asked[0])
    await place.ended("good")
    good = lines(await shell("run", "good", "--wait", "--who", "ann"))
    assert re.fullmatch(r"good: succeeded after [.0-9e-]+ s and 1 attempt", good[-1])
    assert (await place.ended("good"))[0]["by"] == "ann"
    bad = await shell("run", "bad", "--wait")
    assert bad.exit_code == Exit.FAILED
    assert re.fullmatch(r"bad: failed after [.0-9e-]+ s and 2 attempts", bad.stdout.splitlines()[1])
    assert bad.stdout.splitlines()[2] == "reason: attempt 2 fails"
    await place.define("off", trigger="every 1d", enabled=False)
    assert "off: succeeded" in lines(await shell("run", "off", "--wait"))[-1]
    await place.ask("pause", job="good")
    assert "good: succeeded" in lines(await shell("run", "good", "--wait"))[-1]


async def test_a_job_is_paused_resumed_removed_and_reset(place: Place, shell: Shell) -> None:
    await place.scheduler(built_in={"a": job_of(), "b": job_of(trigger="after", after=["a"])})
    assert lines(await shell("pause", "a", "--reason", "too loud", "--who", "ann")) == ["a is paused"]
    shown = lines(await shell("show", "a"))
    assert "# status: paused, defined built into the scheduler" in shown
    assert any(line.startswith("# written by ann at ") for line in shown)
    assert "# reason: too loud" in shown
    assert lines(await shell("resume", "a")) == ["a is planned again"]
    assert stop_of(await shell("remove", "a")) == (
        Exit.FAILED,
        "after: expected a job that is defined (b waits for it), was 'a'",
    )
    assert lines(await shell("remove", "b")) == ["b is removed; its runs stay in `jobs runs`"]
    assert [row["job"] for row in await place.ask("jobs")] == ["a"]
    assert lines(await shell("reset", "b")) == ["b: what was written of it is forgotten"]
    assert [row["job"] for row in await place.ask("jobs")] == ["a", "b"]
    assert stop_of(await shell("reset", "b")) == (
        Exit.FAILED,
        "job: expected one of which something is written, was 'b'",
    )


async def test_a_run_is_cancelled_by_the_time_that_is_shown_of_it(place: Place, shell: Shell) -> None:
    await place.scheduler()
    await place.define("hang", trigger="manual", command="worker.hang")
    due = lines(await shell("run", "hang"))[0].partition(" run of ")[2]
    async with asyncio.timeout(10):
        while not place.worker.runs:
            await asyncio.sleep(0.05)
    opened = next(line for line in lines(await shell("show", "hang")) if line.startswith("# open run: "))
    assert opened == f"# open run: due {due}, running, attempt 1, operator"
    code, text = stop_of(await shell("cancel", "hang", "2026-01-01"))
    assert (code, text) == (
        Exit.FAILED,
        f"due: expected that of a run that is not done ({due}), was 2026-01-01 00:00:00",
    )
    assert stop_of(await shell("cancel", "hang", "soon")) == (
        Exit.USAGE,
        "due: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was 'soon'",
    )
    assert lines(await shell("cancel", "hang", due, "--who", "ann")) == [f"hang: asked to end the run of {due}"]
    (ended,) = await place.ended("hang")
    assert (ended["status"], ended["reason"]) == ("cancelled", "cancelled by ann")


async def test_times_of_the_past_are_run_for_by_times_and_by_days(place: Place, shell: Shell) -> None:
    await place.scheduler(built_in={"six": job_of(trigger="every 6h")})
    assert lines(await shell("backfill", "six", "2026-01-05", "2026-01-05")) == [
        "six: asked for 4 runs, the first due at 2026-01-05 00:00:00, the last at 2026-01-05 18:00:00"
    ]
    assert {run["origin"] for run in await place.ended("six", 4)} == {"backfill"}
    span = ("2026-01-06T08:00+08:00", "2026-01-06T01:00Z")
    assert lines(await shell("backfill", "six", *span)) == ["six: asked for the run of 2026-01-06 00:00:00"]
    span = ("2026-01-06 08:00", "2026-01-06 09:00")
    asked = lines(await shell("backfill", "six", *span, "--tz", "Asia/Shanghai"))
    assert asked == ["six: asked for the run of 2026-01-06 08:00:00"]
    code, text = stop_of(await shell("backfill", "six", "2026-01-06T01:00", "2026-01-06T02:00"))
    expected = "first, last: expected a span in which six was due, was 2026-01-06 01:00:00 to 2026-01-06 02:00:00"
    assert (code, text) == (Exit.FAILED, expected)
    code, text = stop_of(await shell("backfill", "six", "2026-01-06", "2026-01-05"))
    expected = r"first, last: expected 0 < first <= last <= now \(.{19,23}\), was 2026-01-06 00:00:00 and 2026-01-05 .*"
    assert code is Exit.FAILED
    assert re.fullmatch(expected, text)
    code, text = stop_of(await shell("backfill", "six", "2020-01-01", "2026-01-01"))
    assert (code, text) == (Exit.FAILED, "last: expected at most 1000 due times from first to last, was more")
    code, text = stop_of(await shell("backfill", "six", "x", "2026-01-01"))
    assert (code, text) == (
        Exit.USAGE,
        "first: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was 'x'",
    )
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert lines(await shell("backfill", "six", today, today))[0].startswith("six: asked for ")


FILE = """
[jobs.first]
trigger = "every 1d"
command = "worker.note"
body = { text = "1" }

[jobs.second]
trigger = "after"
after = ["first"]
command = "worker.note"

[jobs.third]
trigger = "manual"
command = "worker.steal"

[jobs.fourth]
trigger = "manual"
command = "worker.note"
"""


async def test_a_file_of_jobs_is_written_in_its_order_up_to_the_first_that_is_refused(
    place: Place, shell: Shell, tmp_path: Path
) -> None:
    await place.scheduler()
    file = tmp_path / "jobs.toml"
    file.write_text(FILE, encoding="utf-8")
    due = f"{text_of((time.time_ns() // (24 * HOUR) + 1) * 24 * HOUR)}"
    dry = await shell("define", str(file), "--dry-run", "--only", "first", "--only", "fourth")
    assert lines(dry) == [
        f"first: would be written; due next at {due}",
        "fourth: would be written; no clock makes it due",
    ]
    beside = await shell("define", str(file), "--dry-run", "--only", "second")  # it waits for the first
    assert lines(beside) == ["second: would be written; no clock makes it due"]
    assert await place.ask("jobs") == []
    refused = await shell("define", str(file), "--reason", "a file", "--who", "ann")
    assert stop_of(refused) == (Exit.FAILED, "command worker.steal: job: expected one of hang, note, was 'steal'")
    assert refused.stdout.splitlines() == [
        f"first: written; due next at {due}",
        "second: written; no clock makes it due",
    ]
    assert [row["job"] for row in await place.ask("jobs")] == ["first", "second"]
    written = (await place.ask("job", job="second"))["written"]
    assert (written["by"], written["reason"]) == ("ann", "a file")
    assert list(read_file(FILE, "here")) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("[jobs.a]\ntrigger = manual", (), "{}: expected TOML: Invalid value (at line 2, column 11)"),
        ("", (), "{}: expected tables jobs.NAME, there is none"),
        ("[job.a]\n", (), "{}: expected tables jobs.<name> alone, was job"),
        (
            '[jobs.a]\ntrigger = "every 0s"\ncommand = "worker.note"',
            (),
            "{}: job a: trigger: expected a period of 1s to 366d, was '0s'",
        ),
        (
            '[jobs.a]\ntrigger = "every 5m"\ncommand = "worker.note"\nlate = "soon"',
            (),
            "{}: job a: late: expected a number and one of ms s m h d, like 30s or -15m, was 'soon'",
        ),
        (
            '[jobs.a]\ntrigger = "manual"\ncommand = "worker.note"',
            ("--only", "b"),
            "--only: expected a job of {} (a), was 'b'",
        ),
        (None, (), "{}: expected a file of jobs that can be read: No such file or directory"),
    ],
)
async def test_a_file_that_cannot_be_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, shell: Shell, text: str | None, words: tuple[str, ...], expected: str
) -> None:
    file = tmp_path / "jobs.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert stop_of(await shell("define", str(file), *words)) == (Exit.USAGE, expected.format(file))


async def test_what_services_can_do_as_jobs_is_listed_with_its_fields(place: Place, shell: Shell) -> None:
    await place.scheduler()
    head, *rows = lines(await shell("handlers"))
    assert re.split(r"  +", head) == ["command", "body", "does"]
    found = {row.split()[0]: re.split(r"  +", row)[1:] for row in rows}
    assert found["worker.note"] == ["text, fails", "Note it."]
    assert {"worker.hang", "scheduler.call", "scheduler.command"} <= found.keys()
    shown = {row["name"]: row for row in map(json.loads, lines(await shell("handlers", "--json")))}
    assert shown["worker.hang"]["summary"] == "Never end."


@pytest.mark.parametrize("word", ["show", "runs", "next", "run", "pause", "resume", "remove"])
async def test_a_job_that_nobody_has_defined_is_refused_by_name(place: Place, shell: Shell, word: str) -> None:
    await place.scheduler()
    assert stop_of(await shell(word, "ghost")) == (Exit.FAILED, "job: expected one that is defined, was 'ghost'")


async def test_the_service_and_the_job_of_the_page_work(place: Place, shell: Shell, tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    *_, document = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"__name__": "reports"}
    exec(source, names)
    file = tmp_path / "jobs.toml"
    file.write_text(document, encoding="utf-8")
    await place.scheduler()
    async with running(names["Reports"](place.connection)):
        assert lines(await shell("define", str(file)))[0].startswith("report: written; due next at ")
        assert "report: succeeded" in lines(await shell("run", "report", "--wait"))[-1]
        assert "desk*, days" in (await shell("handlers")).stdout
    assert (await place.ended("report"))[0]["output"] == {"rows": 1}


async def test_times_in_a_zone_that_is_none_are_refused(shell: Shell) -> None:
    text = "--tz: expected UTC, local, a name like Asia/Shanghai or an offset like +08:00, was 'Mars/Olympus'"
    assert stop_of(await shell("list", "--tz", "Mars/Olympus")) == (Exit.USAGE, text)
