"""When a stage lets out what it has made: a message that comes alone at once, those that come together in few batches."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.streams import Output, Stage
from tests.integration.sdk.stage_process import PARTITIONS, Sums, settings
from tests.integration.sdk.test_nats import make_streams, messages_of

pytestmark = pytest.mark.xdist_group("stage-turns")

_NEVER_S = 600.0


class Watching(Sums):
    """Notes what waits to be written before each message."""

    def __init__(self, name: str, partition: int, unsent: Callable[[], int], noted: list[int]) -> None:
        super().__init__(name, partition)
        self._unsent, self._noted = unsent, noted

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        self._noted.append(self._unsent())
        return super().process(seq, payload)


@contextlib.asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[None]:
    for partition in range(PARTITIONS):
        await stage.own(partition, 1)
    task = asyncio.create_task(stage.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put(connection: NatsConnection, name: str, count: int) -> None:
    """So many numbers into each partition."""
    publisher = WindowPublisher(connection)
    await publisher.open()
    for number in range(count):
        for partition in range(PARTITIONS):
            await publisher.publish(f"{name}.in.{partition}", b"%d" % number)
    await publisher.flush()
    await publisher.close()


async def test_a_message_that_comes_alone_is_out_before_anything_is_committed(
    connection: NatsConnection, unique: str
) -> None:
    await make_streams(connection, unique)
    came, written = asyncio.Event(), list[float]()
    await connection.subscribe(f"{unique}.out.1", lambda _: came.set())
    slow = replace(settings(unique), commit_interval_s=_NEVER_S, idle_commit_s=_NEVER_S)
    stage = Stage(connection, slow, lambda p, _: Sums(unique, p), "one", on_written=written.append)
    async with running(stage):
        await connection.publish(f"{unique}.in.1", b"7")
        async with asyncio.timeout(20):
            await came.wait()
        assert len(written) == 1
        assert await messages_of(connection, f"{unique}-out", f"{unique}.out.1") == []
    assert await messages_of(connection, f"{unique}-out", f"{unique}.out.1") == [b"1 7"] * 2


async def test_what_is_made_early_in_a_turn_does_not_wait_for_its_end(connection: NatsConnection, unique: str) -> None:
    await make_streams(connection, unique)
    await put(connection, unique, 16)
    reading, noted = await connection.another("stage"), list[int]()
    whole = replace(settings(unique), commit_interval_s=_NEVER_S, idle_commit_s=_NEVER_S)

    def make(partition: int, _: int) -> Watching:
        return Watching(unique, partition, lambda: reading.traffic.unsent_bytes, noted)

    async with running(Stage(reading, whole, make, "one")):
        async with asyncio.timeout(20):
            while len(noted) < 16 * PARTITIONS:
                await asyncio.sleep(0.01)
    written = [index for index, unsent in enumerate(noted) if not unsent]
    assert max(after - before for before, after in itertools.pairwise([0, *written, len(noted)])) <= 4
    assert len(written) < len(noted), "several messages have one write"
    await reading.close()


async def test_what_comes_while_a_batch_awaits_its_receipt_is_the_next_batch(
    connection: NatsConnection, unique: str
) -> None:
    """Also where no time is left to gather anything: one turn takes at most sixteen messages then."""
    await make_streams(connection, unique)
    commits: list[int] = []
    hasty = replace(settings(unique), commit_interval_s=0.0, snapshot_every_s=_NEVER_S)

    def committed(_: int, messages: int, __: float) -> None:
        commits.append(messages)

    stage = Stage(connection, hasty, lambda p, _: Sums(unique, p), "one", on_commit=committed)
    async with running(stage):
        await put(connection, unique, 160)
        async with asyncio.timeout(20):
            while sum(commits) < 2 * 160 * PARTITIONS or stage.parts[0].dirty:
                await asyncio.sleep(0.01)
    assert len(commits) <= 160 * PARTITIONS / 4
    wanted = [f"{count + 1} {sum(range(count + 1))}".encode() for count in range(160) for _ in range(2)]
    for partition in range(PARTITIONS):
        assert await messages_of(connection, f"{unique}-out", f"{unique}.out.{partition}") == wanted


async def test_a_stage_that_leaves_takes_no_more_of_what_has_arrived(connection: NatsConnection, unique: str) -> None:
    await make_streams(connection, unique)
    stage = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "one")
    async with running(stage):
        stage.leave()
        await put(connection, unique, 3)
        for partition in range(PARTITIONS):
            await stage.disown(partition)
    assert await messages_of(connection, f"{unique}-out", f"{unique}.out.1") == []
    another = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "two")
    for partition in range(PARTITIONS):
        await another.own(partition, 2)
    task = asyncio.create_task(another.run())
    async with asyncio.timeout(20):
        while len(await messages_of(connection, f"{unique}-out", f"{unique}.out.1")) < 3:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
