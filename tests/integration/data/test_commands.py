"""`marketprism data …` over a data service: jobs, checks, rechecks, repairs, and what is left running."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import sys
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from marketprism_application.contracts.data_jobs import JobStage
from marketprism_sdk.service import die_with_parent
from marketprism_services.cli.app import app
from marketprism_services.platform.exits import Exit, Stop
from tests.integration.data.answering import answering

pytestmark = pytest.mark.timeout(120)
BINANCE = ["BTC-USDT", "--venue", "binance", "--from", "2024-01-01", "--to", "2024-01-02"]


class Ended(NamedTuple):
    code: int | None
    out: str
    err: str


async def command(nats_url: str, *arguments: str) -> Ended:
    """Run `marketprism data` in a thread of this process."""
    words = ["data", *arguments, "--nats-url", nats_url]
    done = await asyncio.to_thread(CliRunner().invoke, app, words, env={"COLUMNS": "200"})
    if isinstance(done.exception, Stop):
        return Ended(done.exception.code, done.stdout, f"{done.stderr}{done.exception}")
    assert isinstance(done.exception, SystemExit | None), done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


async def test_a_download_into_the_store_is_a_job_that_is_followed(nats_url: str) -> None:
    async with answering(nats_url) as state:
        done = await command(nats_url, "download", *BINANCE, "--store")
        assert done.code == 0, done
        assert "job download-1: planned, 0 of 3 parts" in done.err
        assert "job download-1: done, 3 of 3 parts" in done.err
        asked = state.jobs["download-1"].request
        assert (asked["venue"], asked["kind"], asked["symbols"], asked["source"]) == (
            "binance",
            "kline",
            ["BTC-USDT"],
            "auto",
        )
        assert asked["ts_from"] == 1_704_067_200_000_000_000  # UTC, as of every download
        archived = await command(
            nats_url, "download", *BINANCE, "--store", "--source", "archive", "--mode", "all", "--json"
        )
        assert json.loads(archived.out)["stage"] == "done"
        asked = state.jobs["download-2"].request
        assert (asked["source"], asked["mode"]) == ("archive", "all")
        several = ["BTC-USDT,ETH-USDT", "--venue", "binance", "--from", "2024-01-01", "--interval", "1h"]
        assert (await command(nats_url, "download", *several, "--store")).code == 0
        assert state.jobs["download-3"].request["symbols"] == ["BTC-USDT", "ETH-USDT"]
        assert (await command(nats_url, "download", "*-USDT", *BINANCE[1:], "--store")).code == 0
        asked = state.jobs["download-4"].request
        assert (asked["pattern"], asked["symbols"]) == ("*-USDT", [])
        state.fails = True
        failed = await command(nats_url, "download", *BINANCE, "--store")
        assert failed.code == Exit.FAILED
        assert "no room" in failed.out


async def test_ctrl_c_leaves_a_job_running_and_says_how_to_go_on(nats_url: str) -> None:
    async with answering(nats_url) as state:
        state.paused = True
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "marketprism_services", "data", "download", *BINANCE, "--store", "--nats-url", nats_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "MARKETPRISM_LANG": "en"},
            preexec_fn=die_with_parent(),
        )
        assert child.stderr is not None
        line = await child.stderr.readline()
        assert b"job download-1: planned" in line
        child.send_signal(signal.SIGINT)
        _, err = await child.communicate()
        assert child.returncode == Exit.INTERRUPTED
        assert b"job download-1 goes on; `marketprism data jobs download-1 --watch` follows it" in err
        assert state.jobs["download-1"].stage is JobStage.PLANNED
        state.paused = False
        watched = await command(nats_url, "jobs", "download-1", "--watch")
        assert (watched.code, "done, 3 of 3 parts" in watched.err) == (0, True)


async def test_on_a_terminal_a_bar_shows_how_far_it_is(nats_url: str) -> None:
    async with answering(nats_url) as state:
        state.paused = True
        terminal, of_child = pty.openpty()
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "marketprism_services", "data", "download", *BINANCE, "--store", "--nats-url", nats_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=of_child,
            env={**os.environ, "MARKETPRISM_LANG": "en", "TERM": "xterm", "COLUMNS": "120"},
            preexec_fn=die_with_parent(),
        )
        os.close(of_child)
        shown = asyncio.create_task(asyncio.to_thread(_all_of, terminal))
        async with asyncio.timeout(30):
            while state.looks < 4:  # it is followed, and drawn at least every tenth of a second
                await asyncio.sleep(0.05)
        state.paused = False
        await child.communicate()
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", await shown)
        assert child.returncode == 0
        assert re.search(r"download-1 planned .*0/3 +0 rows", text)
        assert re.search(r"download-1 done .*3/3 +30 rows +0 s left", text)
        assert "job download-1: done, 3 of 3 parts" in text


def _all_of(terminal: int) -> str:
    """What a terminal gets until nobody writes to it any more."""
    found = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as file:
        while data := file.read(4_096):
            found += data
    return found.decode()


async def test_jobs_are_listed_shown_and_ended(nats_url: str) -> None:
    async with answering(nats_url) as state:
        empty = await command(nats_url, "jobs")
        assert (empty.code, empty.err.strip()) == (0, "there is no job")
        await command(nats_url, "download", *BINANCE, "--store")
        state.paused = True
        check = state.begin("check", {}, ("cu1905", "cu1906"))
        listed = await command(nats_url, "jobs")
        assert re.search(r"download-1 +download +done", listed.out)
        assert re.search(r"check-2 +check +planned +2 +0/6", listed.out)
        only = await command(nats_url, "jobs", "--action", "check", "--json")
        assert [each["id"] for each in json.loads(only.out)] == [check.id]
        shown = await command(nats_url, "jobs", check.id)
        assert "shfe.cu1906 1m" in shown.out
        ended = await command(nats_url, "cancel", check.id)
        assert (ended.code, ended.err.strip()) == (0, "job check-2: cancelled")
        gone = await command(nats_url, "jobs", check.id)
        assert (gone.code, "failed: cancelled" in gone.err) == (Exit.FAILED, True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["jobs", "nosuch"], Exit.FAILED, "id: expected a job, was 'nosuch'"),
        (["jobs", "--watch"], Exit.USAGE, "--watch: expected the ID of a job, was none"),
        (["jobs", "--state", "dne"], Exit.USAGE, "--state: expected one of planned, running"),
        (["jobs", "--action", "chek"], Exit.USAGE, "was 'chek'; did you mean 'check'"),
        (
            ["download", *BINANCE, "--store", "--source", "ftp"],
            Exit.USAGE,
            "--source: expected one of auto, rest, archive",
        ),
        (["download", *BINANCE, "--store", "--archive", "x"], Exit.USAGE, "--archive: expected none with --store"),
        (["download", "BTC-USDT", "--venue", "shfe", "--store"], Exit.USAGE, "--venue: expected one of binance"),
        (["recheck", "x"], Exit.FAILED, "id: expected a check, was 'x'"),
        (["repair", "x"], Exit.FAILED, "id: expected a check, was 'x'"),
        (["universe", "--rank", "size"], Exit.USAGE, "--rank: expected one of change, volume, turnover"),
        (["universe", "--day", "today"], Exit.USAGE, "--day: expected a day like 2024-05-06, was 'today'"),
        (["revisions", "cu1905", "--at", "noon"], Exit.USAGE, "--at: expected a date or time"),
        (["check", "cu1905", "--job", "--listed", "2019-01-01"], Exit.USAGE, "--listed: expected none with --job"),
    ],
)
async def test_what_is_wrong_is_named(nats_url: str, arguments: list[str], code: Exit, text: str) -> None:
    async with answering(nats_url):
        done = await command(nats_url, *arguments)
        assert done.code == code, done
        assert text in done.err


async def test_a_check_is_judged_and_repaired_from_the_command_line(nats_url: str) -> None:
    async with answering(nats_url) as state:
        check = await command(nats_url, "check", "cu1905", "--venue", "shfe", "--interval", "1m", "--job")
        assert check.code == Exit.INPUT
        assert re.search(r"missing_range .*2019-03-01 21:03:00 +2019-03-01 21:06:00 +3", check.out)
        name = re.search(r"check (check-\d+): `marketprism data recheck", check.err)
        assert name is not None
        clean = await command(nats_url, "check", "cu1906", "--interval", "1m", "--job", "--json")
        assert (clean.code, json.loads(clean.out)["series"][0]["clean"]) == (0, True)

        judged = await command(nats_url, "recheck", name[1], "--witness", "kline")
        assert judged.code == 0
        assert "ours: a witness has the right rows" in judged.out
        assert state.jobs["recheck-3"].request["witnesses"] == ["kline"]
        again = await command(nats_url, "verdicts", name[1], "--json")
        assert json.loads(again.out)["counts"]["ours"] == 2

        planned = await command(nats_url, "repair", name[1], "--dry-run")
        assert planned.code == Exit.INPUT  # defects are there still
        assert "the repair takes 1 request, 0 s at least" in planned.err
        assert [job.action for job in state.jobs.values()].count("repair") == 1
        done = await command(nats_url, "repair", name[1])
        assert done.code == 0, done
        assert re.search(r"2 defects, 4 missing, 99.9 \(A\) +0 defects, 0 missing, 100 \(A\)", done.out)
        assert "known to be missing: 2019-03-01 21:00:00 - 2019-03-01 21:01:00: venue_missing" in done.err
        state.defects_after = 1
        left = await command(nats_url, "repair", name[1], "--json")
        assert (left.code, json.loads(left.out)["series"][0]["after"]["defects"]) == (Exit.INPUT, 1)
        state.undone = True
        undone = await command(nats_url, "repair", name[1])
        assert (undone.code, "undone: the proof failed" in undone.out) == (Exit.FAILED, True)
        state.fails = True
        failed = await command(nats_url, "repair", name[1])
        assert failed.code == Exit.FAILED
        assert "expected it to be done, was failed" in failed.err


async def test_revisions_and_the_universe_are_tables(nats_url: str) -> None:
    async with answering(nats_url):
        found = await command(nats_url, "revisions", "cu1905", "--at", "2019-03-04T21:00", "--venue", "shfe")
        assert found.code == 0
        assert re.search(r"1 +2019-03-04 21:00:00 +sim +repair-3 .* 1.75", found.out)
        none = await command(nats_url, "revisions", "cu1999", "--at", "2019-03-04T21:00")
        assert (none.code, "no 1m bar of cu1999 opens at 2019-03-04 21:00:00" in none.err) == (Exit.FAILED, True)
        ranked = await command(nats_url, "universe", "--top", "2", "--day", "2024-05-06")
        assert re.search(r"binance +A1 +20240506 +1 +2 +1", ranked.out)


async def test_without_a_data_service_the_command_says_how_to_start_one(nats_url: str) -> None:
    for arguments in (["jobs"], ["download", *BINANCE, "--store"], ["repair", "x"]):
        done = await command(nats_url, *arguments)
        assert done.code == Exit.NATS
        assert "no data service runs here; `marketprism run data` starts one" in done.err


async def test_in_chinese(nats_url: str) -> None:
    async with answering(nats_url):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "marketprism_services", "data", "download", *BINANCE, "--store", "--nats-url", nats_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "MARKETPRISM_LANG": "zh_CN", "COLUMNS": "200"},
            preexec_fn=die_with_parent(),
        )
        out, err = (text.decode() for text in await child.communicate())
        assert "任务 download-1：已完成，3/3 个分段" in err
        assert "阶段" in out
