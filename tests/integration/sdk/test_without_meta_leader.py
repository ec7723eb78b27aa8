"""JetStream has lost its own leader, a stream has not lost its one: what goes on there goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_sdk.errors import Fenced, StreamError
from marketprism_sdk.nats.api_errors import NO_LEADER
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_to_expect
from marketprism_sdk.nats.jetstream import ensure_stream, leader_get_last, publish_ack
from marketprism_sdk.streams import raise_fence


async def without_leader(connection: NatsConnection) -> None:
    """Until the server says that JetStream has no leader: it believes in the lost one for ten seconds."""
    async with asyncio.timeout(60.0):
        while True:
            try:
                await leader_get_last(connection, "S", "s.x")
            except StreamError as error:
                if error.code == NO_LEADER:
                    return
                raise
            await asyncio.sleep(0.2)


@pytest.mark.long
async def test_fences_are_raised_in_a_stream_that_has_its_leader(tmp_path: Path) -> None:
    cluster = await LocalCluster.start(tmp_path)
    maker = await NatsConnection.open(cluster.url, name="test")
    try:
        # One replica: its leader outlives the two servers that JetStream lacks for one of its own.
        await ensure_stream(
            maker, {"name": "S", "subjects": ["s.>", "fence.s"], "storage": "memory", "allow_direct": True}
        )
        await publish_ack(maker, "s.x", b"1")
        before = await raise_fence(maker, "S", "fence.s", "one", 1)
        node = cluster.nodes[leader := await cluster.leader_of("S")]
        assert node is not None
        connection = await NatsConnection.open(node.url, name="test")
        for number in {0, 1, 2} - {leader}:
            await cluster.kill_node(number)
        await without_leader(connection)
        found = await last_to_expect(connection, "S", "s.x")
        assert found is not None
        assert (found.seq, found.data) == (1, b"1")
        after = await raise_fence(connection, "S", "fence.s", "two", 2)
        with pytest.raises(Fenced):
            await publish_ack(connection, "s.x", b"late", before.headers)
        assert (await publish_ack(connection, "s.x", b"2", after.headers)).seq == after.seq + 1
        await connection.close()
    finally:
        await maker.close()
        await cluster.stop()
