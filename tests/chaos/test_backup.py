"""A process that makes backups, killed at random instants: those before stay whole, and the next one succeeds."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from marketprism_application.backups.checking import FetchedObjects
from marketprism_application.backups.retention import KeepRules
from marketprism_sdk.testing import Child
from marketprism_services.platform.restoring import RestoreOrder
from tests.support.backups import IDENTITY, KEYS, RECIPIENT, AgeOpener, BackupScene, backed_up, counted, restored

KILLS = int(os.environ.get("CHAOS_BACKUP_KILLS", "15"))
pytestmark = pytest.mark.timeout(3600)


async def whole(scene: BackupScene, folder: Path) -> list[str]:
    """Every finished backup is what was written, and can be decrypted."""
    folder.mkdir(exist_ok=True)
    manifests, wrong = await scene.catalogue.all()
    assert wrong == {}
    for manifest in manifests[-3:]:
        objects = FetchedObjects(scene.catalogue, manifest, folder)
        await objects.check(AgeOpener([IDENTITY]), manifest.objects, keep=False)
    return [manifest.id for manifest in manifests]


async def test_a_backup_that_is_killed_leaves_the_earlier_ones_whole(tmp_path: Path) -> None:
    dice, found = random.Random(3), Counter[str]()
    async with backed_up(tmp_path) as scene:
        before = [(await scene.make()).id]
    for _ in range(KILLS):
        child = Child(
            [sys.executable, "-m", "tests.chaos.backup_child", str(tmp_path)],
            lambda *_: None,
            env={"PYTHONPATH": os.pathsep.join(sys.path), KEYS: f"{IDENTITY} {RECIPIENT}"},
        )
        await child.start()
        begun = len(await scene.catalogue.unfinished())
        async with asyncio.timeout(60):
            while len(await scene.catalogue.unfinished()) == begun and child.process.returncode is None:
                await asyncio.sleep(0.01)
        await asyncio.sleep(dice.uniform(0.0, 2.5))
        assert child.process.returncode is None
        child.kill()
        await child.end()
        there = await whole(scene, tmp_path / "check")
        assert there[: len(before)] == before
        found["finished"] += len(there) - len(before)
        before = there
    found["unfinished"] = len(await scene.catalogue.unfinished())
    pruned = await scene.catalogue.prune(KeepRules(daily=1, weekly=0, monthly=0))
    assert pruned.objects == 0  # some of these could still be under way
    assert pruned.waiting
    async with backed_up(tmp_path) as again:
        last = await again.make()
        rows = await counted(again.rows)
    print(dict(found))
    assert found["unfinished"]
    report = await restored(tmp_path / "new", scene.catalogue, RestoreOrder(last.id, parts=("store",)))
    assert report.good
    assert report.rows == sum(each.rows for each in rows.values())
