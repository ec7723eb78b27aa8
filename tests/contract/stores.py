"""The adapters that fulfil MarketStore and MarketReader, for the suites that run over all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.ports.reading import MarketReader
from marketprism_application.ports.storage import MarketStore, Place, StreamRange


class Pair(NamedTuple):
    """The two sides of one store."""

    store: MarketStore
    reader: MarketReader


SERVER = pytest.param("clickhouse", marks=pytest.mark.xdist_group("clickhouse"))
ADAPTERS = ["memory", "chdb", "remote", SERVER]


async def engine_of(request: pytest.FixtureRequest, name: str, path: Path) -> Engine:
    """An engine with nothing in it."""
    if name != "clickhouse":
        return await ChdbEngine.open(path)
    engine = await ClickHouseEngine.open(request.getfixturevalue("clickhouse_url"))
    await engine.execute("DROP DATABASE IF EXISTS market SYNC")
    return engine


def covered(first: int, last: int) -> StreamRange:
    """A range of a stream."""
    return StreamRange("S", "2025", first, last)


async def put(store: MarketStore, kind: DataKind, rows: list[Any], first: int = 1) -> None:
    """Insert rows, one a message, from sequence `first` on."""
    await store.insert(
        kind, rows, [Place(first + n, 0) for n in range(len(rows))], covered(first, first + len(rows) - 1), 1
    )
