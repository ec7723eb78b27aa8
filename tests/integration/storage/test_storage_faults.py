"""Stores that are away, lost, swapped or restored, watermarks that are none, streams that let go too early."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION
from marketprism_application.contracts.questions import Audit
from marketprism_application.storage.writer import Progress
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.integration.storage.storage_side import (
    OPENED,
    SECOND,
    Market,
    Storage,
    all_stored,
    made,
    market_of,
    storage_of,
    until,
)


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with market_of(tmp_path / "nats") as opened:
        yield opened


def storage_leader(connection: NatsConnection) -> LeaderClient:
    return LeaderClient(RpcClient(NatsBus(connection)), "storage")


async def well(storage: Storage) -> None:
    async def healthy() -> bool:
        return (await storage.health()).startswith("healthy")

    await until(healthy)


@pytest.mark.long
async def test_a_table_that_is_away_costs_no_row_and_is_told(market: Market, tmp_path: Path) -> None:
    async with storage_of(market, tmp_path / "db") as storage:
        await market.publish(20)
        await all_stored(market, storage)
        await storage.execute("RENAME TABLE market.market_ticks TO market.away")
        await market.publish(40)

        async def alarmed() -> bool:
            return (await storage.health()).startswith("unhealthy: MARKET_TICKS: store: Code: 60.")

        await until(alarmed)
        await storage.execute("RENAME TABLE market.away TO market.market_ticks")
        await all_stored(market, storage)
        await well(storage)
        assert await storage.dead() == 0
        assert await market.told("StorageRetryScheduled")


async def test_a_column_that_is_missing_is_waited_for(market: Market, tmp_path: Path) -> None:
    async with storage_of(market, tmp_path / "db") as storage:
        await market.publish(20)
        await all_stored(market, storage)
        await storage.execute("ALTER TABLE market.market_ticks RENAME COLUMN phase TO other")
        await market.publish(40)

        async def told() -> bool:
            return "phase" in await storage.health()

        await until(told)
        await storage.execute("ALTER TABLE market.market_ticks RENAME COLUMN other TO phase")
        await all_stored(market, storage)
        assert await storage.dead() == 0


async def test_a_standby_with_an_empty_store_fills_it_and_says_so_and_so_does_the_first(
    market: Market, tmp_path: Path
) -> None:
    async with storage_of(market, tmp_path / "one") as storage:
        await market.publish(30)
        await all_stored(market, storage)
    async with storage_of(market, tmp_path / "two") as storage:
        await all_stored(market, storage)
        await market.publish(30)
        await all_stored(market, storage)
        (told,) = [event for event in await market.told("StoreReplaced") if event["stream"] == streams.TICKS]
        assert (told["reason"], told["start"]) == ("other_store", 0)
        await well(storage)
    async with storage_of(market, tmp_path / "one") as storage:
        await all_stored(market, storage)
        starts = [event["start"] for event in await market.told("StoreReplaced") if event["stream"] == streams.TICKS]
        assert starts[0] == 0
        assert starts[1] >= 6, "what it had it does not read again"
        assert (await storage_leader(market.connection).call("store_status"))["store"] == told["was"]


async def test_a_store_that_is_restored_from_an_older_copy_reads_what_it_lacks(market: Market, tmp_path: Path) -> None:
    for _ in range(2):
        async with storage_of(market, tmp_path / "db") as storage:
            await market.publish(20)
            await all_stored(market, storage)
        if not (tmp_path / "copy").exists():
            await asyncio.to_thread(shutil.copytree, tmp_path / "db", tmp_path / "copy", symlinks=True)
    await asyncio.to_thread(shutil.rmtree, tmp_path / "db")
    await asyncio.to_thread(shutil.move, tmp_path / "copy", tmp_path / "db")
    async with storage_of(market, tmp_path / "db") as storage:
        await all_stored(market, storage)
        assert {event["reason"] for event in await market.told("StoreReplaced")} == {"older_copy"}


@pytest.mark.parametrize("value", [b"\xc1", b"", b"\x90" * 5, b"\xdd\xff\xff\xff\xff", "beyond", None])
@pytest.mark.long_on("value0", "value1")
async def test_a_watermark_that_is_none_is_rebuilt_from_the_table(
    market: Market, tmp_path: Path, value: bytes | str | None
) -> None:
    ranges = await NatsKeyValue.open(market.connection, streams.STORE_RANGES)
    async with storage_of(market, tmp_path / "db") as storage:
        await market.publish(20)
        await all_stored(market, storage)
    if value == "beyond":
        entry = await ranges.get(streams.TICKS)
        assert entry is not None
        known = msgspec.msgpack.decode(entry.value, type=Progress)
        await ranges.put(streams.TICKS, msgspec.msgpack.encode(msgspec.structs.replace(known, watermark=10**6)))
    elif isinstance(value, bytes):
        await ranges.put(streams.TICKS, value)
    else:
        await ranges.delete(streams.TICKS)
    async with storage_of(market, tmp_path / "db") as storage:
        await market.publish(20)
        await all_stored(market, storage)
        told = [event for event in await market.told("WatermarkRebuilt") if event["stream"] == streams.TICKS]
        assert [event["start"] >= 4 for event in told] == [True]
        opened = storage.service._open_store
        assert opened is not None
        (audit,) = (await opened.reader.answer(Audit(("test",)))).to_pylist()
        assert audit["stored"] == audit["distinct_ticks"] == market.published


@pytest.mark.long
async def test_what_a_stream_let_go_is_a_gap_from_the_last_row_to_the_next(market: Market, tmp_path: Path) -> None:
    async with storage_of(market, tmp_path / "db") as storage:
        await market.publish(20)
        await all_stored(market, storage)
    lost = await market.publish(30)
    await api(market.connection, f"STREAM.PURGE.{streams.TICKS}", {"seq": lost + 1})
    await market.publish(10)
    async with storage_of(market, tmp_path / "db") as storage:

        async def named() -> bool:
            spans = [(gap.ts_from, gap.ts_to, gap.cause) for gap in await market.gaps()]
            return (OPENED + 20 * SECOND, OPENED + 51 * SECOND, "truncated") in spans

        await until(named)
        assert await storage.seqs(TICK) == [*range(1, 21), *range(51, 61)]
        (told,) = await market.told("StreamTruncated")
        assert (told["wanted"], told["first"]) == (5, lost + 1)
        assert "left the stream before they were stored" in await storage.health()


async def test_a_dead_row_is_listed_redriven_once_and_gone_and_a_rebuild_doubles_nothing(
    market: Market, tmp_path: Path
) -> None:
    async with storage_of(market, tmp_path / "db") as storage:
        good = msgspec.msgpack.encode(made(1))
        too_long = msgspec.msgpack.encode(made(2)).replace(b"\xa3100", b"\xb90.12345678901234567890123", 1)
        data = msgspec.msgpack.encode([PACKED_VERSION, "x", 0, 0, [msgspec.Raw(good), msgspec.Raw(too_long)]])
        seq = await market.send(data)

        async def listed() -> object:
            return (
                await storage_leader(market.connection).call("dead_rows", {"limit": 5})
                if await storage.dead()
                else None
            )

        (letter,) = await until(listed)  # type: ignore[misc]
        assert (letter["key"], letter["kind"]) == (f"MARKET_TICKS:{seq}.1", "tick")
        assert "18 fraction digits" in letter["reason"]
        (wrong,) = (await storage_leader(market.connection).call("redrive_rows", {"key": letter["key"]})).values()
        assert "18 fraction digits" in wrong
        opened = storage.service._open_store
        assert opened is not None
        (row,) = await opened.letters._rows.letters(1)
        await opened.store.bury([row._replace(payload=msgspec.msgpack.encode(made(2)))])
        for expected in ({letter["key"]: ""}, {}):
            assert await storage_leader(market.connection).call("redrive_rows", {"key": letter["key"]}) == expected
        assert await storage.dead() == 0
        assert await storage.seqs(TICK) == [1, 2]
        assert streams.TICKS in await storage_leader(market.connection).call("rebuild_store")

        async def rebuilt() -> bool:
            told = [event for event in await market.told("WatermarkRebuilt") if event["reason"] == "rebuild"]
            return len(told) == len(streams.STORED) and (await storage.health()).startswith("healthy")

        await until(rebuilt)
        assert await storage.seqs(TICK) == [1, 2]


async def test_a_store_that_cannot_be_opened_is_tried_again_with_pauses_and_says_why(
    market: Market, tmp_path: Path
) -> None:
    (tmp_path / "chdb").write_text("in the way")
    async with storage_of(market, tmp_path / "chdb") as storage:

        async def tried() -> bool:
            return storage.service.http.ready and storage.service.election.epoch > 0

        await until(tried)
        await asyncio.sleep(2.0)
        assert storage.service.election.epoch <= 3, "attempts after one second, and after two"
        reason = (await storage.service.http.report())["reasons"]["store"]
        assert f"store {tmp_path / 'chdb'}: expected a writable directory" in reason
