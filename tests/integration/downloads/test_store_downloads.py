"""Downloads into the store of a real pipeline: each row once, what is stored not asked for, holes of the venue known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_application.contracts.kinds import TRADE
from marketprism_domain.integrity.dataset import Dataset
from tests.integration.history.history_side import Side, side_of
from tests.support.downloads import LISTED, LISTED_MS, MINUTE, history_of, klines, simulated, symbol_of
from tests.support.store_downloads import door_of, downloaded_into, rows_of

pytestmark = pytest.mark.timeout(180)
HOLE = (LISTED_MS + 500 * 60_000, LISTED_MS + 530 * 60_000)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with side_of(tmp_path) as made:
        yield made


async def test_bars_are_stored_once_and_holes_of_the_venue_are_asked_about_once(side: Side) -> None:
    door = await door_of(side.market.connection)
    async with simulated("binance", share=0.2, holes=[HOLE]) as venue, history_of("binance", venue.rest_url) as it:
        dataset = klines("binance", symbol_of(venue), 3_000)
        progress = await downloaded_into(door, it, dataset)
        assert progress.is_complete
        assert [(hole.ts_to - hole.ts_from) // MINUTE for hole in progress.holes] == [30]
        assert await side.count("klines") == await side.count("kline_revisions") == 2_970
        assert list(await door.sink.missing(dataset)) == []
        assert list(await door.sink.holes(dataset)) == progress.holes
        asked = it.budget("kline").requests
        again = await downloaded_into(door, it, dataset)
        assert (again.parts, again.rows) == (0, 0)
        assert it.budget("kline").requests - asked < 5  # bounds of the series, not its rows
        every = await downloaded_into(door, it, dataset, mode="all")
        assert every.rows == 2_970
        assert (door.sink.totals.new, door.sink.totals.same, door.sink.totals.conflicts) == (2_970, 2_970, 0)
        assert await side.count("klines") == await side.count("kline_revisions") == 2_970
        table = await rows_of(door.reader, dataset)
        assert set(table.column("source").to_pylist()) == {"download:binance"}
        (row,) = await side.rows("SELECT * FROM market.gaps FINAL")
        assert (row["cause"], row["kind"], row["source"]) == ("venue_missing", "kline", "history:1m")


async def test_trades_are_known_by_what_was_downloaded(side: Side) -> None:
    door = await door_of(side.market.connection)
    async with simulated("binance") as venue, history_of("binance", venue.rest_url) as it:
        symbol = symbol_of(venue)
        dataset = Dataset(TRADE.name, "binance", symbol, "", LISTED + 60 * MINUTE, LISTED + 90 * MINUTE)
        first = await downloaded_into(door, it, dataset)
        assert first.rows > 0
        assert await side.count("trades") == first.rows
        assert list(await door.sink.missing(dataset)) == []
        wider = Dataset(TRADE.name, "binance", symbol, "", LISTED + 50 * MINUTE, LISTED + 95 * MINUTE)
        assert list(await door.sink.missing(wider)) == [
            (LISTED + 50 * MINUTE, LISTED + 60 * MINUTE),
            (LISTED + 90 * MINUTE, LISTED + 95 * MINUTE),
        ]
        more = await downloaded_into(door, it, wider)
        assert await side.count("trades") == first.rows + more.rows
        # What the store lost is asked for again.
        await side.storage.execute("TRUNCATE TABLE market.trades")
        assert list(await door.sink.missing(wider)) == [(LISTED + 50 * MINUTE, LISTED + 95 * MINUTE)]
