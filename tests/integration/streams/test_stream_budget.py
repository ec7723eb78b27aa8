"""An alarm before streams throw out what is not old enough, and before the store is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_budget import StreamBudgets, StreamFill
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings

MB = 1_000_000
LIMIT = 64 * MB


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0, max_store_gb=LIMIT / 1e9))
    connection = await NatsConnection.open(server.url, name="test")
    yield connection
    await connection.close()
    await server.stop()


@pytest.mark.parametrize(
    ("fill", "filling"),
    [
        (StreamFill("S", 90, 100, 60, 3_600), True),  # full after a minute, an hour was wanted
        (StreamFill("S", 90, 100, 3_600, 3_600), False),  # full, but age is what lets messages go
        (StreamFill("S", 90, 100, 3_500, 3_600), False),  # at this rate it will hold more than an hour
        (StreamFill("S", 70, 100, 60, 3_600), False),
        (StreamFill("S", 90, 0, 60, 3_600), False),  # without a bound
        (StreamFill("S", 90, 100, 60, 0), True),  # kept for ever, were it not for the bytes
        (StreamFill("JetStream", 81, 100), True),
        (StreamFill("JetStream", 80, 100), False),
    ],
)
def test_a_full_stream_is_an_alarm_where_bytes_decide_what_goes(fill: StreamFill, filling: bool) -> None:
    assert fill.filling is filling
    assert fill.event


async def test_the_streams_and_the_whole_are_looked_at(small: NatsConnection) -> None:
    layout = StreamLayout(store_bytes=LIMIT)
    budgets = StreamBudgets(layout)
    assert [fill.name for fill in await budgets.look(small)] == ["JetStream"]  # nothing is made by looking
    await streams.ensure_streams(small, layout)
    for _ in range(5):
        await publish_ack(small, "market.raw.0", b"." * MB)
    found = {fill.name: fill for fill in await budgets.look(small)}
    assert set(found) == {*streams.MARKET_STREAMS, "JetStream"}
    raw = found["MARKET_RAW"]
    assert raw.limit == int(0.1 * 0.8 * LIMIT)
    assert raw.share > 0.95
    assert 0 <= raw.held_s < 60
    assert raw.filling
    assert not found["MARKET_TICKS"].filling
    assert found["JetStream"].limit == LIMIT
    assert found["JetStream"].bytes >= 4 * MB
    assert not found["JetStream"].filling


async def filling_up(connection: NatsConnection) -> list[Any]:
    """The events about streams: the monitor tells of other things too, such as the memory of this very process."""
    messages = await read_stream(connection, "MARKET_EVENTS", ["market.event.>"])
    told = [decode(EVENT, message.data) for message in messages]
    return [record for record in told if record.name.endswith("FillingUp")]


async def test_the_monitor_tells_once_and_is_degraded(small: NatsConnection, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "data_dir": str(tmp_path),
            "nats": {"url": small.url, "max_store_gb": LIMIT / 1e9},
            "http": {"monitor": 0},
        }
    )
    await streams.ensure_streams(small, settings.layout())
    await ensure_stream(small, {"name": "OTHER", "subjects": ["other.>"], "storage": "file"})
    for _ in range(5):
        await publish_ack(small, "market.raw.0", b"." * MB)
    for _ in range(55):
        await publish_ack(small, "other.x", b"." * MB)
    monitor = Container(settings=settings, connection=small).service("monitor")
    stop = asyncio.Event()
    running = asyncio.create_task(monitor.run(stop))
    try:
        async with asyncio.timeout(60):
            while len(await filling_up(small)) < 2:
                await asyncio.sleep(0.2)
                assert not running.done(), running.exception() or running.result()
        await asyncio.sleep(2.5)
        told = await filling_up(small)
        assert sorted(record.name for record in told) == ["StorageFillingUp", "StreamFillingUp"]
        assert {record.data.get("stream") for record in told} == {None, "MARKET_RAW"}
        assert (await monitor.http.report())["dependencies"]["streams"] == "degraded"
        text = monitor.metrics.text().decode()
        assert 'stream="MARKET_RAW"' in text
        assert "stream_bytes_limit" in text
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
