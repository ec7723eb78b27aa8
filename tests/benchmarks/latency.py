"""From the receipt of a venue's frame to a subscriber of `market.tick.<symbol>`, beside a bare publish → subscribe.

A simulated venue, a gateway, a validator and a nats-server run as processes of their own. Every `_BARE_EVERY`th tick that
comes is published again, the same bytes on the same server, and timed in the same way: what the machine does to the one
it does to the other. CPU seconds of each process over the measured time say how busy the machine was with it.
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
    """`rate` steps a second of each of `instruments`, with so many trades (ticks) each; one of `bare_every` ticks is
    published again."""

    name: str
    instruments: int
    rate: float
    trades: int
    together: bool
    bare_every: int = 1

    @property
    def ticks_per_s(self) -> float:
        return self.instruments * self.rate * self.trades


LOADS = (
    Load("200/s, spaced", 20, 10, 1, together=False),
    Load("200/s, 20 instruments at once", 20, 10, 1, together=True),
    Load("5 000/s, spaced", 20, 62.5, 4, together=False, bare_every=10),
    Load("5 000/s, 20 instruments at once", 20, 10, 25, together=True, bare_every=10),
)


class _Reader:
    """Takes the ticks, and publishes some of them again."""

    def __init__(self, ticks: NatsConnection, bare: NatsConnection, every: int) -> None:
        self._ticks, self._bare, self._every = ticks, bare, every
        self.came: list[tuple[int, bytes]] = []
        self._sent: dict[str, int] = {}
        self.bare_ns: list[int] = []
        self._again: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self, seconds: float) -> None:
        await self._ticks.subscribe(f"{_BARE}.*", self._came_again)
        stop = await self._ticks.subscribe(_SUBJECT, self._came)
        publishing = asyncio.ensure_future(self._publish())
        await asyncio.sleep(seconds)
        await stop()
        await asyncio.sleep(0.2)
        publishing.cancel()

    def _came(self, message: Msg) -> None:
        self.came.append((time.time_ns(), message.data))
        if len(self.came) % self._every == 0:
            self._again.put_nowait(message.data)

    def _came_again(self, message: Msg) -> None:
        self.bare_ns.append(time.time_ns() - self._sent.pop(message.subject))

    async def _publish(self) -> None:
        number = 0
        while True:
            data = await self._again.get()
            number += 1
            subject = f"{_BARE}.{number}"
            self._sent[subject] = time.time_ns()
            await self._bare.publish(subject, data)

    def ages_ns(self) -> list[int]:
        """Of each tick, from its receipt until it was here."""
        return [at - decode(TICK, data).ts_recv for at, data in self.came]


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


async def _measured(
    load: Load, seconds: float, url: str, processes: Mapping[str, psutil.Process]
) -> dict[str, Any]:
    ticks, bare = [await NatsConnection.open(url, name=name) for name in ("bench-reader", "bench-writer")]
    try:
        arrived = asyncio.Event()
        stop = await ticks.subscribe(_SUBJECT, lambda _: arrived.set())
        async with asyncio.timeout(_READY_S):
            await arrived.wait()
        await stop()
        await asyncio.sleep(_WARM_S)
        reader, before, started = _Reader(ticks, bare, load.bare_every), _cpu(processes), time.monotonic()
        await reader.run(seconds)
        took, after = time.monotonic() - started, _cpu(processes)
    finally:
        await ticks.close()
        await bare.close()
    ours, theirs = shares(reader.ages_ns()), shares(reader.bare_ns)
    return {
        "ticks_per_s": round(len(reader.came) / took),
        "ms": ours,
        "bare_ms": theirs,
        "times_bare": {name: round(ours[name] / theirs[name], 1) for name in ours},
        "cpu_share": {name: round((after[name] - before[name]) / took, 3) for name in processes},
        "cpu_us_a_tick": {
            name: round((after[name] - before[name]) / max(1, len(reader.came)) * 1e6) for name in processes
        },
        "busy_machine": round(os.getloadavg()[0], 1),
    }


def measure_latency(seconds: float = 20.0, only: str = "") -> dict[str, Any]:
    """Each load by its name."""
    return {load.name: asyncio.run(measure_load(load, seconds)) for load in LOADS if only in load.name}


if __name__ == "__main__":
    print(json.dumps(measure_latency(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""), indent=1))
