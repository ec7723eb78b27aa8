"""Scenario `stages`: a leader writes a source into a stream under its fence, members share the partitions of a stage.

The product's own Election, FencedPublisher, Shards, Stage and everything below them. What must be true: every number of
the source is in the stream once and in order; every output is the one that the stream's messages give, once and in
order; checkpoints and epochs never go back; and when the faults are over, everything is done within a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from marketprism_sdk.election._lease import LeaseRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.partitions import OwnerRecord, Shards, partition_of
from marketprism_sdk.streams import Output, Stage, StageSettings
from marketprism_sdk.streams._stage_types import Checkpoint, is_checkpoint
from tests.simulation.faults import Faults
from tests.simulation.leading import LeaderWatch
from tests.simulation.source import Source
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import Machine, Report, World

PARTITIONS = 4
MEMBERS = 3
SETTINGS = StageSettings("sums", "IN", lambda p: f"in.{p}", "OUT", snapshot_every_s=0.2, look_s=1.0)
IN = {"name": "IN", "subjects": ["in.>", "fence.in"], "allow_direct": True, "allow_atomic": True}
OUT = {"name": "OUT", "subjects": ["out.>", "stage.>"], "allow_direct": True, "allow_atomic": True}
SIDE = {"name": "SIDE", "subjects": ["side.>"], "allow_direct": True}
_EVERY = 10  # so many messages give a side message
_SETTLE_S = 40.0


class Sums:
    """Count and sum of a partition: a message lost or doubled shows in every later output."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._count = self._sum = 0

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        del seq
        self._count += 1
        self._sum += int(payload)
        text = f"{self._count} {self._sum} {int(payload)}".encode()
        found = [Output(f"out.{self._partition}", text)]
        if self._count % 3 == 0:
            found.append(Output(f"out.{self._partition}", text))
        if self._count % _EVERY == 0:
            found.append(Output(f"side.{self._partition}", text, f"{self._partition}-{self._count}"))
        return found

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode((self._count, self._sum))

    def restore(self, state: bytes) -> None:
        self._count, self._sum = msgspec.msgpack.decode(state)

    def stats(self) -> dict[str, int]:
        return {"count": self._count}


class Truth:
    """What the streams hold, compared with what they must hold, at each message that is stored."""

    def __init__(self, world: World, total: int) -> None:
        self._world = world
        self.total = total
        self.last_number = 0
        self.expected: dict[int, list[bytes]] = {p: [] for p in range(PARTITIONS)}
        self.found: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)
        self._sums = {p: Sums(p) for p in range(PARTITIONS)}
        self._side_expected: set[bytes] = set()
        self.side: list[bytes] = []
        self._checkpoints: dict[str, Checkpoint] = {}
        self._epochs: dict[str, tuple[int, str]] = {}
        world.server.jetstream.on_stored = self.stored

    def stored(self, stream: Stream, message: Stored) -> None:
        """A message was taken by a stream."""
        subject = message.subject
        if subject.startswith("in."):
            self._number(int(subject[3:]), message.data)
        elif subject.startswith("out."):
            self._output(int(subject[4:]), message.data)
        elif subject.startswith("side."):
            self.side.append(message.data)
            if message.data not in self._side_expected:
                self._world.violate(f"{subject}: {message.data!r} follows from nothing that the stream holds")
        elif subject.startswith("stage.") and subject.endswith(".ck"):
            self._checkpoint(subject, message.data)
        elif stream.name.startswith("KV_") and message.data:
            self._record(stream.name, subject, message.data)

    def _number(self, partition: int, data: bytes) -> None:
        number = int(data)
        if number != self.last_number + 1:
            self._world.violate(f"IN: expected {self.last_number + 1} of the source, was {number}")
        if partition != _place_of(number):
            self._world.violate(f"IN: expected {number} in partition {_place_of(number)}, was in {partition}")
        self.last_number = number
        for output in self._sums[partition].process(0, data):
            if output.msg_id is None:
                self.expected[partition].append(output.payload)
            else:
                self._side_expected.add(output.payload)

    def _output(self, partition: int, data: bytes) -> None:
        place, expected = self.found[partition], self.expected[partition]
        right = expected[place] if place < len(expected) else b"nothing"
        if data != right:
            self._world.violate(f"OUT: expected {right!r} as output {place + 1} of partition {partition}, was {data!r}")
        self.found[partition] = place + 1

    def _checkpoint(self, subject: str, data: bytes) -> None:
        if not is_checkpoint(data):
            self._world.violate(f"{subject}: expected a checkpoint, was {data!r}")
            return
        new = msgspec.msgpack.decode(data, type=Checkpoint)
        old = self._checkpoints.get(subject)
        if old is not None and (new.epoch, new.in_seq, new.partial if new.in_seq == old.in_seq else 0) < (
            old.epoch,
            old.in_seq,
            old.partial if new.in_seq == old.in_seq else 0,
        ):
            self._world.violate(f"{subject}: a checkpoint went back from {old} to {new}")
        if old is not None and new.in_seq < old.in_seq:
            self._world.violate(f"{subject}: a checkpoint went back from {old.in_seq} to {new.in_seq}")
        if old is not None and new.epoch == old.epoch and new.holder != old.holder:
            self._world.violate(f"{subject}: epoch {new.epoch} is of {old.holder} and of {new.holder}")
        self._checkpoints[subject] = new

    def _record(self, bucket: str, subject: str, data: bytes) -> None:
        kind = LeaseRecord if bucket == "KV_leaders" else OwnerRecord
        if bucket == "KV_shards" and ".own." not in subject:
            return
        new = msgspec.msgpack.decode(data, type=kind)
        epoch, holder = self._epochs.get(subject, (0, ""))
        if new.epoch < epoch or (new.epoch == epoch and new.holder != holder):
            self._world.violate(f"{subject}: epoch {new.epoch} of {new.holder} behind epoch {epoch} of {holder}")
        self._epochs[subject] = (new.epoch, new.holder)

    def missing(self) -> str:
        """What is still to be done, in words."""
        if self.last_number < self.total:
            return f"the stream has {self.last_number} of the source's {self.total} numbers"
        for partition, expected in self.expected.items():
            if self.found[partition] < len(expected):
                return f"partition {partition} has {self.found[partition]} of {len(expected)} outputs"
        if len(self.side) < len(self._side_expected):
            return f"SIDE has {len(self.side)} of {len(self._side_expected)} messages"
        return ""

    def wrong_at_end(self) -> str:
        """What the end must show beside that."""
        return "" if len(self.side) == len(set(self.side)) else "SIDE: a message is there twice"


