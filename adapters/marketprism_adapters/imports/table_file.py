"""One file of rows, whatever packs it and whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_adapters.imports.columns import BadCell, canonical, of_file
from marketprism_adapters.imports.containers import DamagedFile, Packed, reading
from marketprism_adapters.imports.intervals import contradicts, usual_interval
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_adapters.imports.market_names import (
    InstrumentNamed,
    instrument_in_name,
    instrument_of,
    instrument_written,
    market_called,
    trades_in_contracts,
)
from marketprism_adapters.imports.veighna.table import SqlTable
from marketprism_application.errors import SourceError
from marketprism_application.files.digest import sha256_of
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_application.ports.imports import (
    TIME_OF,
    WITH_INTERVAL,
    FileFacts,
    FileFault,
    FileHints,
    FileSeries,
    MappedColumn,
)
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.written_names import venue_named

SUM_SUFFIX = ".CHECKSUM"
_CHUNK, _SAMPLE_ROWS = 1 << 20, 2_000
Key = tuple[str, ...]  # what the columns that tell series apart have in a row
_OF_VNPY = {"d": "1d", "w": "1w", "tick": "", "1d": "1d", "1w": "1w"}


class Table(Protocol):
    """A table in a file: its first rows, and its columns block by block."""

    @property
    def sample(self) -> Sample: ...

    def batches(self, layout: Layout, wanted: set[str], *, few: bool = False) -> Iterator[pa.RecordBatch]:
        """Block by block; `few`: only the first rows are looked at, so that small blocks are enough."""
        ...


class TableFile:
    """A `RowsFile` of one table."""

    def __init__(self, file: Packed, table: Table, layout: Layout, hints: FileHints) -> None:
        self._file, self._table, self._layout, self._hints = file, table, layout, hints
        self._damage: list[FileFault] = []
        self._remarks = list(layout.remarks)
        self._keys: dict[FileSeries, list[Key]] = {}  # as they are written: `SHFE` and `shfe` are one
        series = self._all_series()
        self._facts = FileFacts(
            layout.format,
            series,
            tuple(MappedColumn(column, self._field_of(column)) for column in layout.columns),
            layout.dense,
            layout.stamped,
            layout.guessed,
            layout.own_bars,
            tuple(self._remarks),
        )

    @property
    def facts(self) -> FileFacts:
        """What the file says of itself."""
        return self._facts

    def batches(self, series: FileSeries) -> Iterator[pa.RecordBatch]:
        """The rows of a series, in the columns of its kind.

        Raises:
            SourceError: a cell that is not what its column holds, or a damaged file that is no archive with a sum.
        """
        try:
            yield from self._read(self._keys[series], self._zone(series.venue))
        except DamagedFile as error:
            if self._file.container != "zip":
                raise
            self._damage.append(FileFault("checksum", f"the archive is damaged: {error}"))

    def faults(self) -> Sequence[FileFault]:
        """What is wrong with the file as a whole: its published sum is not there or another one, it is damaged."""
        return (*self._sum_faults(), *self._damage)

    def _sum_faults(self) -> Iterator[FileFault]:
        path = self._file.path
        if not self._layout.checksum or self._file.container != "zip":
            return
        beside = path.with_name(path.name + SUM_SUFFIX)
        if not beside.is_file():
            yield FileFault("checksum", f"no {beside.name} beside it")
            return
        with reading(beside):
            words = beside.read_text(encoding="utf-8", errors="replace").split()
        published = words[0].lower() if words else ""
        with reading(path):
            found = sha256_of(path)
        if published != found:
            yield FileFault("checksum", f"SHA-256 is {found}, {beside.name} has {published or 'none'}")

    def _series_columns(self) -> list[str]:
        return [name for name in (self._layout.symbols, self._layout.venues, self._layout.intervals) if name]

    def _read(self, keys: Sequence[Key], zone: str, *, few: bool = False) -> Iterator[pa.RecordBatch]:
        layout = self._layout
        series_columns = self._series_columns()
        wanted = {*layout.fields.values(), *series_columns, layout.second_time, layout.maker_flag} - {""}
        row = 2 if layout.header else 1
        together = zip(series_columns, zip(*keys, strict=True), strict=True)
        of = {name: values[0] for name, values in together if len(set(values)) == 1}
        for batch in self._batches(wanted, few=few, of=of):
            rows = self._rows(batch, row, zone)
            if series_columns:
                rows = rows.filter(_one_of(batch, series_columns, keys))
            row += batch.num_rows
            if rows.num_rows:
                yield rows

    def _batches(self, wanted: set[str], *, few: bool, of: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Columns of the table, where it can tell of the rows of one series alone."""
        del of
        yield from self._table.batches(self._layout, wanted, few=few)

    def _rows(self, batch: pa.RecordBatch, row: int, zone: str) -> pa.RecordBatch:
        """A batch as rows of the kind; `row` is the number of its first one."""
        try:
            return canonical(batch, self._layout, row, zone)
        except BadCell as error:
            raise of_file(self._file.path, error, row) from error

    def _distinct(self, columns: list[str]) -> Iterable[tuple[str, ...]]:
        """The values that columns have together, in the order in which they come."""
        layout = self._layout
        wanted = {*columns, layout.fields[TIME_OF[layout.kind]]}
        for batch in self._table.batches(replace(layout, second_time=""), wanted):
            cells = [batch.column(name).cast(pa.string()).fill_null("") for name in columns]
            table = pa.Table.from_arrays(cells, names=columns).group_by(columns).aggregate([])
            yield from zip(*(table.column(name).to_pylist() for name in columns), strict=True)

    def _all_series(self) -> tuple[FileSeries, ...]:
        columns = self._series_columns()
        keys: Iterable[Key] = dict.fromkeys(self._distinct(columns)) if columns else [()]
        found: dict[FileSeries, list[Key]] = {}
        for key in keys:
            found.setdefault(self._series(dict(zip(columns, key, strict=True))), []).append(key)
        if not found:
            raise SourceError(f"file {self._file.path}: expected rows, it has none")
        for series, written in found.items():
            if self._layout.kind in WITH_INTERVAL:
                series = series._replace(interval=self._interval(written, series))  # noqa: PLW2901 (the whole one)
            self._keys.setdefault(series, []).extend(written)
        return tuple(self._keys)

    def _series(self, cells: dict[str, str]) -> FileSeries:
        layout, hints = self._layout, self._hints
        native = cells.get(layout.symbols, "").strip() or layout.native
        market = market_called(cells[layout.venues], by_tardis=layout.format == "tardis") if layout.venues else ""
        market = market or layout.venue
        given = market_called(venue_named(hints.venue)) if hints.venue else ""
        if layout.own_names:
            named = InstrumentNamed(given or market, native)
        elif native and (given or market):
            named = self._of_market(given or market, native)
        elif native:
            named = instrument_written(native)
        else:
            named = InstrumentNamed(given or market, layout.symbol)
        if not native and not hints.symbol:
            named = self._of_file_name(named)
        if hints.symbol and not (layout.symbols and len(cells)):
            written = instrument_written(hints.symbol)
            named = InstrumentNamed(given or written.venue or named.venue, written.symbol)
        venue = (given or named.venue or market).partition("-")[0]
        interval = hints.interval or layout.interval
        if layout.intervals:
            text = cells[layout.intervals].strip()
            interval = _OF_VNPY.get(text, text) or interval
        market = given or market or named.venue
        in_contracts = trades_in_contracts(market, named.symbol, by_tardis=layout.format == "tardis")
        return FileSeries(layout.kind, venue, named.symbol, interval, native, in_contracts)

    @staticmethod
    def _of_market(market: str, native: str) -> InstrumentNamed:
        if is_chinese(market):
            return InstrumentNamed(market, native.rpartition(".")[2] if "." in native else native)
        return instrument_of(market, native)

    def _of_file_name(self, named: InstrumentNamed) -> InstrumentNamed:
        if named.symbol:
            return named
        found = instrument_in_name(self._file.path.name)
        if not found.symbol:
            found = instrument_in_name(self._file.member)
        if found.symbol:
            self._remarks.append(f"{found.symbol} by the name of the file: --symbol says otherwise")
        return InstrumentNamed(named.venue or found.venue, found.symbol)

    def _interval(self, keys: Sequence[Key], series: FileSeries) -> str:
        """The interval that a series is given, or the one that its rows are apart.

        Raises:
            SourceError: it is given one that its rows cannot be of.
        """
        if series.interval and not self._hints.interval:
            return series.interval
        for rows in self._read(keys, self._zone(series.venue), few=True):
            sample = rows.column(TIME_OF[self._layout.kind]).slice(0, _SAMPLE_ROWS).to_numpy()
            times = np.unique(sample).tolist()  # rows may run backwards, or in no order
            if len(times) > 1:
                found = usual_interval(times) or ""
                if series.interval and found and contradicts(series.interval, times):
                    raise SourceError(f"interval: expected {found}, which the rows are apart, was {series.interval}")
                return series.interval or found
        return series.interval

    def _zone(self, venue: str) -> str:
        return self._hints.zone or self._layout.zone or ("Asia/Shanghai" if is_chinese(venue) else "UTC")

    def _field_of(self, column: str) -> str:
        layout = self._layout
        if column == layout.maker_flag:
            return "side"
        if column == layout.second_time:
            return TIME_OF[layout.kind]
        named = {layout.symbols: "symbol", layout.venues: "venue", layout.intervals: "interval"}
        return named.get(column) or next((field for field, name in layout.fields.items() if name == column), "")


