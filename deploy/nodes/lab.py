"""Three nodes and a store on one machine, from the files that machines of a team get."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deploy.nodes.disk import limit_writes
from deploy.nodes.files import STORE_PORT, Team, commands_on, write
from deploy.nodes.network import Host, HostError, Network

from marketprism_adapters.clickhouse import access, local_server
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.private_files import private_folder
from marketprism_services.platform.nats_users import OPERATOR

STORE = "store"
LIBFAKETIME = tuple(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in ("x86_64", "aarch64"))
_HERE = Path(__file__).parent
_FIRST = 11  # node-1 is .11, the store .14
_STORE_S = 60.0


class Lab:
    """The hosts `node-1` to `node-3` and `store`, their files and data below a folder."""

    def __init__(self, folder: Path, tag: str = "mp", subnet: str = "10.77.0", team: Team | None = None) -> None:
        names = ("node-1", "node-2", "node-3", STORE)
        self.network = Network(tag, subnet, {name: _FIRST + at for at, name in enumerate(names)})
        self.folder = folder
        self.nodes = [self.network.hosts[name] for name in names[:3]]
        self.store = self.network.hosts[STORE]
        base = team or Team(nodes=tuple(host.address for host in self.nodes), store=self.store.address)
        self.team = replace(
            base,
            etc=str(folder / "etc" / "{node}"),
            data=str(folder / "data" / "{node}"),
            nats_data=str(folder / "data" / "{node}" / "nats"),
            program=f"{sys.executable} -m marketprism_services",
        )

    def begin(self) -> None:
        """Make the hosts and start the store; the nodes are off, and no files of theirs are written.

        Raises:
            HostError: something of the system is not there; DataDirError: the folder cannot be written;
            LocalServerError: there is no ClickHouse.
        """
        private_folder(self.folder)
        local_server.server_program()  # fetched here: a host has no way out
        self.network.make()
        users = access.prepare(self._store_data / "access").passwords
        named = (f"{access.WRITER}:{users.writer}", f"{access.READER}:{users.reader}")
        self.team = replace(self.team, store_users=named)
        self.start_store()

    def up(self) -> None:
        """Make the hosts, start the store, write the files of the nodes and start them.

        Raises:
            HostError, DataDirError, LocalServerError: as `begin`.
        """
        self.begin()
        write(self.team, self.folder / "etc")
        for number in range(len(self.nodes)):
            self.start_node(number)

    @property
    def _store_data(self) -> Path:
        return self.folder / "data" / STORE

    @property
    def store_url(self) -> str:
        """Where the writer of the store connects."""
        return f"http://{self.team.store_users[0]}@{self.team.store}:{STORE_PORT}"

    @property
    def operator(self) -> NatsAccess:
        """Who looks at the cluster from outside."""
        return NatsAccess.of_user(self.folder / "etc" / "users", OPERATOR)

    def start_store(self) -> None:
        """Start ClickHouse on its host and wait until it listens.

        Raises:
            HostError: it does not.
        """
        logs = self._folder("logs", STORE)
        arguments = [
            sys.executable,
            str(_HERE / "store_host.py"),
            str(self._store_data),
            self.store.address,
            str(STORE_PORT),
        ]
        process = self.store.start(arguments, logs / "store.log")
        end = time.monotonic() + _STORE_S
        while f"{self.store.address}:{STORE_PORT}" not in self.store.run("ss", "-Hltn"):
            if process.poll() is not None or time.monotonic() > end:
                raise HostError(f"store: expected ClickHouse to listen, see {logs / 'store.log'}")
            time.sleep(0.1)

    def start_node(self, number: int, clock: str = "") -> None:
        """Switch a node on; `clock` is the error of its services' clock, like `+3s`.

        nats-server goes by the right clock: it is no program that libfaketime can mislead.

        Raises:
            HostError: libfaketime is not installed.
        """
        name = self.team.names[number]
        self._folder("data", name)
        logs = self._folder("logs", name)
        wrong = logs / "faketime"
        wrong.unlink(missing_ok=True)
        if clock:
            library = next((path for path in LIBFAKETIME if Path(path).exists()), "")
            if not library:
                raise HostError("clock: expected libfaketime (apt-get install libfaketime), was none")
            wrong.write_text(f"{library} {clock}", encoding="ascii")
        programs = self._folder("etc", name) / "programs.json"
        programs.write_text(json.dumps(commands_on(self.team, number)), encoding="utf-8")
        self.nodes[number].start(
            [sys.executable, str(_HERE / "supervise.py"), str(programs), str(logs)], logs / "node.log"
        )

    def lose_node(self, number: int) -> None:
        """Every process of a node ends at once."""
        self.nodes[number].lose()

    def host_of(self, instance: str) -> Host | None:
        """The node on which a process with that id runs, as an instance's name has it: `storage-4711-x`."""
        numbers = [int(part) for part in instance.split("-") if part.isdigit()]
        return next((host for host in self.nodes if set(numbers) & set(host.pids())), None)

    def slow_disk(self, number: int, bytes_per_s: int) -> None:
        """What a node's processes write reaches the disk no faster than that; 0 takes the limit away.

        Raises:
            HostError: the kernel has no controller of disk writes, or the disk is none that it limits.
        """
        limit_writes(f"{self.network.tag}-{number}", self.folder, self.nodes[number].pids(), bytes_per_s)

    def down(self) -> None:
        """End everything and take the hosts away; data and logs stay."""
        for number, host in enumerate(self.nodes):
            with contextlib.suppress(HostError):
                limit_writes(f"{self.network.tag}-{number}", self.folder, host.pids(), 0)
        self.network.remove()

    def _folder(self, *parts: str) -> Path:
        folder = self.folder.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def nats_server(python: str) -> Path:
    """The server of the environment of a Python, else the one on PATH."""
    beside = Path(python).parent / "nats-server"
    return beside if beside.exists() else Path(shutil.which("nats-server") or "nats-server")


def running(lab: Lab) -> Sequence[tuple[str, str, int]]:
    """Each host with its address and how many processes it runs."""
    return [(host.name, host.address, len(host.pids())) for host in lab.network.hosts.values()]


__all__ = ["STORE", "Lab", "nats_server", "running"]
