"""What the monitor shows of the NATS servers: how many answer, who is connected, who read too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.broker_load import server_loads
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings
from tests.support.services import running

MB = 1_000_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    started = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    yield started
    await started.stop()


async def _never_reads(server: EmbeddedServer) -> asyncio.StreamWriter:
    """Somebody's program that subscribes and then does something else."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_024)
    writer.write(b'CONNECT {"verbose":false}\r\nSUB market.flood 1\r\n')
    await writer.drain()
    return writer


async def _slow(connection: NatsConnection) -> int:
    (load,) = await server_loads(connection)
    return load.slow_consumers


async def test_a_reader_that_is_too_slow_is_counted_by_server(server: EmbeddedServer, tmp_path: Path) -> None:
    connection = await NatsConnection.open(server.url, name="test")
    given = {"data_dir": str(tmp_path), "nats": {"url": server.url}, "http": {"monitor": 0}}
    monitor = Container(settings=Settings.model_validate(given), connection=connection).service("monitor")
    writer = await _never_reads(server)
    async with running(monitor), asyncio.timeout(60):
        while 'broker_connections{server="' not in (text := monitor.metrics.text().decode()):
            await asyncio.sleep(0.1)
        assert "broker_servers 1.0" in text
        assert "broker_slow_consumers_total{" in text, "before the first of them, so that its rise is seen"
        assert await _slow(connection) == 0
        while not await _slow(connection):
            for _ in range(20):
                await connection.publish("market.flood", b"." * (MB // 2))
            await connection.flush()
        while not _count(monitor.metrics.text().decode()):
            await asyncio.sleep(0.1)
    writer.close()
    await connection.close()


def _count(text: str) -> float:
    lines = [line for line in text.splitlines() if "broker_slow_consumers_total{" in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
