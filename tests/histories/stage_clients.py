"""A source that is led, and the members of a stage, as processes of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from marketprism_sdk.election import Election
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, leader_get_last
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.partitions import Shards, partition_of
from marketprism_sdk.streams import FencedPublisher, Output, Stage, StageSettings, fenced_publisher, raise_fence
from tests.histories.clients import Setup, SkewedClock, connected
from tests.histories.operations import Recorder

PARTITIONS = 4
EVERY = 10  # so many messages of a partition give a side message
SETTINGS = StageSettings("sums", "IN", lambda p: f"in.{p}", "OUT", snapshot_every_s=0.5, look_s=1.0)
_COMMON: dict[str, Any] = {"allow_direct": True, "num_replicas": 3, "storage": "file"}
IN = {"name": "IN", "subjects": ["in.>", "fence.in"], "allow_atomic": True, **_COMMON}
OUT = {"name": "OUT", "subjects": ["out.>", "stage.>"], "allow_atomic": True, **_COMMON}
SIDE = {"name": "SIDE", "subjects": ["side.>"], "duplicate_window": 600_000_000_000, **_COMMON}
_LEADERS, _SHARDS = "leaders", "shards"


class Sums:
    """Count and sum of a partition: a message lost or doubled shows in every later output."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._count = self._sum = 0

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Outputs of one number."""
        del seq
        self._count += 1
        self._sum += int(payload)
        text = f"{self._count} {self._sum} {int(payload)}".encode()
        found = [Output(f"out.{self._partition}", text)]
        if self._count % 3 == 0:
            found.append(Output(f"out.{self._partition}", text))
        if self._count % EVERY == 0:
            found.append(Output(f"side.{self._partition}", text, f"{self._partition}-{self._count}"))
        return found

    def snapshot(self) -> bytes:
        """Count and sum."""
        return msgspec.msgpack.encode((self._count, self._sum))

    def restore(self, state: bytes) -> None:
        """As a snapshot has them."""
        self._count, self._sum = msgspec.msgpack.decode(state)

    def stats(self) -> dict[str, int]:
        """How many numbers came."""
        return {"count": self._count}


async def _made(connection: NatsConnection, bucket: str, sessions: NatsConnection) -> NatsKeyValue:
    while True:
        try:
            for config in (IN, OUT, SIDE):
                await ensure_stream(connection, config)
            return await NatsKeyValue.open(sessions, bucket, replicas=3)
        except SdkError:
            await asyncio.sleep(0.2)


async def source(setup: Setup) -> None:
    """Writes numbers in their order while it leads, from behind the last that is there; the process ends by a signal."""
    connection, sessions = await connected(setup.url, setup.name), await connected(setup.url, f"{setup.name}-lease")
    recorder = Recorder(Path(setup.record), setup.name)
    bucket = await _made(connection, _LEADERS, sessions)
    writing: list[asyncio.Task[None]] = []

    async def begin(epoch: int) -> None:
        fence = await raise_fence(connection, "IN", "fence.in", setup.name, epoch)
        publisher = await fenced_publisher(connection, fence, election.surrender)
        writing.append(asyncio.get_running_loop().create_task(write(publisher)))

    async def end(reason: str) -> None:
        del reason
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        writing.clear()

    async def write(publisher: FencedPublisher) -> None:
        try:
            last = 0
            for partition in range(PARTITIONS):  # the leader's word: a replica may lag behind the fence
                held = await leader_get_last(connection, "IN", f"in.{partition}")
                last = max(last, int(held.data) if held is not None else 0)
            while True:
                last += 1
                await publisher.publish(f"in.{partition_of(str(last), PARTITIONS)}", str(last).encode())
                if last % 10 == 0:
                    await publisher.flush()
                    recorder.note("acknowledged", number=last)
                await asyncio.sleep(setup.every_s)
        except SdkError as error:
            election.surrender(str(error), rest_s=0.2)
        finally:
            await publisher.close()

    election = Election(
        bucket,
        "source",
        setup.name,
        clock=SkewedClock(setup.clock),
        prober=NatsProber(sessions, "source", setup.name),
        on_acquired=begin,
        on_lost=end,
    )
    print('{"event": "ready"}', flush=True)
    await election.run()


async def member(setup: Setup) -> None:
    """Works on its share of the partitions; the process ends by a signal."""
    connection, sessions = await connected(setup.url, setup.name), await connected(setup.url, f"{setup.name}-sessions")
    bucket = await _made(connection, _SHARDS, sessions)
    stage = Stage(
        connection,
        SETTINGS,
        lambda partition, _: Sums(partition),
        setup.name,
        on_lost=lambda partition: shards.lost(partition),  # noqa: PLW0108 (they know one another)
    )
    shards = Shards(
        bucket,
        setup.name,
        count=PARTITIONS,
        on_own=stage.own,
        on_lose=stage.disown,
        working=lambda: frozenset(stage.parts),
        prober=NatsProber(sessions, _SHARDS, setup.name),
    )
    print('{"event": "ready"}', flush=True)
    running = [asyncio.create_task(stage.run()), asyncio.create_task(shards.run())]
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


__all__ = ["EVERY", "IN", "OUT", "PARTITIONS", "SIDE", "Sums", "member", "source"]
