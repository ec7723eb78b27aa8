"""What a write expects, read while JetStream has no leader of its own and the stream has one."""

from __future__ import annotations

import pytest

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.api_errors import NO_LEADER
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_to_expect
from marketprism_sdk.nats.jetstream import StoredMessage, publish_ack
from tests.simulation.scene import Scene, played, refusal

LEADER, REPLICAS = "$JS.API.STREAM.MSG.GET.OUT", "$JS.API.DIRECT.GET.OUT"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
NOT_NOW, NO_QUORUM = refusal(NO_LEADER, status=503), 10077


async def connected(scene: Scene, *records: bytes) -> NatsConnection:
    connection = await scene.connect()
    await scene.stream("OUT", "out.>")
    scene.put("out.x", *records)
    return connection


@played
async def test_replicas_are_not_asked_where_the_leader_answers(scene: Scene) -> None:
    connection = await connected(scene, b"1", b"2")
    assert await last_to_expect(connection, "OUT", "out.x") == StoredMessage("out.x", 2, b"2")
    assert await last_to_expect(connection, "OUT", "out.y") is None
    assert scene.came(REPLICAS) == []


@played
async def test_a_replica_answers_while_jetstream_has_no_leader_and_the_write_is_taken(scene: Scene) -> None:
    connection = await connected(scene, b"1", b"2")
    scene.server.meet(LEADER, NOT_NOW)
    found = await last_to_expect(connection, "OUT", "out.x")
    assert found == StoredMessage("out.x", 2, b"2")
    assert len(scene.came(REPLICAS)) == 1
    assert (await publish_ack(connection, "out.x", b"3", {EXPECTED: "2"})).seq == 3


@played
async def test_where_replicas_have_nothing_either_the_refusal_is_told(scene: Scene) -> None:
    connection = await connected(scene)
    scene.server.meet(LEADER, NOT_NOW)
    with pytest.raises(StreamError, match="as the test says") as caught:
        await last_to_expect(connection, "OUT", "out.x")
    assert (caught.value.code, caught.value.retryable) == (NO_LEADER, True)


@played
async def test_what_is_refused_for_another_reason_is_refused(scene: Scene) -> None:
    connection = await connected(scene, b"1")
    scene.server.meet(LEADER, refusal(NO_QUORUM))
    with pytest.raises(StreamError):
        await last_to_expect(connection, "OUT", "out.x")
    assert scene.came(REPLICAS) == []
