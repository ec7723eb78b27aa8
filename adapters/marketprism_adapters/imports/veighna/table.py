"""The table of bars of a database as a file of rows: one series is asked for at a time, rows bear their `id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_adapters.imports.columns import BadCell, canonical
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_adapters.imports.veighna.databases import Database, Row, Select, opened
from marketprism_adapters.imports.veighna.settings import DatabasePlace
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_application.ports.imports import ROWS, TIME_OF

BARS, TICKS = "dbbardata", "dbtickdata"
# Tables that have bars, of VeighNa and its relatives.
_TABLES = (BARS, "bardata", "bar_data", "bars")
_ID = "id"
_SAMPLE_ROWS = 2_000
NONE_FROM = 1e20  # from here on a price is what a counter sends for none
_VNPY = "vnpy"
Doubles = npt.NDArray[np.float64]


class SqlTable(NamedTuple):
    """The table of bars of a database, and its first rows."""

    place: DatabasePlace
    database: Database
    table: str
    sample: Sample

    @classmethod
    def of(cls, place: DatabasePlace) -> SqlTable:
        """The table of a database.

        Raises:
            SourceError: it cannot be reached or read, or has no table of bars, or none with rows.
        """
        database = opened(place)
        tables = database.tables()
        table = table_in(tables, _TABLES)
        if table is None:
            found = ", ".join(tables) or "none"
            more = ": its ticks are `data recordings`" if table_in(tables, (TICKS,)) else ""
            raise SourceError(f"{place}: expected a table of bars ({', '.join(_TABLES)}), was {found}{more}")
        blocks = database.blocks(Select(table, tables[table], {}, limit=_SAMPLE_ROWS))
        rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for block in blocks for row in block)
        return cls(place, database, table, Sample(tables[table], rows, place.name or place.path.name))

    def batches(
        self, layout: Layout, wanted: set[str], *, few: bool = False, of: Mapping[str, str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block, in the order of their times; `of`: rows of a series alone."""
        names = [name for name in layout.columns if name in wanted or name == _ID]
        time = layout.fields[TIME_OF[layout.kind]]
        where = {name: value for name, value in (of or {}).items() if value}
        query = Select(self.table, names, where, time, _SAMPLE_ROWS if few else 0)
        for rows in self.database.blocks(query):
            yield batch_of(names, rows)

    def distinct(self, columns: list[str]) -> Iterable[tuple[str, ...]]:
        """The values that columns have together: the series."""
        for rows in self.database.blocks(Select(self.table, columns, {}, distinct=True)):
            yield from (tuple("" if cell is None else str(cell) for cell in row) for row in rows)

    def rows(self, batch: pa.RecordBatch, layout: Layout, row: int, zone: str) -> pa.RecordBatch:
        """A batch as rows of the layout's kind, each with its `id` as its number. What VeighNa writes for none is none.

        Raises:
            SourceError: names table, row and field.
        """
        try:
            made = canonical(_without_nothings(batch, layout), layout, row, zone)
        except BadCell as error:
            named = batch.column(_ID)[error.row].as_py() if _ID in batch.schema.names else row + error.row
            column = layout.fields.get(error.field, layout.fields[TIME_OF[layout.kind]])
            raise SourceError(
                f"{self.place}, table {self.table}, {_ID} {named}: {column}: expected a number or a time, "
                f"was {error.was!r}"
            ) from error
        if _ID in batch.schema.names:
            at = made.schema.get_field_index("row")
            made = made.set_column(at, "row", batch.column(_ID).cast(pa.int64()))
        return made


def table_in(tables: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of the wanted tables that is there, as it is written."""
    found = {name.lower(): name for name in tables}
    return next((found[name] for name in wanted if name in found), None)


def batch_of(names: list[str], rows: Iterable[Row]) -> pa.RecordBatch:
    """Rows as columns; SQLite lets each cell have its own type."""
    return pa.RecordBatch.from_arrays([_column(list(cells)) for cells in zip(*rows, strict=True)], names=names)


def _column(cells: list[object]) -> ArrowArray:
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _without_nothings(batch: pa.RecordBatch, layout: Layout) -> pa.RecordBatch:
    """A batch without what VeighNa writes for nothing: amounts beyond any, a turnover of 0 where lots were traded."""
    if layout.format != _VNPY:
        return batch
    numbers: dict[str, Doubles] = {}
    for name, column in layout.fields.items():
        if not pa.types.is_decimal(ROWS[layout.kind].field(name).type):
            continue
        try:
            cells = batch.column(column).cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue  # a cell is no number: it is named by what reads it
        values: Doubles = cells.fill_null(0.0).to_numpy(zero_copy_only=False)
        numbers[name] = values
        batch = _blanked(batch, column, ~(np.abs(values) < NONE_FROM))  # of a NaN too
    if {"turnover", "volume"} <= numbers.keys():
        batch = _blanked(batch, layout.fields["turnover"], (numbers["turnover"] == 0) & (numbers["volume"] > 0))
    return batch


def _blanked(batch: pa.RecordBatch, column: str, rows: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    if not rows.any():
        return batch
    cells = batch.column(column)
    kept: ArrowArray = pc.if_else(pa.array(rows), pa.scalar(None, cells.type), cells)
    return batch.set_column(batch.schema.get_field_index(column), column, kept)


__all__ = ["BARS", "NONE_FROM", "TICKS", "SqlTable", "batch_of", "table_in"]
