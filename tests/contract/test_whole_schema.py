"""The schema that an empty database is given in one go is the one that the migrations leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import MIGRATIONS, WHOLE_FILE, WHOLE_SCHEMA, created_tables
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from tests.contract.stores import SERVER, engine_of
from tests.contract.test_interrupted_migrations import Killed, Mortal
from tests.support.reference.schema import schema_file

BEFORE_THE_NEWEST = MIGRATIONS[-1].number - 1


def in_order(created: str) -> str:
    """A description of a table with its settings in the order of their names: it has them in that of their coming."""
    before, word, settings = created.partition(" SETTINGS ")
    return before + word + ", ".join(sorted(settings.split(", ")))


async def described(engine: Engine) -> list[dict[str, object]]:
    """What the server says of the database and of its ledger: everything but when it was made, and under which id."""
    found: list[dict[str, object]] = []
    for asked in (
        "SELECT name, engine, engine_full, create_table_query, partition_key, sorting_key, primary_key, sampling_key, "
        "storage_policy, as_select FROM system.tables WHERE database = 'market' ORDER BY name",
        "SELECT table, name, type, position, default_kind, default_expression, compression_codec, comment, "
        "is_in_partition_key, is_in_sorting_key, is_in_primary_key FROM system.columns WHERE database = 'market' "
        "ORDER BY table, position",
        "SELECT number, name, checksum FROM market.schema_migrations FINAL ORDER BY number",
    ):
        found += (await engine.fetch(asked)).to_pylist()
    for row in found:
        row |= {name: in_order(str(row[name])) for name in ("engine_full", "create_table_query") if name in row}
    return found


_found: dict[str, list[dict[str, object]]] = {}


async def one_by_one(engine: Engine) -> list[dict[str, object]]:
    """The database as it is where it was brought along migration after migration, which an engine of each class does
    once; there is none afterwards."""
    name = type(engine).__name__
    if name not in _found:
        store = SqlStore(engine)
        await store.migrate(BEFORE_THE_NEWEST)
        await store.migrate()
        _found[name] = await described(engine)
        await engine.execute("DROP DATABASE market SYNC")
    return _found[name]


def test_the_file_is_what_the_migrations_leave() -> None:
    assert WHOLE_FILE.read_text(encoding="utf-8") == schema_file(), "run python -m tests.support.reference"


@pytest.mark.parametrize("name", ["chdb", SERVER])
async def test_a_database_made_in_one_go_is_the_one_that_went_through_all_migrations(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    engine = await engine_of(request, name, tmp_path / "db")
    expected = await one_by_one(engine)
    changes = Mortal(engine, 0)
    assert (await SqlStore(changes).migrate())[: len(MIGRATIONS)] == [each.title for each in MIGRATIONS]
    assert changes.done < len(WHOLE_SCHEMA) + 5  # the database, its ledger and what is in it, retention
    assert await described(engine) == expected
    await engine.close()


@pytest.mark.parametrize("name", ["chdb", SERVER])
@pytest.mark.long_on("chdb")
async def test_a_database_whose_making_ends_behind_any_statement_is_completed_by_the_next_start(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    """One database, whose making is killed one statement further with every start."""
    engine = await engine_of(request, name, tmp_path / "db")
    expected = await one_by_one(engine)
    lives = 1
    while not await recorded(engine):
        with pytest.raises(Killed):
            await SqlStore(Mortal(engine, lives)).migrate()
        lives += 1
    assert lives > len(WHOLE_SCHEMA)
    await SqlStore(engine).migrate()
    assert await described(engine) == expected
    await engine.close()


async def recorded(engine: Engine) -> bool:
    """Whether a migration is recorded as applied."""
    there = await engine.fetch("SELECT 1 FROM system.tables WHERE database = 'market' AND name = 'schema_migrations'")
    return bool(there.num_rows and (await engine.fetch("SELECT number FROM market.schema_migrations LIMIT 1")).num_rows)


@pytest.mark.parametrize("name", ["chdb", SERVER])
async def test_tables_of_an_older_form_go_through_the_migrations(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    """An older program was killed before it recorded its first migration; or the ledger was lost later."""
    engine = await engine_of(request, name, tmp_path / "db")
    expected = await one_by_one(engine)
    await SqlStore(engine).migrate(7)
    await engine.execute("TRUNCATE TABLE market.schema_migrations")
    await SqlStore(engine).migrate()
    assert await described(engine) == expected
    await engine.close()


async def test_who_joins_while_the_schema_is_made_goes_the_same_way(tmp_path: Path) -> None:
    """The newest table is there first: another who sees any table sees that one, and makes none in an older form."""
    assert WHOLE_SCHEMA[0].startswith(f"CREATE TABLE IF NOT EXISTS market.{created_tables()[-1]}\n")
    engine = await ChdbEngine.open(tmp_path / "db")
    expected = await one_by_one(engine)
    first, second = Mortal(engine, 0), Mortal(engine, 0)
    making = asyncio.create_task(SqlStore(first).migrate())
    while first.done < 10:
        await asyncio.sleep(0)
    await SqlStore(second).migrate()
    await making
    assert second.done < len(WHOLE_SCHEMA) + 5
    assert await described(engine) == expected
    await engine.close()
