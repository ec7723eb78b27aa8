"""Sweeps while workers and coordinators are killed: every run in the results once, equal to the undisturbed ones."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from marketprism_sdk.errors import SdkError
from marketprism_sdk.service import die_with_parent
from tests.support.backtest_place import Place


class Workers:
    """Processes by number; one that is killed is started again."""

    def __init__(self, at: Place) -> None:
        self._at = at
        self._started = 0
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        """One more."""
        self._started += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.backtest_worker",
            self._at.url,
            str(self._at.folder),
            str(self._started % 3),
            env=dict(os.environ),
            preexec_fn=die_with_parent(),
        )
        self.processes.append(process)

    async def kill(self, number: int) -> None:
        """SIGKILL, and another in its place."""
        process = self.processes.pop(number)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await self.start()


@asynccontextmanager
async def workers(at: Place, count: int) -> AsyncIterator[Workers]:
    """So many of them, up to the end of the block."""
    found = Workers(at)
    try:
        for _ in range(count):
            await found.start()
        yield found
    finally:
        for process in found.processes:
            process.kill()
            await process.wait()


async def patient(at: Place, method: str, body: object) -> Any:
    """An answer, from whichever instance lives."""
    while True:
        try:
            return await at.call(method, body, timeout_s=10)
        except SdkError:
            await asyncio.sleep(0.2)


async def swept_while_killed(at: Place, sweep: dict[str, Any], kills: int, seed: int = 1) -> list[dict[str, Any]]:
    """Results of a sweep by number, with `kills` of one of two instances at random moments meanwhile."""
    chance = random.Random(seed)
    async with workers(at, 2) as found:
        asked = await patient(at, "sweep", sweep)
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.3, 1.5))
            await found.kill(chance.randrange(2))
        while (record := await patient(at, "get", {"id": asked["run_id"]}))["state"] not in ("done", "failed"):
            await asyncio.sleep(0.2)
        assert record["state"] == "done", record
        results = await patient(at, "sweep_results", {"id": asked["run_id"], "sort": "number", "limit": 1000})
        rows: list[dict[str, Any]] = results["rows"]
        return rows


def outcomes(rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """What is compared: number, run id and the digest of everything that happened."""
    return [(row["number"], row["run_id"], row["outcome"]) for row in rows]


__all__ = ["outcomes", "patient", "swept_while_killed", "workers"]
