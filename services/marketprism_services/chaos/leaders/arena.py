"""The place of the trials: a server or a cluster, three candidates, and what they tell."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.testing import Child, FaultyProxy
from marketprism_services.chaos.leaders.candidate import Setup

CANDIDATES = 3
BUCKET = "trial_leaders"
FENCED, TWIN = "TRIAL", "TWIN"


class ArenaError(Exception):
    """A trial did not come to its end; the text says what was waited for and what was told last."""


class CandidateLine:
    """One line of a candidate."""

    __slots__ = ("event", "name", "t", "values")

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self.event = str(values.get("event", ""))
        self.t = float(values.get("t", 0.0))
        self.values = values

    @property
    def epoch(self) -> int:
        """Epoch it is about."""
        return int(self.values.get("epoch", 0))


class Arena:
    """`async with Arena(…) as arena`."""

    def __init__(self, data_dir: Path, *, nodes: int = 1, lease: LeaseSettings | None = None) -> None:
        self._data_dir = data_dir
        self._nodes = nodes
        self.lease = lease or LeaseSettings()
        self.lines: list[CandidateLine] = []
        self._changed = asyncio.Event()
        self._count = 0
        self.candidates: dict[str, Child] = {}
        self.proxies: dict[str, FaultyProxy] = {}
        self.cluster: LocalCluster | None = None
        self.server: EmbeddedServer | None = None
        self.port = 0
        self.acknowledged: dict[tuple[str, int], set[int]] = {}

    @property
    def url(self) -> str:
        """The real server, or all of them."""
        return self.cluster.url if self.cluster is not None else f"nats://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Arena:
        if self._nodes > 1:
            self.cluster = await LocalCluster.start(self._data_dir, self._nodes)
        else:
            self.port = choose_port(0)
            await self.start_server()
        connection = await NatsConnection.open(self.url, name="arena")
        common = {"storage": "file", "allow_direct": True, "num_replicas": self._nodes, "allow_atomic": True}
        for stream in (FENCED, TWIN):
            await ensure_stream(connection, {"name": stream, "subjects": [f"{stream}.>"], **common})
        await NatsKeyValue.open(connection, BUCKET, replicas=self._nodes)
        await connection.close()
        for _ in range(CANDIDATES):
            await self.add()
        await self.leader()
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in self.candidates.values():
            child.thaw()
            child.kill()
        await asyncio.gather(*(child.end() for child in self.candidates.values()))
        for proxy in self.proxies.values():
            await proxy.stop()
        if self.cluster is not None:
            await self.cluster.stop()
        if self.server is not None:
            await self.server.stop()

    async def start_server(self) -> None:
        """Start the single server on its data."""
        self.server = await EmbeddedServer.start(EmbeddedOptions(self._data_dir, port=self.port))

    async def kill_server(self) -> None:
        """SIGKILL to the single server."""
        if self.server is not None:
            self.server.process.kill()
            await self.server.stop()
            self.server = None

    async def add(self) -> Child:
        """One more candidate, ready; on a single server it talks through a proxy of its own."""
        self._count += 1
        name = f"c{self._count}"
        url = self.url
        if self.cluster is None:
            proxy = self.proxies[name] = FaultyProxy("127.0.0.1", self.port)
            await proxy.start()
            url = proxy.url
        setup = Setup(name, url, BUCKET, FENCED, TWIN, self._nodes, lease=self.lease)
        command = [
            sys.executable,
            "-m",
            "marketprism_services.chaos.leaders.candidate",
            msgspec.json.encode(setup).decode(),
        ]
        child = Child(command, self._hear, name=name, env={"PYTHONPATH": os.pathsep.join(sys.path)})
        self.candidates[name] = child
        await child.start()
        await self.wait(lambda told: told.name == name and told.event == "ready", "a candidate to start")
        return child

    async def retire(self, name: str) -> None:
        """Take a candidate away that has ended or is to end."""
        child = self.candidates.pop(name)
        if child.alive:
            child.kill()
        await child.end()
        if name in self.proxies:
            await self.proxies.pop(name).stop()

    def _hear(self, child: Child, values: dict[str, Any]) -> None:
        told = CandidateLine(child.name, values)
        if told.event == "acknowledged":
            number = int(values["number"])
            numbers = self.acknowledged.setdefault((told.name, told.epoch), set())
            run = number // 100_000
            numbers -= {n for n in numbers if n // 100_000 == run}
            numbers.add(number)
        self.lines.append(told)
        self._changed.set()

    async def wait(
        self, matches: Callable[[CandidateLine], bool], what: str, since: int = 0, timeout_s: float = 30.0
    ) -> CandidateLine:
        """The first line from `since` on that matches.

        Raises:
            ArenaError: none came in time.
        """
        end = time.monotonic() + timeout_s
        at = since
        while True:
            while at < len(self.lines):
                if matches(self.lines[at]):
                    return self.lines[at]
                at += 1
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.001, end - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                last = [(t.name, t.event, t.values) for t in self.lines if t.event != "acknowledged"][-8:]
                raise ArenaError(f"waited {timeout_s:g} s for {what}; last lines: {last}") from None

    async def leader(self, since: int = 0) -> tuple[Child, int]:
        """Who leads and writes, and its epoch; waits until it has written for a moment."""
        told = await self.wait(
            lambda t: t.event == "acknowledged" and t.name in self.candidates, "a leader", since or len(self.lines)
        )
        return self.candidates[told.name], told.epoch

    async def takeover(self, since: int, above: int) -> CandidateLine:
        """The first acknowledged write under an epoch above another."""
        return await self.wait(lambda t: t.event == "acknowledged" and t.epoch > above, "a takeover", since)

    async def reachable(self) -> bool:
        """Whether the server or cluster can be used."""
        try:
            connection = await NatsConnection.open(self.url, name="arena", connect_timeout_s=1)
            await connection.close()
        except SdkError:
            return False
        return True
