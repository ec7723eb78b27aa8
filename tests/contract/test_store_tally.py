"""StoreTally: one suite over chDB and a ClickHouse server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from marketprism_adapters.clickhouse.tally import SqlTally
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.ports.storage import DeadRow, MarketStore, StoreTally, StreamPlace, TickKey
from tests.contract.stores import SERVER, covered, empty_pair, put
from tests.fakes.ticks import at, tick

OPEN = at("2025-03-03 09:00:00")
TICKS = [tick(OPEN + n, 100 + n, n, seq=n, symbol="rb'2505")._replace(seq=n) for n in range(1, 7)]


class Tallied(NamedTuple):
    """A store and its tally."""

    store: MarketStore
    tally: StoreTally


@pytest.fixture(params=["chdb", SERVER])
async def tallied(request: pytest.FixtureRequest) -> AsyncIterator[Tallied]:
    engine, store = await empty_pair(request, request.param)
    yield Tallied(store, SqlTally(engine))
    await store.close()


async def test_rows_are_counted_by_the_places_they_came_from(tallied: Tallied) -> None:
    places = [
        StreamPlace(10, 0),
        StreamPlace(10, 1),
        StreamPlace(11, 0),
        StreamPlace(13, 0),
        StreamPlace(13, 1),
        StreamPlace(13, 2),
    ]
    await tallied.store.insert(TICK, TICKS, places, covered(10, 13), 1)
    await tallied.store.insert(TICK, TICKS[:2], places[:2], covered(10, 10), 2)  # again, under another name
    found = [await tallied.tally.rows(TICK, *part) for part in ((0, 99), (10, 13), (10, 10), (11, 12), (12, 12))]
    assert found == [6, 6, 2, 1, 0]
    assert await tallied.tally.rows(BAR, 0, 99) == 0


async def test_dead_rows_are_counted_by_stream_and_each_once(tallied: Tallied) -> None:
    dead = [DeadRow("S", 4, 0, "why", b"x"), DeadRow("S", 4, 1, "why", b"y"), DeadRow("T", 4, 0, "why", b"z")]
    for _ in range(2):
        await tallied.store.bury(dead)
    found = [await tallied.tally.dead(*part) for part in (("S", 0, 9), ("S", 4, 4), ("T", 0, 9), ("S", 5, 9))]
    assert found == [2, 2, 1, 0]


async def test_absent_are_the_ticks_without_a_row_in_the_order_they_were_asked_for(tallied: Tallied) -> None:
    await put(tallied.store, TICK, TICKS[:3])
    keys = [TickKey(row.venue, row.symbol, row.ts_event, row.seq) for row in TICKS]
    elsewhere = [keys[0]._replace(venue="dce"), keys[1]._replace(ts_event=OPEN), keys[2]._replace(seq=99)]
    assert await tallied.tally.absent([*elsewhere, *keys]) == [*elsewhere, *keys[3:]]
    assert await tallied.tally.absent(keys[:3]) == []
    assert await tallied.tally.absent([]) == []
