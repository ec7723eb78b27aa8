"""Downloads that are killed: `python -m tests.support.killed_downloads URL FOLDER MARKET MINUTES SECONDS`."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.downloads.folder_journal import FolderJournal
from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_adapters.venues.simulator.history_server import HISTORY_FAULTS
from marketprism_application.downloads.engine import Download, job_name
from marketprism_sdk.service import die_with_parent
from tests.support.downloads import LISTED_MS, digests, downloaded, history_of, klines, simulated, stored, symbol_of

MARKET = "binance"
MANY = 100_000  # minutes: enough requests for each fault
HOLE = (LISTED_MS + 5_000 * 60_000, LISTED_MS + 5_030 * 60_000)


class Rounds(NamedTuple):
    """What came of it: processes that were killed, downloads that were finished, and kills between two parts of one."""

    killed: int
    finished: int
    in_the_middle: int


async def rounds(folder: Path, minutes: int, kills: int, seed: int, longest_s: float = 2.0) -> Rounds:
    """Downloads by processes that are killed so often, each after another time; every one that is finished is held
    against an undisturbed one.

    Raises:
        AssertionError: a row is doubled or missing, or another byte than in an undisturbed download.
    """
    dice = random.Random(seed)
    async with simulated(MARKET, holes=[HOLE]) as calm:
        dataset = klines(MARKET, symbol_of(calm), minutes)
        async with history_of(MARKET, calm.rest_url) as history:
            assert (await downloaded(history, dataset, folder / "calm")).is_complete
    times = (await asyncio.to_thread(stored, folder / "calm", dataset)).column("ts_open").to_pylist()
    assert len(times) == len(set(times)) == minutes - 30
    undisturbed = await asyncio.to_thread(digests, folder / "calm")
    killed = finished = between = 0
    struck: Counter[str] = Counter()
    while killed < kills or not finished:
        wild = folder / f"wild{finished}"
        async with simulated(MARKET, share=0.25, seed=seed + finished, holes=[HOLE]) as venue:
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                code = await _child(
                    venue.rest_url, wild, minutes, dice.uniform(0.0, longest_s) if killed < kills else 1e6
                )
                assert code in (0, -signal.SIGKILL), code
                killed += code == -signal.SIGKILL
                states = await FolderJournal(wild).parts(job_name(dataset, "rest"))
                done = sum(part.state == "done" for part, _ in states)
                between += 0 < done < len(states)
            struck += venue.struck
        assert await asyncio.to_thread(digests, wild) == undisturbed
        finished += 1
    every = set(HISTORY_FAULTS) - {"checksum"}  # that one is of an archive
    assert len(every & set(struck)) >= (len(every) if minutes >= MANY else 3), struck
    return Rounds(killed, finished, between)


async def _child(url: str, folder: Path, minutes: int, seconds: float) -> int:
    command = [sys.executable, "-m", __name__, url, str(folder), MARKET, str(minutes), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = await asyncio.create_subprocess_exec(
        *command, env=environment, stderr=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent()
    )
    return await child.wait()


async def main(url: str, folder: Path, market: str, minutes: int, seconds: float) -> None:
    """The download, until it is killed: some time after it has begun to fetch."""
    async with history_of(market, url) as history:
        dataset = klines(market, "BTC-USDT", minutes)
        engine = Download(history, FolderSink(folder), FolderJournal(folder), workers=3)
        plan = await engine.plan(dataset)
        timer = threading.Timer(min(seconds, 3_600.0), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
        progress = await engine.run(dataset, plan)
        sys.exit(0 if progress.is_complete else 1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
