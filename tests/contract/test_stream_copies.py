"""StreamCopies: streams and buckets out of a broker and into another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_application.backups.streams import StreamWitness, compare_within
from marketprism_application.ports.backup import StreamCopies
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.support.backups import broker


async def given(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    async with broker(tmp_path / "from") as found:
        yield found


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "to", port=0))
    found = await NatsConnection.open(server.url)
    yield found
    await found.close()
    await server.stop()


@pytest.mark.long
async def test_all_that_a_broker_holds_is_in_another_one_and_does_not_age_until_it_may(
    connection: NatsConnection, other: NatsConnection
) -> None:
    await ensure_stream(connection, {"name": "LOG", "subjects": ["log.>"], "allow_direct": True, "storage": "file"})
    aging = NatsKeyValue.existing(connection, "aging")
    for number in range(1_200):
        await publish_ack(connection, f"log.{number % 5}", b"%d" % number, {"Nats-Msg-Id": str(number), "Own": "x"})
    copies: StreamCopies = NatsStreamCopies(connection)
    target = NatsStreamCopies(other)
    assert await copies.names() == ["KV_aging", "KV_things", "LOG"]
    compared = {}
    await aging.put("a", b"old soon")
    for name in await copies.names():
        witness = StreamWitness(copies, name)
        await witness.look()
        async with copies.take(name) as taken:
            pieces = [piece async for piece in taken.pieces]
        compared[name] = await witness.compare()
        await target.restore(name, taken.config, taken.state, given(pieces), ageless=True)
    await asyncio.sleep(6.2)  # longer than anything in `aging` stays
    for name, before in compared.items():
        assert before is not None
        assert await compare_within(target, name, before.ranges) == before
    assert [each.messages for each in compared.values() if each is not None] == [1, 9, 1_200]
    await target.let_age("KV_aging", (await stream_info(connection, "KV_aging"))["config"])
    async with asyncio.timeout(30):
        while (await target.state("KV_aging")).messages:
            await asyncio.sleep(0.05)
    assert (await NatsKeyValue.existing(other, "things").get("key3")).value == b"value 57"  # type: ignore[union-attr]
    async with copies.take("LOG") as taken:
        with pytest.raises(StreamError, match="LOG"):  # its name is taken there
            await target.restore("LOG", taken.config, taken.state, taken.pieces)


async def test_what_came_or_went_meanwhile_is_not_in_the_digest(
    connection: NatsConnection, other: NatsConnection
) -> None:
    copies, things = NatsStreamCopies(connection), NatsKeyValue.existing(connection, "things")
    witness = StreamWitness(copies, "KV_things")
    await witness.look()
    await things.put("key0", b"before the snapshot")
    async with copies.take("KV_things") as taken:
        pieces = [piece async for piece in taken.pieces]
    await things.put("key1", b"behind it")
    compared = await witness.compare()
    assert compared is not None
    assert compared.messages == 7
    target = NatsStreamCopies(other)
    await target.restore("KV_things", taken.config, taken.state, given(pieces))
    assert await compare_within(target, "KV_things", compared.ranges) == compared


async def test_a_digest_shows_a_message_that_is_another(connection: NatsConnection) -> None:
    copies, things = NatsStreamCopies(connection), NatsKeyValue.existing(connection, "things")
    state = await copies.state("KV_things")
    whole = await compare_within(copies, "KV_things", ((state.first, state.last),))
    await things.put("key0", b"value 54")  # the same value, at another sequence
    assert (await compare_within(copies, "KV_things", ((state.first, state.last + 1),))).digest != whole.digest
