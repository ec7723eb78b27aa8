"""From the receipt of a venue's frame to a subscriber of `market.tick.<symbol>`, beside a bare publish → subscribe.

A simulated venue, a gateway, a validator and a nats-server run as processes of their own; beside them a program that
publishes the bytes of one of their ticks on the same server, as many at once and as many a second, to the same
subscriber: what the machine does to the one it does to the other. CPU seconds of each process over the measured time say how busy the machine was with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import uvloop

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import TICK
from marketprism_sdk.nats.connection import NatsConnection

if TYPE_CHECKING:
    from nats.aio.msg import Msg

PROGRAM = [sys.executable, "-m", "marketprism_services"]
_SUBJECT = "market.tick.>"
_BARE = "bench.bare"
_WARM_S = 3.0
_READY_S = 60.0


@dataclass(frozen=True)
class Load:
    """`rate` steps a second of each of `instruments`, all at once or one after another, with so many trades (ticks) each."""

    name: str
    instruments: int
    rate: float
    trades: int
    together: bool


LOADS = (
    Load("200/s, spaced", 20, 10, 1, together=False),
    Load("200/s, 20 instruments at once", 20, 10, 1, together=True),
    Load("5 000/s, spaced", 20, 62.5, 4, together=False),
    Load("5 000/s, 20 instruments at once", 20, 62.5, 4, together=True),
)


class _Reader:
    """Takes the ticks, and what the bare publisher sends."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self.came: list[tuple[int, bytes]] = []
        self.bare_ns: list[int] = []

    async def run(self, seconds: float) -> None:
        """Count for so long."""
        for subject, on_message in ((_SUBJECT, self._came), (f"{_BARE}.*", self._came_bare)):
            await self._connection.subscribe(subject, on_message)
        await asyncio.sleep(seconds)

    def _came(self, message: Msg) -> None:
        self.came.append((time.time_ns(), message.data))

    def _came_bare(self, message: Msg) -> None:
        self.bare_ns.append(time.time_ns() - int(message.subject.rpartition(".")[2]))

    def ages_ns(self) -> list[int]:
        """Of each tick, from its receipt until it was here."""
        return [at - decode(TICK, data).ts_recv for at, data in self.came]


async def _write_bare(url: str, data: bytes, together: int, rate: float) -> None:
    """A publisher with nothing before it: `together` messages `rate` times a second, each with the time of its publishing
    in its subject."""
    connection = await NatsConnection.open(url, name="bench-bare")
    due = time.monotonic()
    while True:
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        for _ in range(together):
            await connection.publish(f"{_BARE}.{time.time_ns()}", data)


def shares(values_ns: list[int]) -> dict[str, float]:
    """p50, p90, p99 and the longest, in milliseconds."""
    ordered = sorted(values_ns)
    found = {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 90, 99)}
    return {name: round(ns / 1e6, 3) for name, ns in {**found, "max": ordered[-1]}.items()}


def _cpu(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: each.user + each.system for name, each in times.items()}


def _started(stack: ExitStack, *arguments: str) -> psutil.Process:
    environment = {**os.environ, "MARKETPRISM_VENUE__KINDS": "trade"}
    quiet = None if os.environ.get("BENCH_LOUD") else subprocess.DEVNULL
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=quiet, stderr=quiet, env=environment)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return psutil.Process(process.pid)


async def measure_load(load: Load, seconds: float) -> dict[str, Any]:
    """Times of the ticks and of the bare messages, CPU seconds by process, and the gateway's and validator's metrics."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        server = await EmbeddedServer.start(EmbeddedOptions(data_dir=Path(folder) / "nats", port=0))
        try:
            port = choose_port(0)
            pace = ("--rate", f"{load.rate:g}", "--trades", f"{load.trades}", "--levels", "5", "--changes", "1")
            shape = "--together" if load.together else "--spaced"
            bases = ("--bases", f"{load.instruments}", "--port", f"{port}")
            venue = _started(stack, "simulate", "binance-usdm", *bases, *pace, shape)
            place = ("--nats-url", server.url, "--data-dir", folder)
            gateway = _started(stack, "run", "gateway", "--source", f"binance-usdm:*,url=127.0.0.1:{port}", *place)
            validator = _started(stack, "run", "validator", *place)
            processes = {
                "venue": venue,
                "gateway": gateway,
                "validator": validator,
                "nats-server": psutil.Process(server.process.pid),
            }
            return await _measured(load, seconds, server.url, processes)
        finally:
            stack.close()
            await server.stop()


async def _measured(load: Load, seconds: float, url: str, processes: Mapping[str, psutil.Process]) -> dict[str, Any]:
    connection = await NatsConnection.open(url, name="bench-reader")
    try:
        first: asyncio.Queue[bytes] = asyncio.Queue()
        stop = await connection.subscribe(_SUBJECT, lambda message: first.put_nowait(message.data))
        async with asyncio.timeout(_READY_S):
            data = await first.get()
        await stop()
        with ExitStack() as stack:
            groups = 1 if load.together else load.instruments
            at_once, rate = load.instruments // groups * load.trades, load.rate * groups
            _bare_writer(stack, url, data, at_once, rate)
            await asyncio.sleep(_WARM_S)
            reader, before, started = _Reader(connection), _cpu(processes), time.monotonic()
            await reader.run(seconds)
            took, after = time.monotonic() - started, _cpu(processes)
    finally:
        await connection.close()
    ours, theirs = shares(reader.ages_ns()), shares(reader.bare_ns)
    spent = {name: after[name] - before[name] for name in processes}
    return {
        "ticks_per_s": round(len(reader.came) / took),
        "ms": ours,
        "bare_ms": theirs,
        "times_bare": {name: round(ours[name] / theirs[name], 1) for name in ours},
        "cpu_share": {name: round(cpu / took, 3) for name, cpu in spent.items()},
        "cpu_us_a_tick": {name: round(cpu / max(1, len(reader.came)) * 1e6) for name, cpu in spent.items()},
        "busy_machine": round(os.getloadavg()[0], 1),
    }


def _bare_writer(stack: ExitStack, url: str, data: bytes, together: int, rate: float) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.latency", "bare", url, data.hex(), f"{together}", f"{rate}"]
    process = subprocess.Popen(command)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def measure_latency(seconds: float = 20.0, only: str = "") -> dict[str, Any]:
    """Each load by its name."""
    return {load.name: uvloop.run(measure_load(load, seconds)) for load in LOADS if only in load.name}


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        at, text, count, per_s = sys.argv[2:]
        uvloop.run(_write_bare(at, bytes.fromhex(text), int(count), float(per_s)))
    print(json.dumps(measure_latency(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""), indent=1))
