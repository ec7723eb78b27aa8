"""A nats-server whose disk is slow ends while the others of its cluster are well, and comes back with its disk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from marketprism_adapters.nats.disk_probe import DiskProbe
from marketprism_adapters.nats.guarded_server import GuardedServer
from marketprism_adapters.nats.local_server import choose_port, server_binary
from marketprism_adapters.nats.peer_watch import PeerWatch, Place

STALL_S, CALM_S = 0.3, 0.5
WELL = b'{"guard": "another", "up": true, "slow_for_s": 0.1}'
Logs = list[dict[str, object]]


class Guarded:
    """A server under its guard, with a disk that stalls on demand and two others that say what they are told to."""

    def __init__(self, folder: Path) -> None:
        self.port = choose_port(0)
        self._folder = folder
        self._config = folder / "nats.conf"
        self._config.write_text(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}" }}\n')
        self._command = [server_binary(), "-c", str(self._config), "-l", str(folder / "nats.log")]
        self.disk = threading.Event()
        self.disk.set()
        self.place = Place("127.0.0.1", choose_port(0))
        self.peers: list[asyncio.Server] = []
        self.told = [WELL, WELL]
        self.watch: PeerWatch | None = None
        self.server: GuardedServer
        self.ending: asyncio.Task[int]

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[Guarded]:
        """With the guard at work."""
        for number in range(2):
            self.peers.append(await asyncio.start_server(partial(self._tell, number), "127.0.0.1", 0))
        others = [Place("127.0.0.1", each.sockets[0].getsockname()[1]) for each in self.peers]
        probe = DiskProbe(self._folder, pause_s=0.02, write=lambda: self.disk.wait() and None)
        # It is told of itself too, as where every one of a cluster has the same list.
        self.server = GuardedServer(
            self._command,
            probe,
            self.place,
            [*others, self.place],
            stall_s=STALL_S,
            calm_s=CALM_S,
            watch=self.watch,
        )
        self.ending = asyncio.create_task(self.server.run())
        try:
            yield self
        finally:
            self.disk.set()
            self.server.forward(signal.SIGTERM)
            await self.ending
            for each in self.peers:
                each.close()

    async def _tell(self, number: int, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.told[number] + b"\n")
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Guarded]:
        """With the server answering."""
        async with self.starting():
            await self.until(self.answers, True)
            yield self

    async def answers(self) -> bool:
        """Whether the server greets who connects; one that ends may take a connection and reset it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            greeting = await reader.readline()
        except OSError:
            return False
        writer.close()
        return greeting.startswith(b"INFO ")

    @staticmethod
    async def until(asked: Callable[[], object], wanted: object) -> None:
        """Until the answer is that."""
        async with asyncio.timeout(20.0):
            while True:
                found = asked()
                if (await found if asyncio.iscoroutine(found) else found) == wanted:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


async def test_it_ends_while_its_disk_stalls_and_comes_back(tmp_path: Path, guarded: Guarded, logs: Logs) -> None:
    async with guarded.running() as one:
        one.disk.clear()
        await one.until(one.answers, False)
        assert not one.ending.done()
        (told,) = logs
        assert (told["event"], told["folder"]) == ("server.disk_stalled", str(tmp_path))
        assert told["detail"] == "nats-server ends, and starts again when the disk is well"
        one.disk.set()
        await one.until(one.answers, True)
        assert [line["event"] for line in logs] == ["server.disk_stalled", "server.disk_well"]
        # Once more within a minute: it has to be well for twice as long.
        one.disk.clear()
        await one.until(one.answers, False)
        await asyncio.sleep(0.5)  # what takes no longer than that is well
        one.disk.set()
        await asyncio.sleep(CALM_S + 0.1)
        assert not await one.answers()
        await one.until(one.answers, True)


async def test_it_is_not_started_before_its_disk_takes_something(guarded: Guarded) -> None:
    guarded.disk.clear()
    async with guarded.starting() as one:
        await asyncio.sleep(0.5)
        assert not await one.answers()
        one.disk.set()
        await one.until(one.answers, True)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (b'{"guard": "a", "up": false, "slow_for_s": 0.0}', "is away"),
        (b'{"guard": "a", "up": true, "slow_for_s": 0.2}', "has a slow disk too"),
        (b'{"guard": "a", "up": true}', "is no guard of a nats-server"),
        (b"[1]", "is no guard of a nats-server"),
        (b"INFO {}", "is no guard of a nats-server"),
        (b"x" * 2_000, "is no guard of a nats-server"),
        (b"", "is no guard of a nats-server"),
    ],
)
async def test_it_stays_where_another_one_could_not_lead(guarded: Guarded, logs: Logs, told: bytes, why: str) -> None:
    async with guarded.running() as one:
        one.told[1] = told
        one.disk.clear()
        await one.until(lambda: bool(logs), True)
        assert await one.answers()
        assert logs[0]["event"] == "server.disk_stalled"
        port = one.peers[1].sockets[0].getsockname()[1]
        assert logs[0]["detail"] == f"nats-server stays: 127.0.0.1:{port} {why}"
    assert len(logs) == 1


async def test_it_stays_where_another_one_does_not_answer(guarded: Guarded, logs: Logs) -> None:
    async with guarded.running() as one:
        one.peers[0].close()
        one.disk.clear()
        await one.until(lambda: bool(logs), True)
        assert await one.answers()
        assert str(logs[0]["detail"]).endswith("does not answer")


