"""Streams as bytes and back, by a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from marketprism_sdk.errors import StreamError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import held_between
from marketprism_sdk.nats.jetstream import api, delete_stream, ensure_stream, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.snapshots import StreamSnapshot, restore_stream, snapshot_of


async def taken(connection: NatsConnection, stream: str) -> tuple[StreamSnapshot, list[bytes]]:
    async with snapshot_of(connection, stream) as reader:
        return reader.snapshot, [piece async for piece in reader]


async def given(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def next_of(connection: NatsConnection, stream: str) -> Any:
    """The next message of its consumer; a delivery keeps its own subject, so that it needs an inbox of its own."""
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    inbox = connection.inbox()
    stop = await connection.subscribe(inbox, arrived.put_nowait)
    await connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.c", b"", None, inbox)
    async with asyncio.timeout(10):
        message = await arrived.get()
    await stop()
    return message


async def messages(connection: NatsConnection, stream: str, subject: str) -> list[Any]:
    held = await held_between(connection, stream, subject, 1, 1_000_000)
    return [(each.subject, each.seq, each.data, each.ts) for each in held]


@pytest.mark.parametrize("count", [0, 1, 3_000])
async def test_a_stream_is_the_same_after_it_was_restored(connection: NatsConnection, unique: str, count: int) -> None:
    config = {"name": unique, "subjects": [f"{unique}.>"], "allow_direct": True, "storage": "file"}
    await ensure_stream(connection, config)
    for n in range(count):
        await publish_ack(connection, f"{unique}.{n % 7}", b"%d" % n * 50, {"Nats-Msg-Id": str(n)})
    before = await messages(connection, unique, f"{unique}.>")
    snapshot, pieces = await taken(connection, unique)
    assert snapshot.messages == count == len(before)
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=StreamSnapshot)  # as it is kept
    await delete_stream(connection, unique)
    assert await restore_stream(connection, again, given(pieces)) == count
    assert await messages(connection, unique, f"{unique}.>") == before
    assert (await stream_info(connection, unique))["config"]["subjects"] == [f"{unique}.>"]


async def test_a_consumer_goes_on_where_it_was(connection: NatsConnection, unique: str) -> None:
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], "storage": "file"})
    consumer = {"durable_name": "c", "name": "c", "ack_policy": "explicit", "filter_subject": f"{unique}.>"}
    await api(connection, f"CONSUMER.CREATE.{unique}.c.{unique}.>", {"stream_name": unique, "config": consumer})
    for n in range(5):
        await publish_ack(connection, f"{unique}.x", b"%d" % n)
    first = await next_of(connection, unique)
    await connection.request(first.reply, b"+ACK", timeout_s=5)
    snapshot, pieces = await taken(connection, unique)
    await delete_stream(connection, unique)
    await restore_stream(connection, snapshot, given(pieces))
    second = await next_of(connection, unique)
    assert (first.data, second.data) == (b"0", b"1")


async def test_a_bucket_has_its_revisions_again(connection: NatsConnection, unique: str) -> None:
    bucket = await NatsKeyValue.open(connection, unique)
    for n in range(5):
        await bucket.put("a", b"%d" % n)
    await bucket.create("b", b"x")
    before = await bucket.entries()
    snapshot, pieces = await taken(connection, bucket.stream)
    await delete_stream(connection, bucket.stream)
    await restore_stream(connection, snapshot, given(pieces))
    assert await bucket.entries() == before
    assert await bucket.update("a", b"next", before[0].revision) == before[1].revision + 1


async def test_what_is_not_there_or_in_the_way_or_spoiled_is_refused(connection: NatsConnection, unique: str) -> None:
    with pytest.raises(StreamMissing):
        await taken(connection, unique)
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], "storage": "file"})
    for n in range(2_000):
        await publish_ack(connection, f"{unique}.x", b"%d" % n * 100)
    snapshot, pieces = await taken(connection, unique)
    with pytest.raises(StreamError):
        await restore_stream(connection, snapshot, given(pieces))
    await delete_stream(connection, unique)
    whole = b"".join(pieces)
    middle = len(whole) // 2
    for spoiled in (
        whole[:middle],
        whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
        b"nothing of the kind",
    ):
        with pytest.raises(StreamError):
            await restore_stream(connection, snapshot, given([spoiled]))
        with pytest.raises(StreamMissing):
            await stream_info(connection, unique, within_s=0)
