"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import Topology
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.queries.answering import answer
from tests.contract.stores import ADAPTERS, Pair, engine_of


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """An empty store of each adapter, and its reader."""
    if request.param == "memory":
        memory = MemoryStore()
        yield Pair(memory, memory)
        return
    engine = await engine_of(request, request.param, tmp_path / "db")
    # Rows that lie there twice stay until somebody looks: the suites count them.
    store, reader = SqlStore(engine, Topology(dense_days=0)), SqlReader(engine)
    await store.migrate()
    yield Pair(store, RemoteReader(lambda data: answer(reader, data)) if request.param == "remote" else reader)
    await store.close()
