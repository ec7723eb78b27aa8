"""Faults of a run: one after the other, each taken back before the next or while the next is there."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.testing import Child, FaultyProxy
from tests.histories.cluster import NODES, Cluster
from tests.histories.operations import Recorder

KINDS = ("kill", "freeze", "partition", "clock", "disk")
_EACH_S = (1.0, 6.0)
_REST_S = (0.5, 3.0)


class Target:
    """What the nemesis may hurt: the cluster, the client processes and what stands before them."""

    def __init__(self, cluster: Cluster, restart: Callable[[str, float], Awaitable[None]]) -> None:
        self.cluster = cluster
        self.children: dict[str, Child] = {}
        self.proxies: dict[str, list[FaultyProxy]] = {}
        self.restart = restart
        self.watched: tuple[str, ...] = ()  # streams whose leader is worth a fault


class Nemesis:
    """Throws the dice of one seed; `counts` is how many faults of each kind there were."""

    def __init__(self, target: Target, kinds: Sequence[str], seed: int, recorder: Recorder) -> None:
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"--nemesis: expected some of {', '.join(KINDS)}, was {', '.join(sorted(unknown))}")
        self._target, self._kinds, self._recorder = target, list(kinds), recorder
        self._dice = random.Random(seed)
        self._connection: NatsConnection | None = None
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Faults for so long; the last is taken back."""
        end = time.monotonic() + seconds
        with contextlib.suppress(SdkError):  # then it does not know who leads
            self._connection = await NatsConnection.open(self._target.cluster.url(), name="nemesis")
        while (left_s := end - time.monotonic()) > 1.0:
            if not self._kinds:
                await asyncio.sleep(left_s)
                break
            kind = self._dice.choice(self._kinds)
            during_s = min(left_s, self._dice.uniform(*_EACH_S))
            what = await getattr(self, f"_{kind}")(during_s)
            self.counts[what.split()[0]] += 1
            self._recorder.note("fault", what=what, during_s=round(during_s, 2))
            await asyncio.sleep(min(max(0.0, end - time.monotonic()), self._dice.uniform(*_REST_S)))
        if self._connection is not None:
            await self._connection.close()

    async def _node(self) -> int:
        """By turns any node and one that leads a stream that matters."""
        cluster, watched = self._target.cluster, self._target.watched
        if watched and self._dice.random() < 0.6 and self._connection is not None and self._connection.connected:
            leader = await cluster.leader_of(self._connection, self._dice.choice(watched))
            if leader is not None:
                return leader
        return self._dice.randrange(NODES)

    def _client(self) -> str:
        return self._dice.choice(sorted(self._target.children))

    async def _kill(self, during_s: float) -> str:
        cluster = self._target.cluster
        if self._dice.random() < 0.4:
            name = self._client()
            self._target.children[name].kill()
            await asyncio.sleep(min(during_s, 2.0))
            await self._target.restart(name, 1.0)
            return f"kill-client {name}"
        both = self._dice.random() < 0.2
        nodes = self._dice.sample(range(NODES), 2) if both else [await self._node()]
        for number in nodes:
            cluster.kill(number)
        await asyncio.sleep(during_s)
        for number in nodes:
            cluster.start(number)
        return f"kill-node{'s' if both else ''} {nodes}"

    async def _freeze(self, during_s: float) -> str:
        cluster = self._target.cluster
        if self._dice.random() < 0.5:
            name = self._client()
            self._target.children[name].freeze()
            await asyncio.sleep(during_s / 2)
            self._target.children[name].thaw()
            return f"freeze-client {name}"
        number = await self._node()
        cluster.freeze(number)
        await asyncio.sleep(during_s)
        cluster.thaw(number)
        return f"freeze-node {number}"

    async def _partition(self, during_s: float) -> str:
        cluster = self._target.cluster
        if self._target.proxies and (not cluster.has_hosts or self._dice.random() < 0.3):
            name = self._client()
            for proxy in self._target.proxies[name]:
                proxy.cut()
            await asyncio.sleep(during_s / 2)
            for proxy in self._target.proxies[name]:
                proxy.heal()
            return f"cut-client {name}"
        if not cluster.has_hosts:
            return "partition-not-here"
        number, whole = await self._node(), self._dice.random() < 0.4
        await asyncio.to_thread(lambda: cluster.cut(number, from_clients=whole))
        await asyncio.sleep(2 * during_s)
        await asyncio.to_thread(cluster.heal, number)
        return f"cut-node{'' if whole else '-from-peers'} {number}"

    async def _clock(self, during_s: float) -> str:
        """A client comes back with a clock that runs at another rate, within what leases allow for."""
        name, rate = self._client(), self._dice.choice((0.99, 0.995, 1.005, 1.01))
        self._target.children[name].kill()
        await asyncio.sleep(min(during_s, 1.0))
        await self._target.restart(name, rate)
        return f"clock {name} {rate}"

    async def _disk(self, during_s: float) -> str:
        cluster = self._target.cluster
        if not cluster.has_hosts:
            return "disk-not-here"
        number = await self._node()
        await asyncio.to_thread(cluster.fill_disk, number)
        await asyncio.sleep(during_s)
        await asyncio.to_thread(cluster.free_disk, number)
        return f"disk {number}"


__all__ = ["KINDS", "Nemesis", "Target"]
