"""Restores a backup into a data directory: everything is checked before anything is written, and compared behind it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import PARTITIONS, TABLES, Topology
from marketprism_adapters.nats import streams as market_streams
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_adapters.nats.stream_ranges import StreamRanges, bounds_of
from marketprism_application.backups.applying import RestoredRanges, apply_until, place_in, place_of
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.backups.checking import FetchedObjects
from marketprism_application.backups.restoring import Comparison, Restorer
from marketprism_application.contracts.backup_records import BackupManifest, SealedObject
from marketprism_application.contracts.questions import Records, Statistics, Symbols
from marketprism_application.errors import BackupDamaged, BackupError, BackupMissing, DataDirError
from marketprism_application.ports.archive import ColdStore
from marketprism_application.ports.backup import Opener
from marketprism_application.ports.storage import NO_MESSAGE, RangeSource, StoreMark
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.private_files import private_folder
from marketprism_services.platform import data_contents
from marketprism_services.platform.data_contents import UNFINISHED
from marketprism_services.platform.restore_targets import (
    NATS,
    PARTS,
    SETTINGS,
    STORE,
    check_elsewhere,
    check_folder,
    folders_of,
    nats_of,
    own_nats,
    store_of,
)
from marketprism_services.settings.settings import Settings

_MARKET = "MARKET_"
_ASKED = 3  # instruments of whose bars and statistics the restored store is asked


class RestoreOrder(NamedTuple):
    """What to restore: a set by id or `latest`; `parts` of it; `until` is a time, nanoseconds UTC, of which the store
    is to be, 0 for that of the backup. Rows behind the backup come from the streams of `live`, else those of a later
    backup. `archive` is where archived files are put back that it has."""

    which: str = "latest"
    parts: tuple[str, ...] = PARTS
    until: int = 0
    live: NatsConnection | None = None
    archive: ColdStore | None = None


class AppliedRows(msgspec.Struct):
    """Rows of a stream that were added behind the backup's, up to which message and its time."""

    stream: str
    rows: int
    seq: int
    ts: int


class RestoreReport(msgspec.Struct):
    """What came of a restore. `seconds` is the time that it took, `behind_seconds` how old the backup was: what came
    later is in the streams, or lost. `wrong` are comparisons that differ."""

    backup: str
    place: str
    seconds: float = 0.0
    check_seconds: float = 0.0
    behind_seconds: float = 0.0
    rows: int = 0
    bytes: int = 0
    compared: int = 0
    wrong: list[Comparison] = []
    notes: list[str] = []
    applied: list[AppliedRows] = []
    answers: dict[str, int] = {}
    secret_files: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether everything is as it was."""
        return not self.wrong


class OnProgress(Protocol):
    """What is told of a restore as it goes."""

    def on_checked(self, name: str, size: int) -> None:
        """An object is as it was written."""
        ...

    def on_restored(self, comparison: Comparison) -> None:
        """A part is there again, and was compared."""
        ...


class Progress:
    """Fulfils `OnProgress`, and does nothing."""

    def on_checked(self, name: str, size: int) -> None:
        """An object is as it was written."""

    def on_restored(self, comparison: Comparison) -> None:
        """A part is there again, and was compared."""


async def restore(
    settings: Settings, catalogue: BackupCatalogue, opener: Opener, order: RestoreOrder, progress: OnProgress
) -> RestoreReport:
    """Restore a backup into what the settings name.

    Raises:
        BackupMissing, BackupDamaged, WrongKey, TargetInUse, BackupError: named, and nothing was written.
        ApplicationError, SdkError, OSError: what went wrong later; what was written is taken away again.
    """
    begun = time.perf_counter()
    manifest = await _chosen(catalogue, order)
    check_schema(manifest)
    data_dir, parts = settings.data_dir, order.parts
    await asyncio.to_thread(check_folder, data_dir, parts)
    await check_elsewhere(settings, parts)
    scratch = data_dir.with_name(f".{data_dir.name}.{UNFINISHED}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, shutil.rmtree, scratch, ignore_errors=True)
        await asyncio.to_thread(_make_anew, scratch)
        objects = FetchedObjects(catalogue, manifest, scratch)
        wanted = _wanted(manifest, order)
        checked = await objects.check(opener, wanted, keep=True, on_object=progress.on_checked)
        rest = await stack.enter_async_context(_rest_of(catalogue, manifest, order, opener, scratch, progress))
        report = RestoreReport(manifest.id, catalogue.place.place, bytes=checked.bytes)
        report.check_seconds = round(time.perf_counter() - begun, 3)
        report.behind_seconds = round(time.time() - manifest.begun / 1e9, 1)
        report.secret_files = manifest.secret_files
        restorer = Restorer(_narrowed(manifest, order), objects, opener, progress)
        async with _marked(data_dir, parts):
            found: list[Comparison] = []
            created: dict[str, str] = {}
            if NATS in parts:
                found += await _streams(settings, restorer, created)
            if STORE in parts:
                found += await _store(settings, manifest, restorer, rest, order, report, created)
            if SETTINGS in parts:
                found += await restorer.settings(data_dir / "restored-settings")
            if order.archive is not None:
                found += await restorer.archive(order.archive)
        report.compared = len(found)
        report.wrong = [each for each in found if not each.same]
        report.notes += [f"{each.what}: {each.note}" for each in found if each.note]
        report.rows = sum(part.rows for part in manifest.parts) if STORE in parts else 0
    report.seconds = round(time.perf_counter() - begun, 3)
    return report


async def _chosen(catalogue: BackupCatalogue, order: RestoreOrder) -> BackupManifest:
    """The set that is asked for; of a time, the newest one that had ended by then: it has nothing that is later."""
    if not order.until or order.which != "latest":
        manifest = await catalogue.find(order.which)
        if order.until and manifest.ended > order.until:
            raise BackupError(f"backup {manifest.id}: expected one that had ended by that time, it ended later")
        return manifest
    manifests, _ = await catalogue.all()
    before = [each for each in manifests if each.ended <= order.until]
    if not before:
        first = manifests[0].id if manifests else "none"
        raise BackupMissing(f"backup: expected one that had ended by that time, the first is {first}")
    return before[-1]


def check_schema(manifest: BackupManifest) -> None:
    """Whether this program knows the tables of a backup. Raises BackupError: a newer one made it."""
    newest = MIGRATIONS[-1].number
    if manifest.schema > newest:
        raise BackupError(
            f"backup {manifest.id}: expected tables up to migration {newest}, was {manifest.schema}: "
            f"version {manifest.product} made it, which is newer than this program"
        )


def _make_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private_folder(folder)


def _narrowed(manifest: BackupManifest, order: RestoreOrder) -> BackupManifest:
    """Without the market's streams where the store is to be of another time: what they have behind it would follow."""
    if not order.until:
        return manifest
    left = tuple(part for part in manifest.streams if not part.stream.startswith(_MARKET))
    return msgspec.structs.replace(manifest, streams=left)