class DatabaseFile(TableFile):
    """A `RowsFile` of a table of a database, which finds the rows of a series by itself."""

    def __init__(self, table: SqlTable, layout: Layout, hints: FileHints) -> None:
        self._sql = table
        path = table.place.path if table.place.engine == "sqlite" else Path(table.place.name)
        super().__init__(Packed(path, table.place.engine, path.name), table, layout, hints)

    def _batches(self, wanted: set[str], *, few: bool, of: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        yield from self._sql.batches(self._layout, wanted, few=few, of=of)

    def _rows(self, batch: pa.RecordBatch, row: int, zone: str) -> pa.RecordBatch:
        return self._sql.rows(batch, self._layout, row, zone)

    def _distinct(self, columns: list[str]) -> Iterable[tuple[str, ...]]:
        return self._sql.distinct(columns)


def _one_of(batch: pa.RecordBatch, columns: list[str], keys: Sequence[Key]) -> ArrowArray:
    """Which rows have one of the keys in the columns."""
    found = pa.array(np.zeros(batch.num_rows, dtype=np.bool_))
    cells = [batch.column(name).cast(pa.string()).fill_null("") for name in columns]
    for key in keys:
        same = pa.array(np.ones(batch.num_rows, dtype=np.bool_))
        for column, value in zip(cells, key, strict=True):
            same = pc.and_(same, pc.equal(column, pa.scalar(value)))
        found = pc.or_(found, same)
    return found


__all__ = ["DatabaseFile", "Table", "TableFile"]
