"""A rolling restart of every service under load: what an upgrade does, judged by what must not be seen of it.

Two of each are up, one of those that only look. Each is told to stop and started again, in an order of dice, round
after round, while a source is read. The bars and the ticks must be those of an undisturbed run, every process must end
with 0, and no partition may stand still while work waits for it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from nats.aio.msg import Msg

from marketprism_adapters.clickhouse.sql.queries import ROWS_OF_BARS, ROWS_OF_TICKS
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import REGISTRY, TTL_S, Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.streams import Checkpoint
from marketprism_sdk.testing import Child
from marketprism_services.chaos.bars import compare_bars
from marketprism_services.chaos.program import start_service
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.platform import run_files
from marketprism_services.platform.catalogue import SERVICES, Instances
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import engines_of

Say = Callable[[str], None]
# Two of each, where one takes over from the other or shares its work.
STARTED = tuple(row.name for row in SERVICES for _ in range(1 if row.instances is Instances.REPLICATED else 2))
_LOOK_S = 0.25
_STUCK_S = 240.0
_START_S, _END_S = 300.0, 15.0


class Standstill:
    """How long partitions stand still while something waits for them; names and waits are those of a
    `PipelineProbe`. A partition that had nothing to do until now has not stood still for longer than what it has now.
    """

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._moved: dict[str, float] = {}  # when it last went on
        self.longest: dict[str, float] = {}

    def committed(self, name: str, in_seq: int, now: float) -> None:
        """A checkpoint was written: the input up to there is done."""
        if in_seq > self._done.get(name, -1):
            self._done[name], self._moved[name] = in_seq, now

    def look(self, waits: dict[str, float], now: float) -> None:
        """How many seconds the oldest input of each has waited at this moment, 0 where nothing waits."""
        for name, wait_s in waits.items():
            idle_s = min(wait_s, now - self._moved.get(name, float("-inf")))
            self.longest[name] = max(self.longest.get(name, 0.0), idle_s)

    def over(self, limit_s: float) -> dict[str, float]:
        """Those that stood still for longer, in seconds."""
        return {name: round(s, 1) for name, s in sorted(self.longest.items()) if s > limit_s}


class RollingTrial:
    """`rounds` restarts of everything; a partition may be idle for `idle_s`."""

    def __init__(self, settings: Settings, rounds: int, *, idle_s: float, pause_s: float, seed: int, say: Say) -> None:
        self._given = settings
        self._rounds = rounds
        self._idle_s = idle_s
        self._pause_s = pause_s
        self._dice = random.Random(seed)
        self._say = say
        self._children: list[Child] = []
        self._ended: list[tuple[str, int]] = []
        self._standstill = Standstill()
        self._progress = Progress()
        self._registry: Discovery

    async def run(self) -> Report:
        """Replay while every service is restarted in turn, and compare the tables; the report."""
        report = Report("rolling", 0, "from the signal to the end of the process")
        with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as name:
            folder = Path(name)
            server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
            try:
                await self._roll(folder, server.url, report)
            finally:
                for child in self._children:
                    child.kill()
                    await child.end()
                await server.stop()
        return report

    async def _roll(self, folder: Path, url: str, report: Report) -> None:
        settings = trial_settings(self._given, url, folder / "data")
        config = folder / "settings.json"
        run_files.write_whole(config, settings)
        connection = await NatsConnection.open(url, name="trial")
        watching: asyncio.Task[None] | None = None
        try:
            await streams.ensure_streams(connection)
            await connection.subscribe("stage.*.*.ck", self._committed)
            positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
            ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
            self._registry = Discovery(await NatsKeyValue.open(connection, REGISTRY, ttl_s=TTL_S))
            self._children = [await start_service(service, config) for service in STARTED]
            for at in range(len(STARTED)):
                await self._up(at)
            watching = asyncio.create_task(self._watch(PipelineProbe(connection, positions, ranges)))
            for number in range(1, self._rounds + 1):
                await self._round(number, config, report)
            await self._until_done(watching)
            watching.cancel()  # what the end of the services leaves behind waits for nobody
            for at in range(len(self._children)):
                await self._end(at, report)
            expected = await compare_bars(connection, settings, report)
        finally:
            if watching is not None:
                watching.cancel()
            await connection.close()
        await self._count(settings, expected.published, report)
        self._judge(report)

    def _committed(self, message: Msg) -> None:
        _, stage, partition, _ = message.subject.split(".")
        in_seq = msgspec.msgpack.decode(message.data, type=Checkpoint).in_seq
        self._standstill.committed(f"{stage}:{partition}", in_seq, time.monotonic())

    async def _watch(self, probe: PipelineProbe) -> None:
        while True:
            try:
                self._progress = await probe.read()
                waits = {f"{seen.stage}:{seen.partition}": seen.waiting.age_s for seen in self._progress.stages}
                self._standstill.look(waits, time.monotonic())
            except SdkError as error:
                self._say(f"not readable: {error}")
            await asyncio.sleep(_LOOK_S)

    async def _round(self, number: int, config: Path, report: Report) -> None:
        for at in self._dice.sample(range(len(STARTED)), len(STARTED)):
            code = await self._end(at, report)
            self._children[at] = await start_service(STARTED[at], config)
            await self._up(at)
            report.trials += 1
            took = f"{report.times_ms[-1]:.0f} ms"
            self._say(f"round {number}: {STARTED[at]} ended with {code} after {took}; {self._progress.accepted} ticks")
            await asyncio.sleep(self._pause_s)

    async def _up(self, at: int) -> None:
        """Until it says that it works or stands by: a rolling restart waits for each before it goes on."""
        child, end = self._children[at], time.monotonic() + _START_S
        while child.alive and time.monotonic() < end:
            await self._registry.refresh()
            of_this = [r for r in self._registry.instances(STARTED[at]) if f"-{child.pid}-" in r.instance]
            if any(record.status != "starting" for record in of_this):
                return
            await asyncio.sleep(_LOOK_S)
        raise RuntimeError(f"{STARTED[at]}: expected it to be up within {_START_S:g} s, was {child.process.returncode}")

    async def _end(self, at: int, report: Report) -> int:
        child, started = self._children[at], time.monotonic()
        child.terminate()
        code = await child.end(_END_S)
        report.times_ms.append((time.monotonic() - started) * 1_000)
        self._ended.append((STARTED[at], code))
        return code

    async def _until_done(self, watching: asyncio.Task[None]) -> None:
        state: object = None
        moved = time.monotonic()
        while not self._progress.done:
            if watching.done():
                watching.result()
            now = (self._progress.accepted, tuple(self._progress.bars.items()), tuple(self._progress.behind.items()))
            if now != state:
                state, moved = now, time.monotonic()
            elif time.monotonic() - moved > _STUCK_S:
                raise RuntimeError(f"nothing has moved for {_STUCK_S:g} s; behind: {self._progress.behind}")
            await asyncio.sleep(_LOOK_S)

    async def _count(self, settings: Settings, ticks: int, report: Report) -> None:
        engine = await engines_of(settings).open()
        try:
            (rows,) = (await engine.fetch(ROWS_OF_TICKS)).to_pylist()
            (bars,) = (await engine.fetch(ROWS_OF_BARS)).to_pylist()
        finally:
            await engine.close()
        report.lost += max(0, ticks - int(rows["different"]))
        report.wrong += max(0, int(rows["different"]) - ticks)
        report.duplicated += int(rows["found"]) - int(rows["different"]) + int(bars["found"]) - int(bars["different"])
        report.records += int(rows["found"])
        report.notes.append(f"{ticks} ticks expected, {rows['different']} stored, in {rows['found']} rows")

    def _judge(self, report: Report) -> None:
        failed = [f"{service} ended with {code}" for service, code in self._ended if code]
        idle = self._standstill.over(self._idle_s)
        report.wrong += len(failed) + len(idle)
        report.notes.append(f"{len(self._ended)} processes ended, {len(failed)} not with 0: {failed}")
        longest = max(self._standstill.longest.values(), default=0.0)
        report.notes.append(f"work waited for at most {longest:.1f} s, limit {self._idle_s:g} s, longer: {idle}")


__all__ = ["RollingTrial", "Standstill"]
