"""Makes one backup: rows of every table, streams, settings, each encrypted on its way; the manifest last.

What says how far the store is goes first, rows after it: a copy never says that it has rows which it has not, and the
streams give what came meanwhile once more, where a key makes it one. Partitions that are as the newest backup has them
are named again, and not written.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from marketprism_application.archiving.digests import combined
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.backups.streams import StreamWitness
from marketprism_application.contracts.archive_records import UnitRecord
from marketprism_application.contracts.backup_records import (
    ArchivedUnit,
    BackupManifest,
    SealedObject,
    SettingsFile,
    StreamPart,
    StreamPlace,
    TablePart,
    TableShape,
)
from marketprism_application.errors import BackupError
from marketprism_application.files.chunks import Chunks
from marketprism_application.ports.archive import ColdStore, HotPartition
from marketprism_application.ports.backup import RowCopies, Sealer, Sealing, StreamCopies

_ATTEMPTS = 3  # at a stream that is made anew meanwhile
_LEDGER = "store_progress"
_PIECE = 1 << 20
_LEVEL = 3


class MakeHooks(Protocol):
    """What is told of a backup that is being made."""

    def on_part(self, name: str, rows: int, size: int, *, reused: bool) -> None:
        """A partition, stream or file is in it; `reused` where an earlier backup has written it."""
        ...


class Source(NamedTuple):
    """What goes into a backup beside rows and streams. `settings` are files by name, `archived` what is in the archive,
    `cold` the archive's place where its files are to be in the backup too."""

    product: str
    store: str
    settings: Mapping[str, bytes]
    secret_files: Sequence[str] = ()
    archived: Sequence[UnitRecord] = ()
    archive_place: str = ""
    cold: ColdStore | None = None


