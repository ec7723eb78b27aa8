"""A message that only a newer program reads: its partition waits for one, the others go on, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from marketprism_sdk.errors import NewerFormat
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import Output, Stage
from tests.integration.sdk.stage_process import Sums
from tests.integration.sdk.stage_process import settings as stage_settings
from tests.integration.sdk.test_nats import make_streams, messages_of

pytestmark = [pytest.mark.nats, pytest.mark.timeout(60)]


class OlderSums(Sums):
    """Does not read the number 7."""

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        if payload == b"7":
            raise NewerFormat("number: expected at most 6, was 7")
        return super().process(seq, payload)


async def test_a_partition_waits_at_a_newer_message_and_its_next_owner_goes_on_there(
    connection: NatsConnection, unique: str
) -> None:
    await make_streams(connection, unique)
    older = Stage(connection, stage_settings(unique), lambda p, _: OlderSums(unique, p), "older")
    for partition in (0, 1):
        await older.own(partition, 1)
    running = asyncio.create_task(older.run())
    for number in (5, 7, 1):
        await publish_ack(connection, f"{unique}.in.0", b"%d" % number)
    async with asyncio.timeout(20):
        while 0 not in older.input.refused:
            await asyncio.sleep(0.01)
        await publish_ack(connection, f"{unique}.in.1", b"2")
        while len(await messages_of(connection, f"{unique}-out", f"{unique}.out.1")) < 2:
            await asyncio.sleep(0.01)
    assert older.input.refused == {0: "number: expected at most 6, was 7; it waits at 2 for an instance that reads it"}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await messages_of(connection, f"{unique}-out", f"{unique}.out.0") == [b"1 5"] * 2
    newer = Stage(connection, stage_settings(unique), lambda p, _: Sums(unique, p), "newer")
    await newer.own(0, 2)
    running = asyncio.create_task(newer.run())
    async with asyncio.timeout(20):
        while len(await messages_of(connection, f"{unique}-out", f"{unique}.out.0")) < 6:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    expected = [b"1 5"] * 2 + [b"2 12"] * 2 + [b"3 13"] * 2
    assert await messages_of(connection, f"{unique}-out", f"{unique}.out.0") == expected
