"""The archive as the storage service has it: jobs that move rows, questions about where they are."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, date, datetime

import msgspec
import structlog

from marketprism_adapters.clickhouse.archive.hot import SqlHotStore, wait_no_longer
from marketprism_adapters.clickhouse.archive.reader import TieredReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.nats.archive_log import ArchiveLog
from marketprism_application.archiving.layout import ARCHIVABLE, age_days
from marketprism_application.archiving.mover import Mover
from marketprism_application.archiving.planning import LEAST_DAYS, Planned, plan_deletions, plan_moves, units_within
from marketprism_application.archiving.units import KnownUnits
from marketprism_application.contracts.archive_records import UnitRecord, UnitState
from marketprism_application.errors import ApplicationError, VerifyError
from marketprism_sdk.election import Election
from marketprism_sdk.errors import CommandRejected, JobFailed, NotActive, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import job, rpc
from marketprism_services.wiring.archive import ArchiveWiring

log = structlog.get_logger()

_AGAIN_S = 2.0


class ArchiveOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Move what is old enough: of `tables`, those of the settings where none is named; once `older_than` days old
    instead of the settings' days. A `dry_run` moves nothing and answers what would be."""

    tables: list[str] = []
    older_than: int = 0
    dry_run: bool = False


class SpanOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Units that overlap the days `first` to `last` (both included, 2025-03-03), of `tables`, of all where none is
    named."""

    first: str
    last: str
    tables: list[str] = []
    days: int = 30  # for which restored rows stay hot


class HoldOrder(msgspec.Struct, forbid_unknown_fields=True):
    """As `SpanOrder`; `reason` is why what is archived of them may not be deleted, empty where it may again."""

    first: str
    last: str
    tables: list[str] = []
    reason: str = ""


class RetainOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Delete archived units that are older than `keep_days` (0: as in the settings) and not held."""

    keep_days: int = 0
    dry_run: bool = False


