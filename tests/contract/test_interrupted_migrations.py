"""Migrations that are ended behind any statement, or run by two at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import MIGRATIONS, WHOLE_SCHEMA
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_application.contracts.kinds import BAR
from tests.contract.stores import SERVER, engine_of, put
from tests.contract.test_codec import SAMPLES


class Killed(BaseException):
    """The process ended here."""


class Mortal:
    """An engine whose process is killed behind its n-th change of a table."""

    def __init__(self, engine: Engine, lives: int) -> None:
        self._engine = engine
        self._lives = lives
        self.done = 0

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> None:
        await self._engine.execute(statement, params)
        self.done += 1
        if self.done == self._lives:
            raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@pytest.mark.parametrize("name", ["chdb", SERVER])
@pytest.mark.long_on("chdb")
async def test_a_migration_that_ends_behind_any_statement_is_done_by_the_next_start(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    """One database, killed behind each statement of each migration in turn: every start goes one statement further.
    What is empty would be made whole in one go; a start that ends before the newest migration is not."""
    engine = await engine_of(request, name, tmp_path / "db")
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    lives, applied, killed = 1, 0, 0
    while True:
        last = applied >= len(MIGRATIONS) - 1
        try:
            await SqlStore(Mortal(engine, lives)).migrate(None if last else MIGRATIONS[-2].number)
        except Killed:
            killed += 1
        else:
            if last:
                break
        done = len(MIGRATIONS) - len(await SqlStore(engine).plan())
        lives = lives + 1 if done == applied else 1
        applied = done
    statements = sum(len(migration.statements) for migration in MIGRATIONS)
    assert applied == len(MIGRATIONS)
    assert killed > statements + len(MIGRATIONS)
    store = SqlStore(engine)
    assert await store.plan() == []
    assert await store.verify() == []
    await put(store, BAR, [SAMPLES["bar"]])
    await engine.close()


@pytest.mark.parametrize("name", ["chdb", SERVER])
@pytest.mark.long_on("chdb")
async def test_a_migration_whose_statements_are_done_and_not_recorded_is_run_again(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    """As a data directory of a storage that was killed before it recorded what it had done; its rows stay."""
    engine = await engine_of(request, name, tmp_path / "db")
    try:
        store = SqlStore(engine)
        await store.migrate()
        await put(store, BAR, [SAMPLES["bar"]])
        for migration in reversed(MIGRATIONS):
            await engine.execute(
                f"ALTER TABLE market.schema_migrations DELETE WHERE number >= {migration.number} "
                "SETTINGS mutations_sync = 2"
            )
            assert [each.number for each in await store.plan()] == [
                each.number for each in MIGRATIONS if each.number >= migration.number
            ]
            await store.migrate()
            assert (await store.plan(), await store.verify()) == ([], [])
        kept = await engine.fetch(f"SELECT count() AS n FROM market.{BAR.table}")
        assert kept.to_pylist() == [{"n": 1}]
    finally:
        await engine.close()


@pytest.mark.parametrize("name", ["chdb", SERVER])
async def test_two_that_migrate_at_once_end_with_the_same_tables(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    engine = await engine_of(request, name, tmp_path / "db")
    stores = [SqlStore(engine), SqlStore(engine)]
    await asyncio.gather(*(store.migrate() for store in stores))
    assert await stores[0].plan() == []
    assert await stores[0].verify() == []
    await engine.close()


async def test_who_is_cancelled_stops_behind_the_statement_that_runs(tmp_path: Path) -> None:
    engine = await ChdbEngine.open(tmp_path / "db")
    counting = Mortal(engine, 0)
    running = asyncio.create_task(SqlStore(counting).migrate())
    while counting.done < 3:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    done = counting.done
    await engine.execute("SELECT 1")  # behind what was running
    assert counting.done == done
    await SqlStore(engine).migrate()
    assert await SqlStore(engine).verify() == []
    await engine.close()


@pytest.mark.parametrize("topology", [Topology(), Topology(cluster="main")], ids=["one", "cluster"])
def test_no_statement_of_a_migration_minds_being_run_twice(topology: Topology) -> None:
    for statement in (*(text for migration in MIGRATIONS for text in migration.statements), *WHOLE_SCHEMA):
        for rendered in topology.render(statement):
            lines = rendered.replace("IF NOT EXISTS", "").replace("IF EXISTS", "")
            for word in ("CREATE TABLE", "CREATE VIEW", "ADD COLUMN", "DROP COLUMN", "ADD INDEX"):
                wanted = f"{word} IF NOT EXISTS" if not word.startswith("DROP") else f"{word} IF EXISTS"
                assert rendered.count(wanted) == lines.count(word), rendered


@pytest.mark.long
@pytest.mark.parametrize("lives", [3, 20])
def test_schema_apply_goes_on_where_a_storage_was_killed(tmp_path: Path, lives: int) -> None:
    """By command, of the embedded store: no other server is needed for it."""

    async def half() -> None:
        engine = await ChdbEngine.open(tmp_path / "chdb")
        with pytest.raises(Killed):
            await SqlStore(Mortal(engine, lives)).migrate()
        await engine.close()

    asyncio.run(half())
    for what, said in (("apply", "the schema is up to date"), ("verify", "the tables are what they should be")):
        done = subprocess.run(
            [sys.executable, "-m", "marketprism_services", "schema", what, "--data-dir", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr
