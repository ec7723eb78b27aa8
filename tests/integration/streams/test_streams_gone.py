"""Streams and buckets that somebody deletes while the pipeline runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_keeper import StreamKeeper
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, delete_stream, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.platform.catalogue import SERVICES, wiring_of
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings

for _row in SERVICES:  # not inside a loop, where importing one holds everything up
    wiring_of(_row)

pytestmark = pytest.mark.timeout(240)

GONE = (
    "MARKET_RAW",
    "MARKET_TICKS",
    "MARKET_BARS",
    "MARKET_EVENTS",
    "MARKET_DATA",
    "COMMANDS",
    "KV_shards_validator",
    "KV_shards_aggregator",
    "KV_service_leaders",
    "KV_service_instances",
    "KV_source_positions",
    "KV_latest_ticks",
    "KV_latest_bars",
    "KV_market_data_streams",
    "KV_quality_metrics",
    "KV_store_ranges",
    "KV_gateway_wishes",
    "KV_validation_rules",
    "KV_commands_done",
)


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0, max_store_gb=1))
    connection = await NatsConnection.open(server.url, name="test")
    yield connection
    await connection.close()
    await server.stop()


async def names(connection: NatsConnection) -> set[str]:
    return set((await api(connection, "STREAM.NAMES")).get("streams") or [])


async def test_what_is_deleted_is_made_again_by_its_writers_as_it_was_and_told(
    nats: NatsConnection, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "nats": {"url": nats.url, "max_store_gb": 1},
            "http": {"storage": 0, "query": 0, "monitor": 0},
            "source": {"spec": "sim:days=0,instruments=rb2505,rate=4", "speed": "30"},
        }
    )
    container = Container(settings=settings, connection=nats)
    services: list[Service] = [
        container.service("storage"),
        container.service("aggregator"),
        container.service("validator"),
        container.service("gateway"),
    ]
    stop = asyncio.Event()
    running = [asyncio.create_task(service.run(stop)) for service in services]
    try:
        async with asyncio.timeout(60):
            while not (await names(nats) >= set(GONE) and all(service.http.ready for service in services)):
                await asyncio.sleep(0.1)
        await asyncio.sleep(2.5)  # each has looked at what it uses
        before = {name: (await stream_info(nats, name))["config"] for name in GONE}
        for name in GONE:
            await delete_stream(nats, name)
        async with asyncio.timeout(60):
            while not await names(nats) >= set(GONE):
                await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            while [name for name in GONE if name not in await _told(nats)]:
                await asyncio.sleep(0.3)
        for name, config in before.items():
            after = (await stream_info(nats, name))["config"]
            if name == "MARKET_DATA":
                assert set(after["subjects"]) <= set(config["subjects"])  # venues add theirs again when they write
                after["subjects"] = config["subjects"]
            assert after == config
        for task in running:
            assert not task.done(), task.exception() or task.result()
        async with asyncio.timeout(60):
            while "unhealthy" in [(await service.http.report())["status"] for service in services]:
                await asyncio.sleep(0.2)
        async with asyncio.timeout(60):  # and ticks flow again
            while (await stream_info(nats, "MARKET_RAW"))["state"]["last_seq"] < 5:
                await asyncio.sleep(0.2)
        metrics = services[3].metrics.text().decode()
        assert "streams_made_anew_total{" in metrics
        assert 'stream="MARKET_RAW"' in metrics
    finally:
        stop.set()
        await asyncio.gather(*running, return_exceptions=True)


async def _told(connection: NatsConnection) -> set[str]:
    if "MARKET_EVENTS" not in await names(connection):
        return set()
    found = [
        decode(EVENT, message.data) for message in await read_stream(connection, "MARKET_EVENTS", ["market.event.>"])
    ]
    told = [str(record.data["stream"]) for record in found if record.name == "StreamMadeAnew"]
    assert len(told) == len(set(told)), "one event each, whoever found out"
    return {name if name.isupper() else f"KV_{name}" for name in told}


async def test_health_is_bad_while_a_stream_is_gone(
    nats: NatsConnection, unique: str, eventually: Callable[..., Any]
) -> None:
    service = Service("keeps", nats, settings=ServiceSettings())
    allowed = asyncio.Event()
    bucket = await NatsKeyValue.open(nats, unique)

    async def make() -> None:
        await allowed.wait()
        await NatsKeyValue.open(nats, unique)

    keeper = StreamKeeper(service, {bucket.stream: make}, ("KV_never_there",))
    await keeper.look()
    assert (await service.http.report())["status"] == "healthy"  # what nobody has made yet is no fault of a reader
    await delete_stream(nats, bucket.stream)
    looking = asyncio.create_task(keeper.look())
    await eventually(lambda: keeper.missing)
    assert (await service.http.report())["dependencies"][f"stream {bucket.stream}"] == "unhealthy"
    allowed.set()
    await looking
    assert (await service.http.report())["status"] == "healthy"


async def test_a_stream_that_could_not_be_looked_at_for_long_is_not_called_healthy(
    nats: NatsConnection, unique: str, eventually: Callable[..., Any]
) -> None:
    service = Service("blind", nats, settings=ServiceSettings())
    bucket = await NatsKeyValue.open(nats, unique)
    keeper = StreamKeeper(service, {}, (bucket.stream,), blind_s=0.05)
    assert await keeper.health(bucket.stream) == "healthy"  # not looked at yet
    await keeper.look()
    await asyncio.sleep(0.1)
    assert (await keeper.health(bucket.stream)).startswith("degraded: could not be looked at for ")
    await keeper.look()
    assert await keeper.health(bucket.stream) == "healthy"


async def test_a_bucket_that_was_deleted_is_made_again_by_its_writer_and_not_by_a_reader(
    nats: NatsConnection, unique: str
) -> None:
    writer = await NatsKeyValue.open(nats, unique, ttl_s=60)
    reader = NatsKeyValue.existing(nats, unique)
    heard: list[bytes] = []
    await reader.watch("", lambda entry: heard.append(entry.value))
    config = (await stream_info(nats, writer.stream))["config"]
    for act in (
        lambda: writer.put("a", b"1"),
        lambda: writer.create("a", b"1"),
        lambda: writer.get("a"),
        writer.entries,
        lambda: writer.delete("a"),
    ):
        await delete_stream(nats, writer.stream)
        assert await reader.get("a") is None
        assert await reader.entries() == []
        assert writer.stream not in await names(nats)
        await act()
        assert (await stream_info(nats, writer.stream))["config"] == config
    await writer.put("b", b"2")
    await nats.flush()
    await asyncio.sleep(0.1)
    assert heard[-1] == b"2"  # who watches goes on hearing
    assert streams.RAW not in await names(nats)
