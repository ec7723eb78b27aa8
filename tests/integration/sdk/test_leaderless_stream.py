"""A replicated stream without a leader: whichever member is left answers with what it has, and is not believed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_adapters.nats.stream_ranges import bounds_of
from marketprism_sdk.errors import SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, leader_info, publish_ack, stream_info
from marketprism_sdk.streams._stage_input import input_state

CONFIG = {"name": "S", "subjects": ["s.>"], "num_replicas": 3}


async def members_of(connection: NatsConnection) -> list[int]:
    """Numbers of the servers that keep the stream, its leader last."""
    cluster = (await stream_info(connection, "S"))["cluster"]
    names = [*(replica["name"] for replica in cluster["replicas"]), cluster["leader"]]
    return [int(name.removeprefix("node")) for name in names]


async def publish(connection: NatsConnection, messages: int) -> None:
    """Each until it is taken: the connection may have gone with its server."""
    for number in range(messages):
        async with asyncio.timeout(60.0):
            while True:
                try:
                    await publish_ack(connection, "s.x", str(number).encode())
                    break
                except SdkError:
                    await asyncio.sleep(0.1)


async def without_leader(connection: NatsConnection) -> int:
    """Until a member answers in the leader's place: where the stream ends for it."""
    async with asyncio.timeout(90.0):
        while True:
            try:
                info = await stream_info(connection, "S", within_s=0)
                if not info["cluster"].get("leader"):
                    return int(info["state"]["last_seq"])
            except SdkError:
                pass
            await asyncio.sleep(0.2)


@pytest.mark.long
async def test_a_member_that_is_behind_does_not_say_where_a_stream_without_a_leader_ends(tmp_path: Path) -> None:
    # Five servers, so that JetStream itself keeps its leader while the stream's three have none.
    cluster = await LocalCluster.start(tmp_path, 5)
    connection = await NatsConnection.open(cluster.url, name="test")
    try:
        await ensure_stream(connection, CONFIG)
        await publish(connection, 10)
        behind, *others = await members_of(connection)
        await cluster.kill_node(behind)
        await publish(connection, 20)
        last = int((await leader_info(connection, "S"))["state"]["last_seq"])
        for number in others:
            await cluster.kill_node(number)
        await cluster.start_node(behind)
        assert await without_leader(connection) < last
        with pytest.raises(StreamError, match="stream S: expected an answer of its leader, it has none now"):
            await leader_info(connection, "S", 0)
        stored = asyncio.create_task(bounds_of(connection, "S"))
        staged = asyncio.create_task(input_state(connection, "S"))
        await asyncio.sleep(1.0)
        assert not stored.done()
        assert not staged.done()
        for number in others:
            await cluster.start_node(number)
        async with asyncio.timeout(60.0):
            assert (await stored).last == (await staged).last == last >= 30
    finally:
        await connection.close()
        await cluster.stop()
