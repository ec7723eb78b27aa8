"""Text tables: their first rows for whoever recognises them, and their columns block by block."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple, cast

import pyarrow as pa
import pyarrow.csv as arrow_csv

from marketprism_adapters.imports.containers import Packed, head_of, opened
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_application.errors import SourceError
from marketprism_application.integrity.fine_numbers import check_fineness
from marketprism_application.ports.imports import ROWS, TIME_OF
from marketprism_sdk.errors import reason_of

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NULLS = ["", "N/A", "NA", "nan", "NaN", "NAN", "null", "NULL", "None", "none", "-"]
_SAMPLE_ROWS = 2_000
_BLOCK, _SMALL_BLOCK = 1 << 22, 1 << 17
_ROW = re.compile(r"Row #(\d+)")
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

    def batches(self, layout: Layout, wanted: set[str], *, few: bool = False) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block: numbers of times as integers, numbers as their kind has them, all
        others as text.

        From the first block on in which one is no such number, they are text, for whoever reads what people write
        instead: more digits, signs between thousands.

        Raises:
            SourceError: a row of another number of cells, a time that is no number, damaged text.
        """
        types = self._types(layout, wanted)
        times = {layout.fields[TIME_OF[layout.kind]]}  # a day of digits is text
        exact = {**types, **_numbers_of(layout, wanted - types.keys() - times)}
        block = _SMALL_BLOCK if few else _BLOCK
        done = 0
        try:
            for batch in self.typed(layout, wanted, exact, block):
                done += batch.num_rows
                yield batch
        except pa.ArrowInvalid as error:
            if exact == types:
                raise self._error(error, layout) from error
        else:
            return
        try:
            for batch in self.typed(layout, wanted, types, block):
                known = min(done, batch.num_rows)
                done -= known
                if known < batch.num_rows:
                    yield batch.slice(known)
        except pa.ArrowInvalid as error:
            raise self._error(error, layout) from error

    def _types(self, layout: Layout, wanted: set[str]) -> dict[str, pa.DataType]:
        """Of times that are numbers."""
        time = layout.fields[TIME_OF[layout.kind]]
        at = layout.columns.index(time)
        if layout.second_time or time not in wanted or _is_day(self, at):
            return {}
        return {time: pa.int64()} if all(_is_whole(cell) for cell in self.sample.column(at)[:50]) else {}

    def typed(
        self, layout: Layout, wanted: set[str], types: Mapping[str, pa.DataType], block: int
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, by blocks of so many bytes, those without a type as text.

        Raises:
            pyarrow.ArrowInvalid: a cell that is not of its column's type, or a row of another number of cells.
        """
        names, skipped, before = list(layout.columns), int(layout.header), 0
        convert = arrow_csv.ConvertOptions(
            column_types={name: types.get(name, pa.string()) for name in wanted},
            include_columns=[name for name in names if name in wanted],
            null_values=_NULLS,
            strings_can_be_null=True,
        )
        parse = arrow_csv.ParseOptions(delimiter=self.delimiter)
        decimals = any(map(pa.types.is_decimal, types.values()))
        with opened(self.file) as stream:
            for lines in _whole_lines(stream, block):
                text = lines if self.encoding == "utf8" else lines.decode(self.encoding).encode()
                if decimals:
                    check_fineness(text)
                read = arrow_csv.ReadOptions(
                    use_threads=False, block_size=len(text) + 1, column_names=names, skip_rows=skipped
                )
                try:
                    table = arrow_csv.read_csv(_outside_python(text), read, parse, convert)
                except pa.ArrowInvalid as error:
                    raise pa.ArrowInvalid(_moved(str(error), before)) from error
                yield from table.to_batches()
                before, skipped = before + table.num_rows + skipped, 0

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


def _moved(text: str, rows: int) -> str:
    """What Arrow says of a piece of a text, with the number of the row in the whole."""
    return _ROW.sub(lambda row: f"Row #{int(row[1]) + rows}", text)


def _whole_lines(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """A text in pieces of some `size` bytes, cut where a line ends."""
    begun: list[bytes] = []
    while data := stream.read(size):
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, data[:end]])
            begun = []
        begun.append(data[end:])
    if rest := b"".join(begun):
        yield rest


def _outside_python(text: bytes) -> IO[bytes]:
    """A copy that Arrow's own threads may let go: who needs Python for that while it ends, ends the process."""
    buffer = pa.allocate_buffer(len(text))
    memoryview(buffer).cast("B")[:] = text
    return cast("IO[bytes]", pa.BufferReader(buffer))  # what the stubs have for it


def _numbers_of(layout: Layout, wanted: set[str]) -> dict[str, pa.DataType]:
    """The types of columns that are read as one field, which is a number."""
    schema = ROWS[layout.kind]
    fields: dict[str, list[str]] = {}
    for field, column in layout.fields.items():
        fields.setdefault(column, []).append(field)
    types = {column: schema.field(of[0]).type for column, of in fields.items() if column in wanted and len(of) == 1}
    return {column: each for column, each in types.items() if pa.types.is_decimal(each) or pa.types.is_integer(each)}


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
