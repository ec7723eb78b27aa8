"""Backups as the storage service makes them: jobs, and questions about what there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_application.backups.checking import FetchedObjects
from marketprism_application.backups.making import BackupMaker, Source
from marketprism_application.backups.retention import KeepRules
from marketprism_application.contracts.archive_records import UnitRecord
from marketprism_application.contracts.backup_records import BackupManifest
from marketprism_application.errors import ApplicationError, BackupError
from marketprism_sdk.election import Election
from marketprism_sdk.errors import CommandRejected, JobFailed, NotActive, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import job, rpc
from marketprism_services.storage.restore_drill import LAST_DRILL, DrillRecord, run_drill
from marketprism_services.wiring.backup import BackupWiring, opener_of

log = structlog.get_logger()

_AGAIN_S = 5.0


class NothingOrdered(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing has to be said."""


class PruneOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Of how many days, weeks and months a backup stays; those of the settings where it is 0. A `dry_run` deletes
    nothing and answers what would be."""

    days: int = 0
    weeks: int = 0
    months: int = 0
    dry_run: bool = False


class WhichBackup(msgspec.Struct, forbid_unknown_fields=True):
    """A backup by its id, or the newest one as `latest`."""

    backup: str = "latest"


class OpenBackups:
    """What backups are made of while the store is open: its rows, and what of it is archived."""

    def __init__(self, engine: Engine, identity: str, archived: Callable[[], Sequence[UnitRecord]]) -> None:
        self.engine = engine
        self.identity = identity
        self.archived = archived


class BackupDesk:
    """Handlers of the storage service; `current` is there while this instance leads and has its store open."""

    def __init__(self, wiring: BackupWiring, connection: NatsConnection, metrics: Metrics, version: str) -> None:
        self._wiring = wiring
        self._connection = connection
        self._metrics = metrics
        self._version = version
        self._one = asyncio.Lock()
        self._newest: BackupManifest | None = None
        self._drill: DrillRecord | None = None
        self._failed = ""
        self._doing = ""
        self.current: OpenBackups | None = None
        self.election: Election | None = None

    async def know(self) -> None:
        """See what there is at the place, for as long as that takes."""
        while True:
            try:
                await self._look()
            except ApplicationError as error:
                log.warning("backup.place_not_readable", error=reason_of(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def _look(self) -> None:
        catalogue = self._wiring.catalogue
        self._newest = await catalogue.newest()
        drills = {stored.path for stored in await catalogue.place.names("drills")}
        if LAST_DRILL in drills:
            self._drill = _drill_in(await catalogue.place.read(LAST_DRILL))
        self._show(len(await catalogue.ids()))

    def _show(self, sets: int) -> None:
        newest, drill, metrics = self._newest, self._drill, self._metrics
        metrics.gauge("backup_last_success_seconds", newest.ended / 1e9 if newest is not None else 0.0)
        metrics.gauge("backup_sets", float(sets))
        if newest is not None:
            metrics.gauge("backup_rows", float(newest.rows))
            metrics.gauge("backup_size_bytes", float(newest.bytes))
            metrics.gauge("backup_duration_seconds", (newest.ended - newest.begun) / 1e9)
        if self._wiring.settings.identity:
            metrics.gauge("restore_drill_last_success_seconds", drill.last_good / 1e9 if drill is not None else 0.0)
        if drill is not None:
            metrics.gauge("restore_drill_seconds", drill.seconds)
            metrics.gauge("restore_drill_behind_seconds", drill.behind_seconds)

    def on_part(self, name: str, rows: int, size: int, *, reused: bool) -> None:
        """Count what was written, and say where the backup is."""
        self._doing = name
        if not reused:
            self._metrics.count("backup_rows_total", rows)
            self._metrics.count("backup_bytes_total", size)

    @job("backup")
    async def backup(self, _: NothingOrdered) -> dict[str, object]:
        """Make an encrypted backup of the store, of streams and buckets, and of the settings in force."""
        opened = self._opened()
        async with self._one:
            begun = time.perf_counter()
            try:
                manifest = await self._make(opened)
            except (ApplicationError, SdkError, OSError) as error:
                self._metrics.count("backup_failures_total")
                self._failed = reason_of(error)
                log.exception("backup.failed", place=self._wiring.catalogue.place.place)
                raise
            finally:
                self._doing = ""
            self._failed = ""
            await self._look()
        log.info("backup.finished", backup=manifest.id, rows=manifest.rows, bytes=manifest.bytes)
        return {**shown(manifest), "work_seconds": round(time.perf_counter() - begun, 3)}

    async def _make(self, opened: OpenBackups) -> BackupManifest:
        wiring = self._wiring
        maker = BackupMaker(
            SqlRowCopies(opened.engine, wiring.engine),
            NatsStreamCopies(self._connection),
            wiring.catalogue,
            wiring.sealer,
            wiring.staging,
            self,
            wiring.settings.wanted,
        )
        source = Source(
            self._version,
            opened.identity,
            wiring.files,
            wiring.secret_files,
            opened.archived(),
            wiring.archive_place,
            wiring.cold,
        )
        return await maker.make(source)

    @job("prune_backups")
    async def prune_backups(self, order: PruneOrder) -> dict[str, object]:
        """Delete backups that are not to stay, and what no other backup needs; never the newest one."""
        self._opened()
        if min(order.days, order.weeks, order.months) < 0:
            raise CommandRejected(
                f"days, weeks, months: expected 0 or more, was {order.days}, {order.weeks}, {order.months}"
            )
        given = self._wiring.settings.keep
        rules = KeepRules(
            daily=order.days or given.daily,
            weekly=order.weeks or given.weekly,
            monthly=order.months or given.monthly,
        )
        async with self._one:
            pruned = await self._wiring.catalogue.prune(rules, dry_run=order.dry_run)
            if not order.dry_run:
                await self._look()
        for backup in pruned.sets if not order.dry_run else ():
            log.info("backup.deleted", backup=backup)
        return dict(msgspec.to_builtins(pruned))

    @job("verify_backup")
    async def verify_backup(self, which: WhichBackup) -> dict[str, object]:
        """Read every object of a backup back and compare it with the manifest; decrypt it where the key is known."""
        self._opened()
        settings, catalogue = self._wiring.settings, self._wiring.catalogue
        opener = opener_of(settings, None) if settings.identity else None
        folder = self._wiring.staging / "verify"
        async with self._one:
            manifest = await catalogue.find(which.backup)
            await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True))
            try:
                objects = FetchedObjects(catalogue, manifest, folder)
                checked = await objects.check(opener, manifest.objects, keep=False)
            except BackupError as error:
                self._metrics.count("backup_verify_failures_total")
                log.exception("backup.differs", backup=manifest.id)
                raise JobFailed(reason_of(error), {"backup": manifest.id}) from error
        return dict(msgspec.to_builtins(checked))

    @job("restore_drill")
    async def restore_drill(self, which: WhichBackup) -> dict[str, object]:
        """Restore a backup into a scratch folder, compare everything with the manifest, and ask the restored store."""
        self._opened()
        settings, catalogue = self._wiring.settings, self._wiring.catalogue
        if not settings.identity:
            raise CommandRejected(
                "backup.identity: expected the secret key (MARKETPRISM_BACKUP__IDENTITY_FILE), was none"
            )
        async with self._one:
            record = await run_drill(settings, which.backup, self._wiring.staging / "drill")
            record.last_good = record.ended if record.good else self._drill.last_good if self._drill is not None else 0
            await catalogue.place.write(LAST_DRILL, msgspec.json.encode(record))
            self._drill = record
            self._show(len(await catalogue.ids()))
        if not record.good:
            self._metrics.count("restore_drill_failures_total")
            log.error("backup.drill_failed", backup=record.backup, error=record.error)
            raise JobFailed(record.error, record.output)
        log.info("backup.drilled", backup=record.backup, seconds=record.seconds)
        return record.output

    @rpc("backup_status")
    async def backup_status(self, _: object) -> dict[str, object]:
        """Where backups are, every one that is whole, with rows and bytes, those that are not, and the last drill."""
        self._opened()
        manifests, wrong = await self._wiring.catalogue.all()
        return {
            **self.status(),
            "keep": msgspec.to_builtins(self._wiring.settings.keep),
            "backups": [shown(manifest) for manifest in manifests],
            "wrong": wrong,
            "unfinished": await self._wiring.catalogue.unfinished(),
        }

    def _opened(self) -> OpenBackups:
        if self.current is None:
            raise NotActive(self.election.leader() if self.election is not None else None)
        return self.current

    def status(self) -> dict[str, object]:
        """For `/status`: the place, the newest backup, what the last one failed for, what is being made, the drill."""
        newest, drill = self._newest, self._drill
        return {
            "place": self._wiring.catalogue.place.place,
            "newest": newest.id if newest is not None else "",
            "newest_ended": datetime.fromtimestamp(newest.ended / 1e9, UTC).isoformat() if newest is not None else "",
            "failed": self._failed,
            "doing": self._doing,
            "drill": msgspec.to_builtins(drill) if drill is not None else {},
        }


def _drill_in(data: bytes) -> DrillRecord | None:
    """The last drill as it lies at the place; one that cannot be read is none, and the next drill takes its stead."""
    try:
        return msgspec.json.decode(data, type=DrillRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("backup.drill_unreadable", path=LAST_DRILL, error=reason_of(error))
        return None


def shown(manifest: BackupManifest) -> dict[str, object]:
    """A backup as people and programs are shown it."""
    return {
        "backup": manifest.id,
        "begun": manifest.begun,
        "ended": manifest.ended,
        "seconds": round((manifest.ended - manifest.begun) / 1e9, 3),
        "product": manifest.product,
        "schema": manifest.schema,
        "partitions": len(manifest.parts),
        "rows": manifest.rows,
        "streams": len(manifest.streams),
        "messages": sum(part.messages for part in manifest.streams),
        "archived": len(manifest.archived),
        "bytes": manifest.bytes,
        "written_bytes": manifest.written_bytes,
    }


__all__ = ["BackupDesk", "NothingOrdered", "OpenBackups", "PruneOrder", "WhichBackup", "shown"]
