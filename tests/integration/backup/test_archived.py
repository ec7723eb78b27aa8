"""What is archived: named in a backup with its digests, and copied where that is wanted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.cold.folder import FolderStore
from marketprism_application.archiving.digests import of_files
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.backups.making import Source
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_services.platform.restoring import RestoreOrder
from tests.support.archive import answers, fill, questions, scene_of
from tests.support.backups import BackupScene, Heard, restored


@pytest.mark.long
@pytest.mark.parametrize("copied", [False, True])
async def test_archived_files_are_named_and_come_back_where_they_were_copied(tmp_path: Path, copied: bool) -> None:
    (tmp_path / "place").mkdir()
    catalogue = BackupCatalogue(FolderStore(tmp_path / "place"))
    asked = questions(4, 12)
    async with scene_of(tmp_path) as scene:
        await fill(scene.store, 4, [TICK, BAR])
        for unit in list(await scene.hot.partitions())[:3]:
            await scene.mover.move(unit.table, unit.partition, unit.bytes)
        records = list(scene.known.records.values())
        before = await answers(scene, asked)
        log = scene.log
        rows = SqlRowCopies(scene.engine, "chdb")
        backups = BackupScene(scene.engine, rows, None, catalogue, tmp_path / "backup-staging", Heard())
        source = Source("1", "s", {}, (), records, "cold", scene.cold if copied else None)
        first = await backups.maker().make(source)
        again = await backups.maker().make(source)
    assert [(each.table, each.partition) for each in first.archived] == [record.key for record in records]
    for unit, record in zip(first.archived, records, strict=True):
        assert record.cold is not None
        assert (unit.rows, unit.digest) == of_files(record.cold.files)
    files = {path for unit in first.archived for path, _, _ in unit.files}
    assert bool(files) is copied
    assert again.archived == first.archived  # what was copied is not copied again
    if not copied:
        return
    shutil.rmtree(tmp_path / "cold")
    shutil.rmtree(tmp_path / "db")
    (tmp_path / "cold").mkdir()
    order = RestoreOrder(parts=("store",), archive=FolderStore(tmp_path / "cold"))
    report = await restored(tmp_path / "new", catalogue, order)
    assert report.good
    assert report.compared == len(again.parts) + len(files)
    (tmp_path / "new" / "chdb").rename(tmp_path / "db")
    async with scene_of(tmp_path, log=log) as scene:
        for table, now in zip(before, await answers(scene, asked), strict=True):
            assert table.equals(now)
