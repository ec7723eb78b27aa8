"""How a source is, as those who look are told."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.nats.source_positions import Positions
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry

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


class Lagging(NatsKeyValue):
    """A bucket whose replica has what was written before it was cut off, for so many looks."""

    def __init__(self, connection: NatsConnection, bucket: str) -> None:
        super().__init__(connection, bucket)
        self.older: list[KvEntry] = []
        self.looks = 0
        self.away = 0  # so many writes find no leader

    async def put(self, key: str, value: bytes) -> int:
        """As a bucket that elects its leader first."""
        if self.away:
            self.away -= 1
            raise StreamError("nobody answers now", retryable=True)
        return await super().put(key, value)

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """As that replica has them."""
        if self.looks:
            self.looks -= 1
            return self.older
        return await super().entries(prefix)


async def lagging(connection: NatsConnection) -> tuple[Lagging, Positions]:
    """A leader's bucket behind what the one before has saved."""
    await Positions.open(connection, 1)
    before = Positions(await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS))
    await before.save({"sim:x": 5})
    bucket = Lagging(connection, streams.SOURCE_POSITIONS)
    bucket.older = await bucket.entries()
    await before.save({"sim:x": 9})
    positions = Positions(bucket)
    await positions.tell("g")
    return bucket, positions


async def test_positions_are_those_that_were_saved_last_where_a_replica_has_older_ones(
    connection: NatsConnection,
) -> None:
    bucket, positions = await lagging(connection)
    bucket.looks, bucket.away = 3, 2
    assert (await positions.known(10.0))["sim:x"] == 9
    assert (bucket.looks, bucket.away) == (0, 0)
    bucket.looks = 1
    assert (await positions.known())["sim:x"] == 5, "who does not ask for the last ones takes what there is"


async def test_older_positions_are_taken_where_nothing_newer_is_to_be_had(
    connection: NatsConnection, logs: list[dict[str, object]]
) -> None:
    bucket, positions = await lagging(connection)
    bucket.looks = 10_000
    assert (await positions.known(0.3))["sim:x"] == 5
    assert [(line["event"], line["within_s"]) for line in logs] == [("source_position.may_be_old", 0.3)]
