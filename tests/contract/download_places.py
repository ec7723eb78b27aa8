"""The adapters that fulfil the ports of downloads, for the suites that run over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_application.ports.downloads import RowSink
from marketprism_domain.integrity.dataset import Dataset
from tests.integration.history.history_side import Side, side_of
from tests.support.downloads import digests, stored
from tests.support.store_downloads import StoreDoor, door_of, rows_of

SINKS = ["folder", "store"]
JOURNALS = ["folder", "nats"]


class SinkPlace(Protocol):
    """A sink, and what a test does behind its back."""

    sink: RowSink

    async def rows(self, dataset: Dataset) -> pa.Table:
        """What readers see of a dataset."""
        ...

    async def fingerprint(self, dataset: Dataset) -> object:
        """Something that is equal if and only if the same is stored."""
        ...

    async def again(self) -> RowSink:
        """The sink of a process that begins later."""
        ...

    async def lose_day(self, day: str) -> None:
        """Take the rows of a day (2024-01-02) out."""
        ...


class FolderPlace:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sink: RowSink = FolderSink(folder)

    async def rows(self, dataset: Dataset) -> pa.Table:
        """Of its files."""
        return await asyncio.to_thread(stored, self._folder, dataset)

    async def fingerprint(self, dataset: Dataset) -> object:
        """The sum of every file."""
        return await asyncio.to_thread(digests, self._folder)

    async def again(self) -> RowSink:
        """Over the same files."""
        return FolderSink(self._folder)

    async def lose_day(self, day: str) -> None:
        """Its file."""
        await asyncio.to_thread(lambda: next(self._folder.rglob(f"day={day}/rows.parquet")).unlink())


class StorePlace:
    """The store of a pipeline, which is asked as readers do."""

    def __init__(self, side: Side, door: StoreDoor) -> None:
        self._side, self._door = side, door
        self.sink: RowSink = door.sink

    async def rows(self, dataset: Dataset) -> pa.Table:
        """As the storage answers them."""
        return await rows_of(self._door.reader, dataset)

    async def fingerprint(self, dataset: Dataset) -> object:
        """The rows, and how many lie there before any merge."""
        counts = [await self._side.count(table) for table in ("klines", "kline_revisions")]
        gaps = await self._side.rows("SELECT * EXCEPT (ts_pub, stream_seq) FROM market.gaps FINAL")
        return (await self.rows(dataset)).to_pylist(), counts, gaps

    async def again(self) -> RowSink:
        """Over the same store."""
        return (await door_of(self._door.connection)).sink

    async def lose_day(self, day: str) -> None:
        """Its rows, at once."""
        await self._side.storage.execute(
            f"ALTER TABLE market.klines DELETE WHERE toDate(ts_open) = '{day}' SETTINGS mutations_sync = 2"
        )


@asynccontextmanager
async def sink_place(name: str, folder: Path) -> AsyncIterator[SinkPlace]:
    """An empty place of each sort; of the store, differing bars become revisions."""
    if name == "folder":
        yield FolderPlace(folder)
        return
    async with side_of(folder) as side:
        yield StorePlace(side, await door_of(side.market.connection, replaces=True))
