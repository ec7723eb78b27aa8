"""Three nats-servers that replicate to one another, and what can happen to each of them.

As root each has a network namespace and a small disk (tmpfs) of its own: it can be cut off from its peers or from
everybody, and its disk can be full. Elsewhere they share the loopback, and can only be killed and frozen; clients are
cut off by a proxy in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from deploy.nodes.lab import nats_server
from deploy.nodes.network import Host, HostError, Network, command

from marketprism_adapters.nats.local_server import hold_port
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, stream_info
from marketprism_sdk.service import die_with_parent

NODES = 3
_CLIENTS, _ROUTES = 4222, 6222
_READY_S = 60.0
_DISK_MB = 512
_RULES = (("INPUT", "--sport"), ("INPUT", "--dport"), ("OUTPUT", "--sport"), ("OUTPUT", "--dport"))


def can_have_hosts() -> bool:
    """Whether namespaces and small disks can be made here."""
    return os.geteuid() == 0 and bool(shutil.which("ip")) and bool(shutil.which("iptables"))


class Cluster:
    """`async with Cluster(folder) as cluster`."""

    def __init__(self, folder: Path, *, hosts: bool = False, store_gb: int = 1) -> None:
        self.folder = folder
        self._store_gb = store_gb
        own = os.getpid()  # others on this machine may have networks of hosts too
        subnet = f"10.{128 + own % 100}.{own // 100 % 250}"
        self._network = Network(f"h{own % 100_000}", subnet, {f"n{n}": 11 + n for n in range(NODES)}) if hosts else None
        self._held = [] if hosts else [hold_port() for _ in range(2 * NODES)]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * NODES
        self._mounted: list[Path] = []
        self._cut: set[int] = set()

    @property
    def has_hosts(self) -> bool:
        """Whether each node has a network and a disk of its own."""
        return self._network is not None

    def place(self, number: int) -> tuple[str, int]:
        """Where clients of a node connect."""
        if self._network is not None:
            return self._host(number).address, _CLIENTS
        return "127.0.0.1", int(self._held[number].getsockname()[1])

    def url(self, *numbers: int) -> str:
        """Some nodes, or all, for a client."""
        return ",".join("nats://{}:{}".format(*self.place(number)) for number in numbers or range(NODES))

    def _route(self, number: int) -> str:
        if self._network is not None:
            return f"{self._host(number).address}:{_ROUTES}"
        return f"127.0.0.1:{self._held[NODES + number].getsockname()[1]}"

    def _host(self, number: int) -> Host:
        assert self._network is not None
        return list(self._network.hosts.values())[number]

    def _data(self, number: int) -> Path:
        return self.folder / f"node{number}"

    async def __aenter__(self) -> Cluster:
        try:
            await asyncio.to_thread(self._prepare)
            for number in range(NODES):
                self.start(number)
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._remove)

    def _prepare(self) -> None:
        if self._network is not None:
            self._network.make()
        for number in range(NODES):
            data = self._data(number)
            data.mkdir(parents=True)
            if self._network is not None:
                command("mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(data))
                self._mounted.append(data)
            (self.folder / f"node{number}.conf").write_text(self._conf(number), encoding="utf-8")

    def _conf(self, number: int) -> str:
        address, port = self.place(number)
        routes = ", ".join(f'"nats://{self._route(other)}"' for other in range(NODES) if other != number)
        return f"""server_name: "node{number}"
listen: "{address}:{port}"
cluster {{
  name: "histories"
  listen: "{self._route(number)}"
  no_advertise: true
  ping_interval: "1s"
  ping_max: 2
  routes: [{routes}]
}}
write_deadline: "10s"
ping_interval: "5s"
ping_max: 2
jetstream {{ store_dir: "{self._data(number)}", max_file_store: {self._store_gb}GB, sync_interval: always }}
"""

    def start(self, number: int) -> None:
        """Start a node on its data."""
        arguments = [str(nats_server(sys.executable)), "-c", str(self.folder / f"node{number}.conf")]
        if self._network is not None:
            arguments = ["ip", "netns", "exec", self._host(number).name, *arguments]
        with (self.folder / f"node{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
            )

    def kill(self, number: int) -> None:
        """SIGKILL to a node."""
        process, self._processes[number] = self._processes[number], None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self, number: int) -> None:
        """SIGSTOP to a node."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """SIGCONT to a node."""
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, what: signal.Signals) -> None:
        process = self._processes[number]
        if process is not None:
            process.send_signal(what)

    def cut(self, number: int, *, from_clients: bool = False) -> None:
        """A node's peers and it hear nothing of one another, nobody is told; or nobody hears anything of it."""
        host = self._host(number)
        self._cut.add(number)
        if from_clients:
            host.cut()
            return
        for chain, port in _RULES:
            host.run("iptables", "-w", "-I", chain, "-p", "tcp", port, str(_ROUTES), "-j", "DROP")

    def heal(self, number: int) -> None:
        """A node's network is as it was."""
        host = self._host(number)
        host.heal()
        for chain, port in _RULES:
            with contextlib.suppress(HostError):
                host.run("iptables", "-w", "-D", chain, "-p", "tcp", port, str(_ROUTES), "-j", "DROP")
        self._cut.discard(number)

    def fill_disk(self, number: int) -> None:
        """Not one byte more goes onto a node's disk."""
        with (self._data(number) / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65_536)

    def free_disk(self, number: int) -> None:
        """There is room again; a node that met the full disk is started anew, as its supervisor does."""
        (self._data(number) / "filler").unlink(missing_ok=True)
        self.kill(number)
        self.start(number)

    async def ready(self) -> None:
        """Until the JetStream API answers. Raises TimeoutError where it does not within a minute."""
        async with asyncio.timeout(_READY_S):
            while True:
                with contextlib.suppress(SdkError):
                    connection = await NatsConnection.open(self.url(), name="cluster", connect_timeout_s=2)
                    try:
                        await api(connection, "STREAM.NAMES")
                        return
                    finally:
                        await connection.close()
                await asyncio.sleep(0.2)

    async def leader_of(self, connection: NatsConnection, stream: str) -> int | None:
        """The node that leads a stream, as far as it is known."""
        try:
            async with asyncio.timeout(2.0):
                info = await stream_info(connection, stream, 1.5)
            return int(str(info["cluster"]["leader"]).removeprefix("node"))
        except (SdkError, TimeoutError, KeyError, ValueError):
            return None

    async def current(self, connection: NatsConnection, *streams: str) -> None:
        """Until every replica of some streams has everything. Raises TimeoutError where that takes two minutes."""
        async with asyncio.timeout(120.0):
            for stream in streams:
                while True:
                    with contextlib.suppress(SdkError):
                        replicas = (await stream_info(connection, stream)).get("cluster", {}).get("replicas") or []
                        if len(replicas) == NODES - 1 and all(each.get("current") for each in replicas):
                            break
                    await asyncio.sleep(0.2)

    def _remove(self) -> None:
        for number in range(NODES):
            self.kill(number)
        if self._network is not None:
            self._network.remove()
        for data in self._mounted:
            subprocess.run(["umount", str(data)], check=False, capture_output=True)
        self._mounted.clear()
        for one in self._held:
            one.close()


__all__ = ["NODES", "Cluster", "can_have_hosts"]
