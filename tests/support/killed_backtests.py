"""Sweeps while workers and coordinators are killed: every run in the results once, equal to the undisturbed ones."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import die_with_parent
from tests.support.backtest_place import Place


class Workers:
    """Processes by the instance that each is; one that is killed is started again."""

    def __init__(self, at: Place, leases: NatsKeyValue) -> None:
        self._at, self._leases = at, leases
        self._started = 0
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.failovers: list[float] = []

    async def start(self) -> None:
        """One more, that answers when this returns."""
        self._started += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.backtest_worker",
            self._at.url,
            str(self._at.folder),
            str(self._started % 4),
            env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        async with asyncio.timeout(120):
            while not (line := (await process.stdout.readline()).decode()).startswith("instance "):
                assert line, "the process has ended"
        self.processes[line.split()[1]] = process

    async def leader(self) -> str:
        """Who coordinates, as its lease says; empty while nobody does."""
        leases = [decode_lease(entry) for entry in await self._leases.entries("backtest.")]
        return next((each.holder for each in leases if each is not None and each.state == "held"), "")

    async def kill(self, chance: random.Random, *, leader: bool) -> None:
        """SIGKILL to the coordinator, or to another worker, and another process in its place."""
        leads = await self._known_leader()
        chosen = leads if leader else chance.choice([each for each in self.processes if each != leads])
        process = self.processes.pop(chosen)
        process.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        if leader:
            while (await self.leader()) in ("", chosen):
                await asyncio.sleep(0.02)
            self.failovers.append(time.monotonic() - killed_at)
        await process.wait()
        await self.start()

    async def _known_leader(self) -> str:
        async with asyncio.timeout(60):
            while (found := await self.leader()) not in self.processes:
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def workers(at: Place, count: int) -> AsyncIterator[Workers]:
    """So many of them, up to the end of the block."""
    found = Workers(at, NatsKeyValue.existing(at.connection, LEASES))
    try:
        for _ in range(count):
            await found.start()
        yield found
    finally:
        for process in found.processes.values():
            process.kill()
            await process.wait()


async def patient(at: Place, method: str, body: object) -> Any:
    """An answer, from whichever instance lives."""
    while True:
        try:
            return await at.call(method, body, timeout_s=10)
        except SdkError:
            await asyncio.sleep(0.2)


class Survived(NamedTuple):
    """Results by number of each sweep that went on while processes were killed, how often, and in how many seconds
    another one coordinated."""

    sweeps: list[list[dict[str, Any]]]
    workers: int
    coordinators: int
    failovers: list[float]


async def swept_while_killed(
    at: Place, sweep: dict[str, Any], *, kills: int, coordinators: int = 0, seed: int = 1
) -> Survived:
    """Sweeps, one after another, while so many of three instances are killed at random moments."""
    chance = random.Random(seed)
    left = [False] * kills + [True] * coordinators
    chance.shuffle(left)
    sweeps: list[list[dict[str, Any]]] = []
    async with workers(at, 3) as found:
        while left or not sweeps:
            asked = await patient(at, "sweep", sweep)
            while (record := await patient(at, "get", {"id": asked["run_id"]}))["state"] not in ("done", "failed"):
                await asyncio.sleep(chance.uniform(0.1, 0.8))
                if left:
                    await found.kill(chance, leader=left.pop())
            assert record["state"] == "done", record
            results = await patient(at, "sweep_results", {"id": asked["run_id"], "sort": "number", "limit": 1000})
            sweeps.append(results["rows"])
        return Survived(sweeps, kills, coordinators, found.failovers)


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """What is compared: number, run id and the digest of everything that happened."""
    return [(row["number"], row["run_id"], row["outcome"]) for row in rows]


__all__ = ["Survived", "outcomes", "patient", "swept_while_killed", "workers"]
