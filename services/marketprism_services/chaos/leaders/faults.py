"""What is done to a leader. A fault is one row of `FAULTS`."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from marketprism_sdk.testing import Child
from marketprism_services.chaos.leaders.arena import FENCED, Arena


class Fault(ABC):
    """One fault. `takes_over` says whether another leader is what should follow."""

    takes_over: ClassVar[bool] = True
    nodes: ClassVar[int] = 1
    measured: ClassVar[str] = "from the fault to the first accepted write of the next leader"
    rest_s: ClassVar[float] = 0.4

    def __init__(self, arena: Arena, dice: random.Random) -> None:
        self.arena = arena
        self.dice = dice
        self.since = 0  # what was told before the fault
        self.epoch = 0  # under which the leader led that is hit

    @abstractmethod
    async def inject(self, leader: Child) -> float:
        """Do it; returns the monotonic instant from which time is taken."""

    async def heal(self, leader: Child) -> str:
        """Undo it and bring the number of candidates back; returns what the old leader did meanwhile."""
        await self.arena.retire(leader.name)
        await self.arena.add()
        return "it is gone"

    async def _late_write(self, leader: Child) -> str:
        """The old leader has gone on; what it wrote was refused, or is found by the audit."""
        told = await self.arena.wait(
            lambda t: t.name == leader.name and t.epoch == self.epoch and t.event == "late",
            "the old leader to write late",
            self.since,
        )
        return f"its late write was {'refused' if told.values['refused'] else 'ACCEPTED'} ({told.values['reason']})"


class Term(Fault):
    """SIGTERM: it gives the lease back."""

    async def inject(self, leader: Child) -> float:
        started = time.monotonic()
        leader.terminate()
        return started


class Kill(Fault):
    """SIGKILL."""

    async def inject(self, leader: Child) -> float:
        started = time.monotonic()
        leader.kill()
        return started


class Freeze(Fault):
    """SIGSTOP, and SIGCONT once another leads: it goes on in the middle of what it was doing."""

    async def inject(self, leader: Child) -> float:
        started = time.monotonic()
        leader.freeze()
        return started

    async def heal(self, leader: Child) -> str:
        """Let it go on."""
        await asyncio.sleep(self.dice.uniform(0.0, 0.5))
        leader.thaw()
        return await self._late_write(leader)


class Cut(Fault):
    """Its connections carry nothing in either direction; what it writes meanwhile arrives late, after the heal."""

    async def inject(self, leader: Child) -> float:
        started = time.monotonic()
        self.arena.proxies[leader.name].cut()
        return started

    async def heal(self, leader: Child) -> str:
        await asyncio.sleep(self.dice.uniform(0.0, 0.5))
        self.arena.proxies[leader.name].heal()
        return await self._late_write(leader)


class NatsRestart(Fault):
    """The server is killed and comes back, by turns before and after the lease has run out; the leader stays."""

    takes_over = False
    measured = "from the server's return to the first accepted write of the same leader"
    rest_s = 1.2

    async def inject(self, leader: Child) -> float:
        del leader
        await self.arena.kill_server()
        await asyncio.sleep(self.dice.choice((0.1, 0.3, 1.5, 2.5)))
        await self.arena.start_server()
        return time.monotonic()

    async def heal(self, leader: Child) -> str:
        return f"{leader.name} writes again"


class NodeKill(Fault):
    """One of three nodes is killed, by turns any and the one that leads the bucket of the leases."""

    takes_over = False
    nodes = 3
    measured = "from the kill of a node to the first accepted write afterwards, of the same leader or the next"
    rest_s = 1.5

    async def inject(self, leader: Child) -> float:
        del leader
        cluster = self.arena.cluster
        assert cluster is not None  # noqa: S101 (nodes = 3)
        leads = await cluster.leader_of("KV_trial_leaders")
        others = [n for n in range(self.nodes) if n != leads]
        self.victim = leads if self.dice.random() < 0.5 else self.dice.choice(others)
        self.led = self.victim == leads
        started = time.monotonic()
        await cluster.kill_node(self.victim)
        return started

    async def heal(self, leader: Child) -> str:
        """Start the node again and wait until it has everything."""
        del leader
        cluster = self.arena.cluster
        assert cluster is not None  # noqa: S101
        await cluster.start_node(self.victim)
        for stream in ("KV_trial_leaders", FENCED, "TWIN"):
            await cluster.wait_current(stream)
        return f"node {self.victim} is back, it {'led' if self.led else 'did not lead'} the bucket"


class KillInCluster(Kill):
    """SIGKILL of a leader on three nodes."""

    nodes = 3


FAULTS: Mapping[str, type[Fault]] = {
    "term": Term,
    "kill": Kill,
    "freeze": Freeze,
    "cut": Cut,
    "nats-restart": NatsRestart,
    "node-kill": NodeKill,
    "kill-r3": KillInCluster,
}
