"""Rows of series in a folder: Parquet in a Hive layout, and a manifest of each series that says what is complete.

`kind=kline/venue=binance/symbol=BTC-USDT/interval=1m/day=2024-01-01/rows.parquet`; a unit is a month or a year where
a day has few rows. A file holds the rows of its unit as far as it was asked for; a part replaces whole files. What
stands in the manifest is stored; a file that is not in it is of a download that goes on.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from marketprism_adapters.downloads.refusals import writing
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.downloads.units import Unit, span_of, units
from marketprism_application.errors import StoreError
from marketprism_application.files.digest import sha256_of
from marketprism_application.ports.downloads import Receipt
from marketprism_application.ports.history import Fetched, Hole, Part
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.durable_files import UNFINISHED, place_file, write_through

MANIFEST, ROWS = "manifest.json", "rows.parquet"
_VERSION = 1


class StoredUnit(msgspec.Struct, frozen=True, omit_defaults=True):
    """The file of a unit: which time of it was asked for, its rows, and its SHA-256. `holes`: (from, to, cause)."""

    name: str
    ts_from: int
    ts_to: int
    rows: int
    bytes: int
    sha256: str
    source: str = ""
    holes: Sequence[tuple[int, int, str]] = ()


class Manifest(msgspec.Struct):
    """What is stored of a series, by the unit's name."""

    version: int
    kind: str
    venue: str
    symbol: str
    interval: str
    units: dict[str, StoredUnit] = {}


