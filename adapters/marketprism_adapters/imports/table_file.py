"""One file of rows, whatever packs it and whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
        self._keys: dict[FileSeries, tuple[str, ...]] = {}
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
        key = self._keys[series]
        try:
            yield from self._read(key, self._zone(series.venue))
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

    def _read(self, key: tuple[str, ...], zone: str, *, few: bool = False) -> Iterator[pa.RecordBatch]:
        layout = self._layout
        series_columns = [name for name in (layout.symbols, layout.venues, layout.intervals) if name]
        wanted = {*layout.fields.values(), *series_columns, layout.second_time, layout.maker_flag} - {""}
        row = 2 if layout.header else 1
        for batch in self._table.batches(layout, wanted, few=few):
            try:
                rows = canonical(batch, layout, row, zone)
            except BadCell as error:
                raise of_file(self._file.path, error, row) from error
            if key:
                rows = rows.filter(_equal(batch, series_columns, key))
            row += batch.num_rows
            if rows.num_rows:
                yield rows

    def _all_series(self) -> tuple[FileSeries, ...]:
        layout = self._layout
        columns = [name for name in (layout.symbols, layout.venues, layout.intervals) if name]
        found: dict[tuple[str, ...], None] = {}
        if columns:
            bare = replace(layout, second_time="")
            wanted = {*columns, layout.fields[TIME_OF[layout.kind]]}
            for batch in self._table.batches(bare, wanted):
                cells = [batch.column(name).cast(pa.string()).fill_null("") for name in columns]
                table = pa.Table.from_arrays(cells, names=columns).group_by(columns).aggregate([])
                found |= dict.fromkeys(zip(*(table.column(name).to_pylist() for name in columns), strict=True))
        out = []
        for key in found or {(): None}:
            series = self._series(dict(zip(columns, key, strict=True)))
            self._keys[series] = key
            if layout.kind in WITH_INTERVAL:
                own = self._keys.pop(series)
                series = series._replace(interval=self._interval(own, series))
                self._keys[series] = own
            out.append(series)
        return tuple(out)

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

    def _interval(self, key: tuple[str, ...], series: FileSeries) -> str:
        """The interval that a series is given, or the one that its rows are apart.

        Raises:
            SourceError: it is given one that its rows cannot be of.
        """
        if series.interval and not self._hints.interval:
            return series.interval
        for rows in self._read(key, self._zone(series.venue), few=True):
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


def _equal(batch: pa.RecordBatch, columns: list[str], key: tuple[str, ...]) -> ArrowArray:
    same = pa.array(np.ones(batch.num_rows, dtype=np.bool_))
    for name, value in zip(columns, key, strict=True):
        same = pc.and_(same, pc.equal(batch.column(name).cast(pa.string()).fill_null(""), pa.scalar(value)))
    return same


__all__ = ["Table", "TableFile"]
