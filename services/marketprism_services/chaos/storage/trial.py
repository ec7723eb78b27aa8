"""Storage under faults while a source replays: every tick and every bar is in ClickHouse once, as rows lie there."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.clickhouse.sql.queries import ROWS_OF_BARS, ROWS_OF_TICKS
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_application.errors import StoreError
from marketprism_application.replay.rebuild import rebuild
from marketprism_application.storage.writer import Progress
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import Child
from marketprism_sdk.urls import Url
from marketprism_sdk.values import decode_or_none
from marketprism_services.chaos.program import start_service
from marketprism_services.chaos.reconciled import reconcile
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.chaos.storage.small_disk import SmallDisk
from marketprism_services.platform import run_files
from marketprism_services.platform.catalogue import sharded
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import source_of
from marketprism_services.wiring.store import engines_of

Say = Callable[[str], None]
FAULTS = ("kill", "clickhouse-kill", "clickhouse-away", "nats-restart", "disk-full")
_WRITERS = 3
_STUCK_S = 180.0
_AWAY_S = 10.0
_FULL_S = 5.0


class StorageTrial:
    """One replay; `trials` faults of one kind, then the count of what is in the tables."""

    def __init__(self, settings: Settings, fault: str, trials: int, *, seed: int, say: Say) -> None:
        self._given = settings
        self._fault = fault
        self._trials = trials
        self._dice = random.Random(seed)
        self._say = say
        self._children: list[Child] = []
        self._writers: dict[int, Child] = {}
        self._open = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()
        self._settings: Settings
        self._config: Path
        self._nats: EmbeddedServer
        self._disk: SmallDisk
        self._clickhouse: LocalClickHouse

    async def run(self) -> Report:
        """Replay, cause the fault, count what is stored; the report."""
        report = Report(f"storage-{self._fault}", 0, "from the fault to the next watermark of a stream")
        with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as name:
            folder = Path(name)
            self._disk = SmallDisk(folder / "clickhouse")
            if self._fault == "disk-full":
                await self._disk.make()
                report.notes.append("a file system of its own, filled" if self._disk.mounted else "by a setting")
            self._nats = await EmbeddedServer.start(EmbeddedOptions(folder, port=choose_port(0)))
            self._clickhouse = await LocalClickHouse.start(
                LocalOptions(folder / "clickhouse" / "data", choose_port(0), choose_port(0))
            )
            try:
                await self._replay(folder, report)
            finally:
                for task in self._later:
                    task.cancel()
                for child in [*self._children, *self._writers.values()]:
                    child.kill()
                    await child.end()
                await self._clickhouse.stop()
                await self._nats.stop()
                await self._disk.remove()
        return report

    async def _replay(self, folder: Path, report: Report) -> None:
        store = replace(self._given.store, engine="clickhouse", url=Url(self._clickhouse.url))
        self._settings = trial_settings(self._given, self._nats.url, folder / "data", store=store)
        self._config = folder / "settings.json"
        run_files.write_whole(self._config, self._settings)
        await self._without_merges()
        connection = await NatsConnection.open(self._nats.url, name="trial")
        try:
            await streams.ensure_streams(connection)
            positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
            ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
            leaders = await NatsKeyValue.open(connection, LEASES)
            await ranges.watch("", self._saved)
            for _ in range(_WRITERS):
                await self._add_writer()
            await asyncio.sleep(3.0)
            self._children = [await start_service(name, self._config) for name in (*sharded(), "gateway")]
            for number in range(1, self._trials + 1):
                if not await self._strike(number, ranges, leaders, report):
                    break
            probe = PipelineProbe(connection, positions, ranges)
            await self._until_done(probe)
            await self._count(report)
            await reconcile(probe, report, stored=True)
        finally:
            await connection.close()

    async def _without_merges(self) -> None:
        """Tables as the storage makes them, and nothing that could hide a row that is there twice."""
        engine = await engines_of(self._settings).open()
        await SqlStore(engine, self._settings.store).migrate()
        await engine.execute("SYSTEM STOP MERGES")
        # A part for each range, and no row of the market.
        await engine.execute("SYSTEM START MERGES market.store_progress")
        await engine.close()

    async def _add_writer(self) -> None:
        child = await start_service("storage", self._config)
        self._writers[child.pid] = child

    def _saved(self, entry: KvEntry) -> None:
        progress = decode_or_none(entry, Progress)
        if progress is not None and progress.last > progress.watermark:
            self._open.set()

    async def _strike(self, number: int, ranges: NatsKeyValue, leaders: NatsKeyValue, report: Report) -> bool:
        """One fault, at a moment in which a range is open: recorded as intended and not yet as done."""
        self._open.clear()
        try:
            async with asyncio.timeout(60):
                await self._open.wait()
        except TimeoutError:
            return False  # the replay has ended
        await asyncio.sleep(self._dice.uniform(0.0, 0.03))
        before = await self._watermarks(ranges)
        started = time.monotonic()
        what = await getattr(self, f"_{self._fault.replace('-', '_')}")(leaders)
        opened = {key: p for key, p in (await self._patiently(ranges)).items() if p.last > p.watermark}
        while not any(
            p.watermark > before.get(key, Progress()).watermark for key, p in (await self._patiently(ranges)).items()
        ):
            if time.monotonic() - started > _STUCK_S:
                raise RuntimeError(f"no watermark has moved for {_STUCK_S:g} s after {what}")
            await asyncio.sleep(0.01)
        elapsed_ms = (time.monotonic() - started) * 1_000
        report.trials += 1
        report.times_ms.append(elapsed_ms)
        report.open_ranges += bool(opened)
        where = ", ".join(f"{key} {p.first}-{p.last}" for key, p in opened.items()) or "no range"
        self._say(f"trial {number}: {what}; {where} was open; stored again after {elapsed_ms:.0f} ms")
        return True

    async def _watermarks(self, ranges: NatsKeyValue) -> dict[str, Progress]:
        return {e.key: decode_or_none(e, Progress) or Progress() for e in await ranges.entries()}

    async def _patiently(self, ranges: NatsKeyValue) -> dict[str, Progress]:
        while True:
            try:
                return await self._watermarks(ranges)
            except SdkError:
                await asyncio.sleep(0.05)

    # -- faults ----------------------------------------------------------------------------------------------------

    async def _kill(self, leaders: NatsKeyValue) -> str:
        """SIGKILL to the storage that leads."""
        record = decode_lease(await leaders.get("storage.default"))
        pid = int(record.holder.rsplit("-", 2)[1]) if record is not None else 0
        child = self._writers.pop(pid, None)
        if child is None:
            return "nobody led"
        child.kill()
        await child.end()
        self._do_later(self._add_writer)
        return f"storage {pid} killed under epoch {record.epoch if record else 0}"

    async def _clickhouse_kill(self, _: NatsKeyValue) -> str:
        """SIGKILL to the server, which comes back at once."""
        await self._restart_clickhouse(0.0)
        return "ClickHouse killed"

    async def _clickhouse_away(self, _: NatsKeyValue) -> str:
        """The server is away for a while: the stream is the buffer."""
        await self._restart_clickhouse(_AWAY_S)
        return f"ClickHouse away for {_AWAY_S:g} s"

    async def _restart_clickhouse(self, away_s: float) -> None:
        self._clickhouse.kill()
        await self._clickhouse.stop()
        await asyncio.sleep(away_s)
        self._clickhouse = await LocalClickHouse.start(self._clickhouse.options)
        while True:
            try:
                await self._without_merges()
                return
            except StoreError:
                await asyncio.sleep(0.1)

    async def _disk_full(self, _: NatsKeyValue) -> str:
        """The server's disk has no room for a while."""
        await self._disk.fill(self._clickhouse.url)
        await asyncio.sleep(_FULL_S)
        await self._disk.clear(self._clickhouse.url)
        return f"disk full for {_FULL_S:g} s"

    async def _nats_restart(self, _: NatsKeyValue) -> str:
        """SIGKILL to the NATS server, back after up to two leases."""
        options = EmbeddedOptions(self._config.parent, port=self._nats.port)
        self._nats.process.kill()
        await self._nats.stop()
        away_s = self._dice.choice((0.1, 0.5, 2.0))
        await asyncio.sleep(away_s)
        self._nats = await EmbeddedServer.start(options)
        return f"NATS killed, back after {away_s:g} s"

    def _do_later(self, action: Callable[[], object]) -> None:
        async def run() -> None:
            await action()  # type: ignore[misc]

        task = asyncio.get_running_loop().create_task(run())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _until_done(self, probe: PipelineProbe) -> None:
        end = time.monotonic() + 10 * _STUCK_S
        while time.monotonic() < end:
            progress = await probe.read()
            if progress.done:
                return
            await asyncio.sleep(0.5)
        raise RuntimeError(f"not everything was stored: behind {progress.behind}")

    async def _count(self, report: Report) -> None:
        source = source_of(self._settings, chinese_calendar_of_markets(self._settings.calendar))
        await source.connect()
        rules = ValidationRules.of(self._settings.rules)
        bars = self._settings.bars
        expected = await rebuild(
            source.stream({}), chinese_calendar_of_markets(self._settings.calendar), bars=bars, rules=rules
        )
        engine = await engines_of(self._settings).open()
        try:
            (ticks,) = (await engine.fetch(ROWS_OF_TICKS)).to_pylist()
            (rows,) = (await engine.fetch(ROWS_OF_BARS)).to_pylist()
        finally:
            await engine.close()
        report.records = int(ticks["found"]) + int(rows["found"])
        report.lost = max(0, expected.published - int(ticks["different"])) + max(
            0, len(expected.bars) - int(rows["windows"])
        )
        report.duplicated = int(ticks["found"]) - int(ticks["different"]) + int(rows["found"]) - int(rows["different"])
        report.wrong = max(0, int(ticks["different"]) - expected.published)
        report.notes.append(
            f"{expected.published} ticks and {len(expected.bars)} bars expected; rows counted as they lie in the tables"
        )
        report.notes.append(f"a range was open in {report.open_ranges} of {report.trials} trials")
