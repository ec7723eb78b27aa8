"""Moves one unit at a time: from the hot store to cold files, verified, and back.

Every step is written to the unit's record before the next one begins, and may be done again from its beginning.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import msgspec

from marketprism_application.archiving.digests import of_files
from marketprism_application.archiving.layout import MANIFEST, file_of, folder_of
from marketprism_application.archiving.second_reading import differences, read
from marketprism_application.archiving.slices import slices_of
from marketprism_application.archiving.units import KnownUnits
from marketprism_application.contracts.archive_records import ColdCopy, ColdFile, Manifest, UnitRecord, UnitState
from marketprism_application.errors import VerifyError
from marketprism_application.files.digest import sha256_of
from marketprism_application.ports.archive import ColdStore, HotStore, UnitLog

_ATTEMPTS = 3  # at a unit to which rows come while it is exported
_LISTED = 8_000  # instruments that a manifest lists


class MoveHooks(Protocol):
    """What is told of a move."""

    def on_state(self, record: UnitRecord) -> None:
        """A unit came to another state."""
        ...

    def on_file(self, table: str, rows: int, size: int) -> None:
        """A file lies at the place."""
        ...

    def on_difference(self, record: UnitRecord, wrong: str) -> None:
        """What was read back is not what was written."""
        ...


class Mover:
    """The one who moves. `staging` is a folder of this machine for one file at a time; `slice_rows` rows are in a file,
    `grace_s` goes by between the last reader of hot rows and their end, for readers in other processes.

    Raises (everywhere):
        ColdStoreError, StoreError, SdkError, OSError: what is in the way; the unit stands where its record says.
        VerifyError: a file is not what it is to be; nothing was dropped.
    """

    def __init__(
        self,
        hot: HotStore,
        cold: ColdStore,
        log: UnitLog,
        known: KnownUnits,
        staging: Path,
        hooks: MoveHooks,
        *,
        slice_rows: int = 1_000_000,
        grace_s: float = 0.0,
        epoch: int = 0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._hot = hot
        self._cold = cold
        self._log = log
        self._known = known
        self._staging = staging
        self._hooks = hooks
        self._slice_rows = slice_rows
        self._grace_s = grace_s
        self._epoch = epoch
        self._clock_ns = clock_ns
        self._revisions: dict[tuple[str, str], int] = {}

    async def load(self) -> None:
        """The records as they are written; where there are none, as the manifests at the place have them.

        Raises:
            VerifyError: a manifest is none.
        """
        found = await self._log.all()
        if not found or any(record.adopted for record, _ in found):
            await self._adopt({record.key for record, _ in found})
            found = await self._log.all()
        self._revisions = {record.key: revision for record, revision in found}
        self._known.load({record.key: record for record, _ in found})

    async def _adopt(self, known: Collection[tuple[str, str]]) -> None:
        """Records of every manifest. Until all are there each says so: whoever was interrupted begins again."""
        for stored in await self._cold.names():
            if not stored.path.endswith(f"/{MANIFEST}"):
                continue
            manifest = await self._manifest(stored.path)
            record = UnitRecord(
                manifest.table, manifest.partition, UnitState.COLD, manifest.cold, hold=manifest.hold, adopted=True
            )
            if record.key not in known:
                await self._log.write(record, 0)
        for record, revision in await self._log.all():
            if record.adopted:
                await self._log.write(msgspec.structs.replace(record, adopted=False), revision)

    async def _manifest(self, path: str) -> Manifest:
        data = await self._cold.read(path)
        try:
            return msgspec.json.decode(data, type=Manifest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise VerifyError(
                f"{self._cold.place}: {path}: expected the manifest of a unit, was {len(data)} bytes: {error}"
            ) from error

    async def move(self, table: str, partition: str, hot_bytes: int = 0) -> UnitRecord:
        """Bring a unit to `dropped`, from wherever it stands."""
        record = self._known.records.get((table, partition))
        if record is None:
            record = UnitRecord(table, partition, UnitState.EXPORTING, hot_bytes=hot_bytes)
        checked = False  # the files, now: those of long ago may have been spoilt where they lie
        for _ in range(_ATTEMPTS):
            if record.cold is not None and record.coming is None:
                copy = record.cold
                if not checked:
                    await self.check_files(record, copy)
                record = await self._to(record, UnitState.COLD)
                if (dropped := await self._drop(record, copy)) is not None:
                    return dropped
            if record.coming is None or record.state is UnitState.EXPORTING:
                record = await self._export(record)
                if record.coming is None:  # there was nothing
                    return record
            verified = await self._verify(record)
            if verified is not None:
                record, checked = verified, True
                continue
            record = await self._to(msgspec.structs.replace(record, coming=None), UnitState.EXPORTING)
        raise VerifyError(
            f"{table} {partition}: expected the rows to be the same before and after, others came {_ATTEMPTS} times",
            retryable=True,
        )

    async def _to(self, record: UnitRecord, state: UnitState) -> UnitRecord:
        """Write a record's next state, then let readers have it."""
        record = msgspec.structs.replace(record, state=state, changed_at=self._clock_ns(), epoch=self._epoch)
        self._revisions[record.key] = await self._log.write(record, self._revisions.get(record.key, 0))
        self._known.replace(record)
        self._hooks.on_state(record)
        return record

    async def _export(self, record: UnitRecord) -> UnitRecord:
        table, partition = record.key
        served = record.served
        outline = await self._hot.outline(table, partition, served)
        if not outline.instruments:
            await self._forget(record)
            return msgspec.structs.replace(record, coming=None)
        revision = (record.cold.revision if record.cold is not None else 0) + 1
        instruments = outline.instruments if len(outline.instruments) <= _LISTED else ()
        coming = ColdCopy(revision, (), outline.columns, instruments, outline.days, outline.seqs)
        record = await self._to(msgspec.structs.replace(record, coming=coming), UnitState.EXPORTING)
        await self._clean(record)
        files = []
        for number, part in enumerate(slices_of(outline.instruments, self._slice_rows)):
            local = self._staging / f"{table}-{partition}-{number}.parquet"
            path = file_of(record, revision, number)
            try:
                placed = await self._hot.export(table, partition, served, part, path, local)
                if placed:
                    await self._cold.fetch(path, local)
                measured = await self._hot.measure(table, partition, served, part)
                found = await asyncio.to_thread(read, table, local)
                size, digest = await asyncio.to_thread(lambda at: (at.stat().st_size, sha256_of(at)), local)
                if not placed:
                    await self._cold.put(path, local)
            finally:
                await asyncio.to_thread(local.unlink, missing_ok=True)
            spans = (found.first, found.last, found.ts_first, found.ts_last)
            files.append(ColdFile(path, size, measured.rows, digest, measured.digest, *spans))
            self._hooks.on_file(table, measured.rows, size)
        done = msgspec.structs.replace(coming, files=tuple(files))
        return await self._to(msgspec.structs.replace(record, coming=done), UnitState.EXPORTED)

    async def _verify(self, record: UnitRecord) -> UnitRecord | None:
        """The record with the copy that readers take from now on; None where rows came meanwhile."""
        coming = record.coming
        if coming is None:
            return None
        measured = of_files(coming.files)
        await self.check_files(record, coming)
        for file in coming.files:
            at_place = await self._hot.measure_files(record.table, [file], coming.columns)
            if at_place != (file.rows, file.digest):
                if await self._hot.measure(*record.key, record.served) != measured:
                    return None
                self._refuse(record, f"{file.path}: expected {file.rows} rows {file.digest}, was {at_place}")
        if await self._hot.measure(*record.key, record.served) != measured:
            return None
        record = await self._to(record, UnitState.VERIFIED)
        await self._describe(record, coming)
        return await self._to(msgspec.structs.replace(record, cold=coming, coming=None), UnitState.COLD)

    async def check_files(self, record: UnitRecord, copy: ColdCopy) -> None:
        """Read every file of a copy back, by its bytes and by pyarrow. Raises VerifyError."""
        columns = tuple(name for name, _ in copy.columns)
        for number, file in enumerate(copy.files):
            local = self._staging / f"back-{record.table}-{record.partition}-{number}.parquet"
            try:
                await self._cold.fetch(file.path, local)
                wrong = await asyncio.to_thread(differences, file, columns, local, None)
                if not wrong:
                    found = await asyncio.to_thread(read, record.table, local)
                    wrong = await asyncio.to_thread(differences, file, columns, local, found)
            except ValueError as error:
                wrong = [str(error)]
            finally:
                await asyncio.to_thread(local.unlink, missing_ok=True)
            if wrong:
                self._refuse(record, f"{file.path}: {'; '.join(wrong)}")

    def _refuse(self, record: UnitRecord, wrong: str) -> None:
        self._hooks.on_difference(record, wrong)
        raise VerifyError(f"{self._cold.place}: {wrong}")

    async def _drop(self, record: UnitRecord, copy: ColdCopy) -> UnitRecord | None:
        """The dropped record; None where there are rows that the copy has not."""
        await self._known.drained()
        await asyncio.sleep(self._grace_s)
        if not await self._hot.drop(*record.key, copy):
            return None
        record = await self._to(msgspec.structs.replace(record, until=0), UnitState.DROPPED)
        await self._clean(record)
        return record

    async def _describe(self, record: UnitRecord, copy: ColdCopy) -> None:
        manifest = Manifest(record.table, record.partition, copy, record.hold)
        path = f"{folder_of(*record.key)}/{MANIFEST}"
        await self._cold.write(path, msgspec.json.format(msgspec.json.encode(manifest), indent=1))

    async def _clean(self, record: UnitRecord) -> None:
        """Take away what no copy names, once nobody reads it."""
        await self._known.drained()
        folder = folder_of(*record.key)
        named = {file.path for copy in (record.cold, record.coming) if copy is not None for file in copy.files}
        for stored in await self._cold.names(folder):
            if stored.path not in named and not (record.cold is not None and stored.path.endswith(MANIFEST)):
                await self._cold.remove(stored.path)

    async def _forget(self, record: UnitRecord) -> None:
        if revision := self._revisions.pop(record.key, 0):
            await self._log.forget(record, revision)
        self._known.forget(record.key)

    async def restore(self, record: UnitRecord, until: int) -> UnitRecord:
        """Put the rows of a unit back among the hot ones, where they stay until `until`; the files stay too."""
        copy = record.cold
        if copy is None or record.state is UnitState.RESTORED:
            return record
        await self.check_files(record, copy)
        record = await self._to(record, UnitState.RESTORING)
        wanted = await self._hot.measure(*record.key, copy)
        await self._hot.restore(*record.key, copy)
        found = await self._hot.measure(*record.key, None)
        if found != wanted and found != await self._hot.measure(*record.key, copy):
            self._refuse(record, f"{record.table} {record.partition}: expected {wanted} to be hot again, was {found}")
        return await self._to(msgspec.structs.replace(record, until=until), UnitState.RESTORED)

    async def hold(self, record: UnitRecord, reason: str) -> UnitRecord:
        """Say why the files of a unit may not be deleted; an empty reason lets them go."""
        record = await self._to(msgspec.structs.replace(record, hold=reason), record.state)
        if record.cold is not None:
            await self._describe(record, record.cold)
        return record

    async def delete(self, record: UnitRecord) -> None:
        """Delete the files of a unit, for ever. Raises VerifyError: it is held, or not cold alone."""
        if record.hold or record.state is not UnitState.DROPPED or record.cold is None:
            state = f"held: {record.hold}" if record.hold else record.state.value
            raise VerifyError(f"{record.table} {record.partition}: expected a dropped unit without a hold, was {state}")
        await self._cold.remove(f"{folder_of(*record.key)}/{MANIFEST}")  # first: nobody takes it for one again
        await self._forget(record)
        await self._known.drained()
        for file in record.cold.files:
            await self._cold.remove(file.path)


__all__ = ["MoveHooks", "Mover"]
