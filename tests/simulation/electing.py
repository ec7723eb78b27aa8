"""Scenario `electing`: three candidates of one lease, each of which writes under its fence while it leads.

Small, so that thousands of schedules run in a minute. What must be true: epochs only grow and have one holder; what is
written under an older epoch stands before the fence of the next; somebody leads within a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from marketprism_sdk.election import Election
from marketprism_sdk.election._lease import LeaseRecord
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.streams import raise_fence
from tests.simulation.faults import Faults
from tests.simulation.leading import LeaderWatch
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import Machine, Report, World

CONFIG = {"name": "LOG", "subjects": ["log.>"], "allow_direct": True, "allow_atomic": True}
_WRITE_S = 0.1
_SETTLE_S = 20.0


class Truth:
    """Epochs of the lease and of what is written."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._leases: dict[int, str] = {}
        self._newest = 0
        self.written = 0
        self.last_epoch = 0
        world.server.jetstream.on_stored = self.stored

    def stored(self, stream: Stream, message: Stored) -> None:
        """A message was taken by a stream."""
        if stream.name == "KV_leaders" and message.data:
            lease = msgspec.msgpack.decode(message.data, type=LeaseRecord)
            if lease.epoch < self._newest or self._leases.setdefault(lease.epoch, lease.holder) != lease.holder:
                self._world.violate(f"epoch {lease.epoch} of {lease.holder} behind {self._newest}, {self._leases}")
            self._newest = lease.epoch
        elif message.subject == "log.entry":
            epoch = int(message.data)
            if epoch < self.last_epoch:
                self._world.violate(f"a write of epoch {epoch} behind the fence of epoch {self.last_epoch}")
            self.written += 1
        elif message.subject == "log.fence":
            self.last_epoch = int(msgspec.msgpack.decode(message.data)["epoch"])


async def candidate(machine: Machine) -> None:
    """A program that writes while it leads."""
    connection = await NatsConnection.open(machine.url, name=machine.name)
    await ensure_stream(connection, {**CONFIG, "num_replicas": machine.replicas})
    bucket = await NatsKeyValue.open(connection, "leaders")
    holder = f"{machine.name}.{machine.lives}"
    writing: list[asyncio.Task[None]] = []

    async def begin(epoch: int) -> None:
        fence = await raise_fence(connection, "LOG", "log.fence", holder, epoch)

        async def write() -> None:
            while True:
                try:
                    await publish_ack(connection, "log.entry", str(epoch).encode(), fence.headers, 1.0)
                except SdkError as error:
                    if not error.retryable:
                        election.surrender(str(error))
                        return
                await asyncio.sleep(_WRITE_S)

        writing.append(asyncio.get_running_loop().create_task(write()))

    async def end(reason: str) -> None:
        del reason
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        writing.clear()

    prober = NatsProber(connection, "lease", holder)
    election = Election(bucket, "lease", holder, prober=prober, on_acquired=begin, on_lost=end)
    machine.state = election
    await election.run()


def schedule(seed: int, kinds: Sequence[str] = (), *, suffer_s: float = 0.0) -> Report:
    """One schedule of this scenario."""
    world = World(seed, "electing")
    truth = Truth(world)
    faults = Faults(world, kinds, mean_s=0.5)
    candidates = [world.machine(f"candidate-{name}", candidate) for name in "abc"]
    LeaderWatch(world, candidates)
    before = [0]

    async def suffer(_: World) -> None:
        await asyncio.sleep(world.loop.dice.uniform(0.0, 0.5))
        await faults.suffer(suffer_s or world.loop.dice.choice((3.0, 3.0, 12.0)))
        before[0] = truth.written

    def missing() -> str:
        leading = [each.name for each in candidates if each.state is not None and each.state.is_active()]
        if len(leading) != 1:
            return f"{leading or 'nobody'} leads"
        return "" if truth.written > before[0] + 3 else "nothing is written"

    async def nothing() -> None:
        return None

    report = world.run(suffer, missing, before=nothing, settle_s=_SETTLE_S)
    report.counts = {"written": truth.written, "epochs": truth.last_epoch}
    return report
