"""GapLedger: an entry is stored like every other gap, once however often it is made, and durable when it returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.gap_ledger import NatsGapLedger
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, GAP, KLINE, TRADE
from marketprism_application.errors import StoreError
from marketprism_application.ports.gap_ledger import GapLedger
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import delete_stream
from marketprism_sdk.nats.stream_reading import read_stream
from tests.integration.history.history_side import Side, side_of
from tests.support.downloads import LISTED, MINUTE

HOLE = Dataset(KLINE.name, "binance", "BTC-USDT", "1m", LISTED, LISTED + 30 * MINUTE)
ROWS = "SELECT venue, symbol, source, kind, cause FROM market.gaps FINAL ORDER BY ts_from, kind, source"


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with side_of(tmp_path) as made:
        yield made


async def test_an_entry_is_stored_when_it_returns_and_twice_is_once(side: Side) -> None:
    first: GapLedger = NatsGapLedger(side.market.connection, stored_s=30.0)
    connection = await NatsConnection.open(side.url)
    other: GapLedger = NatsGapLedger(connection, stored_s=30.0)
    await first.enter(HOLE, "venue_missing")
    (row,) = await side.rows(ROWS)
    assert [row[name] for name in ("venue", "symbol", "source", "kind", "cause")] == [
        *("binance", "BTC-USDT", "history:1m", "kline", "venue_missing")
    ]
    await asyncio.gather(*(each.enter(HOLE, "venue_missing") for each in (first, other) for _ in range(5)))
    await connection.close()
    assert await side.count("gaps") == 1
    assert len(await read_stream(side.market.connection, streams.EVENTS, ["market.gap.>"])) == 1


async def test_another_time_kind_or_cause_is_another_entry(side: Side) -> None:
    ledger = NatsGapLedger(side.market.connection, stored_s=30.0)
    await ledger.enter(HOLE, "venue_missing")
    await ledger.enter(replace(HOLE, ts_from=LISTED + MINUTE), "venue_missing")
    await ledger.enter(replace(HOLE, kind=TRADE.name, interval=""), "venue_missing")
    await ledger.enter(replace(HOLE, kind=BAR.name), "venue_missing")
    await ledger.enter(HOLE, "reported")
    rows = await side.rows(ROWS)
    assert sorted((row["kind"], row["source"], row["cause"]) for row in rows) == [
        ("", "history:1m", "venue_missing"),
        ("kline", "history:1m", "reported"),
        ("kline", "history:1m", "venue_missing"),
        ("kline", "history:1m", "venue_missing"),
        ("trade", "history", "venue_missing"),
    ]


async def test_without_a_storage_an_entry_waits_in_the_stream(connection: NatsConnection) -> None:
    await streams.ensure_streams(connection)
    await NatsGapLedger(connection, stored_s=0.1).enter(HOLE, "venue_missing")
    (message,) = await read_stream(connection, streams.EVENTS, ["market.gap.binance.BTC-USDT"])
    gap = decode(GAP, message.data)
    assert (gap.ts_from, gap.ts_to, gap.ts_event, gap.seq) == (HOLE.ts_from, HOLE.ts_to, HOLE.ts_to, 0)


async def test_a_ledger_that_is_away_is_said(connection: NatsConnection) -> None:
    await streams.ensure_streams(connection)
    await delete_stream(connection, streams.EVENTS)
    with pytest.raises(StoreError, match="gap ledger: expected an entry"):
        await NatsGapLedger(connection).enter(HOLE, "venue_missing")
