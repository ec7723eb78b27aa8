"""Hosts of one machine: network namespaces with addresses of their own on a bridge that is in a namespace too.

A bridge of its own namespace meets no packet filter of this machine. Needs root, `ip` and `iptables`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_GATEWAY = 1
_END_S = 5.0


class HostError(Exception):
    """A command of the system failed; the text has its last line."""


def command(*arguments: str, host: str = "") -> str:
    """Run a command, in a host's namespace where one is named; what it printed comes back.

    Raises:
        HostError: it failed.
    """
    inside = ("ip", "netns", "exec", host) if host else ()
    done = subprocess.run([*inside, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise HostError(f"{' '.join(arguments)}: {lines[-1] if lines else f'ended with {done.returncode}'}")
    return done.stdout


class Host:
    """A namespace with one interface, `eth0`."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str) -> str:
        """Run a command inside."""
        return command(*arguments, host=self.name)

    def start(
        self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program inside, in a session of its own; what it says goes into a file."""
        with log.open("ab") as words:
            process = subprocess.Popen(  # noqa: S603
                ["ip", "netns", "exec", self.name, *arguments],  # noqa: S607 (the system's own)
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        self._started.append(process)
        return process

    def pids(self) -> list[int]:
        """Every process inside."""
        return [int(pid) for pid in command("ip", "netns", "pids", self.name).split()]

    def signal(self, number: signal.Signals) -> int:
        """Send a signal to every process inside; how many there were."""
        found = self.pids()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(found)

    def lose(self) -> None:
        """Its power is gone: every process ends at once."""
        end = time.monotonic() + _END_S
        while self.signal(signal.SIGKILL):  # until what a dying process had begun is gone as well
            if time.monotonic() > end:
                raise HostError(f"{self.name}: expected its processes to end, were {self.pids()}")
            time.sleep(0.05)
        for process in self._started:
            process.wait()
        self._started = []

    def cut(self, protocol: str = "all") -> None:
        """Nothing comes in and nothing goes out, or nothing of one protocol, and nobody is told."""
        for rule in self._rules(protocol):
            self.run("iptables", "-w", "-I", *rule)

    def heal(self, protocol: str = "all") -> None:
        """The network is as it was; nothing where it was not cut."""
        for rule in self._rules(protocol):
            with contextlib.suppress(HostError):
                self.run("iptables", "-w", "-D", *rule)

    @staticmethod
    def _rules(protocol: str) -> list[tuple[str, ...]]:
        sides = (("INPUT", "-i"), ("OUTPUT", "-o"))
        return [(chain, side, "eth0", "-p", protocol, "-j", "DROP") for chain, side in sides]


class Network:
    """A bridge and its hosts. `tag` begins every name; `subnet` is three numbers of an address, `10.77.0`.

    This machine is there too, as `.1`.
    """

    def __init__(self, tag: str, subnet: str, hosts: Mapping[str, int]) -> None:
        if not 1 <= len(tag) <= 6 or not tag.isalnum():
            raise ValueError(f"--tag: expected one to six letters and digits, was {tag!r}")
        self.tag = tag
        self.subnet = subnet
        self._switch = f"{tag}-switch"
        self._outside = f"{tag}-out"
        self.hosts = {name: Host(f"{tag}-{name}", f"{subnet}.{last}") for name, last in hosts.items()}

    def make(self) -> None:
        """Make everything; what a run before has left is removed first.

        Raises:
            HostError: no root, no `ip`, or a name or an address is taken.
        """
        self.remove()
        try:
            command("ip", "netns", "add", self._switch)
            command("ip", "link", "add", "br0", "type", "bridge", host=self._switch)
            command("ip", "link", "set", "br0", "up", host=self._switch)
            for number, host in enumerate(self.hosts.values()):
                command("ip", "netns", "add", host.name)
                self._plug(f"port{number}", host.name, "eth0")
                host.run("ip", "link", "set", "lo", "up")
                host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
                host.run("ip", "link", "set", "eth0", "up")
            self._plug("uplink", "", self._outside)
            command("ip", "address", "add", f"{self.subnet}.{_GATEWAY}/24", "dev", self._outside)
            command("ip", "link", "set", self._outside, "up")
        except BaseException:
            self.remove()
            raise

    def _plug(self, port: str, namespace: str, name: str) -> None:
        there = ("netns", namespace) if namespace else ()
        near = ("name", port, "netns", self._switch)
        command("ip", "link", "add", *near, "type", "veth", "peer", "name", name, *there)
        command("ip", "link", "set", port, "master", "br0", host=self._switch)
        command("ip", "link", "set", port, "up", host=self._switch)

    @property
    def there(self) -> bool:
        """Whether it was made."""
        return self._switch in _namespaces()

    def remove(self) -> None:
        """End what runs in the hosts and take everything away; nothing where it is not there."""
        found = _namespaces()
        for host in self.hosts.values():
            if host.name in found:
                host.lose()
                command("ip", "netns", "delete", host.name)
        if self._switch in found:
            command("ip", "netns", "delete", self._switch)
        # The machine's own end goes with its other end, a moment later.
        with contextlib.suppress(HostError):
            command("ip", "link", "delete", self._outside)


def _namespaces() -> set[str]:
    return {line.split()[0] for line in command("ip", "netns", "list").splitlines() if line.strip()}


__all__ = ["Host", "HostError", "Network", "command"]
