"""Rows that are in memory already, as a file of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from marketprism_application.ports.imports import ROWS, FileFacts, FileFault, FileSeries


class MemoryRowsFile:
    """A `RowsFile` of tables, each in the columns of its series' kind, or some of them; `row` counts them from 1."""

    def __init__(
        self, facts: FileFacts, tables: Mapping[FileSeries, pa.Table], faults: Sequence[FileFault] = ()
    ) -> None:
        self._facts, self._tables, self._faults = facts, dict(tables), tuple(faults)

    @property
    def facts(self) -> FileFacts:
        """What it says of itself."""
        return self._facts

    def batches(self, series: FileSeries) -> Iterator[pa.RecordBatch]:
        """The rows of a series; columns that its table lacks are empty."""
        table, schema = self._tables[series], ROWS[series.kind]
        count = table.num_rows
        made = {"row": pa.array(range(1, count + 1), pa.int64()), "digits": pa.array([0] * count, pa.int64())}
        columns = [
            table.column(each.name).cast(each.type)
            if each.name in table.column_names
            else made.get(each.name, pa.nulls(count, each.type))
            for each in schema
        ]
        yield from pa.Table.from_arrays(columns, schema=schema).to_batches()

    def faults(self) -> Sequence[FileFault]:
        """What it was given as wrong."""
        return self._faults
