"""Backups in a bucket of an S3-compatible store, and over a ClickHouse server in place of the embedded engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.cold.s3 import S3Store
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.backups.retention import KeepRules
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.errors import BackupDamaged, ColdStoreError
from marketprism_services.platform.restoring import Progress, RestoreOrder, restore
from marketprism_services.settings.settings import validated
from tests.support.archive import fill
from tests.support.backups import IDENTITY, AgeOpener, SqlStore, backed_up, counted, engine_at, restored
from tests.support.s3_server import BUCKET, KEYS, READER, S3Server, need_s3, s3_server

pytestmark = pytest.mark.xdist_group("s3")
STORE = ("store",)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    need_s3()
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.mark.long
async def test_a_backup_in_a_bucket_is_restored_pruned_and_found_to_be_spoilt(server: S3Server, tmp_path: Path) -> None:
    place = S3Store(server.endpoint, BUCKET, "backups/of/one", *KEYS, what="backup")
    async with backed_up(tmp_path, place) as scene:
        first = await scene.make()
        before = await counted(scene.rows)
        await fill(SqlStore(scene.engine), 5, [TICK, BAR], days=2)
        second = await scene.make()
        reader = S3Store(server.endpoint, BUCKET, "backups/of/one", *READER, what="backup")
        with pytest.raises(ColdStoreError, match=r"backup http://127\.0\.0\.1:\d+/cold/backups/of/one: backups/"):
            await scene._replace(catalogue=BackupCatalogue(reader)).make()
        away = S3Store("http://127.0.0.1:9", BUCKET, "x", *KEYS, timeout_s=1.0, what="backup")
        with pytest.raises(ColdStoreError, match="backup http://127"):
            await scene._replace(catalogue=BackupCatalogue(away)).make()
    report = await restored(tmp_path / "new", scene.catalogue, RestoreOrder(first.id, parts=STORE))
    assert report.good
    async with engine_at(tmp_path / "new" / "chdb") as engine:
        assert await counted(SqlRowCopies(engine, "chdb")) == before
    pruned = await scene.catalogue.prune(KeepRules(daily=1, weekly=0, monthly=0))
    assert pruned.sets == [first.id]
    assert pruned.objects > 0
    assert {stored.path for stored in second.objects} == set(await scene.catalogue.objects())
    assert (await restored(tmp_path / "again", scene.catalogue, RestoreOrder(parts=STORE))).good

    largest = max(second.objects, key=lambda stored: stored.bytes)
    await place.write(largest.path, b"x" * largest.bytes)
    with pytest.raises(BackupDamaged, match="with the digest"):
        await restored(tmp_path / "none", scene.catalogue, RestoreOrder(parts=STORE))


@pytest.mark.xdist_group("clickhouse")
@pytest.mark.long
async def test_rows_of_the_embedded_engine_are_restored_into_a_server_that_has_none(
    clickhouse_url: str, tmp_path: Path
) -> None:
    async with backed_up(tmp_path) as scene:
        await scene.make()
        before = await counted(scene.rows)
    engine = await ClickHouseEngine.open(clickhouse_url)
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    settings = validated({"data_dir": str(tmp_path / "new"), "store": {"engine": "clickhouse", "url": clickhouse_url}})
    order = RestoreOrder(parts=STORE)
    report = await restore(settings, scene.catalogue, AgeOpener([IDENTITY]), order, Progress())
    assert report.good
    assert await counted(SqlRowCopies(engine, "clickhouse")) == before
    from marketprism_application.errors import TargetInUse  # noqa: PLC0415 (only here)

    with pytest.raises(TargetInUse, match="store clickhouse: expected no rows, "):
        await restore(settings, scene.catalogue, AgeOpener([IDENTITY]), order, Progress())
    assert await counted(SqlRowCopies(engine, "clickhouse")) == before
    await engine.execute("DROP DATABASE market SYNC")
    await asyncio.gather(engine.close())
