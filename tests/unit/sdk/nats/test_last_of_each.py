"""The last message of each subject, from a replica that has what whoever asks knows of."""

from __future__ import annotations

import json

import pytest

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from tests.simulation.scene import Fate, Scene, played

REPLICAS, LEADER = "$JS.API.DIRECT.GET.OUT", "$JS.API.STREAM.MSG.GET.OUT"
NOTHING: Fate = lambda _: json.dumps({"multi_last": ["out.none"]}).encode()  # noqa: E731


def old(last: int) -> Fate:
    """A replica answers that has the stream up to there."""
    return lambda asked: json.dumps({**json.loads(asked), "up_to_seq": last}).encode()


async def connected(scene: Scene, *records: bytes) -> NatsConnection:
    connection = await scene.connect()
    await scene.stream("OUT", "out.>")
    scene.put("out.x", *records)
    return connection


async def data(connection: NatsConnection, at_least: int, timeout_s: float = 5.0) -> list[bytes]:
    found = await last_of_each(connection, "OUT", ["out.>"], at_least=at_least, timeout_s=timeout_s)
    return [each.data for each in found.values()]


@played
async def test_an_old_replica_is_asked_again_until_one_has_as_much(scene: Scene) -> None:
    connection = await connected(scene, b"1", b"2", b"3")
    scene.server.meet(REPLICAS, old(1), old(2))
    assert await data(connection, 3) == [b"3"]
    asked = [each.at_s for each in scene.came(REPLICAS)]
    assert len(asked) == 3
    assert asked[1] - asked[0] >= 0.05
    assert scene.came(LEADER) == []


@played
async def test_whoever_needs_no_more_than_an_old_replica_has_takes_its_answer(scene: Scene) -> None:
    connection = await connected(scene, b"1", b"2", b"3")
    scene.server.meet(REPLICAS, old(1), old(2))
    assert await data(connection, 0) == [b"1"]
    assert await data(connection, 2) == [b"2"]


@played
async def test_a_replica_that_has_nothing_is_believed_where_the_leader_has_nothing(scene: Scene) -> None:
    connection = await connected(scene)
    scene.put("out.x", b"1")
    scene.server.jetstream.streams["OUT"].purge()
    assert await data(connection, 1) == []
    assert (len(scene.came(REPLICAS)), len(scene.came(LEADER))) == (1, 1)


@played
async def test_a_replica_that_has_nothing_yet_is_asked_again(scene: Scene) -> None:
    connection = await connected(scene, b"1")
    scene.server.meet(REPLICAS, NOTHING)
    scene.server.meet(LEADER, lambda _: json.dumps({"seq": 1, "next_by_subj": "out.>"}).encode())
    assert await data(connection, 1) == [b"1"]
    assert len(scene.came(REPLICAS)) == 2


@played
async def test_where_no_replica_ever_has_as_much_that_is_said(scene: Scene) -> None:
    connection = await connected(scene, b"1", b"2")
    scene.server.meet(REPLICAS, *(old(1) for _ in range(100)))
    begin_s = scene.now_s
    with pytest.raises(StreamError, match="stream OUT: a replica that is behind answers") as caught:
        await data(connection, 2, 2.0)
    assert caught.value.retryable
    assert 2.0 <= scene.now_s - begin_s < 2.2
