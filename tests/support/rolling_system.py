"""Two of every service as processes of their own, of this tree or of an older one, under a steady load."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_client import MarketClient
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import REGISTRY, TTL_S, Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.testing import Child
from tests.chaos.fed_load import BEGUN, SOURCE, STOP, symbol

ROOT = Path(__file__).parents[2]
_LAYERS = ("domain", "application", "adapters", "services", "sdk", "console")
_START_S, _END_S, _STUCK_S = 180.0, 60.0, 240.0
_BEYOND_S = 10.0  # of load, behind everything that was validated when it is to end
_LOOK_S = 0.1
_ASK_S = 0.05


@dataclass(frozen=True)
class Tree:
    """A version of the product: where its sources are, and the environment that only it is given."""

    name: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def pythonpath(self) -> str:
        """Its layers first; the helpers of tests are of this tree whatever is run."""
        return os.pathsep.join([*(str(self.folder / layer) for layer in _LAYERS), str(ROOT)])


@dataclass
class DoorTally:
    """What the HTTP API answered: how often by status, the longest time without an answer below 500, what it said."""

    statuses: dict[str, int] = field(default_factory=dict)
    longest_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    _since: float | None = None

    def note(self, status: str, *, served: bool, text: str, at: float, now: float) -> None:
        """One question was asked at `at` and answered, or not, at `now`."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if served:
            if self._since is not None:
                self.longest_s = max(self.longest_s, now - self._since)
            self._since = None
            return
        self._since = at if self._since is None else self._since
        self.longest_s = max(self.longest_s, now - self._since)
        self.failures.append(f"{status} after {now - at:.1f} s: {text[:200]}")
        print(self.failures[-1], flush=True)


