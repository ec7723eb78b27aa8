"""Text tables: their first rows for whoever recognises them, and their columns block by block."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as arrow_csv

from marketprism_adapters.imports.containers import Packed, head_of, opened
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import TIME_OF
from marketprism_sdk.errors import reason_of

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NULLS = ["", "N/A", "NA", "nan", "NaN", "NAN", "null", "NULL", "None", "none", "-"]
_SAMPLE_ROWS = 2_000
_BLOCK = 1 << 22
_CELLS = re.compile(
    r"(?:Row #(?P<row>\d+): )?Expected (?P<expected>\d+) columns, got (?P<was>\d+)(?:: (?P<text>.*))?", re.DOTALL
)


class TextTable(NamedTuple):
    """A table as text: how its cells are parted, and its first rows."""

    file: Packed
    delimiter: str
    sample: Sample
    encoding: str = "utf8"

    @classmethod
    def of(cls, file: Packed) -> TextTable:
        """The table of a file.

        Raises:
            SourceError: no text, or no table.
        """
        head = head_of(file)
        lines = [line for line in head.text.splitlines()[: _SAMPLE_ROWS + 1] if line.strip()]
        if not lines:
            raise SourceError(f"file {file.path}: expected rows, it has none")
        delimiter = max(_DELIMITERS, key=lambda each: (min(line.count(each) for line in lines[:20]), each == ","))
        rows = [tuple(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)]
        names = () if any(_is_number(cell) for cell in rows[0]) else _distinct(rows[0])
        return cls(file, delimiter, Sample(names, tuple(rows[1:] if names else rows), file.member), head.encoding)

    def batches(self, layout: Layout, wanted: set[str]) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block: numbers of times as integers, all others as text.

        Raises:
            SourceError: a row of another number of cells, a time that is no number, damaged text.
        """
        time = layout.fields[TIME_OF[layout.kind]]
        names = list(layout.columns)
        types: dict[str, pa.DataType] = {name: pa.string() for name in wanted}
        if not layout.second_time and all(_is_whole(cell) for cell in self.sample.column(names.index(time))[:50]):
            types[time] = pa.string() if _is_day(self, names.index(time)) else pa.int64()
        with opened(self.file) as stream:
            try:
                reader = arrow_csv.open_csv(
                    stream,
                    arrow_csv.ReadOptions(
                        use_threads=False,
                        block_size=_BLOCK,
                        column_names=names,
                        skip_rows=1 if layout.header else 0,
                        encoding=self.encoding,
                    ),
                    arrow_csv.ParseOptions(delimiter=self.delimiter),
                    arrow_csv.ConvertOptions(
                        column_types=types,
                        include_columns=[name for name in names if name in wanted],
                        null_values=_NULLS,
                        strings_can_be_null=True,
                    ),
                )
                yield from reader
            except pa.ArrowInvalid as error:
                raise self._error(error, layout) from error

    def _error(self, error: pa.ArrowInvalid, layout: Layout) -> SourceError:
        """What Arrow says of a row or a cell, with the field's name."""
        text = reason_of(error)
        cells = _CELLS.search(text)
        if cells is not None:
            where = f", row {cells['row']}" if cells["row"] else ""
            counts = f"expected {cells['expected']} cells, was {cells['was']}"
            return SourceError(f"file {self.file.path}{where}: {counts}: {(cells['text'] or '')[:80]!r}")
        column = re.search(r"In CSV column #(\d+)", text)
        name = layout.columns[int(column[1])] if column else "a row"
        was = re.search(r"invalid value '(.*)'", text, re.DOTALL)
        shown = repr(was[1][:80]) if was else text[:200]
        return SourceError(f"file {self.file.path}: {name}: expected a number of its unit, was {shown}")


def _is_day(table: TextTable, at: int) -> bool:
    """Whether a column of digits has days, 20180116, and no times since 1970."""
    return all(len(cell.strip()) == 8 and cell.strip()[:2] in ("19", "20") for cell in table.sample.column(at)[:50])


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    out = []
    for at, name in enumerate(names):
        cleaned = name.strip() or f"column_{at + 1}"
        seen[cleaned] = seen.get(cleaned, 0) + 1
        out.append(cleaned if seen[cleaned] == 1 else f"{cleaned}_{seen[cleaned]}")
    return tuple(out)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None


def _is_whole(cell: str) -> bool:
    return cell.strip().isdecimal()
