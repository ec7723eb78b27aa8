"""An import: the rows of a file beside what is stored, and those that are new on their way into the store.

What the store holds is where an import goes on: whoever was ended is run again, finds its own rows, and sends the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from marketprism_application.contracts.history import encode_block
from marketprism_application.errors import QueryError
from marketprism_application.history.comparing import (
    Compared,
    Conflict,
    beside,
    compared,
    stored_count,
    stored_rows,
)
from marketprism_application.history.file_rows import FileRows
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.ports.history_log import HistoryLog, SeriesKey
from marketprism_application.ports.reading import StoreReader

_SAMPLE = 10


@dataclass
class ImportResult:
    """What became of the rows of a file.

    `stored` are new, `replaced` stand instead of others, `same` were there, `conflicts` differ from what is there,
    `left_out` differ among themselves, `repeated` are there again in the file. `present` is how many rows the store has
    in the file's range afterwards, None where it was not asked.
    """

    rows: int = 0
    stored: int = 0
    replaced: int = 0
    same: int = 0
    conflicts: int = 0
    left_out: int = 0
    repeated: int = 0
    ts_first: int = 0
    ts_last: int = 0
    present: int | None = None
    sample: list[Conflict] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Rows that should be in the store and are not."""
        wanted = self.stored + self.replaced + self.same
        return 0 if self.present is None else max(0, wanted - self.present)


class Importer:
    """Imports one series at a time; `log` None looks and sends nothing."""

    def __init__(
        self, reader: StoreReader, log: HistoryLog | None, on_progress: Callable[[ImportResult], None] = lambda _: None
    ) -> None:
        self._reader, self._log, self._on_progress = reader, log, on_progress

    async def run(self, series: SeriesKey, parts: Iterator[FileRows], *, replace: bool = False) -> ImportResult:
        """What became of the rows of the parts.

        Raises:
            QueryError: revisions are wanted of a kind that has none. What the parts, the log and the reader raise.
        """
        what = HISTORY_KINDS[series.kind]
        if replace and not what.has_revisions:
            raise QueryError(f"replace: expected bars or klines, which have revisions, was {series.kind}")
        result = ImportResult()
        if self._log is not None:
            await self._log.join(series)
        time = what.kind.time_field
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            result.left_out += part.left_out
            result.repeated += part.repeated
            result.rows += part.table.num_rows + part.left_out + part.repeated
            if part.table.num_rows:
                await self._part(series, part, time, result, replace=replace)
            self._on_progress(result)
        if self._log is not None:
            await self._log.settled()
            if result.ts_last:
                result.present = await stored_count(
                    self._reader, series, result.ts_first - beside(series), result.ts_last + 1 + beside(series)
                )
        return result

    async def _part(self, series: SeriesKey, part: FileRows, time: str, result: ImportResult, *, replace: bool) -> None:
        ts = part.table.column(time).to_numpy()
        first, last = int(ts.min()), int(ts.max())
        around = beside(series)
        stored = await stored_rows(self._reader, series, first - around, last + 1 + around)
        found: Compared = await asyncio.to_thread(compared, part, stored, series, replace=replace)
        if self._log is not None:
            await send_rows(self._log, found.fresh, replaces=False)
            await send_rows(self._log, found.instead, replaces=True)
        result.stored += found.fresh.num_rows
        result.replaced += found.instead.num_rows
        result.same += found.same
        result.conflicts += found.conflicts
        room = _SAMPLE - len(result.sample)
        result.sample.extend(found.sample[:room])
        result.ts_first = first if not result.ts_first else min(result.ts_first, first)
        result.ts_last = max(result.ts_last, last)


async def send_rows(log: HistoryLog, rows: pa.Table, *, replaces: bool) -> None:
    """Rows of the series that was joined, in blocks that are not too large: halves of halves where one is."""
    if not rows.num_rows:
        return
    data = await asyncio.to_thread(encode_block, rows, replaces=replaces)
    if len(data) <= log.block_bytes or rows.num_rows == 1:
        await log.publish(data)
        return
    middle = rows.num_rows // 2
    await send_rows(log, rows.slice(0, middle), replaces=replaces)
    await send_rows(log, rows.slice(middle), replaces=replaces)


__all__ = ["ImportResult", "Importer", "send_rows"]
