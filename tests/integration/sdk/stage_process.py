"""A stage in a process of its own, to be killed: `python stage_process.py <url> <name> <epoch>`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import msgspec

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.streams import Output, Stage, StageSettings

PARTITIONS = 3


class Sums:
    """Running sum and count per partition: any message lost or doubled shows in every later output."""

    def __init__(self, name: str, partition: int) -> None:
        self._name, self._partition = name, partition
        self._count = self._sum = 0

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        del seq
        self._count += 1
        self._sum += int(payload)
        text = f"{self._count} {self._sum}".encode()
        side = [Output(f"{self._name}.side", text, f"{self._partition}-{self._count}")] if self._count % 50 == 0 else []
        return [Output(f"{self._name}.out.{self._partition}", text)] * 2 + side

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode((self._count, self._sum))

    def restore(self, state: bytes) -> None:
        self._count, self._sum = msgspec.msgpack.decode(state)

    def stats(self) -> dict[str, int]:
        return {"count": self._count}


def settings(name: str) -> StageSettings:
    return StageSettings(name, f"{name}-in", lambda p: f"{name}.in.{p}", f"{name}-out", snapshot_every_s=0.2)


async def main(url: str, name: str, epoch: int) -> None:
    connection = await NatsConnection.open(url)
    stage = Stage(connection, settings(name), lambda p, _: Sums(name, p), f"holder-{os.getpid()}")
    for partition in range(PARTITIONS):
        await stage.own(partition, epoch)
    print("ready", flush=True)
    await stage.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
