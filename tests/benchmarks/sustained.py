"""The whole pipeline at a steady rate and at full speed, apart from its start: processor time a tick by process.

Every service is a process of `marketprism up`, NATS stores in files, the store is chDB or this machine's ClickHouse; the
gateway is fed from memory (`fed_gateway`). `python -m tests.benchmarks.sustained --help` for parts of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_client import MarketClient
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.urls import Url
from tests.benchmarks.fed_gateway import SOURCE, own_cost_us
from tests.benchmarks.processes import below, memory_mb
from tests.conftest import FIXTURES

PROGRAM = [sys.executable, "-m", "marketprism_services"]
FED = [sys.executable, "-m", "tests.benchmarks.fed_gateway"]
NAMES = ("ru1901_20181008", "ru1901_20181009", "ru1901_20181010")
EACH = ("--processes", "each")  # so that the shares of the services are seen
_LOOK_S = 1.0
_MOST_S = 1_800.0
_START_S = 60.0


class Task(NamedTuple):
    """What one run does: `rate` ticks a second, 0 for as fast as they are taken; `copies` of validator and aggregator."""

    store: str
    rate: float
    instruments: int
    files: tuple[Path, ...]
    copies: int = 1
    flames: Path | None = None  # where samples of the Python processes go, taken by `py-spy`
    arguments: tuple[str, ...] = EACH  # of `up`


async def sustained(task: Task) -> dict[str, Any]:
    """One run: ticks a second from the first to the last one stored, processor time a tick by process, what is stored."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sustained-")))
        server = ("--clickhouse", "server") if task.store == "server" else ()
        up = [*PROGRAM, "up", "--data-dir", str(folder), "--nats-port", "0", *server, *task.arguments]
        root = stack.enter_context(_running(up, folder / "up.log"))
        config, nats = await _settings_of(root, folder)
        access = NatsAccess.of_user(Path(nats["users"]), "up")
        for number in range(1, task.copies):
            for service in ("validator", "aggregator"):
                log = folder / f"{service}-{number}.log"
                stack.enter_context(_running([*PROGRAM, "run", service, "--config", str(config)], log))
        await _settled()
        connection = await NatsConnection.open(Url(nats["url"]), name="bench", access=access)
        try:
            ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)
            positions = NatsKeyValue.existing(connection, streams.SOURCE_POSITIONS)
            probe = PipelineProbe(connection, positions, ranges)
            notes = folder / "fed.json"
            spec = f"{SOURCE}:{task.instruments},{task.rate:g},{notes}," + ",".join(map(str, task.files))
            before = _used()
            fed = [*FED, "--config", str(config), "--source", spec, "--speed", "max"]
            gateway = stack.enter_context(_running(fed, folder / "gateway.log"))
            with _sampled(task.flames):
                result = await _watched([root, gateway], probe, notes, before)
            async with MarketClient(connection.url, access=access) as market:
                rows = (await market.audit((SOURCE,))).to_pylist()
        finally:
            await connection.close()
    different = sum(int(row["distinct_ticks"]) for row in rows)
    stored = sum(int(row["stored"]) for row in rows)
    of_run = {"store": task.store, "rate": task.rate or "max", "instruments": task.instruments, "copies": task.copies}
    return {**of_run, **result, "missing": result["ticks"] - different, "twice": stored - different}


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def _settings_of(root: subprocess.Popen[bytes], folder: Path) -> tuple[Path, dict[str, str]]:
    """The settings that `up` has written, and where its NATS is."""
    config = folder / "run/settings.json"
    end = time.monotonic() + _START_S
    while not config.exists():
        if root.poll() is not None or time.monotonic() > end:
            raise RuntimeError((folder / "up.log").read_text())
        await asyncio.sleep(0.1)
    nats: dict[str, str] = json.loads(config.read_text())["nats"]
    return config, nats


def _used() -> dict[str, float]:
    """Processor seconds so far by what the processes are; this one is `bench`."""
    found: dict[str, float] = {}
    for number, process in below(os.getpid()).items():
        name = _name(number, process.name)
        found[name] = found.get(name, 0.0) + process.cpu_s
    return found


def _name(number: int, name: str) -> str:
    if number == os.getpid():
        return "bench"
    names = {"fed_gateway": "gateway", "py-spy": "sampler", "marketprism_services": "up"}
    return {**names, "python": "clickhouse"}.get(name, name)  # the server is a library that a bare Python has loaded


async def _settled() -> None:
    """Until starting costs nothing any more."""
    used = sum(_used().values())
    for _ in range(60):
        await asyncio.sleep(2.0)
        now = sum(_used().values())
        if now - used < 0.6:
            return
        used = now


