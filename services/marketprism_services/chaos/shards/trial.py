"""Sharded services under random faults while a recording replays: the bars must be those of the undisturbed run."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.msg import Msg

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.streams import Checkpoint
from marketprism_sdk.testing import Child
from marketprism_services.chaos.bars import compare_bars
from marketprism_services.chaos.program import start_service
from marketprism_services.chaos.reconciled import reconcile
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.platform import run_files
from marketprism_services.platform.catalogue import sharded
from marketprism_services.settings.settings import Settings

Say = Callable[[str], None]
_LEASE_S = 1.0
_STUCK_S = 120.0


@dataclass
class _Hit:
    """A fault and the partitions that its victim held."""

    what: str
    service: str
    pid: int
    at: float
    partitions: set[int]
    alone: bool  # nobody else was up to take over: the faults before have seen to that
    moved: dict[int, float] = field(default_factory=dict)


class ShardTrial:
    """One replay with faults. `kinds` of service are hit, the others are left alone."""

    def __init__(
        self, settings: Settings, *, services: tuple[str, ...], instances: int, every_s: float, seed: int, say: Say
    ) -> None:
        self._settings = settings
        self._services = services
        self._instances = instances
        self._every_s = every_s
        self._dice = random.Random(seed)
        self._say = say
        self._children: dict[str, list[Child]] = {}
        self._holders: dict[tuple[str, int], str] = {}  # who last committed a partition of a stage
        self._hits: list[_Hit] = []
        self._later: set[asyncio.Task[None]] = set()
        self._frozen: set[int] = set()

    async def run(self) -> Report:
        """Replay while instances are killed, and compare the tables; the report."""
        report = Report(
            "-".join(self._services),
            0,
            "from the kill of an instance to the first commit of its last partition by another",
        )
        with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as folder:
            server = await EmbeddedServer.start(EmbeddedOptions(Path(folder), port=0))
            try:
                await self._replay(Path(folder), server.url, report)
            finally:
                for child in [child for children in self._children.values() for child in children]:
                    child.thaw()
                    child.kill()
                    await child.end()
                await server.stop()
        for hit in self._hits:
            report.trials += 1
            taken_over = hit.what != "freeze" and hit.partitions and len(hit.moved) == len(hit.partitions)
            if taken_over and not hit.alone:
                report.times_ms.append(max(hit.moved.values()) * 1_000)
        report.notes.append(str(dict(Counter(hit.what for hit in self._hits))))
        alone = sum(hit.alone for hit in self._hits)
        report.notes.append(f"in {alone} of them no other instance was up to take over: they have no time")
        return report

    async def _replay(self, folder: Path, url: str, report: Report) -> None:
        settings = trial_settings(self._settings, url, folder / "data")
        config = folder / "settings.json"
        run_files.write_whole(config, settings)
        connection = await NatsConnection.open(url, name="trial")
        try:
            await streams.ensure_streams(connection)
            positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
            ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
            await connection.subscribe("stage.*.*.ck", self._committed)
            for service in sharded():
                count = self._instances if service in self._services else 1
                self._children[service] = [await start_service(service, config) for _ in range(count)]
            await asyncio.sleep(3.0)
            self._children["gateway"] = [await start_service("gateway", config)]
            probe = PipelineProbe(connection, positions, ranges)
            await self._until_done(probe, config)
            await compare_bars(connection, settings, report)
            await reconcile(probe, report, stored=False)
        finally:
            for task in self._later:
                task.cancel()
            await connection.close()

    def _committed(self, message: Msg) -> None:
        _, stage, partition, _ = message.subject.split(".")
        holder = msgspec.msgpack.decode(message.data, type=Checkpoint).holder
        now = time.monotonic()
        self._holders[(stage, int(partition))] = holder
        for hit in self._hits[-8:]:
            if hit.service == stage and int(partition) in hit.partitions and f"-{hit.pid}-" not in holder:
                hit.moved.setdefault(int(partition), now - hit.at)

    async def _until_done(self, probe: PipelineProbe, config: Path) -> None:
        due = time.monotonic() + self._every_s
        state: Any = None
        moved = time.monotonic()
        while True:
            progress = await probe.read()
            behind = {name: lag for name, lag in progress.behind.items() if not name.startswith("storage:")}
            if progress.finished and not any(behind.values()):
                return
            now = (progress.accepted, tuple(progress.bars.items()), progress.finished)
            if now != state:
                state, moved = now, time.monotonic()
            elif time.monotonic() - moved > _STUCK_S:
                raise RuntimeError(f"nothing has moved for {_STUCK_S:g} s; behind: {behind}")
            if time.monotonic() >= due:
                due += self._every_s
                await self._hit(config, progress.accepted)
            await asyncio.sleep(0.2)

    async def _hit(self, config: Path, accepted: int) -> None:
        service = self._dice.choice(self._services)
        at = self._dice.randrange(len(self._children[service]))
        child = self._children[service][at]
        if not child.alive:
            return
        what = self._dice.choice(("kill", "term", "freeze"))
        own = f"-{child.pid}-"
        partitions = {p for (stage, p), holder in self._holders.items() if stage == service and own in holder}
        self._say(f"{accepted} ticks: {what} {service} {child.pid}, which holds {len(partitions)} partitions")
        self._hits.append(_Hit(what, service, child.pid, time.monotonic(), partitions, self._alone(service, child)))
        if what == "freeze":
            child.freeze()
            self._frozen.add(child.pid)
            # By turns shorter and longer than the lease: a frozen one that wakes believes what it believed.
            self._do_later(self._thaw(child, self._dice.uniform(0.3, 4.0) * _LEASE_S))
            return
        (child.kill if what == "kill" else child.terminate)()
        self._do_later(self._replace(service, at, child, config))

    def _do_later(self, action: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(action)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _alone(self, service: str, victim: Child) -> bool:
        """Whether no other instance of the service is running and has work."""
        busy = {holder for (stage, _), holder in self._holders.items() if stage == service}
        others = [
            child
            for child in self._children[service]
            if child is not victim and child.alive and child.pid not in self._frozen
        ]
        return not any(f"-{child.pid}-" in holder for child in others for holder in busy)

    async def _thaw(self, child: Child, after_s: float) -> None:
        await asyncio.sleep(after_s)
        child.thaw()
        self._frozen.discard(child.pid)

    async def _replace(self, service: str, at: int, child: Child, config: Path) -> None:
        await child.end(6.0)
        self._children[service][at] = await start_service(service, config)