class BackupMaker:
    """Makes backups of one store, one at a time. `wanted` says which streams are in them; `staging` is a folder of this
    machine for one encrypted file at a time.

    Raises (everywhere):
        BackupError, ColdStoreError, StoreError, SdkError, OSError: what is in the way; the backup stays unfinished.
    """

    def __init__(
        self,
        rows: RowCopies,
        streams: StreamCopies | None,
        catalogue: BackupCatalogue,
        sealer: Sealer,
        staging: Path,
        hooks: MakeHooks,
        wanted: Callable[[str], bool] = lambda _: True,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._rows = rows
        self._streams = streams
        self._catalogue = catalogue
        self._sealer = sealer
        self._staging = staging
        self._hooks = hooks
        self._wanted = wanted
        self._clock_ns = clock_ns
        self._written = 0
        self._earlier: dict[tuple[str, str], TablePart] = {}
        self._shapes: Mapping[str, TableShape] = {}
        self._cold_before: dict[str, tuple[str, str, SealedObject]] = {}

    async def make(self, source: Source) -> BackupManifest:
        """The manifest of a new backup, which is whole at the place."""
        begun = self._clock_ns()
        await asyncio.to_thread(self._make_staging)
        self._written = 0
        self._shapes = await self._rows.shapes()
        await self._know_earlier()
        backup = await self._catalogue.begin()
        schema = await self._rows.schema()
        parts, places = await self._tables()
        streams = await self._all_streams() if self._streams is not None else []
        settings = [await self._file(name, data) for name, data in sorted(source.settings.items())]
        archived = [await self._archived(record, source) for record in source.archived if record.cold is not None]
        return await self._catalogue.finish(
            BackupManifest(
                backup,
                source.product,
                schema,
                source.store,
                self._rows.engine,
                begun,
                self._clock_ns(),
                self._sealer.recipients,
                dict(self._shapes),
                tuple(parts),
                tuple(streams),
                tuple(settings),
                tuple(source.secret_files),
                tuple(archived),
                tuple(places),
                self._written,
            )
        )

    def _make_staging(self) -> None:
        self._staging.mkdir(parents=True, exist_ok=True)
        for left in self._staging.glob("*.age"):
            left.unlink(missing_ok=True)

    async def _know_earlier(self) -> None:
        """What the newest backup has, as far as it is still there and those who can read it are the same."""
        self._earlier, self._cold_before = {}, {}
        newest = await self._catalogue.newest()
        if newest is None or set(newest.recipients) != set(self._sealer.recipients):
            return
        there = await self._catalogue.objects()
        for part in newest.parts:
            same = newest.tables.get(part.table) == self._shapes.get(part.table)
            if same and there.get(part.stored.path) == part.stored.bytes:
                self._earlier[part.key] = part
        for unit in newest.archived:
            for path, sha256, stored in unit.files:
                if there.get(stored.path) == stored.bytes:
                    self._cold_before[path] = (path, sha256, stored)

    async def _tables(self) -> tuple[list[TablePart], list[StreamPlace]]:
        parts: list[TablePart] = []
        places: list[StreamPlace] = []
        for partition in await self._rows.partitions():
            if partition.table == _LEDGER:
                places = list(await self._rows.places())
            if (part := await self._partition(partition)) is not None:
                parts.append(part)
        return parts, places

    async def _partition(self, partition: HotPartition) -> TablePart | None:
        key = (partition.table, partition.partition)
        columns = self._shapes[partition.table].columns
        name = " ".join(filter(None, key))
        earlier = self._earlier.get(key)
        if earlier is not None and await self._rows.measure(*key, columns) == (earlier.rows, earlier.digest):
            self._hooks.on_part(name, earlier.rows, earlier.stored.bytes, reused=True)
            return earlier
        measured = []
        local = self._staging / "part.age"
        async with self._sealer.seal(local) as sealing, ParquetPieces(sealing) as pieces:
            async for part in self._rows.slices(*key, columns):
                await pieces.write(part.rows)
                measured.append(part.measured)
        if not measured:
            await asyncio.to_thread(local.unlink, missing_ok=True)
            return None
        stored = await self._put(local, sealing)
        whole = combined(measured)
        self._hooks.on_part(name, whole.rows, stored.bytes, reused=False)
        return TablePart(*key, whole.rows, whole.digest, stored)

    async def _put(self, local: Path, sealing: Sealing) -> SealedObject:
        stored = sealing.sealed
        if stored is None:
            raise BackupError(f"backup: expected {local.name} to be whole, was not")
        try:
            await self._catalogue.place.put(stored.path, local)
        finally:
            await asyncio.to_thread(local.unlink, missing_ok=True)
        self._written += stored.bytes
        return stored

    async def _all_streams(self) -> list[StreamPart]:
        assert self._streams is not None  # noqa: S101 (asked by who calls)
        return [await self._stream(self._streams, name) for name in await self._streams.names() if self._wanted(name)]

    async def _stream(self, streams: StreamCopies, name: str) -> StreamPart:
        for _ in range(_ATTEMPTS):
            witness, local = StreamWitness(streams, name), self._staging / "stream.age"
            created = await witness.look()
            async with self._sealer.seal(local) as sealing, streams.take(name) as taken:
                async for piece in taken.pieces:
                    await sealing.sink.write(piece)
            compared = await witness.compare()
            if compared is None:
                continue
            stored = await self._put(local, sealing)
            part = StreamPart(
                name,
                taken.config,
                taken.state,
                created,
                compared.ranges,
                compared.messages,
                compared.digest,
                stored,
            )
            self._hooks.on_part(name, part.messages, stored.bytes, reused=False)
            return part
        raise BackupError(f"stream {name}: expected the same stream before and after, it was made anew", retryable=True)

    async def _file(self, name: str, data: bytes) -> SettingsFile:
        local = self._staging / "settings.age"
        async with self._sealer.seal(local) as sealing:
            await sealing.sink.write(data)
        stored = await self._put(local, sealing)
        self._hooks.on_part(name, 0, stored.bytes, reused=False)
        return SettingsFile(name, hashlib.sha256(data).hexdigest(), stored)

    async def _archived(self, record: UnitRecord, source: Source) -> ArchivedUnit:
        copy = record.cold
        assert copy is not None  # noqa: S101 (asked by who calls)
        whole = combined((file.rows, file.digest) for file in copy.files)
        files: list[tuple[str, str, SealedObject]] = []
        for file in copy.files if source.cold is not None else ():
            before = self._cold_before.get(file.path)
            if before is not None and before[1] == file.sha256:
                files.append(before)
                continue
            assert source.cold is not None  # noqa: S101 (the loop is empty without)
            plain, local = self._staging / "cold.age.parquet", self._staging / "cold.age"
            try:
                await source.cold.fetch(file.path, plain)
                async with self._sealer.seal(local) as sealing:
                    await _pour(plain, sealing)
            finally:
                await asyncio.to_thread(plain.unlink, missing_ok=True)
            stored = await self._put(local, sealing)
            self._hooks.on_part(file.path, file.rows, stored.bytes, reused=False)
            files.append((file.path, file.sha256, stored))
        return ArchivedUnit(*record.key, whole.rows, whole.digest, source.archive_place, tuple(files))


async def _pour(path: Path, sealing: Sealing) -> None:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await sealing.sink.write(piece)
    finally:
        await asyncio.to_thread(file.close)


class ParquetPieces:
    """Arrow tables as one Parquet file, a row group each, into a sink; nothing of it lies on a disk in between."""

    def __init__(self, sealing: Sealing) -> None:
        self._sink = sealing.sink
        self._buffer = Chunks()
        self._writer: object = None

    async def __aenter__(self) -> ParquetPieces:
        return self

    async def write(self, rows: object) -> None:
        """Add the rows of a table; all have the same columns."""
        await asyncio.to_thread(self._group, rows)
        await self._sink.write(self._buffer.take())

    def _group(self, rows: object) -> None:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
        import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

        assert isinstance(rows, pa.Table)  # noqa: S101 (the port says so)
        if self._writer is None:
            sink = cast("IO[bytes]", self._buffer)
            # Sequences and times are small steps; what repeats (names, prices) goes by a dictionary.
            steps = [field.name for field in rows.schema if pa.types.is_integer(field.type)]
            others = [field.name for field in rows.schema if field.name not in steps]
            self._writer = pq.ParquetWriter(
                sink,
                rows.schema,
                compression="zstd",
                compression_level=_LEVEL,
                write_statistics=False,
                use_dictionary=cast("bool", [*others, *(f"{name}.list.element" for name in others)]),  # or a list
                column_encoding=dict.fromkeys(steps, "DELTA_BINARY_PACKED"),
            )
        assert isinstance(self._writer, pq.ParquetWriter)  # noqa: S101 (made above)
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

        if isinstance(self._writer, pq.ParquetWriter):
            await asyncio.to_thread(self._writer.close)
            if error is None:
                await self._sink.write(self._buffer.take())


__all__ = ["BackupMaker", "MakeHooks", "ParquetPieces", "Source"]
