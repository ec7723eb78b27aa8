"""UnitLog and HotStore: records written by compare-and-swap, and what an engine does with a unit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.clickhouse.archive.hot import SqlHotStore
from marketprism_adapters.nats.archive_log import ARCHIVE, ArchiveLog
from marketprism_application.contracts.archive_records import UnitRecord, UnitState
from marketprism_application.contracts.kinds import GAP, TICK
from marketprism_application.ports.archive import HotStore, Slice, UnitLog
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.support.archive import MemoryLog, fill, scene_of

UNIT = UnitRecord("market_ticks", "20250303", UnitState.EXPORTING)


@pytest.fixture(params=["memory", "nats"])
async def log(request: pytest.FixtureRequest, connection: NatsConnection) -> AsyncIterator[UnitLog]:
    """An empty log of each sort."""
    if request.param == "memory":
        yield MemoryLog()
        return
    found = await ArchiveLog.open(connection)
    bucket = await NatsKeyValue.open(connection, ARCHIVE)
    for entry in await bucket.entries():
        await bucket.delete(entry.key)
    yield found


async def test_a_record_is_written_over_the_one_that_was_read(log: UnitLog) -> None:
    first = await log.write(UNIT, 0)
    changed = msgspec.structs.replace(UNIT, state=UnitState.COLD, hold="a case")
    second = await log.write(changed, first)
    assert list(await log.all()) == [(changed, second)]
    with pytest.raises(RevisionConflict):
        await log.write(UNIT, first)
    with pytest.raises(KeyExists):
        await log.write(UNIT, 0)
    with pytest.raises(RevisionConflict):
        await log.forget(UNIT, first)
    await log.forget(UNIT, second)
    assert list(await log.all()) == []


async def test_an_engine_exports_measures_drops_and_restores_a_unit(tmp_path: Path) -> None:
    async with scene_of(tmp_path) as scene:
        await fill(scene.store, 3, [TICK, GAP])
        hot: HotStore = scene.hot
        assert isinstance(hot, SqlHotStore)
        unit = next(each for each in await hot.partitions() if each.table == "market_ticks")
        outline = await hot.outline(unit.table, unit.partition, None)
        assert [each.symbol for each in outline.instruments] == ["BTC-USDT", "BTC-USDT", "rb2505", "ru2505"]
        whole = await hot.measure(unit.table, unit.partition, None)
        some = await hot.measure(unit.table, unit.partition, None, Slice("rb2505", "ru2505"))
        assert 0 < some.rows < whole.rows == sum(each.rows for each in outline.instruments)
        record = await scene.mover.move(unit.table, unit.partition)
        assert record.cold is not None
        assert await hot.measure_files(unit.table, record.cold.files, record.cold.columns) == whole
        assert await hot.measure(unit.table, unit.partition, None) == (0, "0" * 32)
        await hot.restore(unit.table, unit.partition, record.cold)
        await hot.restore(unit.table, unit.partition, record.cold)
        assert await hot.measure(unit.table, unit.partition, None) == whole
        assert await hot.drop(unit.table, unit.partition, record.cold)
