"""Three nats-servers on the loopback that replicate to one another: for trials and for tests of R3."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, hold_port
from marketprism_application.errors import EmbeddedServerError
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api

_READY_S = 30.0


class LocalCluster:
    """Nodes 0, 1, 2. Each can be killed and started again on its own data and its own ports."""

    def __init__(self, options: list[EmbeddedOptions], held: list[socket.socket]) -> None:
        self._options = options
        self._held = held
        self.nodes: list[EmbeddedServer | None] = [None] * len(options)

    @classmethod
    async def start(cls, data_dir: Path, count: int = 3) -> LocalCluster:
        """Start all nodes and wait until JetStream has a leader.

        Raises:
            EmbeddedServerError: a node does not start or the cluster finds no leader.
        """
        # Held for as long as the cluster is there: every node has to know the others' ports before any of them listens.
        held = [hold_port() for _ in range(2 * count)]
        ports = [int(one.getsockname()[1]) for one in held]
        routes = tuple(ports[count:])
        cluster = cls(
            [
                EmbeddedOptions(
                    data_dir / f"node{n}", port=ports[n], name=f"node{n}", cluster_port=routes[n], routes=routes
                )
                for n in range(count)
            ],
            held,
        )
        try:
            await asyncio.gather(*(cluster.start_node(n) for n in range(count)))
            await cluster.wait_ready()
        except BaseException:
            await cluster.stop()
            raise
        return cluster

    @property
    def url(self) -> str:
        """Every node, for a client."""
        return ",".join(f"nats://127.0.0.1:{option.port}" for option in self._options)

    async def start_node(self, number: int) -> None:
        """Start a node on its data."""
        self.nodes[number] = await EmbeddedServer.start(replace(self._options[number]))

    async def kill_node(self, number: int) -> None:
        """End one node at once by SIGKILL; nothing where it has ended."""
        node = self.nodes[number]
        if node is not None:
            node.process.kill()
            await node.stop()
            self.nodes[number] = None

    async def wait_ready(self) -> None:
        """Until the JetStream API answers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _READY_S
        connection = await NatsConnection.open(self.url, name="cluster")
        try:
            while True:
                try:
                    await api(connection, "STREAM.NAMES")
                    return
                except SdkError as error:
                    if loop.time() > end:
                        raise EmbeddedServerError(f"cluster: expected a JetStream leader: {error}") from error
                    await asyncio.sleep(0.2)
        finally:
            await connection.close()

    async def leader_of(self, stream: str) -> int:
        """The node that leads a stream."""
        info = await self._info(stream)
        return int(str(info["cluster"]["leader"]).removeprefix("node"))

    async def wait_current(self, stream: str, timeout_s: float = 60.0) -> None:
        """Until every replica of a stream has everything."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while loop.time() < end:
            try:
                cluster = (await self._info(stream))["cluster"]
                replicas = cluster.get("replicas") or []
                if len(replicas) == len(self.nodes) - 1 and all(r.get("current") for r in replicas):
                    return
            except (SdkError, KeyError):
                pass
            await asyncio.sleep(0.2)
        raise EmbeddedServerError(f"cluster: stream {stream} did not become current within {timeout_s:g} s")

    async def _info(self, stream: str) -> dict[str, dict[str, list[dict[str, bool]]]]:
        connection = await NatsConnection.open(self.url, name="cluster")
        try:
            message = await connection.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout_s=5)
            found: dict[str, dict[str, list[dict[str, bool]]]] = json.loads(message.data)
            return found
        finally:
            await connection.close()

    async def stop(self) -> None:
        """End all nodes by SIGKILL."""
        for number in range(len(self.nodes)):
            await self.kill_node(number)
        for one in self._held:
            one.close()
