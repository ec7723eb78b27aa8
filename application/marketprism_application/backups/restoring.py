"""Puts a backup back: rows, streams, files; and compares each with what the manifest says of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from marketprism_application.backups.checking import FetchedObjects
from marketprism_application.backups.streams import compare_within
from marketprism_application.contracts.backup_records import (
    BackupManifest,
    SettingsFile,
    StreamPart,
    TablePart,
    TableShape,
)
from marketprism_application.errors import BackupDamaged
from marketprism_application.files.digest import sha256_of
from marketprism_application.ports.archive import ColdStore, Measured
from marketprism_application.ports.backup import Opener, RowCopies, StreamCopies

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 128 << 10


class Comparison(msgspec.Struct):
    """One partition, stream or file as it is to be, and as it is: rows or messages, and their digest. `note` says what
    of it could not be compared."""

    what: str
    expected: int
    digest: str
    found: int
    found_digest: str
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether it is as it was."""
        return (self.expected, self.digest) == (self.found, self.found_digest)


class RestoreHooks(Protocol):
    """What is told of a restore."""

    def on_restored(self, comparison: Comparison) -> None:
        """A partition, stream or file is there again, and compared."""
        ...


class Restorer:
    """Puts what a manifest names into stores that are empty.

    Raises (everywhere):
        BackupError, StoreError, SdkError, OSError: what is in the way.
    """

    def __init__(self, manifest: BackupManifest, objects: FetchedObjects, opener: Opener, hooks: RestoreHooks) -> None:
        self._manifest = manifest
        self._objects = objects
        self._opener = opener
        self._hooks = hooks

    def _noted(self, comparison: Comparison) -> Comparison:
        self._hooks.on_restored(comparison)
        return comparison

    async def rows(self, rows: RowCopies) -> list[Comparison]:
        """Every partition, into tables that are there already, empty, as this program has them. What says how far the
        store is comes last, as it was taken first: who is ended before that has rows that are read again."""
        shapes = await rows.shapes()
        return [self._noted(await self._partition(rows, part, shapes)) for part in reversed(self._manifest.parts)]

    async def _partition(self, rows: RowCopies, part: TablePart, shapes: Mapping[str, TableShape]) -> Comparison:
        columns = self._manifest.tables[part.table].columns
        here = shapes.get(part.table)
        if here is None:
            return Comparison(part.table, part.rows, part.digest, 0, "", "there is no such table any more")
        there = {name for name, _ in here.columns}
        common = [(name, kind) for name, kind in columns if name in there]
        left_out = [name for name, _ in columns if name not in there]
        async with self._objects.opened(self._opener, part.stored) as plain:
            async for group in _groups(plain, [name for name, _ in common]):
                await rows.put(part.table, common, group)
        await self._objects.drop(part.stored)
        found = await rows.measure(part.table, part.partition, common)
        note = ""
        if left_out:
            found = Measured(found.rows, part.digest if found.rows == part.rows else "")
            note = f"columns that are no more: {', '.join(left_out)}; rows alone were compared"
        return Comparison(f"{part.table} {part.partition}", part.rows, part.digest, *found, note)

    async def streams(self, streams: StreamCopies) -> list[Comparison]:
        """Every stream and bucket; none of them ages before all were compared."""
        found = [self._noted(await self._stream(streams, part)) for part in self._manifest.streams]
        for part in self._manifest.streams:
            await streams.let_age(part.stream, part.config)
        return found

    async def ageless(self, streams: StreamCopies, names: Container[str]) -> list[Comparison]:
        """Some streams alone, which do not age then: to be read."""
        return [
            self._noted(await self._stream(streams, part)) for part in self._manifest.streams if part.stream in names
        ]

    async def _stream(self, streams: StreamCopies, part: StreamPart) -> Comparison:
        async with self._objects.opened(self._opener, part.stored) as plain:
            await streams.restore(part.stream, part.config, part.state, _pieces(plain), ageless=True)
        await self._objects.drop(part.stored)
        found = await compare_within(streams, part.stream, part.ranges)
        note = f"{part.messages} messages when it was taken" if part.messages != part.compared else ""
        return Comparison(f"stream {part.stream}", part.compared, part.digest, found.messages, found.digest, note)

    async def settings(self, folder: Path) -> list[Comparison]:
        """Every settings file, into a folder."""
        return [self._noted(await self._file(file, folder)) for file in self._manifest.settings]

    async def _file(self, file: SettingsFile, folder: Path) -> Comparison:
        async with self._objects.opened(self._opener, file.stored) as plain:
            data = await asyncio.to_thread(plain.read_bytes)
        await self._objects.drop(file.stored)
        await asyncio.to_thread(_write, folder / Path(file.name).name, data)
        return Comparison(f"settings {file.name}", 1, file.sha256, 1, hashlib.sha256(data).hexdigest())

    async def archive(self, cold: ColdStore) -> list[Comparison]:
        """Archived files that the backup has and that are not at the archive's place."""
        there = {stored.path for stored in await cold.names()}
        found = []
        for unit in self._manifest.archived:
            for path, sha256, stored in unit.files:
                if path in there:
                    continue
                async with self._objects.opened(self._opener, stored) as plain:
                    if await asyncio.to_thread(sha256_of, plain) != sha256:
                        raise BackupDamaged(f"backup {self._manifest.id}: archived {path}: its digest differs")
                    await cold.put(path, plain)
                await self._objects.drop(stored)
                found.append(self._noted(Comparison(f"archived {path}", 1, sha256, 1, sha256)))
        return found


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(data)
    path.chmod(0o600)


async def _groups(path: Path, columns: list[str]) -> AsyncIterator[pa.Table]:
    """The row groups of a Parquet file, one at a time."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

    file = await asyncio.to_thread(pq.ParquetFile, path)
    try:
        for number in range(file.num_row_groups):
            yield await asyncio.to_thread(file.read_row_group, number, columns=columns)
    finally:
        await asyncio.to_thread(file.close)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        await asyncio.to_thread(file.close)


__all__ = ["Comparison", "RestoreHooks", "Restorer"]
