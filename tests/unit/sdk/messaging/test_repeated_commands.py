"""Commands that are delivered again, and letters that are put back, while a replica is behind."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest

from marketprism_sdk.errors import DeadlineExceeded, StreamError, StreamMisconfigured
from marketprism_sdk.messaging import Command, CommandReceiver, DeadLetter, ensure_command_streams, redrive
from marketprism_sdk.messaging._outcomes import outcome_key
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import MemoryKeyValue
from tests.simulation.scene import Scene, played

SUBJECT = "cmd.shop.Work"
COMMAND = Command("Work", "operator", "k1", 1, "a")


class Behind(MemoryKeyValue):
    """Replicas have nothing yet; `error` is what the leader says instead of an answer."""

    error: Exception | None = None
    asked = 0

    async def get(self, key: str) -> KvEntry | None:
        """Nothing."""
        return None

    async def get_latest(self, key: str) -> KvEntry | None:
        """As it is."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await super().get(key)


class Shop(CommandReceiver):
    """A receiver, and what it did."""

    def __init__(self, done: MemoryKeyValue) -> None:
        super().__init__(cast("NatsConnection", None), "shop", Metrics("shop"), done=done)  # it is not asked
        self.worked: list[object] = []
        self.add("Work", self._work)

    async def _work(self, command: Command) -> None:
        self.worked.append(command.body)

    async def given(self, attempts: int) -> bytes:
        """What is answered for a delivery."""
        return await self._do(SUBJECT, msgspec.msgpack.encode(COMMAND), attempts)


async def test_a_command_that_another_instance_has_done_is_not_done_again_where_a_replica_lacks_that() -> None:
    bucket = Behind()
    one, other = Shop(bucket), Shop(bucket)
    assert await one.given(1) == b"+ACK"  # which is lost
    assert bucket.asked == 0
    assert await other.given(2) == b"+ACK"
    assert (one.worked, other.worked, bucket.asked) == (["a"], [], 1)
    assert await bucket.get_latest(outcome_key("k1")) is not None


async def test_while_the_leader_cannot_be_asked_a_repeated_command_waits_and_never_fails() -> None:
    bucket = Behind()
    shop = Shop(bucket)
    for attempts in range(2, 40):
        bucket.error = (DeadlineExceeded("no answer"), StreamError("no leader", 10008, retryable=True))[attempts % 2]
        assert await shop.given(attempts) == b'-NAK {"delay": 1000000000}'
    bucket.error = None
    assert shop.worked == []
    assert await shop.given(40) == b"+ACK"
    assert shop.worked == ["a"]


async def test_a_bucket_that_can_never_be_read_is_a_failure_of_the_command() -> None:
    bucket = Behind()
    bucket.error = StreamMisconfigured("no JetStream", 10039)
    assert await Shop(bucket).given(2) == b'-NAK {"delay": 400000000}'


@played
async def test_a_letter_that_was_put_back_is_not_put_back_again_where_a_replica_still_has_it(scene: Scene) -> None:
    connection = await scene.connect()
    await ensure_command_streams(connection)
    letter = msgspec.msgpack.encode(DeadLetter(COMMAND, SUBJECT, "cannot", 5, 1))
    scene.put("dlq.shop.Work", letter, letter)
    await redrive(connection, 1)
    scene.work(180.0)  # longer than the stream knows which commands it has had
    scene.server.meet("$JS.API.DIRECT.GET.COMMANDS_DLQ", lambda _: json.dumps({"seq": 2}).encode())
    with pytest.raises(StreamError, match="dead letter 1: expected a command, there is none"):
        await redrive(connection, 1)
    assert len(scene.data("COMMANDS")) == 1


@played
async def test_a_letter_is_put_back_that_a_replica_lacks(scene: Scene) -> None:
    connection = await scene.connect()
    await ensure_command_streams(connection)
    scene.put("dlq.shop.Work", msgspec.msgpack.encode(DeadLetter(COMMAND, SUBJECT, "cannot", 5, 1)))
    scene.server.meet("$JS.API.DIRECT.GET.COMMANDS_DLQ", lambda _: json.dumps({"seq": 2}).encode())
    assert await redrive(connection, 1, "mine") == "mine"
    assert (len(scene.data("COMMANDS")), scene.data("COMMANDS_DLQ")) == (1, [])
