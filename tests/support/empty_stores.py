"""A store with the newest schema and no rows, for a test that is not about its making.

To drop a database and to make its fifty tables costs many times what it costs to take out the few rows of the test before.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology

_TABLES = "SELECT name, create_table_query FROM system.tables WHERE database = 'market' ORDER BY name"
_LEDGER = "SELECT number, checksum FROM market.schema_migrations FINAL ORDER BY number"
_WITH_ROWS = (
    "SELECT DISTINCT table FROM system.parts WHERE database = 'market' AND active AND table != 'schema_migrations'"
)
_made: dict[str, tuple[object, object]] = {}  # what a class of engine says of a database that was just made
_folders: list[Path] = []


async def empty_store(engine: Engine) -> SqlStore:
    """The store in an engine. A database that is as one that was just made loses its rows; any other one is made anew.

    Rows that lie there twice stay until somebody looks: suites count them.
    """
    store = SqlStore(engine, Topology(dense_days=0))
    name = type(engine).__name__
    if name in _made and await _as_made(engine, *_made[name]):
        for row in (await engine.fetch(_WITH_ROWS)).to_pylist():
            await engine.execute(f"TRUNCATE TABLE market.{row['table']}")
        return store
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    await store.migrate()
    _made[name] = (await engine.fetch(_TABLES)).to_pylist(), (await engine.fetch(_LEDGER)).to_pylist()
    return store


async def _as_made(engine: Engine, tables: object, ledger: object) -> bool:
    return (await engine.fetch(_TABLES)).to_pylist() == tables and (await engine.fetch(_LEDGER)).to_pylist() == ledger


async def kept_engine(request: pytest.FixtureRequest) -> ChdbEngine:
    """The embedded engine over a folder that all tests of this process use, one after the other."""
    if not _folders:
        _folders.append(request.getfixturevalue("tmp_path_factory").mktemp("kept"))
    return await ChdbEngine.open(_folders[0] / "db")
