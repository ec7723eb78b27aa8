"""Schedulers under faults: separate processes on a real server. Each due time is run once, whoever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.schedule_log import LogPlace, ScheduleReader
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.schedule_records import RunRecord
from marketprism_domain.scheduling.runs import RunStatus
from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import some_of
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.testing import Child
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.platform import run_files
from marketprism_services.settings.scheduler import SchedulerSettings
from marketprism_services.settings.settings import Settings
from tests.chaos.job_worker import MARKS, SERVICE

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
KILLS = int(os.environ.get("CHAOS_SCHEDULER_KILLS", "100"))
JOBS = int(os.environ.get("CHAOS_SCHEDULER_JOBS", "20"))
SECOND = 1_000_000_000
SETTLE_S = 60.0
pytestmark = pytest.mark.timeout(3600)


class Arena:
    """Three schedulers, two workers, and jobs that are each due every second."""

    def __init__(self, folder: Path, kind: str, *, seed: int = 1) -> None:
        self._folder = folder
        late = ["tests.chaos.late_scheduler", kind]
        self._program = ["marketprism_services"] if kind == "plain" else late
        self._worker = ["unclaimed"] if kind == "unfenced" else []
        self.dice = random.Random(seed)
        self.schedulers: list[Child] = []
        self.workers: list[Child] = []
        self._later: set[asyncio.Task[None]] = set()
        self.connection: NatsConnection
        self._nats: EmbeddedServer
        self._config: Path

    async def __aenter__(self) -> Arena:
        self._nats = await EmbeddedServer.start(EmbeddedOptions(self._folder / "nats", port=choose_port(0)))
        self.connection = await NatsConnection.open(self._nats.url)
        for name in (streams.TICKS, streams.EVENTS):
            await streams.ensure_one(self.connection, name, StreamLayout())
        await ensure_stream(self.connection, {"name": MARKS, "subjects": ["mark.>"], "allow_direct": True})
        self.leases = await NatsKeyValue.open(self.connection, LEASES)
        jobs = "\n".join(
            f'[jobs.j{n}]\ntrigger = "every 1s"\ncommand = "{SERVICE}.mark"\noverlap = "queue_all"\n'
            f'attempts = 5\nretry_pause = "200ms"\ntimeout = "30s"\nlate = "10m"\n'
            for n in range(JOBS)
        )
        (self._folder / "jobs.toml").write_text(jobs, encoding="utf-8")
        scheduler = SchedulerSettings(built_in=False, file=self._folder / "jobs.toml")
        settings = trial_settings(Settings(), self._nats.url, self._folder / "data", scheduler=scheduler)
        self._config = self._folder / "settings.json"
        run_files.write_whole(self._config, settings)
        for _ in range(2):
            await self.add_worker()
        for _ in range(3):
            await self.add_scheduler()
        async with asyncio.timeout(60):
            while await self.leader() is None:
                await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._later:
            task.cancel()
        for child in [*self.schedulers, *self.workers]:
            child.kill()
            await child.end()
        await self.connection.close()
        await self._nats.stop()

    async def _start(self, module: str, *arguments: str) -> Child:
        command = [sys.executable, "-m", module, *arguments]
        child = Child(command, lambda *_: None, env={"PYTHONPATH": os.pathsep.join(sys.path)})
        await child.start()
        return child

    async def add_scheduler(self) -> None:
        self.schedulers.append(await self._start(*self._program, "run", "scheduler", "--config", str(self._config)))

    async def add_worker(self) -> None:
        self.workers.append(await self._start("tests.chaos.job_worker", self._nats.url, *self._worker))

    def later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def leader(self) -> tuple[Child, int] | None:
        """Who leads, and its epoch."""
        record = decode_lease(await self.leases.get("scheduler.default"))
        if record is None:
            return None
        pid = int(record.holder.rsplit("-", 2)[1])
        found = next((child for child in self.schedulers if child.pid == pid and child.alive), None)
        return None if found is None else (found, record.epoch)

    async def strike(self, number: int, freeze_every: int, worker_every: int) -> float | None:
        """Hit whoever leads around a due time; milliseconds until somebody else does, None where nobody led."""
        now = time.time()
        await asyncio.sleep(max(0.0, 1.0 - now % 1.0 + self.dice.uniform(-0.06, 0.12)))
        if worker_every and number % worker_every == 0:
            victim = self.workers.pop(0)
            victim.kill()
            await victim.end()
            await self.add_worker()
        found = await self.leader()
        if found is None:
            return None
        child, epoch = found
        started = time.perf_counter()
        if freeze_every and number % freeze_every == 0:
            child.freeze()
            self.later(self._thaw(child))
        else:
            self.schedulers.remove(child)
            child.kill()
            await child.end()
            await self.add_scheduler()
        async with asyncio.timeout(30):
            while (new := await self.leader()) is None or new[1] <= epoch:
                await asyncio.sleep(0.01)
        return (time.perf_counter() - started) * 1_000

    async def _thaw(self, child: Child) -> None:
        await asyncio.sleep(2.5)
        child.thaw()

    async def marks(self) -> Counter[str]:
        """Beginnings and ends that were left behind, by `<begun|done>.<job>.<due>.<attempt>`."""
        found: Counter[str] = Counter()
        page = await some_of(self.connection, MARKS, "mark.>", 1, 500)
        while page:
            found.update(held.subject.removeprefix("mark.") for held in page)
            page = await some_of(self.connection, MARKS, "mark.>", page[-1].seq + 1, 500)
        return found

    async def history(self, job: str) -> list[RunRecord]:
        reader = ScheduleReader(self.connection)
        now = time.time_ns()
        found: list[RunRecord] = []
        before = LogPlace(now + SECOND)
        while page := await reader.runs(job, 1_000, before=before, now=now):
            found += [record for _, record in page]
            before = page[-1][0]
        return found


async def trials(folder: Path, report: Report, kills: int, kind: str, *, freeze_every: int, worker_every: int) -> None:
    async with Arena(folder, kind) as arena:
        await asyncio.sleep(2.0)
        for number in range(1, kills + 1):
            took_ms = await arena.strike(number, freeze_every, worker_every)
            if took_ms is not None:
                report.trials += 1
                report.times_ms.append(took_ms)
            await asyncio.sleep(arena.dice.uniform(0.8, 1.6))
        last = int(time.time()) * SECOND
        end = time.monotonic() + SETTLE_S
        for n in range(JOBS):
            job = f"j{n}"
            while True:
                records = [each for each in await arena.history(job) if each.due <= last]
                if max((each.due for each in records), default=0) >= last or time.monotonic() > end:
                    break
                await asyncio.sleep(1.0)
            await count(job, records, last, report)
        marks = await arena.marks()
        begun = Counter({mark: n for mark, n in marks.items() if mark.startswith("begun.")})
        report.duplicated += sum(n - 1 for n in begun.values())
        report.notes.append(f"{sum(begun.values())} attempts of {report.records} runs were begun")


async def count(job: str, records: list[RunRecord], last: int, report: Report) -> None:
    """Each second from the first to the last is one run, and that has succeeded."""
    first = min((each.due for each in records), default=last + SECOND)
    succeeded = Counter(each.due for each in records if each.status is RunStatus.SUCCEEDED)
    expected = range(first, last + 1, SECOND)
    report.records += len(expected)
    report.lost += sum(due not in succeeded for due in expected)
    report.duplicated += sum(n - 1 for n in succeeded.values())
    report.wrong += sum(each.due % SECOND != 0 for each in records)
    others = Counter(each.status.value for each in records if each.status is not RunStatus.SUCCEEDED)
    if others:
        report.notes.append(f"{job}: {dict(others)}")


def conclude(report: Report) -> None:
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))


async def test_each_due_time_is_run_once_though_the_leader_is_killed_around_it(tmp_path: Path) -> None:
    report = Report("scheduler-kill", 0, "from the fault to the next leader")
    await trials(tmp_path, report, KILLS, "plain", freeze_every=5, worker_every=9)
    conclude(report)
    assert report.trials >= KILLS * 0.9
    assert (report.lost, report.duplicated, report.wrong) == (0, 0, 0), report.summary()


async def test_what_a_frozen_leader_plans_when_it_wakes_is_refused(tmp_path: Path) -> None:
    report = Report("scheduler-freeze", 0, "from the fault to the next leader")
    await trials(tmp_path, report, max(2, KILLS // 4), "fenced", freeze_every=1, worker_every=0)
    conclude(report)
    assert (report.lost, report.duplicated, report.wrong) == (0, 0, 0), report.summary()


async def test_without_its_fence_due_times_are_run_twice(tmp_path: Path) -> None:
    report = Report("scheduler-unfenced", 0, "from the fault to the next leader")
    kills = min(KILLS, 20)
    await trials(tmp_path, report, kills, "unfenced", freeze_every=1, worker_every=0)
    conclude(report)
    assert report.duplicated > 0, report.summary()
