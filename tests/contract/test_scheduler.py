"""Scheduler: one suite over what runs jobs, by the real clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from marketprism_application.ports.scheduling import Scheduler
from marketprism_sdk.service import PeriodicJobs


@pytest.fixture(params=[PeriodicJobs])
async def scheduler(request: pytest.FixtureRequest) -> AsyncIterator[Scheduler]:
    made: Scheduler = request.param()
    yield made
    await made.close()


async def test_a_job_runs_at_multiples_of_its_period_and_its_offset_behind_them(
    scheduler: Scheduler, eventually: Callable[..., object]
) -> None:
    starts: dict[str, list[float]] = {"whole": [], "later": []}

    async def job(name: str) -> None:
        starts[name].append(time.time())

    scheduler.every("whole", 0.5, lambda: job("whole"))
    scheduler.every("later", 0.5, lambda: job("later"), offset_s=0.25)
    await eventually(lambda: min(map(len, starts.values())) >= 3)  # type: ignore[misc]
    # A loaded machine may start one late, never early; the slots that it started in are different ones.
    for name, offset in (("whole", 0.0), ("later", 0.25)):
        slots = [(start - offset) // 0.5 for start in starts[name]]
        assert slots == sorted(set(slots)), name
    late = [(start - offset) % 0.5 for name, offset in (("whole", 0.0), ("later", 0.25)) for start in starts[name]]
    assert min(late) < 0.2


async def test_a_job_that_takes_longer_than_its_period_never_runs_twice_at_a_time(
    scheduler: Scheduler, eventually: Callable[..., object]
) -> None:
    running, most, runs = 0, 0, 0

    async def slow() -> None:
        nonlocal running, most, runs
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.15)
        running -= 1
        runs += 1

    scheduler.every("slow", 0.05, slow)
    await eventually(lambda: runs >= 3)  # type: ignore[misc]
    assert most == 1


async def test_a_job_that_fails_runs_again_and_the_others_with_it(
    scheduler: Scheduler, eventually: Callable[..., object]
) -> None:
    tried: list[str] = []

    async def failing() -> None:
        tried.append("failing")
        raise ValueError("no")

    async def fine() -> None:
        tried.append("fine")

    scheduler.every("failing", 0.05, failing)
    scheduler.every("fine", 0.05, fine)
    await eventually(lambda: tried.count("failing") >= 3 and tried.count("fine") >= 3)  # type: ignore[misc]


async def test_a_cancelled_or_replaced_job_runs_no_more_and_close_ends_all(
    scheduler: Scheduler, eventually: Callable[..., object]
) -> None:
    runs = {"old": 0, "new": 0, "gone": 0}

    async def job(name: str) -> None:
        runs[name] += 1

    scheduler.every("same", 0.05, lambda: job("old"))
    scheduler.every("gone", 0.05, lambda: job("gone"))
    await eventually(lambda: runs["old"] and runs["gone"])  # type: ignore[misc]
    scheduler.every("same", 0.05, lambda: job("new"))
    scheduler.cancel("gone")
    scheduler.cancel("of no job")
    before = dict(runs)
    await eventually(lambda: runs["new"] >= 3)  # type: ignore[misc]
    assert (runs["old"], runs["gone"]) == (before["old"], before["gone"])
    await scheduler.close()
    after = dict(runs)
    await asyncio.sleep(0.15)
    assert runs == after
