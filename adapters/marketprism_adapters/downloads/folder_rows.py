"""What a folder has of a downloaded series, as a file of rows: what checks read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_application.contracts.kinds import KINDS, KLINE
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS, FileFacts, FileFault, FileSeries
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.errors import reason_of

_KINDS = {KLINE.name: "bar"}  # as files of rows call it


class FolderRows:
    """Fulfils `RowsFile`: the series of a dataset within its range. `dense`: the source has a bar for each step."""

    def __init__(self, sink: FolderSink, dataset: Dataset, *, dense: bool | None = None) -> None:
        self._paths = sink.files(dataset)
        self._dataset = dataset
        self._kind = _KINDS.get(dataset.kind, dataset.kind)
        series = FileSeries(self._kind, dataset.venue, dataset.symbol, dataset.interval)
        self._facts = FileFacts("download", (series,), (), dense, "open" if dataset.interval else "")

    @property
    def facts(self) -> FileFacts:
        """One series, its bars at the times at which they open."""
        return self._facts

    def batches(self, series: FileSeries) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 (there is one)
        """The rows, file by file. Raises SourceError: a file that cannot be read."""
        schema = ROWS[self._kind]
        row = 0
        for path in self._paths:
            table = self._read(path)
            columns = {name: table.column(name) for name in table.column_names}
            if KINDS[self._dataset.kind].numbered:
                columns["number"] = columns["seq"]
            numbers = pa.chunked_array([np.arange(row + 1, row + 1 + table.num_rows, dtype=np.int64)])
            columns |= {"row": numbers, "digits": pa.chunked_array([np.full(table.num_rows, 19, dtype=np.int64)])}
            row += table.num_rows
            arrays = [
                columns[field.name]
                if field.name in columns
                else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
                for field in schema
            ]
            yield from pa.Table.from_arrays(arrays, schema=schema).to_batches()

    @staticmethod
    def _read(path: Path) -> pa.Table:
        try:
            return parquet.ParquetFile(path).read()
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"file {path}: expected a whole Parquet file: {reason_of(error)}") from error

    def faults(self) -> Sequence[FileFault]:
        """None: what a damaged file is, reading it says."""
        return ()


__all__ = ["FolderRows"]
