"""The schema on both engines: planned, applied, verified, and refused where it is newer."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import MIGRATIONS, pending
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_application.contracts.kinds import BAR, KINDS, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from tests.contract.stores import NATIVE, SERVER, engine_of
from tests.contract.test_codec import SAMPLES


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


def view_of(kind: DataKind) -> str:
    return f"market.v_{kind.table.removeprefix('market_')}"


@pytest.mark.parametrize("name", ["chdb", SERVER])
@pytest.mark.long_on("chdb")
async def test_a_view_shows_each_record_once_with_every_column_of_its_table(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    engine = await engine_of(request, name, tmp_path / "db")
    store = SqlStore(engine, Topology(dense_days=0))
    await store.migrate()
    found = await engine.fetch("SELECT table, name FROM system.columns WHERE database = 'market'")
    columns: dict[str, set[str]] = {}
    for row in found.to_pylist():
        columns.setdefault(f"market.{row['table']}", set()).add(row["name"])
    own = {"stream_seq", "stream_index", "writer_epoch", "row_version"}
    for kind in KINDS.values():
        assert columns[view_of(kind)] == columns[f"market.{kind.table}"] - own, kind.name
    bar = SAMPLES["bar"]
    for place, revision in enumerate((bar, bar._replace(revision=bar.revision + 1), bar), 1):
        covered = StreamRange("S", "2025", place, place)
        await store.insert(BAR, [revision], [StreamPlace(place, 0)], covered, 1)
    for source, revisions in ((f"market.{BAR.table}", {bar.revision, bar.revision + 1}), (view_of(BAR), None)):
        rows = (await engine.fetch(f"SELECT revision FROM {source}")).column("revision").to_pylist()
        assert set(rows) == revisions or rows == [bar.revision + 1], source
    await store.close()
