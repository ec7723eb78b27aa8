"""Tables that have types of their own: Feather and Arrow files, Parquet, SQLite databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, parquet

from marketprism_adapters.imports.containers import Packed, reading
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_sdk.errors import reason_of

_SAMPLE_ROWS = 2_000
_BATCH = 1 << 16
_SQL_BATCH = 1 << 14
# Tables of vnpy's databases that have bars.
_SQL_TABLES = ("dbbardata", "bardata", "bar_data", "bars")


class ArrowTable(NamedTuple):
    """A Feather, Arrow or Parquet file, and its first rows."""

    file: Packed
    sample: Sample

    @classmethod
    def of(cls, file: Packed) -> ArrowTable:
        """The table of a file.

        Raises:
            SourceError: damaged, or nothing in it.
        """
        for batch in _batches(file, None):
            if batch.num_rows:
                head = batch.slice(0, _SAMPLE_ROWS)
                cells = [_texts(head.column(at)) for at in range(head.num_columns)]
                return cls(file, Sample(tuple(head.schema.names), tuple(zip(*cells, strict=True)), file.member))
        raise SourceError(f"file {file.path}: expected rows, it has none")

    def batches(
        self,
        layout: Layout,
        wanted: set[str],
        *,
        few: bool = False,  # noqa: ARG002 (its blocks are small)
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block."""
        yield from _batches(self.file, [name for name in layout.columns if name in wanted])


def _batches(file: Packed, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    try:
        with reading(file.path):
            if file.container == "parquet":
                yield from parquet.ParquetFile(file.path).iter_batches(_BATCH, columns=columns)
            else:
                yield from feather.read_table(str(file.path), columns=columns, memory_map=False).to_batches(_BATCH)
    except pa.ArrowException as error:
        raise SourceError(f"file {file.path}: expected a whole Arrow or Parquet file: {reason_of(error)}") from error


def _texts(column: ArrowArray) -> list[str]:
    try:
        return [cell or "" for cell in pc.cast(column, pa.string()).to_pylist()]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return ["" if cell is None else str(cell) for cell in column.to_pylist()]


class SqlTable(NamedTuple):
    """The table of bars of a SQLite database, and its first rows."""

    file: Packed
    table: str
    sample: Sample

    @classmethod
    def of(cls, file: Packed) -> SqlTable:
        """The table of a database.

        Raises:
            SourceError: damaged, or no table of bars.
        """
        with closing(_connected(file)) as connection:
            names = _rows(file, connection, "SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [str(name) for (name,) in names]
            table = next((name for name in _SQL_TABLES for each in tables if each.lower() == name), None)
            if table is None:
                raise SourceError(
                    f"file {file.path}: expected a table of bars ({', '.join(_SQL_TABLES)}), was {', '.join(tables)}"
                )
            columns = tuple(str(row[1]) for row in _rows(file, connection, f"PRAGMA table_info({table})"))
            first = _rows(file, connection, f"SELECT * FROM {table} LIMIT {_SAMPLE_ROWS}")  # noqa: S608 (our own list)
            rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in first)
            return cls(file, table, Sample(columns, rows, file.member))

    def batches(
        self,
        layout: Layout,
        wanted: set[str],
        *,
        few: bool = False,  # noqa: ARG002 (its blocks are small)
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block, in the order of their times."""
        names = [name for name in layout.columns if name in wanted]
        chosen = ", ".join(f'"{name}"' for name in names)
        time = layout.fields.get("ts_open") or layout.fields["ts_event"]
        query = f'SELECT {chosen} FROM {self.table} ORDER BY "{time}"'  # noqa: S608 (columns that the table itself has)
        with reading(self.file.path), closing(_connected(self.file)) as connection:
            try:
                cursor = connection.execute(query)
                while rows := cursor.fetchmany(_SQL_BATCH):
                    columns = [_column(list(cells)) for cells in zip(*rows, strict=True)]
                    yield pa.RecordBatch.from_arrays(columns, names=names)
            except sqlite3.Error as error:
                raise SourceError(f"file {self.file.path}: expected a whole database: {reason_of(error)}") from error


def _column(cells: list[object]) -> ArrowArray:
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # SQLite lets each cell have its own type
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _connected(file: Packed) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"file:{file.path.resolve().as_posix()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise SourceError(f"file {file.path}: expected a database: {reason_of(error)}") from error


def _rows(file: Packed, connection: sqlite3.Connection, query: str) -> list[tuple[object, ...]]:
    try:
        return connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise SourceError(f"file {file.path}: expected a whole database: {reason_of(error)}") from error
