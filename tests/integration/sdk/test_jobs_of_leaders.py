"""Of a service that has a leader, the leader alone does jobs, unless it says that any instance may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from marketprism_sdk.messaging import ClaimStatus, JobClaims, JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import ServiceSettings, SingleActiveService, job
from tests.support.job_desk import Desk
from tests.support.services import running


@pytest.fixture
async def desk(connection: NatsConnection, unique: str) -> Desk:
    return Desk(connection, unique, await JobClaims.open(connection))


class Keeper(SingleActiveService):
    """Of its instances one leads, and does the jobs."""

    begun: list[str]

    @job("sleep")
    async def sleep(self, seconds: float, run: JobRun) -> str:
        """Take long."""
        self.begun.append(run.key)
        await asyncio.sleep(seconds)
        return self.instance


class AnyKeeper(Keeper):
    """Every instance does the jobs."""

    jobs_by_any = True


def keeper(connection: NatsConnection, name: str, kind: type[Keeper] = Keeper) -> Keeper:
    service = kind(name, connection, settings=ServiceSettings(jobs_parallel=1))
    service.begun = []
    return service


async def test_of_a_service_that_has_a_leader_the_leader_alone_does_jobs(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any]
) -> None:
    first, second = keeper(connection, unique), keeper(connection, unique)
    async with running(first), running(second):
        await eventually(lambda: first.election.is_active() or second.election.is_active())
        leader, standby = (first, second) if first.election.is_active() else (second, first)
        ends = [await desk.end(await desk.give(str(n), "sleep", 0.0)) for n in range(8)]
        assert {end.output for end in ends} == {leader.instance}
        assert standby.begun == []


async def test_a_run_ends_with_the_leadership_and_the_next_one_goes_to_the_next_leader(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any]
) -> None:
    first, second = keeper(connection, unique), keeper(connection, unique)
    async with running(first), running(second):
        await eventually(lambda: first.election.is_active() or second.election.is_active())
        leader, other = (first, second) if first.election.is_active() else (second, first)
        key = await desk.give("long", "sleep", 60.0)
        await eventually(lambda: leader.begun == [key])
        leader.election.surrender("it rests", rest_s=30.0)
        ended = await desk.end(key)
        assert (ended.status, "no longer leads" in ended.reason) == (ClaimStatus.FAILED, True)
        assert (await desk.end(await desk.give("next", "sleep", 0.0))).output == other.instance


async def test_jobs_may_be_for_any_instance(
    connection: NatsConnection, unique: str, desk: Desk, eventually: Callable[..., Any]
) -> None:
    first, second = keeper(connection, unique, AnyKeeper), keeper(connection, unique, AnyKeeper)
    async with running(first), running(second):
        keys = [await desk.give(str(n), "sleep", 60.0) for n in range(2)]
        await eventually(lambda: len(first.begun) == len(second.begun) == 1)
        for key in keys:
            await desk.claims.give_up(key, ClaimStatus.CANCELLED, "enough")