def message(number: int) -> tuple[str, bytes]:
    return f"in.{partition_of(str(number), PARTITIONS)}", str(number).encode()


def _place_of(number: int) -> int:
    """FNV-1a of 32 bits, written down once more: whoever computes another partition is found."""
    value = 2_166_136_261
    for byte in str(number).encode():
        value = (value ^ byte) * 16_777_619 % 2**32
    return value % PARTITIONS


async def member(machine: Machine) -> None:
    """A member of the stage."""
    connection = await NatsConnection.open(machine.url, name=machine.name)
    sessions = await connection.another(f"{machine.name}-sessions")
    for config in (IN, OUT, SIDE):
        await ensure_stream(connection, {**config, "num_replicas": machine.replicas})
    bucket = await NatsKeyValue.open(sessions, "shards")
    name = f"{machine.name}.{machine.lives}"
    stage = Stage(connection, SETTINGS, lambda partition, _: Sums(partition), name, on_lost=lambda p: shards.lost(p))  # noqa: PLW0108 (they know one another)
    shards = Shards(
        bucket,
        name,
        count=PARTITIONS,
        on_own=stage.own,
        on_lose=stage.disown,
        working=lambda: frozenset(stage.parts),
        prober=NatsProber(sessions, "shards", name),
    )
    machine.state = (shards, stage)
    running = [asyncio.create_task(stage.run()), asyncio.create_task(shards.run())]
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _owners(world: World) -> str:
    """Whether every partition is worked on by one member, in words what is wrong."""
    working: dict[int, list[str]] = {p: [] for p in range(PARTITIONS)}
    for machine in world.machines.values():
        if machine.alive and isinstance(machine.state, tuple):
            shards, stage = machine.state
            if apart := shards.disagreements():
                return f"{machine.name}: records and work differ: {apart}"
            for partition in stage.parts:
                working[partition].append(machine.name)
    for partition, names in working.items():
        if len(names) != 1:
            return f"partition {partition} is worked on by {names or 'nobody'}"
    return ""


def schedule(seed: int, kinds: Sequence[str] = (), *, suffer_s: float = 8.0, total: int = 400) -> Report:
    """One schedule of this scenario."""
    world = World(seed, "stages")
    truth = Truth(world, total)
    faults = Faults(world, kinds)
    source = Source("IN", "in", total, total / suffer_s, message, {**IN, "num_replicas": world.replicas})
    LeaderWatch(world, [world.machine(name, source) for name in ("source-a", "source-b")])
    for number in range(MEMBERS):
        world.machine(f"member-{number}", member)

    async def before() -> None:
        return None

    async def suffer(_: World) -> None:
        await asyncio.sleep(world.loop.dice.uniform(0.0, 1.0))
        await faults.suffer(suffer_s)

    report = world.run(
        suffer,
        lambda: truth.missing() or _owners(world),
        before=before,
        settle_s=_SETTLE_S,
        at_end=truth.wrong_at_end,
    )
    report.counts = {"numbers": truth.last_number, "outputs": sum(truth.found.values()), "side": len(truth.side)}
    return report
