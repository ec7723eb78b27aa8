"""Downloads into the store: rows go the way of imports, and what is stored says what is missing.

Of bars of a venue every time of their grid is expected: what has no stored row, and is no known hole of the venue, is
missing. Rows of the other kinds come at no fixed times: of these a time is stored when a download of it was finished,
as long as the first and the last row that it had then are there. What came live is asked for once, and found there.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pyarrow as pa

from marketprism_application.contracts.kinds import GAP, KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.downloads.planning import Grid
from marketprism_application.downloads.units import span_of, units
from marketprism_application.errors import ImportTaken, QueryError
from marketprism_application.history.comparing import Conflict, beside, compared, stored_count, stored_rows
from marketprism_application.history.downloaded_ranges import without
from marketprism_application.history.file_rows import BLOCK_ROWS, FileRows
from marketprism_application.history.importing import send_rows
from marketprism_application.history.kinds import HISTORY_KINDS, HistoryKind
from marketprism_application.integrity.exact_numbers import ArrowColumn, Flags, Ints
from marketprism_application.ports.downloads import DownloadedRange, DownloadedRanges, Receipt
from marketprism_application.ports.gap_ledger import GapLedger
from marketprism_application.ports.history import VENUE_MISSING, Fetched, Hole, Part
from marketprism_application.ports.history_log import HistoryLog, SeriesKey
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.paging import all_pages
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.marketdata.gap import interval_missing_in, kind_missing_in

_SAMPLE = 10
_TAKEN = 20  # in a row: somebody else writes the series all the time
_AT_ONCE = 16
_BELIEVED_S = 60.0


class StoredPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the rows of a part: `new` ones, those that stand `instead` of others, those that were there, and
    those that differ from what is there, which stays. `ranges`: (from, to, rows, first, last) by units of storage."""

    rows: int
    new: int = 0
    instead: int = 0
    same: int = 0
    conflicts: int = 0
    ranges: Sequence[tuple[int, int, int, int, int]] = ()


@dataclass
class SinkTotals:
    """The same of every part that this sink has stored, with the first rows that differ."""

    new: int = 0
    instead: int = 0
    same: int = 0
    conflicts: int = 0
    sample: list[Conflict] = field(default_factory=list)


