"""The newest of more subjects than the server answers for at once, and whether a consumer has all that there is."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import delete_stream, ensure_stream, publish_ack
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.pull import PullConsumer


async def test_the_newest_of_many_subjects(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url)
    config = {"name": "many", "subjects": ["many.>"], "storage": "memory", "allow_direct": True}
    await ensure_stream(connection, config)
    publisher = WindowPublisher(connection, window=1_000)
    await publisher.open()
    for number in range(3_000):
        await publisher.publish(f"many.{number % 1_500}.x", b"%d" % number)
    await publisher.flush()
    await publisher.close()
    found = await last_of_each(connection, "many", ["many.*.x"])
    assert {subject: int(held.data) for subject, held in found.items()} == {
        f"many.{number % 1_500}.x": number for number in range(1_500, 3_000)
    }
    assert await last_of_each(connection, "many", ["many.*.y"]) == {}
    await delete_stream(connection, "many")
    await connection.close()


async def test_a_consumer_that_has_all_says_so(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url)
    await ensure_stream(connection, {"name": "all", "subjects": ["all.>"], "storage": "memory"})
    consumer = PullConsumer(connection, "all", ["all.a"], batch=10)
    await consumer.open()
    assert await consumer.has_all()
    for _ in range(60):
        await publish_ack(connection, "all.a", b"")
    assert not await consumer.has_all()  # more than it has asked for
    while not await consumer.has_all():
        await consumer.fetch(10, 1.0)
    assert consumer.next_seq == 61
    await publish_ack(connection, "all.b", b"")
    assert await consumer.has_all()  # of what it is for
    await delete_stream(connection, "all")
    with pytest.raises(StreamMissing):
        await consumer.has_all()
    await asyncio.sleep(0)
    await consumer.close()
    await connection.close()
