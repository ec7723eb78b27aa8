"""A run of true processes on a true nats-server, one of each kind killed: what its streams took.

The programs are those of the simulation, as they are: two sources of which one leads, members that share a stage.
`python -m tests.model.real URL NAME` is one of them.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from marketprism_sdk.election._lease import LeaseRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import held_between, last_of_each
from marketprism_sdk.nats.jetstream import ensure_stream, stream_info
from marketprism_sdk.nats.kv import bucket_config
from marketprism_sdk.partitions import OwnerRecord
from marketprism_sdk.testing.processes import Child
from tests.model.records import Record, Recorder
from tests.simulation import stages
from tests.simulation.source import Source
from tests.support.nats_server import running_nats

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_TOTAL = 120
_RATE = 60.0
_ENOUGH = 40  # numbers of the source before somebody is killed
_BOUND_S = 30.0
_BUCKETS = ("leaders", "shards")
_Taken = tuple[int, str, str, dict[str, str], bytes, int]  # time, stream, subject, headers, data, sequence


@dataclass
class _Place:
    """What a program of the simulation is told of the machine that it runs on."""

    name: str
    url: str
    lives: int = 1
    replicas: int = 1
    state: Any = None


async def _program(url: str, name: str) -> None:
    place: Any = _Place(name, url)
    if name.startswith("member"):
        await stages.member(place)
    else:
        await Source("IN", "in", _TOTAL, _RATE, stages.message, stages.IN)(place)


class _Watch:
    """Everything that the streams take: of the buckets the republished copies, of the rest what is kept."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self.taken: list[_Taken] = []

    async def open(self) -> None:
        """From the beginning on."""
        for bucket in _BUCKETS:
            await ensure_stream(self._connection, bucket_config(bucket))
            await self._connection.subscribe(f"kv.{bucket}.>", self._copy)
        for config in (stages.IN, stages.OUT, stages.SIDE):
            await ensure_stream(self._connection, config)

    def _copy(self, message: Msg) -> None:
        headers = dict(message.headers or {})
        at, seq = _time_ns(headers["Nats-Time-Stamp"]), int(headers["Nats-Sequence"])
        self.taken.append((at, headers["Nats-Stream"], headers["Nats-Subject"], headers, message.data, seq))

    async def rest(self) -> list[_Taken]:
        """What was taken in all, in its order."""
        for stream in ("IN", "OUT"):
            self.taken += await _kept(self._connection, stream)
        return sorted(self.taken, key=lambda each: (each[0], each[1], each[5]))


async def _kept(connection: NatsConnection, stream: str) -> list[_Taken]:
    last = int((await stream_info(connection, stream))["state"]["last_seq"])
    held = await held_between(connection, stream, ">", 1, last)
    return [(each.ts, stream, each.subject, dict(each.headers), each.data, each.seq) for each in held]


def _time_ns(text: str) -> int:
    """Of RFC 3339 with up to nine places, nanoseconds UTC."""
    whole, _, places = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 10**9 + int(places.ljust(9, "0"))


def _named(watch: _Watch, prefix: str, kind: type[LeaseRecord | OwnerRecord]) -> list[str]:
    """The programs that the last records under a prefix name as holders."""
    last = {subject: data for _, _, subject, _, data, _ in watch.taken if subject.startswith(prefix)}
    records = (msgspec.msgpack.decode(data, type=kind) for data in last.values())
    return sorted(record.holder.rpartition(".")[0] for record in records if record.state == "held")


async def _run(url: str) -> list[Record]:
    connection = await NatsConnection.open(url, name="watch")
    watch, children = _Watch(connection), dict[str, Child]()
    await watch.open()

    async def start(name: str) -> None:
        command = [sys.executable, "-m", "tests.model.real", url, name]
        children[name] = Child(command, lambda _child, _line: None, name=name)
        await children[name].start()

    async def done() -> int:
        outputs = await last_of_each(connection, "OUT", ["out.>"])
        return sum(int(each.data.split()[0]) for each in outputs.values())

    try:
        async with asyncio.timeout(_BOUND_S):
            for name in ("source-a", "source-b", "member-a", "member-b"):
                await start(name)
            while await done() < _ENOUGH:
                await asyncio.sleep(0.02)
            leader, *_ = _named(watch, "$KV.leaders.", LeaseRecord)
            owner, *_ = _named(watch, "$KV.shards.own.", OwnerRecord)
            children[leader].kill()
            children[owner].kill()
            await start("member-c")
            while await done() < _TOTAL:
                await asyncio.sleep(0.05)
    finally:
        for child in children.values():
            child.kill()
            await child.end()
    recorder = Recorder()
    for _, stream, subject, headers, data, seq in await watch.rest():
        recorder.take(stream, subject, headers, data, seq)
    await connection.close()
    return recorder.records


def recorded(folder: Path) -> list[Record]:
    """The records of one run, its server's data in a folder.

    Raises:
        TimeoutError: the stage was not done in time.
    """
    with running_nats(folder) as url:
        return asyncio.run(_run(url))


if __name__ == "__main__":
    asyncio.run(_program(sys.argv[1], sys.argv[2]))
