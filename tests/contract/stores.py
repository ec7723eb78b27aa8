"""The adapters that fulfil MarketStore and StoreReader, for the suites that run over all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.native import NativeEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.questions import StoreQuestion
from marketprism_application.ports.reading import StoreReader
from marketprism_application.ports.storage import MarketStore, StreamPlace, StreamRange
from tests.support.empty_stores import empty_store, kept_engine


class Pair(NamedTuple):
    """The two sides of one store."""

    store: MarketStore
    reader: StoreReader


SERVER = pytest.param("clickhouse", marks=pytest.mark.xdist_group("clickhouse"))
NATIVE = pytest.param("native", marks=pytest.mark.xdist_group("clickhouse"))
ADAPTERS = ["memory", "chdb", "remote", SERVER, NATIVE]


async def engine_of(request: pytest.FixtureRequest, name: str, path: Path) -> Engine:
    """An engine with nothing in it."""
    engine = await _server_of(request, name)
    if engine is None:
        return await ChdbEngine.open(path)
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    return engine


async def empty_pair(request: pytest.FixtureRequest, name: str) -> tuple[Engine, SqlStore]:
    """An engine and its store, with the newest schema and no rows."""
    engine = await _server_of(request, name) or await kept_engine(request)
    return engine, await empty_store(engine)


async def _server_of(request: pytest.FixtureRequest, name: str) -> Engine | None:
    """A connection to the server of that protocol; None for what runs in this process."""
    if name == "native":
        return await NativeEngine.open(request.getfixturevalue("clickhouse_native_url"))
    if name == "clickhouse":
        return await ClickHouseEngine.open(request.getfixturevalue("clickhouse_url"))
    return None


def covered(first: int, last: int) -> StreamRange:
    """A range of a stream."""
    return StreamRange("S", "2025", first, last)


async def put(store: MarketStore, kind: DataKind, rows: list[Any], first: int = 1) -> None:
    """Insert rows, one a message, from sequence `first` on."""
    await store.insert(
        kind, rows, [StreamPlace(first + n, 0) for n in range(len(rows))], covered(first, first + len(rows) - 1), 1
    )


async def read(pair: Pair, question: StoreQuestion) -> pa.Table:
    """What a store answers."""
    return await pair.reader.answer(question)
