"""Workers that are killed while they download into a store:
`python -m tests.support.killed_store_downloads NATS_URL VENUE_URL MINUTES SECONDS`."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from marketprism_application.downloads.engine import job_name
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent
from tests.integration.history.history_side import side_of
from tests.support.downloads import LISTED_MS, history_of, klines, simulated, symbol_of
from tests.support.store_downloads import door_of, downloaded_into, rows_of

MARKET = "binance"
HOLE = (LISTED_MS + 1_000 * 60_000, LISTED_MS + 1_030 * 60_000)
_TABLES = ("klines", "kline_revisions", "gaps")


class Rounds(NamedTuple):
    """What came of it: workers that were killed, downloads that were finished, and kills between two parts of one."""

    killed: int
    finished: int
    in_the_middle: int


async def rounds(folder: Path, minutes: int, kills: int, seed: int, longest_s: float) -> Rounds:
    """Downloads by workers that are killed so often, each after another time; the store of every one that is finished
    is held against that of an undisturbed one.

    Raises:
        AssertionError: a row is doubled, missing or another one.
    """
    dice = random.Random(seed)
    async with side_of(folder / "calm") as side, simulated(MARKET, holes=[HOLE]) as calm:
        dataset = klines(MARKET, symbol_of(calm), minutes)
        door = await door_of(side.market.connection)
        async with history_of(MARKET, calm.rest_url) as history:
            assert (await downloaded_into(door, history, dataset)).is_complete
        undisturbed = await rows_of(door.reader, dataset)
        counts = [await side.count(table) for table in _TABLES]
    assert undisturbed.num_rows == minutes - 30
    assert counts == [minutes - 30, minutes - 30, 1]
    killed = finished = between = 0
    while killed < kills or not finished:
        wild = folder / f"wild{finished}"
        async with side_of(wild) as side, simulated(MARKET, share=0.2, seed=seed + finished, holes=[HOLE]) as venue:
            door = await door_of(side.market.connection)
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                seconds = dice.uniform(0.0, longest_s) if killed < kills else 1e6
                code = await _child(side.url, venue.rest_url, minutes, seconds)
                assert code in (0, -signal.SIGKILL), code
                killed += code == -signal.SIGKILL
                states = await door.journal.parts(job_name(dataset, "rest"))
                done = sum(part.state == "done" for part, _ in states)
                between += 0 < done < len(states)
            assert (await rows_of(door.reader, dataset)).equals(undisturbed)
            # Before any merge: no row was stored a second time, not even for a moment.
            assert [await side.count(table) for table in _TABLES] == counts
            assert list(await door.sink.missing(dataset)) == []
        finished += 1
    return Rounds(killed, finished, between)


async def _child(nats_url: str, venue_url: str, minutes: int, seconds: float) -> int:
    command = [sys.executable, "-m", __name__, nats_url, venue_url, str(minutes), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = await asyncio.create_subprocess_exec(
        *command, env=environment, stderr=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent()
    )
    return await child.wait()


async def main(nats_url: str, venue_url: str, minutes: int, seconds: float) -> None:
    """The download, until it is killed: some time after it has begun to fetch."""
    connection = await NatsConnection.open(nats_url, name="worker")
    door = await door_of(connection)
    async with history_of(MARKET, venue_url) as history:
        dataset = klines(MARKET, "BTC-USDT", minutes)
        timer = threading.Timer(min(seconds, 3_600.0), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
        progress = await downloaded_into(door, history, dataset, workers=1, worker=str(os.getpid()))
    await connection.close()
    sys.exit(0 if progress.is_complete else 1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
