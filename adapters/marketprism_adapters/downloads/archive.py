"""A venue's public archive as a history: files of months, and of days where a month has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from marketprism_adapters.downloads.archive_files import ArchiveFiles, digest_of
from marketprism_adapters.downloads.archive_rows import rows_of
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.downloads.planning import Grid
from marketprism_application.downloads.units import Unit, span_of, units
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.ports.history import Bounds, Fetched, HistoryBudget, Hole, Part, RawPage
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.venues.history import ArchiveLayout
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND

_DAY = 1440 * NANOS_PER_MINUTE
_EARLIEST = int(datetime(2017, 7, 1, tzinfo=UTC).timestamp()) * NANOS_PER_SECOND
_WORTH_A_MONTH = 10  # days: of fewer, files of days have fewer bytes
SOURCE = "archive"


class _Piece(NamedTuple):
    """A file, and the time of it that is wanted."""

    unit: Unit
    path: str


class ArchiveHistory:
    """Fulfils `History`. The archive has whole days until yesterday."""

    source = SOURCE

    def __init__(
        self,
        market: str,
        layout: ArchiveLayout,
        files: ArchiveFiles,
        *,
        raw: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.market = market
        self._layout, self._files, self._raw, self._now_ns = layout, files, raw, now_ns
        self._firsts: dict[tuple[str, str, str], int] = {}
        self._looking = asyncio.Lock()

    def kinds(self) -> Mapping[str, Sequence[str]]:
        """Kinds that there are files of."""
        return self._layout.kinds

    def budget(self, kind: str) -> HistoryBudget:  # noqa: ARG002 (the port's form)
        """Files are not counted by anybody, but a server may say to wait."""
        files = self._files
        return HistoryBudget(0.0, files.waits_s, files.refused, files.requests, float(files.requests))

    async def bounds(self, symbol: str, kind: str, interval: str) -> Bounds:
        """From the first month that has a file, found by halving, until the end of yesterday."""
        self._check(kind, interval)
        key = (symbol, kind, interval)
        now = self._now_ns()
        last = now - now % _DAY
        async with self._looking:  # parts that are fetched at once ask once
            if key not in self._firsts:
                self._firsts[key] = await self._first(symbol, kind, interval, last)
        return Bounds(self._firsts[key], last)

    async def _first(self, symbol: str, kind: str, interval: str, last: int) -> int:
        months = list(units("month", _EARLIEST, last))

        async def has(number: int) -> bool:
            month = months[number]
            end = _day(min(month.ts_to, last) - 1)
            paths = [self._layout.path(kind, symbol, interval, each) for each in (_month(month.ts_from), end)]
            for path in paths:
                if path and await self._files.has(path):
                    return True
            return False

        there = len(months) - 1
        while there >= 0 and not await has(there):
            there -= 1
        if there < 0:
            raise UnknownSymbolError(f"symbol: expected one that {self._files.base} has files of, was {symbol!r}")
        lowest = 0
        while lowest < there:  # the months of an instrument follow one another
            middle = (lowest + there) // 2
            if await has(middle):
                there = middle
            else:
                lowest = middle + 1
        return months[there].ts_from

    async def plan(self, dataset: Dataset) -> Sequence[Part]:
        """A month a part, or a year where rows are stored by the year."""
        first, last = await self.bounds(dataset.symbol, dataset.kind, dataset.interval)
        ts_from, ts_to = max(dataset.ts_from, first), min(dataset.ts_to, last)
        if ts_to <= ts_from:
            return []
        inside = Dataset(dataset.kind, dataset.venue, dataset.symbol, dataset.interval, ts_from, ts_to)
        span = "year" if span_of(dataset.kind, dataset.interval) == "year" else "month"
        parts = []
        for number, unit in enumerate(units(span, ts_from, ts_to)):
            begin, end = max(unit.ts_from, ts_from), min(unit.ts_to, ts_to)
            files = len(self._pieces(inside, begin, end))
            parts.append(Part(inside, number, begin, end, files, float(files)))
        return parts

    def _pieces(self, dataset: Dataset, ts_from: int, ts_to: int) -> list[_Piece]:
        """Files of months where most of one is wanted and it is over, else of days."""
        made: list[_Piece] = []
        now = self._now_ns()
        for month in units("month", ts_from, ts_to):
            begin, end = max(month.ts_from, ts_from), min(month.ts_to, ts_to)
            path = self._layout.path(dataset.kind, dataset.symbol, dataset.interval, _month(month.ts_from))
            daily = self._layout.path(dataset.kind, dataset.symbol, dataset.interval, _day(begin))
            whole = (end - begin) // _DAY >= _WORTH_A_MONTH and month.ts_to <= now
            if path and (whole or not daily):
                made.append(_Piece(month, path))
            else:
                made += self._days(dataset, begin, end)
        return made

    def _days(self, dataset: Dataset, ts_from: int, ts_to: int) -> list[_Piece]:
        return [
            _Piece(day, self._layout.path(dataset.kind, dataset.symbol, dataset.interval, _day(day.ts_from)))
            for day in units("day", ts_from, ts_to)
        ]

    async def fetch(self, part: Part) -> Fetched:
        """The rows of its files. A month without a file is fetched by its days; a day without one is a hole."""
        dataset = part.dataset
        pieces = self._pieces(dataset, part.ts_from, part.ts_to)
        tables: list[pa.Table] = []
        pages: list[RawPage] = []
        holes: list[Hole] = []
        requests = 0
        while pieces:
            piece = pieces.pop(0)
            requests += 1
            local = await self._files.take(piece.path)
            if local is not None:
                try:
                    table, page = await asyncio.to_thread(self._read, dataset, piece, local)
                finally:
                    await asyncio.to_thread(local.unlink, missing_ok=True)
                tables.append(table)
                pages += page
                continue
            begin, end = max(piece.unit.ts_from, part.ts_from), min(piece.unit.ts_to, part.ts_to)
            days = self._days(dataset, begin, end) if piece.unit.name.startswith("month=") else []
            if days and days[0].path:
                pieces[:0] = days
            else:
                holes.append(Hole(begin, end))
        table = await asyncio.to_thread(_in_order, dataset, tables, part.ts_from, part.ts_to)
        if KINDS[dataset.kind].has_interval:
            # A download that goes on has its parts from the journal: nobody has asked for the bounds yet.
            first, _ = await self.bounds(dataset.symbol, dataset.kind, dataset.interval)
            holes = _holes_of(table, Grid.of(dataset.interval), part, listed_inside=part.ts_from <= first)
        return Fetched(table, pages, holes, requests)

    def _read(self, dataset: Dataset, piece: _Piece, local: Path) -> tuple[pa.Table, list[RawPage]]:
        size = self._layout.contract_size(dataset.symbol)
        table = rows_of(local, dataset, self.market, f"archive:{self.market}", size)
        data = local.read_bytes() if self._raw else b""
        return table, [RawPage(piece.path, data, digest_of(data))] if self._raw else []

    def _check(self, kind: str, interval: str) -> None:
        kinds = self._layout.kinds
        if kind not in kinds:
            known = ", ".join(kinds)
            raise QueryError(f"kind: expected one of {known}, was {kind!r}{did_you_mean(kind, kinds)}")
        if interval and interval not in kinds[kind]:
            near = did_you_mean(interval, kinds[kind])
            raise QueryError(f"interval: expected one of {', '.join(kinds[kind])}, was {interval!r}{near}")


def _in_order(dataset: Dataset, tables: Sequence[pa.Table], ts_from: int, ts_to: int) -> pa.Table:
    """Rows of a range by their key, each once."""
    kind = KINDS[dataset.kind]
    if not tables:
        return schema_of(dataset.kind).empty_table()
    table = pa.concat_tables(tables)
    times = table.column(kind.time_field).to_numpy()
    keys = table.column("seq").to_numpy() if kind.numbered else times
    wanted = (times >= ts_from) & (times < ts_to)
    if bool((keys[1:] > keys[:-1]).all()):  # as files are, but for those that are wrong
        return table if bool(wanted.all()) else table.filter(pa.array(wanted))
    inside: Ints = np.flatnonzero(wanted).astype(np.int64)
    found, first, counts = np.unique(keys[inside], return_index=True, return_counts=True)
    for key in found[counts > 1]:
        rows = table.filter(pa.array(keys == key))
        if rows.group_by(rows.column_names).aggregate([]).num_rows > 1:
            raise SourceError(f"archive {dataset.symbol} {dataset.kind} {key}: expected one row, files have several")
    return table.take(inside[first]).combine_chunks()


def _holes_of(table: pa.Table, grid: Grid, part: Part, *, listed_inside: bool) -> list[Hole]:
    """Times of the grid without a row; what is before the first row of an instrument is none."""
    begin, end = grid.from_on(part.ts_from), grid.from_on(part.ts_to)
    expected = np.arange(begin, end, grid.step, dtype=np.int64)
    there = table.column("ts_open").to_numpy()
    if listed_inside and len(there):
        expected = expected[expected >= there[0]]
    missing = np.setdiff1d(expected, there, assume_unique=True)
    if not len(missing):
        return []
    cuts = np.flatnonzero(np.diff(missing) != grid.step) + 1
    return [Hole(int(run[0]), int(run[-1]) + grid.step) for run in np.split(missing, cuts)]


def _month(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // NANOS_PER_SECOND, UTC):%Y-%m}"


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // NANOS_PER_SECOND, UTC):%Y-%m-%d}"


__all__ = ["SOURCE", "ArchiveHistory"]
