"""The schema on both engines: planned, applied, verified, and refused where it is newer."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import MIGRATIONS, pending
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_application.errors import StoreError
from tests.contract.stores import NATIVE, SERVER, engine_of


async def test_migrations_are_applied_once_and_survive(tmp_path: Path) -> None:
    for expected in (len(MIGRATIONS), 0):
        engine = await ChdbEngine.open(tmp_path / "db")
        store = SqlStore(engine, Topology(dense_days=0))  # which changes no table after the migrations
        assert len(await store.migrate()) == expected
        await store.close()


def test_a_newer_or_altered_database_stops_the_program() -> None:
    applied = [(m.number, m.checksum) for m in MIGRATIONS]
    assert pending(applied) == []
    with pytest.raises(StoreError, match="it is newer"):
        pending([*applied, (99, "x")])
    with pytest.raises(StoreError, match="was altered"):
        pending([(1, "x")])


@pytest.mark.parametrize("name", ["chdb", SERVER, NATIVE])
async def test_a_schema_is_planned_applied_and_verified(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    engine = await engine_of(request, name, tmp_path / "db")
    store = SqlStore(engine, Topology(dense_days=0))  # which changes no table after the migrations
    assert [step.number for step in await store.plan()] == [migration.number for migration in MIGRATIONS]
    assert await store.verify()
    assert len(await store.migrate()) == len(MIGRATIONS)
    assert await store.plan() == []
    assert await store.verify() == []
    await engine.execute("ALTER TABLE market.market_bars DROP COLUMN turnover")
    await engine.execute("ALTER TABLE market.market_ticks MODIFY COLUMN phase String")
    assert await store.verify() == [
        "market_ticks.phase: expected LowCardinality(String), was String",
        "market_bars.turnover: expected Decimal(38, 18), was missing",
    ]
    await engine.execute("INSERT INTO market.schema_migrations (number, name, checksum) VALUES (99, 'x', 'y')")
    with pytest.raises(StoreError, match="the database has 99: it is newer"):
        await store.plan()
    await store.close()