def _wanted(manifest: BackupManifest, order: RestoreOrder) -> list[SealedObject]:
    narrowed = _narrowed(manifest, order)
    found = [part.stored for part in narrowed.parts] if STORE in order.parts else []
    found += [part.stored for part in narrowed.streams] if NATS in order.parts else []
    found += [file.stored for file in narrowed.settings] if SETTINGS in order.parts else []
    if order.archive is not None:
        found += [stored for unit in narrowed.archived for _, _, stored in unit.files]
    return list(dict.fromkeys(found))


@asynccontextmanager
async def _marked(data_dir: Path, parts: tuple[str, ...]) -> AsyncIterator[None]:
    """The data directory with a mark while it is not whole; of a restore that fails nothing stays."""

    def begin() -> None:
        private_folder(data_dir)
        (data_dir / UNFINISHED).write_text("a restore has begun here and not ended\n", encoding="utf-8")

    def undo() -> None:
        for folder in folders_of(data_dir, parts):
            shutil.rmtree(folder, ignore_errors=True)
        (data_dir / UNFINISHED).unlink(missing_ok=True)

    try:
        await asyncio.to_thread(begin)
        yield
    except OSError as error:
        await asyncio.to_thread(undo)
        raise DataDirError.of(data_dir, error) from error
    except BaseException:
        await asyncio.to_thread(undo)
        raise
    await asyncio.to_thread((data_dir / UNFINISHED).unlink)


async def _streams(settings: Settings, restorer: Restorer, created: dict[str, str]) -> list[Comparison]:
    """Streams and buckets, and what the data directory holds by them; into `created` goes when the server says that it
    has made each of the market's."""
    async with nats_of(settings, settings.data_dir) as connection:
        found = await restorer.streams(NatsStreamCopies(connection))
        for stream in market_streams.STORED:
            with suppress(StreamMissing):
                created[stream] = (await bounds_of(connection, stream)).created
        await data_contents.remember_restored(connection, settings)
    return found