async def test_it_tells_others_how_it_is(guarded: Guarded) -> None:
    async def told() -> tuple[object, object]:
        reader, writer = await asyncio.open_connection(*guarded.place)
        found = json.loads(await reader.readline())
        writer.close()
        return found["up"], found["slow_for_s"] < STALL_S / 2

    async with guarded.running() as one:
        assert await told() == (True, True)
        one.disk.clear()
        await one.until(told, (False, False))


class Network:
    """What another machine answers: None where it is not reached."""

    def __init__(self) -> None:
        self.name: str | None = "another"

    async def reaches(self, _address: str, _port: int) -> str | None:
        return self.name


@pytest.fixture
def network(guarded: Guarded) -> Network:
    found = Network()
    guarded.watch = PeerWatch([Place("127.0.0.1", 1)], "own", reaches=found.reaches, look_s=0.05)
    return found


async def test_it_ends_while_its_machine_is_cut_off_and_comes_back(
    guarded: Guarded, network: Network, logs: Logs
) -> None:
    async with guarded.running() as one:
        await one.until(lambda: one.watch is not None and one.watch.ever_reached, True)
        network.name = None
        await one.until(one.answers, False)
        assert not one.ending.done()
        assert [line["event"] for line in logs] == ["server.cut_off"]
        network.name = ""
        await one.until(one.answers, True)
        assert [line["event"] for line in logs] == ["server.cut_off", "server.reached_again"]
        # A second time it has others to reach first.
        network.name = None
        await one.until(one.answers, False)
        network.name = "another"
        await one.until(one.answers, True)


class Looks(PeerWatch):
    """What is seen of the network, as it is set."""

    def __init__(self) -> None:
        super().__init__([], "own")

    async def run(self) -> None:
        await asyncio.Event().wait()

    def cut_off(self) -> None:
        self.looks_alone, self.looks_reached, self.ever_reached = 5, 0, True

    def reach(self, looks: int) -> None:
        self.looks_alone, self.looks_reached = 0, looks


async def test_cut_off_again_within_a_minute_it_waits_longer_unless_there_is_no_majority_without_it(
    guarded: Guarded,
) -> None:
    away = b'{"guard": "another", "up": false, "slow_for_s": 0.0}'
    guarded.watch = looks = Looks()
    async with guarded.running() as one:
        for told, needed in (([WELL, WELL], 2), ([WELL, WELL], 4), ([WELL, b"[1]"], 8), ([WELL, b""], 16)):
            one.told[:] = told
            looks.cut_off()
            await one.until(one.answers, False)
            looks.reach(needed - 1)
            await asyncio.sleep(0.3)
            assert not await one.answers(), f"it came back behind {needed - 1} looks that reached one"
            looks.reach(needed)
            await one.until(one.answers, True)
        for told in ([WELL, away], [away, WELL], [away, away], [away, b""]):
            one.told[:] = told
            looks.cut_off()
            await one.until(one.answers, False)
            looks.reach(1)
            await asyncio.sleep(0.3)
            assert not await one.answers()
            looks.reach(2)
            await one.until(one.answers, True)


async def test_one_that_has_not_reached_the_others_yet_waits_for_them_as_it_is(
    guarded: Guarded, network: Network, logs: Logs
) -> None:
    network.name = None
    async with guarded.running() as one:
        await asyncio.sleep(1.0)
        assert await one.answers()
    assert logs == []


async def test_who_asks_it_to_end_while_it_is_away_is_not_made_to_wait(guarded: Guarded) -> None:
    async with guarded.running() as one:
        one.disk.clear()
        await one.until(one.answers, False)
        one.server.forward(signal.SIGTERM)
        async with asyncio.timeout(5.0):
            assert await one.ending == 0


@pytest.fixture
def served(tmp_path: Path) -> subprocess.Popen[str]:
    """The command as systemd runs it."""
    config, port = tmp_path / "nats.conf", choose_port(0)
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{tmp_path}" }}\n')
    command = [sys.executable, "-m", "marketprism_services", "nats", "serve", "-c", str(config)]
    command += ["--store", str(tmp_path / "made"), "--listen", f"127.0.0.1:{choose_port(0)}"]
    command += ["--peer", "127.0.0.1:1", "--peer", "[::1]:2"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _logged(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if text in line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_for_the_server(served: subprocess.Popen[str], number: signal.Signals) -> None:
    with served:
        _logged(served, "Server is ready")
        served.send_signal(signal.SIGHUP)
        _logged(served, "Reloaded")
        served.send_signal(number)
        assert served.wait(30.0) == 0


def test_a_server_that_ends_by_itself_ends_the_command(served: subprocess.Popen[str]) -> None:
    with served:
        line = _logged(served, "Server is ready")
        os.kill(int(line.split("[")[1].split("]")[0]), signal.SIGKILL)
        assert served.wait(30.0) == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--peer", "10.77.0.12"], "--peer: expected host:port, like 10.77.0.12:6223, was '10.77.0.12'"),
        (["--peer", "a:0"], "--peer: expected host:port"),
        (
            ["--peer", "a:4222", "--store", "/proc/none"],
            "--store: expected a folder that can be written, was /proc/none",
        ),
        ([], "--peer"),
        (["--peer", "a:4222", "--stall", "0.1"], "--stall"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, arguments: list[str], told: str) -> None:
    config = tmp_path / "nats.conf"
    config.write_text("")
    command = [sys.executable, "-m", "marketprism_services", "nats", "serve", "-c", str(config)]
    command += [] if "--store" in arguments else ["--store", str(tmp_path)]
    command += [] if "--listen" in arguments else ["--listen", "127.0.0.1:1"]
    found = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert told in found.stderr