class OpenArchive:
    """The archive of a store that is open: what moves, and what reads hot and cold rows as one."""

    def __init__(
        self,
        wiring: ArchiveWiring,
        engine: Engine,
        records: ArchiveLog,
        metrics: Metrics,
        epoch: int,
        server: Engine | None,
    ) -> None:
        settings = wiring.settings
        self._wiring = wiring
        self._metrics = metrics
        self.known = KnownUnits()
        self.loaded = asyncio.Event()
        self.hot = SqlHotStore(
            engine,
            wiring.place.address,
            row_group=settings.row_group_rows,
            zstd_level=settings.zstd_level,
            elsewhere=server is not None,
        )
        self._server = server
        self.reader = TieredReader(
            server or engine,
            self.known,
            wiring.place.address,
            wiring.place.place,
            lambda units: metrics.count("archive_units_read_total", units),
        )
        self.mover = Mover(
            self.hot,
            wiring.place,
            records,
            self.known,
            wiring.staging,
            self,
            slice_rows=settings.slice_rows,
            grace_s=settings.drop_grace_s,
            epoch=epoch,
        )

    async def close(self) -> None:
        """Close what was opened for reading alone."""
        if self._server is not None:
            await self._server.close()

    async def load(self) -> None:
        """Know what is cold, before anything is answered; for as long as that takes."""
        while True:
            try:
                await asyncio.to_thread(self._make_staging)
                await self.mover.load()
            except (ApplicationError, SdkError, OSError) as error:
                log.warning("archive.not_known", place=self._wiring.place.place, error=reason_of(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                self._show()
                self.loaded.set()
                return

    def has(self, table: str) -> bool:
        """Whether rows of a table are archived."""
        return any(key[0] == table and record.served is not None for key, record in self.known.records.items())

    def records(self) -> list[UnitRecord]:
        """Every unit whose rows are in files now."""
        return [record for record in self.known.records.values() if record.served is not None]

    def _make_staging(self) -> None:
        self._wiring.staging.mkdir(parents=True, exist_ok=True)
        for left in self._wiring.staging.glob("*.parquet"):
            left.unlink(missing_ok=True)

    def on_state(self, record: UnitRecord) -> None:
        """Log and count it."""
        log.info("archive.unit_moved", table=record.table, partition=record.partition, state=record.state.value)
        self._show()

    def on_file(self, table: str, rows: int, size: int) -> None:
        """Count what lies at the place."""
        self._metrics.count("archive_rows_total", rows, table=table)
        self._metrics.count("archive_bytes_total", size, table=table)

    def on_difference(self, record: UnitRecord, wrong: str) -> None:
        """Say that nothing is dropped, and why."""
        self._metrics.count("archive_verify_failures_total", table=record.table)
        log.error("archive.unit_differs", table=record.table, partition=record.partition, reason=wrong)

    def _show(self) -> None:
        states = Counter(record.state.value for record in self.known.records.values())
        self._metrics.gauges(
            "archive_units", ("state",), {(state.value,): float(states[state.value]) for state in UnitState}
        )


class ArchiveDesk:
    """Handlers of the storage service; `current` is the archive while this instance leads and has its store open."""

    def __init__(self, wiring: ArchiveWiring, connection: NatsConnection, metrics: Metrics, replicas: int) -> None:
        self._wiring = wiring
        self._connection = connection
        self._metrics = metrics
        self._replicas = replicas
        self._one = asyncio.Lock()
        self.current: OpenArchive | None = None
        self.election: Election | None = None

    async def open(self, engine: Engine, epoch: int) -> OpenArchive:
        """The archive of a store; what is in it is known once `load` is done."""
        await wait_no_longer(engine, self._wiring.settings.place_timeout_s)
        records = await ArchiveLog.open(self._connection, self._replicas)
        server = await self._wiring.server.open() if self._wiring.server is not None else None
        self.current = OpenArchive(self._wiring, engine, records, self._metrics, epoch, server)
        return self.current

    async def close(self) -> None:
        """The store is closed, and with it the archive."""
        opened, self.current = self.current, None
        if opened is not None:
            await opened.close()

    @job("archive")
    async def archive(self, order: ArchiveOrder) -> dict[str, object]:
        """Move old partitions to the archive, each verified before its hot rows go."""
        opened = self._opened()
        ages = self._ages(order)
        async with self._one:
            hot = await opened.hot.partitions()
            now, keep_days = time.time_ns(), self._wiring.settings.retain_days
            planned = plan_moves(hot, opened.known.records, ages, now, keep_days)
            if order.dry_run:
                return {"units": [each._asdict() for each in planned]}
            return await self._move_all(opened, planned)

    async def _move_all(self, opened: OpenArchive, planned: list[Planned]) -> dict[str, object]:
        moved, rows, size, begun = 0, 0, 0, time.perf_counter()
        failed: dict[str, str] = {}
        for each in planned:
            try:
                record = await opened.mover.move(each.table, each.partition, each.hot_bytes)
            except (VerifyError, ApplicationError, OSError) as error:
                failed[f"{each.table} {each.partition}"] = reason_of(error)
                log.warning(
                    "archive.unit_not_moved", table=each.table, partition=each.partition, error=reason_of(error)
                )
                continue
            moved += 1
            if record.cold is not None:
                rows, size = rows + record.cold.rows, size + record.cold.bytes
        done: dict[str, object] = {
            "units": moved,
            "rows": rows,
            "bytes": size,
            "seconds": round(time.perf_counter() - begun, 3),
        }
        if failed:
            first = next(f"{unit}: {reason}" for unit, reason in failed.items())
            raise JobFailed(
                f"{len(failed)} of {len(planned)} units were not moved; {first}", {**done, "failed": failed}
            )
        return done

    def _ages(self, order: ArchiveOrder) -> dict[str, int]:
        days = self._wiring.settings.days
        for table in order.tables:
            if table not in ARCHIVABLE:
                raise CommandRejected(f"tables: expected some of {', '.join(sorted(ARCHIVABLE))}, was {table[:80]!r}")
        if order.older_than and order.older_than < LEAST_DAYS:
            raise CommandRejected(f"older_than: expected at least {LEAST_DAYS}, was {order.older_than}")
        tables = order.tables or list(days)
        ages = {table: order.older_than or days.get(table, 0) for table in tables}
        for table, age in ages.items():
            if not age:
                raise CommandRejected(f"older_than: expected days, since archive.days has none of {table}, was 0")
        return ages

    @job("restore")
    async def restore(self, order: SpanOrder) -> dict[str, object]:
        """Put archived partitions of some days back among the hot rows, for a while."""
        opened = self._opened()
        if order.days < 1:
            raise CommandRejected(f"days: expected 1 or more, was {order.days}")
        async with self._one:
            units = _within(opened, order.tables, order.first, order.last)
            now = time.time_ns()
            for record in units:
                limit = self._wiring.hot_days.get(record.table, 0)
                if limit and age_days(record.partition, now) >= limit:
                    raise CommandRejected(
                        f"first: expected days that store.keep_days.{record.table} ({limit}) does not delete at once, "
                        f"was {record.partition}"
                    )
            until = now + order.days * 86_400 * 10**9
            for record in units:
                await opened.mover.restore(record, until)
            return {"units": len(units), "rows": sum(each.cold.rows for each in units if each.cold is not None)}

    @job("retain")
    async def retain(self, order: RetainOrder) -> dict[str, object]:
        """Delete archived partitions that are too old, but for those that are held."""
        opened = self._opened()
        keep_days = order.keep_days or self._wiring.settings.retain_days
        if order.keep_days < 0 or (keep_days and keep_days < LEAST_DAYS):
            raise CommandRejected(f"keep_days: expected 0, or at least {LEAST_DAYS}, was {order.keep_days}")
        async with self._one:
            old = plan_deletions(opened.known.records, keep_days, time.time_ns())
            if not order.dry_run:
                for record in old:
                    await opened.mover.delete(record)
                    log.info("archive.unit_deleted", table=record.table, partition=record.partition)
            return {"units": [f"{record.table} {record.partition}" for record in old]}

    @job("verify_archive")
    async def verify_archive(self, order: SpanOrder) -> dict[str, object]:
        """Read archived files of some days back, and compare them with their manifests."""
        opened = self._opened()
        units, wrong = _within(opened, order.tables, order.first, order.last), {}
        for record in units:
            if record.cold is None:
                continue
            try:
                await opened.mover.check_files(record, record.cold)
            except ApplicationError as error:
                wrong[f"{record.table} {record.partition}"] = str(error)
        if wrong:
            raise JobFailed(
                f"{len(wrong)} of {len(units)} units differ: {next(iter(wrong.values()))}", {"wrong": wrong}
            )
        return {"units": len(units)}

    @rpc("archive_status")
    async def archive_status(self, _: object) -> dict[str, object]:
        """Where the archive is, and every unit of it: table, partition, state, rows, bytes, times, hold."""
        opened = self._opened()
        units = units_within(opened.known.records, (), date.min, date.max)
        return {
            "place": self._wiring.place.place,
            "days": dict(self._wiring.settings.days),
            "keep_days": self._wiring.settings.retain_days,
            "units": [shown(record) for record in units],
        }

    @rpc("archive_hold")
    async def archive_hold(self, order: HoldOrder) -> dict[str, object]:
        """Say why archived partitions of some days may not be deleted, or that they may again."""
        opened = self._opened()
        async with self._one:
            units = _within(opened, order.tables, order.first, order.last)
            for record in units:
                await opened.mover.hold(record, order.reason)
                log.info("archive.hold_changed", table=record.table, partition=record.partition, reason=order.reason)
        return {"units": [f"{record.table} {record.partition}" for record in units]}

    def _opened(self) -> OpenArchive:
        if self.current is None or not self.current.known.complete:
            raise NotActive(self.election.leader() if self.election is not None else None)
        return self.current

    def status(self) -> dict[str, object]:
        """For `/status`: the place, units by state, and until when rows are cold, by table."""
        records = self.current.known.records.values() if self.current is not None else ()
        until: dict[str, str] = {}
        for record in records:
            if record.served is not None:
                end = datetime.fromtimestamp(record.served.ts_last / 1e9, UTC).isoformat()
                until[record.table] = max(until.get(record.table, ""), end)
        states = Counter(record.state.value for record in records)
        return {"place": self._wiring.place.place, "units": dict(states), "cold_until": until}


def shown(record: UnitRecord) -> dict[str, object]:
    """A unit as people and programs are shown it."""
    copy = record.cold
    return {
        "table": record.table,
        "partition": record.partition,
        "state": record.state.value,
        "revision": copy.revision if copy is not None else 0,
        "rows": copy.rows if copy is not None else 0,
        "bytes": copy.bytes if copy is not None else 0,
        "hot_bytes": record.hot_bytes,
        "files": len(copy.files) if copy is not None else 0,
        "ts_first": copy.ts_first if copy is not None else 0,
        "ts_last": copy.ts_last if copy is not None else 0,
        "hold": record.hold,
    }


def _within(opened: OpenArchive, tables: list[str], first: str, last: str) -> list[UnitRecord]:
    for table in tables:
        if table not in ARCHIVABLE:
            raise CommandRejected(f"tables: expected some of {', '.join(sorted(ARCHIVABLE))}, was {table[:80]!r}")
    ends = []
    for name, text in (("first", first), ("last", last)):
        try:
            ends.append(date.fromisoformat(text))
        except ValueError as error:
            raise CommandRejected(f"{name}: expected a day like 2025-03-03, was {text[:80]!r}") from error
    return units_within(opened.known.records, tables, *ends)


__all__ = ["ArchiveDesk", "ArchiveOrder", "HoldOrder", "OpenArchive", "RetainOrder", "SpanOrder"]
