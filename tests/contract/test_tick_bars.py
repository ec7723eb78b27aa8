"""TickBars: one suite over chDB, chDB behind the wire, and a ClickHouse server. Golden recordings are in integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import TICK
from marketprism_application.ports.storage import MarketStore
from marketprism_application.queries.answering import answer
from marketprism_application.queries.bars_from_ticks import COLUMNS, TickBars
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from tests.contract.stores import SERVER, engine_of, put
from tests.fakes.ticks import at, tick

D = Decimal
OPEN = at("2025-03-03 09:00:00")
SECTIONS = ((OPEN - 5 * NANOS_PER_MINUTE, OPEN, OPEN + 75 * NANOS_PER_MINUTE, 0, "20250303"),)


class Made(NamedTuple):
    """A store and what makes bars of its ticks."""

    store: MarketStore
    maker: TickBars


@pytest.fixture(params=["chdb", "remote", SERVER])
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    engine = await engine_of(request, request.param, tmp_path / "db")
    store, reader = SqlStore(engine), SqlReader(engine)
    await store.migrate()
    remote = RemoteReader(lambda data: answer(reader, data, None, reader))
    yield Made(store, remote if request.param == "remote" else reader)
    await store.close()


async def test_windows_with_a_trade_are_one_row_each_of_their_venue(made: Made) -> None:
    given = [(1, 100, 5, 500), (30, 110, 7, 720), (31, 110, 7, 720), (181, 105, 8, 825)]
    ticks = [
        tick(OPEN + s * NANOS_PER_SECOND, last, volume, seq=s, venue=venue, turnover=D(money), phase="continuous",
             verdict="passed")._replace(seq=s)
        for s, last, volume, money in given
        for venue in ("shfe", "ine")
    ]  # fmt: skip
    await put(made.store, TICK, ticks)
    found = await made.maker.bars_of_ticks("rb2505", "shfe", SECTIONS, NANOS_PER_MINUTE)
    assert [(field.name, field.type) for field in found.schema] == [(field.name, field.type) for field in COLUMNS]
    tail = ("test", 0)
    rows = [
        ("20250303", OPEN, D(100), D(110), D(100), D(110), D(7), D(720), D(1000), 3, *tail, ticks[4].ts_recv, 0),
        ("20250303", OPEN + 3 * NANOS_PER_MINUTE, *[D(105)] * 4, D(1), D(105), D(1000), 1, *tail, ticks[6].ts_recv, 0),
    ]
    assert found.to_pylist() == [dict(zip(COLUMNS.names, row, strict=True)) for row in rows]
    (whole,) = (await made.maker.bars_of_ticks("rb2505", "shfe", SECTIONS, 0)).to_pylist()
    assert (whole["start"], whole["open"], whole["close"], whole["volume"], whole["ticks"]) == (OPEN, 100, 105, 8, 4)


async def test_where_there_is_nothing_the_columns_are_there(made: Made) -> None:
    for sections in (SECTIONS, ()):
        found = await made.maker.bars_of_ticks("none", "shfe", sections, NANOS_PER_MINUTE)
        assert (found.num_rows, found.schema.names, found.schema.types) == (0, COLUMNS.names, COLUMNS.types)
