"""A pipeline with Prometheus, Alertmanager and a receiver, and the faults that drills put into its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import aiohttp

from marketprism_adapters.nats.local_server import choose_port
from marketprism_sdk.service import die_with_parent
from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.support import notification_places as places
from tests.support.certificates import Authority
from tests.support.notification_places import SECRET, HttpPlace
from tests.support.prometheus import tools

WITHIN_S, SETTLE_S = 60.0, 180.0
SWITCH_S = 100.0  # Alertmanager repeats the switch each minute
BASES = 40  # instruments of the simulated venue
DISK_MB = 512
FIRING = 'ALERTS{alertstate="firing",alertname!="DeadMansSwitch"}'


Child = subprocess.Popen[bytes]


def pid_of(*words: str) -> int:
    """The one process whose command line has all of these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if all(word in command for word in words):
            found.append(int(path.parent.name))
    (pid,) = found
    return pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """It stands still meanwhile: its sockets stay open, and nothing comes out of them."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was ended and started anew
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def starved(pid: int, share: float = 0.02, turn_s: float = 1.0) -> AsyncIterator[None]:
    """It gets this share of each turn, and is alive all the same: it renews its leases and answers who asks it."""

    async def turns() -> None:
        while True:
            with stopped(pid):
                await asyncio.sleep(turn_s * (1 - share))
            await asyncio.sleep(turn_s * share)

    task = asyncio.create_task(turns())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _child(command: Sequence[str], log: IO[bytes], environment: Mapping[str, str] | None = None) -> Child:
    """A process that does not outlive this one, and that a Ctrl-C for this one leaves to it."""
    return subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        env=environment,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call)
        start_new_session=True,
    )


@dataclass
class Venue:
    """A simulated venue that is a process of its own, at a port that stays."""

    log: Path
    port: int = field(default_factory=lambda: choose_port(0))
    process: Child | None = None

    def start(self) -> None:
        command = [*PROGRAM, "simulate", "okx", "--port", str(self.port), "--bases", str(BASES), "--rate", "2"]
        with self.log.open("ab") as log:
            self.process = _child(command, log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def spec(self) -> str:
        """What a gateway is to read."""
        return f"okx:{'+'.join(f'C{n:03d}-USDT' for n in range(BASES))},url=127.0.0.1:{self.port}"


class Disk:
    """The folder of the store on a small disk of its own, where this process may mount one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
        self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextmanager
    def filled(self, leave_mb: int) -> Iterator[None]:
        """Another program takes the room, but for so many megabytes."""
        ballast, block = self.folder / "ballast", bytes(1 << 20)
        try:
            with ballast.open("wb", buffering=0) as file:
                while (room := os.statvfs(self.folder)).f_bavail * room.f_frsize > leave_mb << 20:
                    file.write(block)
            yield
        finally:
            ballast.unlink()

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@dataclass
class Bench:
    """A pipeline, its venue and disk, what reached its receiver, and how long each alert took."""

    data_dir: Path
    place: HttpPlace
    venue: Venue
    disk: Disk
    authority: Authority
    took: dict[str, float] = field(default_factory=dict)
    resolved: dict[str, float] = field(default_factory=dict)

    def service(self, name: str) -> int:
        return pid_of(f" run {name} --config {self.settings}")

    @property
    def settings(self) -> Path:
        """What `up` gives its services."""
        return self.data_dir / "run/settings.json"

    @property
    def up(self) -> int:
        return pid_of(" up --monitoring ", str(self.data_dir))

    def received(self, since: int) -> str:
        return "\n".join(self.place.texts[since:])

    @asynccontextmanager
    async def gateway(self, source: str, *options: str) -> AsyncIterator[Child]:
        """One gateway more, of another source."""
        command = [*PROGRAM, "run", "gateway", "--source", source, *options, "--config", str(self.settings)]
        with (self.data_dir.parent / "gateway.log").open("ab") as log:
            process = _child(command, log, self.environment)
        try:
            yield process
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 60)

    @property
    def environment(self) -> dict[str, str]:
        given = {
            "NOTIFY__PAGE_GROUP_S": "0.2",
            "NOTIFY__TICKET_GROUP_S": "0.2",
            "NOTIFY__DEADMAN_S": str(SWITCH_S),
            "NOTIFY__WEBHOOK__URL": f"http://127.0.0.1:{self.place.port}/",
            "NOTIFY__WEBHOOK__SIGNING_SECRET": SECRET,
            "HTTP__TLS__CERT": str(self.authority.folder / "desk.crt"),
            "HTTP__TLS__KEY": str(self.authority.folder / "desk.key"),
            "HTTP__GATEWAY": "0",
        }
        return {**ENVIRONMENT, **{f"MARKETPRISM_{name}": value for name, value in given.items()}}

    async def fires(self, alert: str, within_s: float = WITHIN_S, label: str = "") -> int:
        """It is received, counted from now; returns what had been received before."""
        since, began = len(self.place.texts), time.monotonic()
        while f"firing: {alert}" not in self.received(since):
            assert time.monotonic() - began < within_s, f"no {alert}, but {self.place.texts[since:]}"
            await asyncio.sleep(0.1)
        self.took[label or alert] = round(time.monotonic() - began, 1)
        print(f"{label or alert}: {self.took[label or alert]} s", flush=True)
        return since

    async def ends(self, alert: str, since: int, within_s: float = SETTLE_S, label: str = "") -> None:
        """That it is over is received as well, counted from now."""
        began = time.monotonic()
        while f"resolved: {alert}" not in self.received(since):
            assert time.monotonic() - began < within_s, f"{alert} does not end: {self.place.texts[since:]}"
            await asyncio.sleep(0.2)
        self.resolved[label or alert] = round(time.monotonic() - began, 1)
        print(f"{label or alert} is over: {self.resolved[label or alert]} s", flush=True)

    async def query(self, expr: str) -> list[Any]:
        url = (self.data_dir / "monitoring/prometheus/url").read_text()
        asked = {"query": expr}
        async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/query", params=asked) as answer:
            found: list[Any] = (await answer.json())["data"]["result"]
            return found

    async def until(self, expr: str, within_s: float = SETTLE_S, *, empty: bool = False) -> None:
        """What is asked for is there, or is there no more."""
        began = time.monotonic()
        while bool(await self.query(expr)) == empty:
            assert time.monotonic() - began < within_s, f"{expr}: {await self.query(expr)}"
            await asyncio.sleep(0.5)

    async def gateway_epoch(self) -> float:
        """The number of the gateway's leadership, as Prometheus knows it."""
        found = await self.query('max(marketprism_lease_epoch_held{lease="gateway.okx"})')
        return float(found[0]["value"][1]) if found else 0.0


@asynccontextmanager
async def bench_in(folder: Path) -> AsyncIterator[Bench]:
    """`up --monitoring` that reads a simulated venue, with a certificate and a small disk for its store."""
    tools()
    authority = Authority(folder / "tls")
    authority.issue("desk", days=90)
    place = HttpPlace(places.webhook, (429, "slow down"))
    await place.start()
    data_dir = folder / "data"
    disk = Disk(data_dir / "chdb")
    venue = Venue(folder / "venue.log")
    venue.start()
    bench = Bench(data_dir, place, venue, disk, authority)
    apart = ("--processes", "each")  # one service is killed, or stands still, at a time
    command = [*PROGRAM, "up", "--monitoring", "--source", venue.spec, *apart, "--nats-port", "0"]
    command += ["--data-dir", str(data_dir)]
    log_file = folder / "up.log"
    with log_file.open("wb") as log:
        program = _child(command, log, bench.environment)
    try:
        yield bench
    finally:
        program.terminate()
        await asyncio.to_thread(program.wait, 60)
        venue.kill()
        await place.stop()
        disk.remove()
    assert program.returncode == 0, log_file.read_text()
