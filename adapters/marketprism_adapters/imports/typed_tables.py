"""Tables that have types of their own: Feather and Arrow files, Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather, parquet

from marketprism_adapters.imports.containers import Packed, reading
from marketprism_adapters.imports.layout import Layout, Sample, check_names
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_sdk.errors import reason_of

_SAMPLE_ROWS = 2_000
_BATCH = 1 << 16


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
                check_names(f"file {file.path}", batch.schema.names)
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
        pass
    try:
        return ["" if cell is None else str(cell) for cell in column.to_pylist()]
    except (ValueError, OverflowError):  # times that Python has none for
        return ["" if cell is None else str(cell) for cell in column.cast(pa.int64()).to_pylist()]