class StoreSink:
    """Fulfils `RowSink` for the kinds of which history can be stored; one series at a time is written.

    `replaces`: a bar of the venue that differs from the stored one becomes its next revision, for who downloads all
    once more; without, what is stored stays. Of the other kinds it always stays. `downloaded` tells of which times rows
    were had; without it, rows that come at no fixed times are always missing.

    Raises (everywhere):
        QueryError: a kind that the store takes no history of. ImportTaken: others write the series all the time.
        StorageSilent: the storage takes nothing. What the reader and the ledger raise.
    """

    def __init__(
        self,
        reader: StoreReader,
        log: HistoryLog,
        ledger: GapLedger,
        downloaded: DownloadedRanges | None = None,
        *,
        replaces: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._reader, self._log, self._ledger, self._downloaded = reader, log, ledger, downloaded
        self._replaces, self._now_ns = replaces, now_ns
        self._writing = asyncio.Lock()
        self._joined: SeriesKey | None = None
        self._held: dict[str, float] = {}  # receipts whose rows were there, and when that was seen
        self.totals = SinkTotals()

    # -- what is there ----------------------------------------------------------------------------------------------

    async def missing(self, dataset: Dataset) -> Sequence[tuple[int, int]]:
        """The times that have to be asked for. A hole of the venue, once entered, is none of them."""
        _kind_of(dataset)
        asked = [(dataset.ts_from, dataset.ts_to)]
        known = [(hole.ts_from, hole.ts_to) for hole in await self.holes(dataset)]
        if not KINDS[dataset.kind].has_interval:
            return without(asked, [*known, *await self._known_by_ends(dataset)])
        absent, counts = await self._absent(dataset)
        return without(absent, [*known, *counts])

    async def _absent(self, dataset: Dataset) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Times of the grid without a row, and the downloaded ranges whose rows are all there."""
        grid = Grid.of(dataset.interval)
        downloaded = await self._ranges(dataset)
        begins = np.array([each.ts_from for each in downloaded], dtype=np.int64)
        ends = np.array([each.ts_to for each in downloaded], dtype=np.int64)
        rows = np.zeros(len(downloaded), dtype=np.int64)
        absent: list[tuple[int, int]] = []
        expected = grid.from_on(dataset.ts_from)
        last = grid.from_on(dataset.ts_to)
        # Also of the rest of a range that is downloaded, whose rows were counted together.
        ts_from = int(min([dataset.ts_from, *begins]))
        ts_to = int(max([dataset.ts_to, *ends]))
        async for page in self._pages(dataset, ts_from, ts_to):
            ended = page.filter(page.column("closed")) if "closed" in page.column_names else page
            times = ended.column("ts_open").to_numpy()
            if len(downloaded):
                rows += np.searchsorted(times, ends) - np.searchsorted(times, begins)
            for begin, end in _holes_of(times[(times >= expected) & (times < last)], expected, grid.step):
                _add(absent, begin, end)
            inside = times[times < last]
            if len(inside) and inside[-1] >= expected:
                expected = int(inside[-1]) + grid.step
        if expected < last:
            _add(absent, expected, last)
        whole = [(each.ts_from, each.ts_to) for each, count in zip(downloaded, rows, strict=True) if count >= each.rows]
        return absent, whole

    def _pages(self, dataset: Dataset, ts_from: int, ts_to: int) -> AsyncIterator[pa.Table]:
        """The times of the rows, page by page."""
        kind = KINDS[dataset.kind]
        fields = tuple(dict.fromkeys((*kind.page_key, *(name for name in ("closed",) if name in kind.fields))))
        question = Records(
            kind.name,
            dataset.symbol,
            dataset.venue,
            ts_from,
            ts_to,
            dataset.interval or None,
            MAX_LIMIT,
            fields=fields,
        )
        return all_pages(self._reader.answer, question)

    async def _ranges(self, dataset: Dataset) -> list[DownloadedRange]:
        """The downloaded ranges that a dataset touches."""
        if self._downloaded is None:
            return []
        found = await self._downloaded.ranges(dataset)
        return [each for each in found if each.ts_from < dataset.ts_to and each.ts_to > dataset.ts_from]

    async def _known_by_ends(self, dataset: Dataset) -> list[tuple[int, int]]:
        """The downloaded ranges whose first and last row are there: the store loses rows by the day or the month."""
        around = beside(_series(dataset))
        found: list[tuple[int, int]] = []
        for each in await self._ranges(dataset):
            ends = {each.first, each.last} if each.rows else set()
            if all([await self._has_one(dataset, at - around, at + around + 1) for at in ends]):
                found.append((each.ts_from, each.ts_to))
        return found

    async def _has_one(self, dataset: Dataset, ts_from: int, ts_to: int) -> bool:
        kind = KINDS[dataset.kind]
        question = Records(kind.name, dataset.symbol, dataset.venue, ts_from, ts_to, None, 1, fields=kind.page_key)
        return (await self._reader.answer(question)).num_rows > 0

    async def holes(self, dataset: Dataset) -> Sequence[Hole]:
        """Holes of the venue, as the ledger has them for rows of this kind and interval."""
        kind, found = kind_missing_in(dataset.kind), list[Hole]()
        question = Records(GAP.name, dataset.symbol, dataset.venue, None, dataset.ts_to, limit=MAX_LIMIT)
        async for page in all_pages(self._reader.answer, question):
            found.extend(
                Hole(row["ts_from"], row["ts_to"], row["cause"])
                for row in page.select(["ts_from", "ts_to", "cause", "kind", "source"]).to_pylist()
                if row["cause"] == VENUE_MISSING
                and row["kind"] == kind
                and interval_missing_in(row["source"]) == dataset.interval
                and row["ts_to"] > dataset.ts_from
            )
        return found

    async def holds(self, part: Part, receipt: str) -> bool:
        """Whether the store has as many rows of the part's time as it had."""
        if not receipt:
            return False
        seen = f"{part.ts_from}/{part.ts_to}/{receipt}"
        if time.monotonic() - self._held.get(seen, -_BELIEVED_S) < _BELIEVED_S:
            return True  # a download that goes on asks more than once
        wanted = msgspec.json.decode(receipt, type=StoredPart).rows
        if wanted:
            series = _series(part.dataset)
            around = beside(series)
            if await stored_count(self._reader, series, part.ts_from - around, part.ts_to + around) < wanted:
                return False
        self._held[seen] = time.monotonic()
        return True

    # -- writing ----------------------------------------------------------------------------------------------------

    async def write(self, part: Part, fetched: Fetched) -> str:
        """Store what the store does not have of a part: rows that are there are not stored again, and what is there
        without the venue having it stays."""
        what = _kind_of(part.dataset)
        rows = self._settled(what, fetched.rows)
        async with self._writing:
            done = await self._stored(what, part, rows)
        await self._log.settled()
        for start in range(0, len(fetched.holes), _AT_ONCE):
            some = fetched.holes[start : start + _AT_ONCE]
            await asyncio.gather(*(self._enter(part, hole) for hole in some))
        return msgspec.json.encode(msgspec.structs.replace(done, ranges=_by_units(what, part, rows))).decode()

    def _settled(self, what: HistoryKind, rows: pa.Table) -> pa.Table:
        """The rows as they are stored: received when they happened, published now; without a bar that still runs."""
        now = self._now_ns()
        if "closed" in what.kind.fields:
            ended = rows.column("ts_close").to_numpy() <= now
            flags: Flags = rows.column("closed").to_numpy().astype(np.bool_) & ended
            if not flags.all():
                rows = rows.filter(pa.array(flags))
        columns: dict[str, ArrowColumn] = {name: rows.column(name) for name in rows.column_names}
        columns["ts_recv"] = columns["ts_event"]
        columns["ts_pub"] = pa.array(np.full(rows.num_rows, now, dtype=np.int64))
        return pa.table([columns[name] for name in rows.column_names], schema=rows.schema.remove_metadata())

    async def _stored(self, what: HistoryKind, part: Part, rows: pa.Table) -> StoredPart:
        """Compare with what is stored, and send what is new; once more where somebody else wrote meanwhile."""
        series, taken = _series(part.dataset), 0
        while True:
            try:
                if self._joined != series:
                    await self._log.join(series)
                    self._joined = series
                return await self._compared(what, series, rows)
            except ImportTaken:
                self._joined = None
                taken += 1
                if taken >= _TAKEN:
                    raise
                await asyncio.sleep(random.uniform(0.02, 0.2))

    async def _compared(self, what: HistoryKind, series: SeriesKey, rows: pa.Table) -> StoredPart:
        given = frozenset(name for name in rows.column_names if rows.column(name).null_count < max(1, rows.num_rows))
        totals, around = SinkTotals(), beside(series)
        for start in range(0, rows.num_rows, BLOCK_ROWS):
            block = rows.slice(start, BLOCK_ROWS)
            times = block.column(what.kind.time_field).to_numpy()
            stored = await stored_rows(self._reader, series, int(times.min()) - around, int(times.max()) + 1 + around)
            chunk = FileRows(block, np.arange(start + 1, start + 1 + block.num_rows), given)
            replaces = self._replaces and what.has_revisions
            found = await asyncio.to_thread(compared, chunk, stored, series, replace=replaces)
            await send_rows(self._log, found.fresh, replaces=False)
            await send_rows(self._log, found.instead, replaces=True)
            totals.new += found.fresh.num_rows
            totals.instead += found.instead.num_rows
            totals.same += found.same
            totals.conflicts += found.conflicts
            totals.sample += found.sample if not replaces else ()
        self._count(totals)
        return StoredPart(rows.num_rows, totals.new, totals.instead, totals.same, totals.conflicts)

    def _count(self, part: SinkTotals) -> None:
        mine = self.totals
        mine.new += part.new
        mine.instead += part.instead
        mine.same += part.same
        mine.conflicts += part.conflicts
        mine.sample += part.sample[: _SAMPLE - len(mine.sample)]

    async def _enter(self, part: Part, hole: Hole) -> None:
        await self._ledger.enter(replace(part.dataset, ts_from=hole.ts_from, ts_to=hole.ts_to), hole.cause)

    async def finish(self, dataset: Dataset, source: str, receipts: Sequence[Receipt]) -> None:  # noqa: ARG002 (rows say it)
        """Note which times were downloaded."""
        if self._downloaded is None:
            return
        found = [
            DownloadedRange(*each)
            for receipt in receipts
            for each in msgspec.json.decode(receipt.text, type=StoredPart).ranges
        ]
        await self._downloaded.add(dataset, found)


def _kind_of(dataset: Dataset) -> HistoryKind:
    what = HISTORY_KINDS.get(dataset.kind)
    if what is None:
        raise QueryError(f"kind: expected one of {', '.join(HISTORY_KINDS)} to be stored, was {dataset.kind}")
    return what


def _series(dataset: Dataset) -> SeriesKey:
    return SeriesKey(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)


def _by_units(what: HistoryKind, part: Part, rows: pa.Table) -> list[tuple[int, int, int, int, int]]:
    """The time of a part by units of storage, with how many rows each has, and its first and last."""
    times = np.sort(rows.column(what.kind.time_field).to_numpy())
    found: list[tuple[int, int, int, int, int]] = []
    for unit in units(span_of(what.kind.name, part.dataset.interval), part.ts_from, part.ts_to):
        ts_from, ts_to = max(unit.ts_from, part.ts_from), min(unit.ts_to, part.ts_to)
        begin, end = (int(np.searchsorted(times, ts)) for ts in (ts_from, ts_to))
        ends = (int(times[begin]), int(times[end - 1])) if end > begin else (0, 0)
        found.append((ts_from, ts_to, end - begin, *ends))
    return found


def _holes_of(times: Ints, expected: int, step: int) -> list[tuple[int, int]]:
    """Where a step of the grid has no row, of rows in order, the first of which is expected at a time."""
    if not len(times):
        return []
    before = np.r_[expected - step, times[:-1]]
    at = np.flatnonzero(times - before > step)
    return [(int(before[n]) + step, int(times[n])) for n in at]


def _add(ranges: list[tuple[int, int]], begin: int, end: int) -> None:
    if ranges and ranges[-1][1] == begin:
        ranges[-1] = (ranges[-1][0], end)
    else:
        ranges.append((begin, end))


__all__ = ["SinkTotals", "StoreSink", "StoredPart"]
