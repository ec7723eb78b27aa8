"""A sharded service on a real server: what it says of its partitions is what it works on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.partitions import PARTITIONS
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.partitions import OwnerRecord
from marketprism_services.aggregator.service import AggregatorService
from marketprism_services.monitor import overview as overviews

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def own_connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await NatsConnection.open(server.url, name="partitions")
    yield connection
    await connection.close()
    await server.stop()


async def _works_on_all(service: AggregatorService) -> None:
    async with asyncio.timeout(60):
        while len(service.stage.parts) < PARTITIONS or service._shards.disagreements():
            await asyncio.sleep(0.1)


async def test_status_names_what_the_records_say_and_nobody_does(
    own_connection: NatsConnection, calendar: MarketCalendar
) -> None:
    service = AggregatorService(own_connection, calendar, BarSettings())
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    try:
        while not service.http.ready:
            await asyncio.sleep(0.05)
        await _works_on_all(service)
        await asyncio.sleep(1.0)  # the registry is told twice a second
        assert (await overviews.overview(own_connection)).problems == []
        assert (await service.http.report())["dependencies"]["partitions"] == "healthy"

        # The stage loses a partition and nobody says so: it is claimed again under a later epoch.
        bucket = await NatsKeyValue.open(own_connection, streams.AGGREGATOR_SHARDS)
        before = service._shards.owned[5]
        await service.stage.disown(5)
        await _works_on_all(service)
        assert service._shards.owned[5] > before

        # A record that is none is written anew by who works on the partition.
        await bucket.put("own.7", b"\xc1 no record")
        await asyncio.sleep(0.2)
        await _works_on_all(service)
        entry = await bucket.get("own.7")
        assert entry is not None
        assert msgspec.msgpack.decode(entry.value, type=OwnerRecord).holder == service.instance
    finally:
        stop.set()
        assert await running == 0

    # Somebody else runs whose records name a member that is gone, and one record is none.
    await bucket.put("own.3", msgspec.msgpack.encode(OwnerRecord("gone", 9)))
    await bucket.put("own.4", b"\xc1 no record")
    registry = await NatsKeyValue.open(own_connection, "service_instances", ttl_s=5.0)
    await registry.put(
        "aggregator.x",
        msgspec.msgpack.encode(
            {
                "service": "aggregator",
                "instance": "x",
                "version": "0",
                "status": "active",
                "ts_started": 0,
                "ts_heartbeat": 0,
                "metadata": {"partitions": []},
            }
        ),
    )
    problems = (await overviews.overview(own_connection)).problems
    assert "aggregator: partition 3 is held by gone, who is not alive" in problems
    assert f"aggregator: expected a record in {streams.AGGREGATOR_SHARDS}/own.4, was none" in problems
    assert f"aggregator: partitions 0-2 4-{PARTITIONS - 1} are held by nobody" in problems
