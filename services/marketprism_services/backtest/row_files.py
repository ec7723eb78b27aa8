"""Rows of a run as a folder of Arrow files, which every child of this host maps into its memory and nobody changes."""

from __future__ import annotations

import mmap
import os
import pickle
import shutil
import tempfile
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.columns import (
    BarColumns,
    InstrumentData,
    Ints,
    Roll,
    Selection,
    TickColumns,
    TradeColumns,
)
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_application.integrity.exact_numbers import ArrowColumn

_META = "meta.pickle"
_FLAG = "gap"
_BOOK = "book"
_OTHER_LENGTHS = ("prices", "sizes", "bids")


class RowsWriter:
    """Writes a folder of rows, one instrument after another: `add` each, then `finish`, and `close` in any case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial: Path | None = None
        self._series: list[tuple[InstrumentData, list[tuple[str, str]]]] = []

    def close(self) -> None:
        """Leave nothing behind but the finished folder."""
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)

    def add(self, data: InstrumentData) -> None:
        """Write the rows of an instrument. Raises OSError."""
        if self._partial is None:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._partial = Path(tempfile.mkdtemp(prefix=f".{self._folder.name}-", dir=self._folder.parent))
        names = []
        for name, columns in _all(data):
            file = f"{len(self._series)}-{name}.arrow"
            _write(self._partial / file, columns)
            names.append((name, file))
        bare = replace(data, bars={}, ticks=None, trades=None, books=None, marks=None, release=None)
        self._series.append((bare, names))

    def finish(self, rolls: tuple[Roll, ...] = ()) -> None:
        """Let the folder be there: as a whole or not at all. Raises OSError."""
        ordered = sorted(self._series, key=lambda each: each[0].instrument.key)
        bare, series = tuple(each for each, _ in ordered), [names for _, names in ordered]
        assert self._partial is not None  # noqa: S101 (a run is of some instrument)
        (self._partial / _META).write_bytes(pickle.dumps((bare, series, rolls)))
        try:
            os.replace(self._partial, self._folder)  # noqa: PTH105 (over nothing: a folder is not replaced)
        except OSError:
            if not (self._folder / _META).is_file():  # another worker of this host was first
                raise


def write_rows(selection: Selection, folder: Path) -> None:
    """Write all rows of a run into a folder. Raises OSError."""
    writer = RowsWriter(folder)
    try:
        for data in selection.instruments:
            writer.add(data)
        writer.finish(selection.rolls)
    finally:
        writer.close()


def read_rows(folder: Path) -> Selection:
    """The rows of a folder, mapped. Raises OSError: it is not there."""
    bare, series, rolls = pickle.loads((folder / _META).read_bytes())  # noqa: S301 (the parent has written it)
    found = []
    for data, names in zip(bare, series, strict=True):
        bars: dict[str, BarColumns] = {}
        ticks: TickColumns | None = None
        trades: TradeColumns | None = None
        maps = []
        marks: MarkColumns | None = None
        of_books: dict[str, Ints] = {}
        for name, file in names:
            columns, mapped = _read(folder / file)
            maps.append(mapped)
            if name == "tick":
                ticks = TickColumns(**columns)
            elif name == "mark":
                marks = MarkColumns(**columns)
            elif name.startswith(_BOOK):
                of_books |= columns
            elif name == "trade":
                trades = TradeColumns(**columns)
            else:
                interval = name.removeprefix("bar.")
                flags = columns.pop(_FLAG).view(np.bool_)
                bars[interval] = BarColumns(interval, gap=flags, **columns)
        release = partial(_release, tuple(maps))
        books = BookColumns(**of_books) if of_books else None
        series = {"ticks": ticks, "trades": trades, "books": books, "marks": marks}
        found.append(replace(data, bars=bars, release=release, **series))
    return Selection(tuple(found), rolls)


def _release(maps: tuple[mmap.mmap, ...]) -> None:
    """Nothing of files is lost by it: whoever looks again maps again."""
    for each in maps:
        each.madvise(mmap.MADV_DONTNEED)


def bytes_of(folder: Path) -> int:
    """What a folder takes of the disk."""
    return sum(each.stat().st_size for each in folder.iterdir() if each.is_file())


def _all(data: InstrumentData) -> list[tuple[str, dict[str, Ints]]]:
    """Every series in the order that the data have, which `series` would sort: the first interval is what fills."""
    found = [(f"bar.{interval}", _arrays(columns)) for interval, columns in data.bars.items()]
    found += [
        (name, _arrays(columns))
        for name, columns in (("tick", data.ticks), ("trade", data.trades), ("mark", data.marks))
        if columns is not None
    ]
    if data.books is not None:  # a table has columns of one length: steps, where their levels begin, and the levels
        arrays = _arrays(data.books)
        for part in (("prices", "sizes"), ("bids",), tuple(name for name in arrays if name not in _OTHER_LENGTHS)):
            found.append((f"{_BOOK}.{part[0]}", {name: arrays[name] for name in part}))
    return found


def _arrays(columns: BarColumns | TickColumns | TradeColumns | MarkColumns | BookColumns) -> dict[str, Ints]:
    names = [each.name for each in fields(columns) if each.name != "interval"]
    return {name: np.asarray(getattr(columns, name)).astype(np.uint8 if name == _FLAG else np.int64) for name in names}


def _write(path: Path, arrays: dict[str, Ints]) -> None:
    table = pa.table({name: pa.array(array) for name, array in arrays.items()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)  # one batch: a column is one piece of memory


def _read(path: Path) -> tuple[dict[str, Ints], mmap.mmap]:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    table = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
    return {name: _whole(table.column(name)) for name in table.column_names}, mapped


def _whole(column: ArrowColumn) -> Ints:
    assert isinstance(column, pa.ChunkedArray)  # noqa: S101 (as a table has them)
    if column.num_chunks == 1:
        found: Ints = column.chunk(0).to_numpy(zero_copy_only=True)
        return found
    return np.array(column.to_numpy())


__all__ = ["RowsWriter", "bytes_of", "read_rows", "write_rows"]