async def _store(
    settings: Settings,
    manifest: BackupManifest,
    restorer: Restorer,
    rest: dict[str, RangeSource],
    order: RestoreOrder,
    report: RestoreReport,
    created: dict[str, str],
) -> list[Comparison]:
    async with store_of(settings) as target:
        spans = {name: shape.span for name, shape in manifest.tables.items() if name in TABLES}
        layout = Topology(partition_by={name: span for name, span in spans.items() if span in PARTITIONS}, dense_days=0)
        store = SqlStore(target.engine, layout)
        await store.migrate(manifest.schema)
        found = await restorer.rows(target.rows)
        await store.migrate()
        ledger = SqlLedger(target.engine)
        for stream, source in rest.items():
            applied = await apply_until(stream, source, store, ledger, order.until)
            report.applied.append(AppliedRows(stream, *applied))
        for part in manifest.streams:
            # It is the same stream under another name: what is stored of it is not read again.
            place = place_of(manifest, part.stream, part.created)
            if place is not None and part.stream in created:
                await ledger.record(part.stream, created[part.stream], StoreMark(place.watermark, place.ts))
        report.answers = await _asked(target.engine)
    return found


async def _asked(engine: Engine) -> dict[str, int]:
    """What people would ask of the store: how many rows each answer has."""
    reader = SqlReader(engine)
    known = (await reader.answer(Symbols())).to_pylist()
    answers = {"instruments": len(known)}
    for row in [each for each in known if each["bars"]][:_ASKED]:
        symbol = str(row["symbol"])
        for name, question in (
            ("bars", Records("bar", symbol, interval="1m", limit=1_000)),
            ("statistics", Statistics(symbol)),
        ):
            table = await reader.answer(question)
            answers[f"{name} of {symbol}"] = table.num_rows
            if not table.num_rows and name == "statistics":
                raise BackupDamaged(f"restored store: expected statistics of {symbol}, which has bars, was no row")
    return answers


@asynccontextmanager
async def _rest_of(
    catalogue: BackupCatalogue,
    manifest: BackupManifest,
    order: RestoreOrder,
    opener: Opener,
    scratch: Path,
    progress: OnProgress,
) -> AsyncIterator[dict[str, RangeSource]]:
    """The streams that have what came behind the backup, each looked at whether it reaches back so far; none where
    nothing is to be added."""
    async with AsyncExitStack() as stack:
        if not order.until or STORE not in order.parts:
            yield {}
            return
        connection, created = order.live, dict[str, str]()
        if connection is None:
            later = await _with_market(catalogue, order.until)
            folder = scratch / "streams"
            await asyncio.to_thread(private_folder, folder)
            objects = FetchedObjects(catalogue, later, folder)
            wanted = [part.stored for part in later.streams if part.stream in market_streams.STORED]
            await objects.check(opener, wanted, keep=True, on_object=progress.on_checked)
            created = {part.stream: part.created for part in later.streams}
            connection = await own_nats(stack, folder, 1_000.0)
            stack.push_async_callback(connection.close)
            quiet = Restorer(later, objects, opener, Progress())
            wrong = [
                each
                for each in await quiet.ageless(NatsStreamCopies(connection), market_streams.STORED)
                if not each.same
            ]
            if wrong:
                raise BackupDamaged(
                    f"backup {later.id}: {wrong[0].what}: expected {wrong[0].expected} messages as they were"
                )
        found: dict[str, RangeSource] = {}
        for stream in market_streams.STORED:
            source: RangeSource = StreamRanges(connection, stream)
            source = RestoredRanges(source, created[stream]) if stream in created else source
            try:
                await _check_reach(manifest, stream, source)
            except StreamMissing:
                if any(place.stream == stream and place.watermark for place in manifest.places):
                    text = f"backup {manifest.id}: it has {stream}, expected one at {connection.url}, there is none"
                    raise BackupError(text) from None
                continue
            found[stream] = source
        yield found


async def _check_reach(manifest: BackupManifest, stream: str, source: RangeSource) -> None:
    bounds = await source.bounds()
    place = place_of(manifest, stream, bounds.created)
    there = await source.time_at(place.watermark) if place is not None and place.watermark else NO_MESSAGE
    place_in(manifest, stream, bounds, there)


async def _with_market(catalogue: BackupCatalogue, until: int) -> BackupManifest:
    """The first backup behind a time that has the market's streams, else the newest one that has."""
    manifests, _ = await catalogue.all()
    having = [each for each in manifests if any(part.stream in market_streams.STORED for part in each.streams)]
    if not having:
        raise BackupError(
            "backup: expected one that has the market's streams (backup.streams), or a NATS that has them "
            "(--streams-from), found none"
        )
    return next((each for each in having if each.begun >= until), having[-1])


__all__ = ["AppliedRows", "OnProgress", "Progress", "RestoreOrder", "RestoreReport", "check_schema", "restore"]
