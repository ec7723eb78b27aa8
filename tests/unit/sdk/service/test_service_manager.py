"""What systemd is told of a process, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.service._service_manager import ServiceManager, managed_by, started

_PROGRAM = """
import asyncio, os, sys, time
from marketprism_sdk.service import run
from marketprism_sdk.service._service_manager import started

async def main(stop):
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)
    async def service():
        started()
    for _ in range(2):
        await asyncio.create_task(service())
        print("one more", flush=True)
        sys.stdin.readline()
    if "blocked" in sys.argv:
        print("blocked", flush=True)
        time.sleep(3600)
    await stop.wait()
    return 0

sys.exit(run(main, 20, services=2))
"""


class Manager:
    """The socket of a manager, and what it was told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(20)

    def next(self, *, but: str = "") -> str:
        """What comes next, but for `but`."""
        while (state := self._socket.recv(4096).decode()) == but:
            pass
        return state

    def waiting(self) -> list[str]:
        """What has come and was not looked at."""
        self._socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found
        finally:
            self._socket.settimeout(20)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def program(manager: Manager, *arguments: str, watchdog_s: float = 0.0) -> subprocess.Popen[str]:
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    if watchdog_s:
        environment["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


def go_on(given: subprocess.Popen[str]) -> None:
    assert given.stdin is not None
    given.stdin.write("\n")
    given.stdin.flush()


def test_a_process_is_ready_with_the_last_of_its_services_and_says_that_it_ends(manager: Manager) -> None:
    with program(manager) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "one more\n"
        assert manager.waiting() == []  # of two services one is ready
        go_on(running)
        assert manager.next() == "READY=1"
        go_on(running)
        running.send_signal(signal.SIGTERM)
        assert manager.next() == "STOPPING=1"
        running.communicate()
    assert running.returncode == 0
    assert manager.waiting() == []


def test_a_process_shows_life_while_its_loop_turns(manager: Manager) -> None:
    with program(manager, watchdog_s=0.06) as running:
        for _ in range(2):
            go_on(running)
        assert manager.next(but="WATCHDOG=1") == "READY=1"
        assert [manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
        running.terminate()
        assert manager.next(but="WATCHDOG=1") == "STOPPING=1"
        running.communicate()


def test_a_process_whose_loop_is_blocked_shows_no_life(manager: Manager) -> None:
    with program(manager, "blocked", watchdog_s=0.06) as running:
        for _ in range(2):
            go_on(running)
        assert manager.next(but="WATCHDOG=1") == "READY=1"
        assert running.stdout is not None
        while running.stdout.readline() != "blocked\n":
            pass
        manager.waiting()
        time.sleep(0.3)  # fifteen times what lies between two signs of life
        assert manager.waiting() == []
        running.kill()


async def test_life_is_shown_several_times_within_the_watchdogs_time() -> None:
    manager = Manager(f"@marketprism-test-{os.getpid()}")  # an abstract name, as systemd uses in containers
    life = asyncio.create_task(ServiceManager(manager.address, 0.03).show_life())
    states = await asyncio.to_thread(lambda: [manager.next() for _ in range(5)])
    life.cancel()
    manager.close()
    assert states == ["WATCHDOG=1"] * 5


def test_variables_are_taken_away_and_a_watchdog_of_another_process_is_not_ours() -> None:
    environment = {"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1", "HOME": "/"}
    taken = ServiceManager.taken_from(environment)
    assert (taken.address, taken.watchdog_s, environment) == ("@a", 0.0, {"HOME": "/"})
    ours = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    assert ServiceManager.taken_from(ours).watchdog_s == 3.0
    assert ServiceManager.taken_from({}).address == ""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"NOTIFY_SOCKET": "run/notify"}, "NOTIFY_SOCKET: expected a path or an abstract name (@…), was 'run/notify'"),
        ({"WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC: expected microseconds above 0, was 'soon'"),
        ({"WATCHDOG_USEC": "0"}, "WATCHDOG_USEC: expected microseconds above 0, was '0'"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ServiceManager.taken_from(environment)
    assert str(refused.value) == said


def test_a_manager_that_does_not_listen_is_said_once_and_stops_nothing(
    tmp_path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    deaf = ServiceManager(str(tmp_path / "nobody"))
    deaf.started()
    deaf.stopping()
    assert [(line["event"], line["state"]) for line in logs] == [("manager.not_reached", "READY=1")]


def test_without_a_manager_a_service_starts_as_ever() -> None:
    started()
    managed_by(ServiceManager())
    started()
