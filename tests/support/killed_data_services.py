"""Data services in processes of their own, which are killed while they do tasks:
`python -m tests.support.killed_data_services NATS_URL VENUE_URL`."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import NamedTuple

from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent
from tests.integration.data.data_side import DataSide, data_service, data_side_of
from tests.support.downloads import LISTED, LISTED_MS, MINUTE, symbol_of

HOLE = (LISTED_MS + 1_000 * 60_000, LISTED_MS + 1_030 * 60_000)
_AT_ONCE = 2


class Rounds(NamedTuple):
    """Processes that were killed, those of them that led, and jobs that were finished."""

    killed: int
    leaders: int
    finished: int


async def rounds(folder: Path, minutes: int, kills: int, seed: int, longest_s: float) -> Rounds:
    """Downloads by two processes of which one is killed so often, each after another time. Every job ends as done,
    with each row once but for the hole of the venue.

    Raises:
        AssertionError: a row is doubled or missing, or a job ended otherwise.
    """
    dice = random.Random(seed)
    killed = leaders = finished = 0
    while killed < kills or not finished:
        wild = folder / f"wild{finished}"
        async with data_side_of(wild, services=0, share=0.2, seed=seed + finished, holes=[HOLE]) as side:
            children = [await _child(side) for _ in range(_AT_ONCE)]
            await side.served()
            values = {"symbols": [symbol_of(side.venue)], "interval": "1m", "venue": "binance"}
            begun = await side.begun("downloads", **values, ts_from=LISTED, ts_to=LISTED + minutes * MINUTE)
            while not (job := await _seen(side, begun.id)).stage.is_final:
                if killed >= kills:
                    await asyncio.sleep(0.2)
                    continue
                await asyncio.sleep(dice.uniform(0.2, longest_s))
                leaders += await _kill(children, dice, side)
                killed += 1
            assert (job.stage, job.error) == (JobStage.DONE, "")
            counts = [await side.side.count(table) for table in ("klines", "kline_revisions", "gaps")]
            assert counts == [minutes - 30, minutes - 30, 1]
            for child in children:
                child.send_signal(signal.SIGKILL)
                await child.wait()
        finished += 1
    return Rounds(killed, leaders, finished)


async def _seen(side: DataSide, job_id: str) -> JobShown:
    return await side.until(job_id, lambda _: True)


async def _kill(children: list[Process], dice: random.Random, side: DataSide) -> bool:
    """Kill one, put another in its place; whether it led."""
    at = dice.randrange(len(children))
    status = await side.leader_pid()
    leads = status == children[at].pid
    children[at].send_signal(signal.SIGKILL)
    await children[at].wait()
    children[at] = await _child(side)
    return leads


async def _child(side: DataSide) -> Process:
    command = [sys.executable, "-m", __name__, side.side.url, side.venue.rest_url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with_parent(),
    )


async def main(nats_url: str, venue_url: str) -> int:
    """The service, until it is killed."""
    connection = await NatsConnection.open(nats_url, name=f"data-{os.getpid()}")
    return await data_service(connection, venue_url).run(asyncio.Event())


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
