"""A storage over a store of its own and a nats-server that a test may spoil."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT, GAP, TICK, DataKind
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.questions import Records
from marketprism_application.ports.reading import StoreReader
from marketprism_application.storage.writer import WriterSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.backup import BackupWiring
from marketprism_services.wiring.store import EmbeddedEngines
from tests.fakes.ticks import at, tick

OPENED = at("2025-03-03 09:00:00")
SECOND = 10**9


def made(n: int) -> Tick:
    """The n-th tick of an instrument, a second behind the one before."""
    return tick(OPENED + n * SECOND, "100", n)._replace(seq=n, ts_pub=time.time_ns())


class Market:
    """What is published."""

    def __init__(self, connection: NatsConnection) -> None:
        self.connection = connection
        self._next = 1
        self.last = 0

    def go_on(self, number: int) -> None:
        """The next tick has this number."""
        self._next = number

    async def publish(self, ticks: int, *, per_message: int = 5) -> int:
        """So many more ticks; the sequence of the last message."""
        last = 0
        for _ in range(0, ticks, per_message):
            rows = tuple(made(n) for n in range(self._next, self._next + per_message))
            self._next += per_message
            last = await self.send(encode_packed(Packed(PACKED_VERSION, "x", 0, 0, rows)))
        return last

    async def send(self, data: bytes) -> int:
        """One message as it is."""
        self.last = (await publish_ack(self.connection, "market.packed.1", data)).seq
        return self.last

    @property
    def published(self) -> int:
        """Ticks so far."""
        return self._next - 1

    async def told(self, name: str) -> list[Any]:
        """Events of a name."""
        found = await read_stream(self.connection, streams.EVENTS, [f"market.event.{name}"])
        return [decode(EVENT, message.data).data for message in found]

    async def gaps(self) -> list[Any]:
        """Gaps as they were published."""
        found = await read_stream(self.connection, streams.EVENTS, ["market.gap.>"])
        return [decode(GAP, message.data) for message in found]


class Storage:
    """A service that runs."""

    def __init__(self, service: StorageService) -> None:
        self.service = service

    async def seqs(self, kind: DataKind) -> list[int]:
        """What is stored of the instrument, none before the store is open."""
        if not await self.is_open():
            return []
        found = await self.reader.answer(Records(kind.name, "rb2505", limit=10_000))
        return [int(seq) for seq in found.column("seq").to_pylist()]

    @property
    def reader(self) -> StoreReader:
        """What answers about what is stored."""
        opened = self.service._open_store
        assert opened is not None
        return opened.reader

    async def is_open(self) -> bool:
        """Whether it leads and has its store open."""
        return self.service._open_store is not None

    async def dead(self) -> int:
        """Rows set aside."""
        return 0 if not await self.is_open() else int((await self.service.store_status(None))["dead_rows"])

    async def health(self) -> str:
        """Of its store, with the reason."""
        report = await self.service.http.report()
        return f"{report['dependencies']['store']}: {report.get('reasons', {}).get('store', '')}"

    async def execute(self, statement: str) -> None:
        """Behind the service's back."""
        await self.engine.execute(statement)

    @property
    def engine(self) -> Engine:
        """What the service has open."""
        engine = self.service._engine
        assert engine is not None
        return engine


@asynccontextmanager
async def market_of(folder: Path) -> AsyncIterator[Market]:
    """A nats-server with the market's streams."""
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="test")
    try:
        await streams.ensure_streams(connection)
        yield Market(connection)
    finally:
        await connection.close()
        await server.stop()


@asynccontextmanager
async def storage_of(market: Market, folder: Path, backup: BackupWiring | None = None) -> AsyncIterator[Storage]:
    """A storage with chDB in a folder, which may make backups."""
    connection = await NatsConnection.open(market.connection.url, name="storage")
    service = StorageService(connection, EmbeddedEngines(folder), WriterSettings(batch_ms=50), backup=backup)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    try:
        yield Storage(service)
    finally:
        stop.set()
        assert await running == 0
        await connection.close()


async def all_stored(market: Market, storage: Storage) -> None:
    """Every tick that was published is there once, and the watermark says so.

    Rows are there a moment before it does, and who ends in between begins with that range again.
    """
    wanted = list(range(1, market.published + 1))

    async def there() -> bool:
        writer = storage.service._state.writers.get(streams.TICKS)
        return await storage.seqs(TICK) == wanted and writer is not None and writer.watermark >= market.last

    await until(there)


async def until(condition: Callable[[], Awaitable[object]], deadline_s: float = 60.0) -> object:
    """Wait until it holds."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if result := await condition():
            return result
        await asyncio.sleep(0.05)
    raise AssertionError(f"condition did not hold within {deadline_s:g} s")
