"""A process that archives, killed at random instants: the rows are hot or cold, each once, and the next run goes on."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats.archive_log import ARCHIVE, ArchiveLog
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.archive_records import UnitState
from marketprism_application.contracts.kinds import BAR, GAP, TICK, TRADE
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.testing import Child
from tests.support.archive import answers, counted, fill, questions, scene_of

KILLS = int(os.environ.get("CHAOS_ARCHIVE_KILLS", "100"))
LONGEST_S = 4.0
pytestmark = pytest.mark.timeout(7200)


async def _child(folder: Path, url: str) -> Child:
    command = [sys.executable, "-m", "tests.chaos.archive_child", str(folder), url]
    child = Child(command, lambda *_: None, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    await child.start()
    return child


async def _until_moving(log: ArchiveLog, child: Child, epoch: dict[Any, int]) -> bool:
    """Whether it has begun to write records before it ended."""
    while child.process.returncode is None:
        if {record.key: revision for record, revision in await log.all()} != epoch:
            return True
        await asyncio.sleep(0.02)
    return False


def _afresh(pristine: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(pristine, folder, symlinks=True)


async def test_rows_are_hot_or_cold_whenever_the_archiver_is_killed(tmp_path: Path) -> None:
    """Each kill falls into another instant of a move; what is found behind it is counted in an own process' stead."""
    dice, found = random.Random(5), Counter[str]()
    pristine, folder = tmp_path / "pristine", tmp_path / "store"
    folder.mkdir()
    asked = questions(5, 14)
    async with scene_of(folder) as scene:
        await fill(scene.store, 5, [TICK, BAR, GAP, TRADE])
        rows, before = await counted(scene), await answers(scene, asked)
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url)
    log = await ArchiveLog.open(connection)
    bucket = await NatsKeyValue.open(connection, ARCHIVE)
    await asyncio.to_thread(_afresh, folder, pristine)
    try:
        for _ in range(KILLS):
            known = {record.key: revision for record, revision in await log.all()}
            child = await _child(folder, server.url)
            if await _until_moving(log, child, known):
                await asyncio.sleep(dice.uniform(0.0, LONGEST_S))
            found["killed" if child.process.returncode is None else "ended"] += 1
            child.kill()
            await child.end()
            records = [record for record, _ in await log.all()]
            found.update(f"left {record.state.value}" for record in records if record.state is not UnitState.DROPPED)
            async with scene_of(folder, log=log) as scene:
                assert await counted(scene) == rows
                for table, now in zip(before, await answers(scene, asked), strict=True):
                    assert table.equals(now)
            if records and all(record.state is UnitState.DROPPED for record in records) and len(records) == len(rows):
                found["moved whole"] += 1
                for entry in await bucket.entries():
                    await bucket.delete(entry.key)
                await asyncio.to_thread(_afresh, pristine, folder)
        async with scene_of(folder, log=log) as scene:
            await scene.move_all()
            for record in list(scene.known.records.values()):
                await scene.mover.move(*record.key)
            assert await counted(scene) == rows
            assert await scene.hot.partitions() == []
        print(dict(found))
        assert found["killed"]
    finally:
        await connection.close()
        await server.stop()