class FolderSink:
    """Fulfils `RowSink`. `raw`: the pages that rows came of are stored too, as a zip archive a part."""

    def __init__(self, folder: Path, *, raw: bool = False) -> None:
        self._folder, self._raw = folder, raw

    def series_folder(self, dataset: Dataset) -> Path:
        """Where a series lies."""
        parts = [f"kind={dataset.kind}", f"venue={dataset.venue}", f"symbol={dataset.symbol}"]
        if dataset.interval:
            parts.append(f"interval={dataset.interval}")
        return self._folder.joinpath(*parts)

    def manifest(self, dataset: Dataset) -> Manifest:
        """What is stored of a series; an empty manifest where nothing is.

        Raises:
            StoreError: it cannot be read.
        """
        path = self.series_folder(dataset) / MANIFEST
        empty = Manifest(_VERSION, dataset.kind, dataset.venue, dataset.symbol, dataset.interval)
        with writing(self._folder):
            if not path.is_file():
                return empty
            try:
                found = msgspec.json.decode(path.read_bytes(), type=Manifest)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StoreError(f"{path}: expected a manifest: {error}") from error
        if found.version != _VERSION:
            raise StoreError(f"{path}: expected version {_VERSION}, was {found.version}")
        return found

    async def missing(self, dataset: Dataset) -> Sequence[tuple[int, int]]:
        """Units that are not stored, or not as far as is asked for; these whole, with what is stored of them."""
        return await asyncio.to_thread(self._missing, dataset)

    def _missing(self, dataset: Dataset) -> list[tuple[int, int]]:
        manifest, folder = self.manifest(dataset), self.series_folder(dataset)
        ranges: list[tuple[int, int]] = []
        for unit in units(span_of(dataset.kind, dataset.interval), dataset.ts_from, dataset.ts_to):
            ts_from, ts_to = max(unit.ts_from, dataset.ts_from), min(unit.ts_to, dataset.ts_to)
            stored = manifest.units.get(unit.name)
            if stored is not None and (folder / unit.name / ROWS).is_file():
                if stored.ts_from <= ts_from and ts_to <= stored.ts_to:
                    continue
                ts_from, ts_to = min(ts_from, stored.ts_from), max(ts_to, stored.ts_to)
            if ranges and ranges[-1][1] == ts_from:
                ranges[-1] = (ranges[-1][0], ts_to)
            else:
                ranges.append((ts_from, ts_to))
        return ranges

    async def write(self, part: Part, fetched: Fetched) -> str:
        """A file for each unit of the part, also for one without rows."""
        return await asyncio.to_thread(self._write, part, fetched)

    def _write(self, part: Part, fetched: Fetched) -> str:
        dataset, table = part.dataset, fetched.rows
        folder, stored = self.series_folder(dataset), []
        time = KINDS[dataset.kind].time_field
        with writing(self._folder):
            for unit in units(span_of(dataset.kind, dataset.interval), part.ts_from, part.ts_to):
                ts_from, ts_to = max(unit.ts_from, part.ts_from), min(unit.ts_to, part.ts_to)
                rows = _between(table, time, ts_from, ts_to)
                stored.append(self._file(folder, unit, rows, ts_from, ts_to, fetched.holes))
            for parent in (folder, *folder.relative_to(self._folder).parents):  # new folders are names in these
                write_through(self._folder / parent)
            if self._raw and fetched.pages:
                self._write_raw(part, fetched)
        return msgspec.json.encode(stored).decode()

    @staticmethod
    def _file(folder: Path, unit: Unit, rows: pa.Table, ts_from: int, ts_to: int, holes: Sequence[Hole]) -> StoredUnit:
        path = folder / unit.name / ROWS

        # Numbers hardly repeat within a file: dictionaries of them cost a quarter of the time, and more bytes.
        texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]

        def fill(target: Path) -> None:
            table = rows.combine_chunks()
            parquet.write_table(table, target, compression="zstd", use_dictionary=texts)  # type: ignore[arg-type]  # stubs

        place_file(path, fill)
        inside = [
            (max(hole.ts_from, ts_from), min(hole.ts_to, ts_to), hole.cause)
            for hole in holes
            if hole.ts_from < ts_to and hole.ts_to > ts_from
        ]
        digest, size = sha256_of(path), path.stat().st_size
        return StoredUnit(unit.name, ts_from, ts_to, rows.num_rows, size, digest, "", inside)

    def _write_raw(self, part: Part, fetched: Fetched) -> None:
        """Names and sums of the pages are in `index.json` of the archive."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            index: list[dict[str, object]] = []
            for number, page in enumerate(fetched.pages):
                archive.writestr(f"{number:05d}", page.data)
                index.append({"file": f"{number:05d}", "request": page.name, "sha256": page.sha256})
            archive.writestr("index.json", json.dumps(index, indent=1))
        of = part.dataset
        name = "-".join(filter(None, (of.kind, of.venue, of.symbol, of.interval)))
        place_file(
            self._folder / "_raw" / name / f"{part.ts_from}-{part.ts_to}.zip",
            lambda target: target.write_bytes(buffer.getvalue()),
        )

    async def holds(self, part: Part, receipt: str) -> bool:
        """Whether each file is there with as many bytes."""
        return await asyncio.to_thread(self._holds, part, receipt)

    def _holds(self, part: Part, receipt: str) -> bool:
        folder = self.series_folder(part.dataset)
        with writing(self._folder):
            for unit in msgspec.json.decode(receipt or "[]", type=list[StoredUnit]):
                path = folder / unit.name / ROWS
                if not path.is_file() or path.stat().st_size != unit.bytes:
                    return False
        return bool(receipt)

    async def finish(self, dataset: Dataset, source: str, receipts: Sequence[Receipt]) -> None:
        """Write the units of these parts into the manifest, in the place of what it says of them."""
        await asyncio.to_thread(self._finish, dataset, source, receipts)

    def _finish(self, dataset: Dataset, source: str, receipts: Sequence[Receipt]) -> None:
        manifest, folder = self.manifest(dataset), self.series_folder(dataset)
        for receipt in receipts:
            for unit in msgspec.json.decode(receipt.text, type=list[StoredUnit]):
                manifest.units[unit.name] = msgspec.structs.replace(unit, source=source)
        manifest.units = dict(sorted(manifest.units.items()))
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        with writing(self._folder):
            place_file(folder / MANIFEST, lambda target: target.write_bytes(data))
            for left in folder.glob(f"*/{UNFINISHED}*"):  # of a process that was killed
                left.unlink(missing_ok=True)

    async def holes(self, dataset: Dataset) -> Sequence[Hole]:
        """As the manifest has them."""
        manifest = await asyncio.to_thread(self.manifest, dataset)
        found = [Hole(*hole) for unit in manifest.units.values() for hole in unit.holes]
        return [hole for hole in found if hole.ts_from < dataset.ts_to and hole.ts_to > dataset.ts_from]

    def files(self, dataset: Dataset) -> list[Path]:
        """The files of a series that its manifest has and that a range touches, by their time."""
        found = self.manifest(dataset).units.values()
        inside = [unit for unit in found if unit.ts_from < dataset.ts_to and unit.ts_to > dataset.ts_from]
        return [self.series_folder(dataset) / unit.name / ROWS for unit in inside]


def _between(table: pa.Table, time: str, ts_from: int, ts_to: int) -> pa.Table:
    times = table.column(time).to_numpy()
    if bool((times[1:] >= times[:-1]).all()):  # as rows are, but for trades whose numbers and times disagree
        begin, end = np.searchsorted(times, (ts_from, ts_to)).tolist()
        return table.slice(begin, end - begin)
    return table.filter(pa.array((times >= ts_from) & (times < ts_to)))


__all__ = ["MANIFEST", "ROWS", "FolderSink", "Manifest", "StoredUnit"]