class RollingSystem:
    """`services` of which each runs twice, at first of `tree`. `rate` ticks a second from `recording`, over
    `instruments`."""

    def __init__(
        self, folder: Path, nats: str, store: Mapping[str, str], services: tuple[str, ...], tree: Tree
    ) -> None:
        self._folder = folder
        self._config = folder / "settings.json"
        self._services = [name for name in services for _ in range(2)]
        self._first = tree
        self._nats = nats
        self._children: list[Child] = []
        self._source: tuple[str, ...] = ()
        self._rate = 0.0
        self._registry: Discovery
        self._tasks: list[asyncio.Task[None]] = []
        self.door = DoorTally()
        self.progress = Progress()
        self.ended: list[tuple[str, str, int]] = []
        self.slowest: dict[str, float] = {}  # seconds from the signal until the next process was up, by service
        self.trees = [tree.name for _ in self._services]
        settings = {
            "data_dir": str(folder / "data"),
            "nats": {"url": nats},
            "http": dict.fromkeys(services, 0),
            "store": dict(store),
            "bars": {"intervals": ["1m", "5m"]},
            "log": {"level": "warning"},
            "drain_s": 30,  # for a machine on which much else is done: the end is to be in order
        }
        self._config.write_text(json.dumps(settings))

    def load(self, recording: Path, instruments: int, rate: float) -> None:
        """What the gateways give out."""
        spec = f"{SOURCE}:{instruments},{rate:g},{self._folder},{recording}"
        self._source = ("--source", spec, "--speed", "max")
        self._rate = rate

    async def start(self) -> None:
        """Everything, up and asked."""
        self.connection = await NatsConnection.open(self._nats, name="drill")
        await streams.ensure_streams(self.connection)
        self._registry = Discovery(await NatsKeyValue.open(self.connection, REGISTRY, ttl_s=TTL_S))
        await self._registry.start()
        positions = await NatsKeyValue.open(self.connection, streams.SOURCE_POSITIONS)
        ranges = await NatsKeyValue.open(self.connection, streams.STORE_RANGES)
        for service in self._services:
            self._children.append(await self._begin(service, self._first))
        for at in range(len(self._services)):
            await self._up(at)
        probe = PipelineProbe(self.connection, positions, ranges)
        self._tasks = [asyncio.create_task(self._watch(probe))]
        if "api" in self._services:
            self._tasks.append(asyncio.create_task(self._ask()))

    async def _begin(self, service: str, tree: Tree) -> Child:
        program = ["tests.chaos.fed_load"] if service == "gateway" else ["marketprism_services", "run", service]
        more = self._source if service == "gateway" else ()
        command = [sys.executable, "-m", *program, "--config", str(self._config), *more]
        environment = {"PYTHONPATH": tree.pythonpath, "PYTHONSAFEPATH": "1", **tree.environment}
        child = Child(command, self._told, name=service, env=environment)
        await child.start()
        return child

    def _told(self, _: Child, line: dict[str, Any]) -> None:
        with (self._folder / "services.log").open("a") as log:
            log.write(json.dumps(line) + "\n")

    async def _up(self, at: int) -> None:
        child, end = self._children[at], time.monotonic() + _START_S
        while child.alive and time.monotonic() < end:
            of_this = [r for r in self._registry.instances(self._services[at]) if f"-{child.pid}-" in r.instance]
            if any(record.status not in ("starting", "failed") for record in of_this):
                return
            await asyncio.sleep(_LOOK_S)
        text = (self._folder / "services.log").read_text()[-3_000:]
        raise RuntimeError(f"{self._services[at]}: expected it up, was {child.process.returncode}: {text}")

    async def restart(self, at: int, tree: Tree) -> None:
        """One process is asked to end, and one of `tree` takes its place."""
        service, child, begun = self._services[at], self._children[at], time.monotonic()
        child.terminate()
        self.ended.append((service, self.trees[at], await child.end(_END_S)))
        ended_s = time.monotonic() - begun
        self._children[at] = await self._begin(service, tree)
        self.trees[at] = tree.name
        await self._up(at)
        took = time.monotonic() - begun
        self.slowest[service] = max(self.slowest.get(service, 0.0), took)
        print(
            f"{service} {at % 2} -> {tree.name}: ended in {ended_s:.1f} s, up after {took:.1f} s; "
            f"{self.progress.accepted} ticks, 5xx at most {self.door.longest_s:.2f} s, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )

    @property
    def services(self) -> list[str]:
        """By place: who runs there."""
        return list(self._services)

    async def _watch(self, probe: PipelineProbe) -> None:
        while True:
            try:
                self.progress = await probe.read((SOURCE,))
            except SdkError as error:
                print(f"not readable: {error}")
            await asyncio.sleep(0.5)

    async def _ask(self) -> None:
        """The newest bars and ticks, asked in turn of the instances that say they serve, as a proxy before them would:
        who refuses the connection is left out for the next one."""
        paths = [f"/api/v1/ticks/{symbol(0)}?last=3", f"/api/v1/bars/{symbol(0)}?interval=1m&last=3"]
        turn = 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            while True:
                turn += 1
                at = time.monotonic()
                known = self._registry.instances("api")
                found = [record.endpoints["http"] for record in known if record.status == "active"]
                status, text = "none", "nobody serves"
                for each in range(len(found)):
                    url = found[(turn + each) % len(found)] + paths[turn // 2 % len(paths)]
                    try:
                        async with session.get(url) as answer:
                            text = await answer.text()
                            status = str(answer.status)
                    except aiohttp.ClientConnectorError as error:
                        status, text = "refused", str(error)
                        continue
                    except (aiohttp.ClientError, TimeoutError) as error:
                        status, text = "cut", repr(error)
                    break
                served = status.isdigit() and int(status) < 500
                self.door.note(status, served=served, text=text, at=at, now=time.monotonic())
                await asyncio.sleep(_ASK_S)

    async def finish(self) -> dict[str, Any]:
        """The load ends, everything is stored; what the product's audit says, and what the drill saw."""
        seconds = time.time() - float((self._folder / BEGUN).read_text())
        most = max(self.progress.accepted, self.progress.rows.get(SOURCE, 0))
        (self._folder / STOP).write_text(str(most + int(_BEYOND_S * self._rate)))
        state: object = None
        moved = time.monotonic()
        while not self.progress.done:
            now = (self.progress.accepted, tuple(self.progress.behind.items()))
            if now != state:
                state, moved = now, time.monotonic()
            elif time.monotonic() - moved > _STUCK_S:
                raise RuntimeError(
                    f"nothing has moved for {_STUCK_S:g} s; {self.progress.behind} {self.progress.error}"
                )
            await asyncio.sleep(_LOOK_S)
        async with MarketClient(self._nats) as market:
            rows = (await market.audit((SOURCE,))).to_pylist()
        for each in self._tasks:
            each.cancel()
        read, progress = self.progress.rows[SOURCE], self.progress
        different, stored = (sum(int(row[name]) for row in rows) for name in ("distinct_ticks", "stored"))
        return {
            "ticks": read,
            "ticks_per_second": round(read / seconds),
            "lost": read - progress.stale - sum(progress.rejected.values()) - different,
            "doubled": stored - different,
            "rejected": dict(progress.rejected),
            "restarts": len(self.ended),
            "not_ended_with_0": [each for each in self.ended if each[2]],
            "answers": self.door.statuses,
            "no_answer_for_s": round(self.door.longest_s, 2),
            "failures": self.door.failures[:10],
            "slowest_s": {name: round(took, 1) for name, took in self.slowest.items()},
            "load": round(os.getloadavg()[0], 1),
        }

    async def close(self) -> None:
        """Nothing of it runs on."""
        for each in self._tasks:
            each.cancel()
        for child in self._children:
            child.kill()
            await child.end()
        await self._registry.stop()
        await self.connection.close()


__all__ = ["DoorTally", "RollingSystem", "Tree"]
