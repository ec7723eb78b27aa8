"""How a source is, as those who look are told."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.nats.source_positions import Positions
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue

pytestmark = pytest.mark.timeout(60)


async def probe_of(connection: NatsConnection) -> PipelineProbe:
    bucket = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
    return PipelineProbe(connection, bucket, bucket)


async def test_whoever_looks_sees_how_the_source_is_now(connection: NatsConnection) -> None:
    positions, probe = await Positions.open(connection, 1), await probe_of(connection)
    await positions.save({"binance": 7})
    await positions.tell("g", "no connection", retry=True)
    seen = await probe.read_sources()
    assert (seen.away, seen.error, positions.failed) == ("no connection", "", False)
    await positions.tell("g")
    await positions.record_refusals("g", [SubscriptionFailed("binance", "NOPE", "not listed")])
    seen = await probe.read_sources()
    assert (seen.away, seen.refused) == ("", {"NOPE": "not listed"})
    await positions.tell("g", "wrong password")
    seen = await probe.read_sources()
    assert (seen.error, seen.refused, positions.failed) == ("wrong password", {}, True)
    assert (await positions.known())["binance"] == 7
    await Positions.forget(await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS))
    assert (await probe.read_sources()).error == ""
    assert (await positions.known())["binance"] == 7


async def test_that_nobody_takes_the_word_ends_nothing_and_it_is_said_the_next_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("nats")
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="positions")
    positions = await Positions.open(connection, 1)
    port = int(server.url.rpartition(":")[2])
    await server.stop()
    await positions.tell("g", "the venue is away", retry=True)
    assert positions.error == "the venue is away"
    await positions.save({"binance": 7})
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=port))
    seen = ""
    try:
        async with asyncio.timeout(20):  # the client connects again by itself
            while not seen:
                await asyncio.sleep(0.1)
                await positions.save({"binance": 8})
                seen = (await (await probe_of(connection)).read_sources()).away
        assert (seen, await positions.known()) == ("the venue is away", {"binance": 8})
    finally:
        await connection.close()
        await server.stop()
