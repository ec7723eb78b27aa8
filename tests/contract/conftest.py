"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.queries.answering import answer
from tests.contract.stores import ADAPTERS, Pair, empty_pair


@pytest.fixture(params=ADAPTERS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """An empty store of each adapter, and its reader."""
    if request.param == "memory":
        memory = MemoryStore()
        yield Pair(memory, memory)
        return
    engine, store = await empty_pair(request, request.param)
    reader = SqlReader(engine)
    if request.param == "remote":  # pages by stretches of time, as where much is stored; rows handed over as they came
        reader, store = SqlReader(engine, many_rows=0), SqlStore(engine, columns=False)
    yield Pair(store, RemoteReader(lambda data: answer(reader, data)) if request.param == "remote" else reader)
    await store.close()
