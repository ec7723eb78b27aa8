"""A stage whose messages say what is to come of them, before a simulated server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from marketprism_sdk.errors import NewerFormat
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.streams import Checkpoint, InputCut, Output, Stage, StageSettings
from tests.simulation.scene import Scene

NO_QUORUM, TOO_LONG, WRONG_SEQUENCE = 10077, 10054, 10071
NEVER_S = 10_000.0


class Sums:
    """Count and sum of a partition's numbers: one lost or doubled shows in all that follows.

    `7`: one output; `7 x3`: three; `7 x0`: none; `7 side`: one that goes to another stream before it; `bad` and `newer`
    are what a processor cannot take. A number of `works_s` passes at each.
    """

    def __init__(self, scene: Scene, partition: int, taken: list[tuple[int, int]], works_s: float) -> None:
        self._scene, self._partition, self._taken, self._works_s = scene, partition, taken, works_s
        self.count = self.sum = 0

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Outputs of one message."""
        self._taken.append((self._partition, seq))
        self._scene.work(self._works_s)
        number, _, more = payload.decode().partition(" ")
        if number == "bad":
            raise ValueError("bad")
        if number == "newer":
            raise NewerFormat("expected version 1, was 2")
        self.count += 1
        self.sum += int(number)
        text = f"{self.count} {self.sum}".encode()
        outputs = [Output(f"out.{self._partition}", text)] * (int(more[1:]) if more.startswith("x") else 1)
        if more == "side":
            outputs.insert(0, Output(f"side.{self._partition}", text, f"{self._partition}-{self.count}"))
        return outputs

    def snapshot(self) -> bytes:
        """All of it."""
        return msgspec.msgpack.encode((self.count, self.sum))

    def restore(self, state: bytes) -> None:
        """As it was."""
        self.count, self.sum = msgspec.msgpack.decode(state)

    def stats(self) -> dict[str, int]:
        """How many."""
        return {"count": self.count}


class KnowsAgain(Sums):
    """One that knows messages which come a second time."""

    def truncated(self, cut: InputCut) -> None:
        """Nothing to do."""


class Staged:
    """A member of a stage: its connection, its settings, and what it told."""

    def __init__(
        self, scene: Scene, connection: NatsConnection, holder: str, works_s: float, kind: type[Sums], **more: Any
    ) -> None:
        self.scene, self.connection, self.holder = scene, connection, holder
        self.more = more
        self.settings = StageSettings("sums", "IN", "in.{}".format, "OUT", **more)
        self.made: list[int] = []  # partitions for which a processor was made
        self.taken: list[tuple[int, int]] = []  # partition and sequence of each message that a processor took
        self.commits: list[tuple[int, int, float]] = []
        self.lost: list[int] = []
        self.cuts: list[tuple[int, InputCut]] = []
        self.traced: list[tuple[int, float]] = []
        self.written: list[float] = []

        def make(partition: int, epoch: int) -> Sums:
            del epoch
            self.made.append(partition)
            return kind(scene, partition, self.taken, works_s)

        self.stage = Stage(
            connection,
            self.settings,
            make,
            holder,
            on_lost=self.lost.append,
            on_commit=lambda *args: self.commits.append(args),
            on_traced=lambda *args: self.traced.append(args),
            on_cut=lambda *args: self.cuts.append(args),
            on_written=self.written.append,
        )

    async def own(self, *partitions: int, epoch: int = 1) -> None:
        """Take them over."""
        for partition in partitions:
            await self.stage.own(partition, epoch)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The stage runs; in the end it is asked to stop, and has stopped."""
        task = asyncio.create_task(self.stage.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def done(self, count: int, within_s: float = 20.0) -> None:
        """Until so many messages are in the checkpoints, and the stage has heard of it."""
        await self.scene.until(lambda: sum(each.taken for each in self.lasts().values()) >= count, within_s)
        await asyncio.sleep(0.01)

    def lasts(self) -> dict[int, Checkpoint]:
        """The last checkpoint of each partition."""
        found = {}
        for each in self.scene.stored("OUT", "stage.sums.*.ck"):
            with contextlib.suppress(msgspec.DecodeError):
                found[int(each.subject.split(".")[2])] = msgspec.msgpack.decode(each.data, type=Checkpoint)
        return found

    def checkpoints(self, partition: int = 0) -> list[Checkpoint]:
        """Every checkpoint of a partition."""
        return [
            msgspec.msgpack.decode(data, type=Checkpoint)
            for data in self.scene.data("OUT", f"stage.sums.{partition}.ck")
        ]

    def outputs(self, partition: int = 0) -> list[str]:
        """What came of a partition."""
        return [data.decode() for data in self.scene.data("OUT", f"out.{partition}")]

    def snapshots(self, partition: int = 0) -> list[tuple[int, int]]:
        """Sequence of the input and count of each snapshot of a partition."""
        found = []
        for data in self.scene.data("OUT", f"stage.sums.{partition}.snap.0"):
            count, _ = msgspec.msgpack.decode(data[8:])
            found.append((int.from_bytes(data[:8], "big"), count))
        return found


async def streams(scene: Scene, **config: Any) -> NatsConnection:
    """Streams of a stage, and a connection."""
    connection = await scene.connect()
    await scene.stream("IN", "in.>")
    await scene.stream("OUT", "out.>", "stage.>", **config)
    await scene.stream("SIDE", "side.>")
    return connection


async def staged(
    scene: Scene,
    *partitions: int,
    config: dict[str, Any] | None = None,
    works_s: float = 0.0,
    kind: type[Sums] = Sums,
    **settings: Any,
) -> Staged:
    """The streams, and one that owns partitions under epoch 1."""
    made = Staged(scene, await streams(scene, **(config or {})), "one", works_s, kind, **settings)
    await made.own(*partitions)
    return made


def another(scene: Scene, of: Staged, holder: str = "two", kind: type[Sums] = Sums) -> Staged:
    """A second member, on the same connection and with the same settings."""
    return Staged(scene, of.connection, holder, 0.0, kind, **of.more)


def sums(count: int, each: int = 1) -> list[str]:
    """Outputs of the numbers from 1 on."""
    return [f"{number} {number * (number + 1) // 2}" for number in range(1, count + 1) for _ in range(each)]


def numbers(count: int, more: str = "", start: int = 1) -> list[bytes]:
    """Messages of the numbers from there on."""
    return [f"{number}{more}".encode() for number in range(start, start + count)]