@contextlib.contextmanager
def _sampled(folder: Path | None) -> Iterator[None]:
    """Every Python process below this one sampled meanwhile, a file of collapsed stacks each."""
    samplers = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, process in below(os.getpid()).items():
            name = _name(number, process.name)
            if name not in ("bench", "nats-server", "clickhouse"):
                file = folder / f"{name}.txt"
                command = [
                    "py-spy",
                    "record",
                    "-p",
                    str(number),
                    "-r",
                    "99",
                    "-d",
                    "3600",
                    "-f",
                    "raw",
                    "-o",
                    str(file),
                ]
                samplers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        yield
    finally:
        for sampler in samplers:
            sampler.send_signal(signal.SIGINT)
            sampler.wait(60)


async def _watched(
    needed: list[subprocess.Popen[bytes]], probe: PipelineProbe, notes: Path, before: dict[str, float]
) -> dict[str, Any]:
    """Wait until everything is stored; what it has cost from the first tick on."""
    deepest: dict[str, int] = {}
    most: dict[str, float] = {}
    end = time.monotonic() + _MOST_S
    while True:
        await asyncio.sleep(_LOOK_S)
        if any(process.poll() is not None for process in needed) or time.monotonic() > end:
            raise RuntimeError("expected processes that run: " + (notes.parent / "gateway.log").read_text()[-2000:])
        progress = await probe.read((SOURCE,))
        for stage, behind in progress.behind.items():
            name = stage.rpartition(":")[2] if stage.startswith("storage") else stage.partition(":")[0]
            deepest[name] = max(deepest.get(name, 0), behind)
        for number, process in below(os.getpid()).items():
            name = _name(number, process.name)
            most[name] = max(most.get(name, 0.0), memory_mb(number)["pss"])
        if progress.done:
            break
    ended = time.time()
    noted = json.loads(notes.read_text())
    used = {name: spent - before.get(name, 0.0) for name, spent in _used().items() if name not in ("bench", "sampler")}
    used["gateway"] -= noted["begun"]["cpu_s"]
    ticks, seconds = noted["ticks"], ended - noted["begun"]["at"]
    dearest = sorted(used.items(), key=lambda each: -each[1])
    return {
        "ticks": ticks,
        "seconds": round(seconds, 1),
        "ticks_per_second": round(ticks / seconds),
        "fed_for_s": round(noted["ended"]["at"] - noted["begun"]["at"], 1),
        "us_a_tick": {name: round(spent / ticks * 1e6, 2) for name, spent in dearest},
        "us_a_tick_in_all": round(sum(used.values()) / ticks * 1e6, 1),
        "messages_behind_at_most": deepest,
        "megabytes_at_most": most,
        "load": [round(each, 1) for each in os.getloadavg()],
    }


def measure_sustained(
    stores: tuple[str, ...] = ("chdb", "server"),
    rates: tuple[float, ...] = (0.0,),
    copies: tuple[int, ...] = (1,),
    *,
    instruments: int = 64,
    days: int = 3,
    flames: Path | None = None,
    arguments: tuple[str, ...] = EACH,
) -> dict[str, Any]:
    """Runs by store, rate and copies, and what the source itself costs, which is in the gateway's share."""
    files = tuple(FIXTURES / f"ctp/ticks/{name}.csv.gz" for name in NAMES[:days])
    runs = []
    for store in stores:
        for rate in rates:
            for count in copies:
                task = Task(store, rate, instruments, files, count, flames, arguments)
                runs.append(asyncio.run(sustained(task)))
                print(json.dumps(runs[-1]), file=sys.stderr)
    own = own_cost_us(list(files), chinese_calendar_of_markets(), instruments)
    return {"source_itself_us_a_tick": round(own, 2), "runs": runs}


def main() -> None:
    """Some of the runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stores", default="chdb,server")
    parser.add_argument("--rates", default="0", help="ticks a second with commas between; 0: as fast as they are taken")
    parser.add_argument("--copies", default="1", help="processes of validator and of aggregator, with commas between")
    parser.add_argument("--instruments", type=int, default=64)
    parser.add_argument(
        "--days", type=int, default=3, help="of the recording, each 36 000 to 40 000 ticks an instrument"
    )
    parser.add_argument("--flames", type=Path, help="folder for the stacks of each process, sampled by py-spy")
    parser.add_argument("--up", default=" ".join(EACH), help="arguments of `marketprism up`")
    given = parser.parse_args()
    found = measure_sustained(
        tuple(given.stores.split(",")),
        tuple(float(rate) for rate in given.rates.split(",")),
        tuple(int(count) for count in given.copies.split(",")),
        instruments=given.instruments,
        days=given.days,
        flames=given.flames,
        arguments=tuple(given.up.split()),
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
