"""A nats-server that comes back from a power cut with less than it had, and gives the lost sequences to other messages."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.stream_ranges import KvProgress, StreamRanges, bounds_of
from marketprism_application.contracts.kinds import TICK
from marketprism_application.storage.writer import StreamRemade
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.integration.storage.storage_side import Market, Storage, storage_of, until


class Cut(Market):
    """A market whose server loses what its stream of ticks got since `mark`."""

    def __init__(self, connection: NatsConnection, folder: Path, server: EmbeddedServer) -> None:
        super().__init__(connection)
        self.server = server
        self._folder = folder

    @property
    def _stream(self) -> Path:
        (found,) = self._folder.rglob(f"streams/{streams.TICKS}")
        return found

    async def _stopped(self) -> int:
        port = self.server.port
        await self.server.stop()
        return port

    async def _back(self, port: int) -> None:
        self.server = await EmbeddedServer.start(EmbeddedOptions(self._folder, port=port))

        async def connected() -> bool:
            return self.connection.connected

        await until(connected)

    async def mark(self) -> None:
        """What the stream has now is on the disk."""
        port = await self._stopped()
        await asyncio.to_thread(shutil.copytree, self._stream, self._folder.parent / "copy")
        await self._back(port)

    async def lose(self) -> None:
        """The rest was not; the sequences are free again."""
        port = await self._stopped()
        place = self._stream
        await asyncio.to_thread(shutil.rmtree, place)
        await asyncio.to_thread(shutil.copytree, self._folder.parent / "copy", place)
        await self._back(port)


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Cut]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="test")
    await streams.ensure_streams(connection)
    market = Cut(connection, tmp_path / "nats", server)
    yield market
    await connection.close()
    await market.server.stop()


async def has(market: Cut, storage: Storage) -> None:
    async def all_there() -> bool:
        progress = await KvProgress(
            await NatsKeyValue.open(market.connection, streams.STORE_RANGES), streams.TICKS
        ).load()
        there = await storage.seqs(TICK) == list(range(1, market.published + 1))
        return there and progress is not None and progress.watermark >= market.last

    await until(all_there)


async def read_to(source: StreamRanges, last: int) -> list[int]:
    """The sequences that come next, as far as `last`."""
    found: list[int] = []
    while not found or found[-1] < last:
        found += [message.seq for message in await source.next(10, 5.0)]
    return found


async def test_what_comes_again_at_sequences_that_were_stored_is_stored(market: Cut, tmp_path: Path) -> None:
    await market.publish(20)
    await market.mark()
    async with storage_of(market, tmp_path / "db") as storage:
        last = await market.publish(20)
        await has(market, storage)
    await market.lose()
    assert (await bounds_of(market.connection, streams.TICKS)).last == 4
    assert await market.publish(25) > last, "the stream is beyond the watermark again before the storage looks"
    async with storage_of(market, tmp_path / "db") as storage:
        await has(market, storage)
        rebuilt = [event for event in await market.told("WatermarkRebuilt") if event["stream"] == streams.TICKS]
        assert [(event["reason"], event["start"]) for event in rebuilt] == [("stream_lost_its_end", 0)]
        assert await market.gaps() == []


@pytest.mark.parametrize("again", [25, 20])
async def test_a_reader_whose_stream_lost_its_end_does_not_go_on_behind_it(market: Cut, again: int) -> None:
    """Also where nothing comes behind what it has read."""
    await market.publish(20)
    await market.mark()
    source = StreamRanges(market.connection, streams.TICKS)
    await source.open(1)
    await read_to(source, await market.publish(20))
    await market.lose()
    await market.publish(again)

    async def reads_on() -> object:
        return await source.next(10, 1.0)

    with pytest.raises(StreamRemade):
        await until(reads_on)
    await source.close()


async def test_a_reader_goes_on_where_the_server_was_only_restarted(market: Cut) -> None:
    source = StreamRanges(market.connection, streams.TICKS)
    await source.open(1)
    found = await read_to(source, await market.publish(20))
    await market.mark()
    last = await market.publish(10)
    found += await read_to(source, last)
    assert found == list(range(1, last + 1))
    await source.close()
