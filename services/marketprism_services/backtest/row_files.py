"""Rows of a run as a folder of Arrow files, which every child of this host maps into its memory and nobody changes."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.columns import (
    BarColumns,
    InstrumentData,
    Ints,
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


def write_rows(selection: Selection, folder: Path) -> None:
    """Write rows into a folder that is not there yet; it is there as a whole or not at all. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        bare, series = [], []
        for number, data in enumerate(selection.instruments):
            names = []
            for name, arrays in _all(data):
                file = f"{number}-{name}.arrow"
                _write(partial / file, arrays)
                names.append((name, file))
            series.append(names)
            bare.append(replace(data, bars={}, ticks=None, trades=None, books=None, marks=None))
        (partial / _META).write_bytes(pickle.dumps((tuple(bare), series, selection.rolls)))
        os.replace(partial, folder)  # noqa: PTH105 (over nothing: a folder is not replaced)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not (folder / _META).is_file():  # another worker of this host was first
            raise


def read_rows(folder: Path) -> Selection:
    """The rows of a folder, mapped. Raises OSError: it is not there."""
    bare, series, rolls = pickle.loads((folder / _META).read_bytes())  # noqa: S301 (the parent has written it)
    found = []
    for data, names in zip(bare, series, strict=True):
        bars: dict[str, BarColumns] = {}
        ticks: TickColumns | None = None
        trades: TradeColumns | None = None
        marks: MarkColumns | None = None
        of_books: dict[str, Ints] = {}
        for name, file in names:
            columns = _read(folder / file)
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
                flags = columns.pop(_FLAG).astype(np.bool_)
                bars[interval] = BarColumns(interval, gap=flags, **columns)
        books = BookColumns(**of_books) if of_books else None
        found.append(replace(data, bars=bars, ticks=ticks, trades=trades, books=books, marks=marks))
    return Selection(tuple(found), rolls)


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
    return {name: np.asarray(getattr(columns, name)).astype(np.int64) for name in names}


def _write(path: Path, arrays: dict[str, Ints]) -> None:
    table = pa.table({name: pa.array(array) for name, array in arrays.items()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)  # one batch: a column is one piece of memory


def _read(path: Path) -> dict[str, Ints]:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    return {name: _whole(table.column(name)) for name in table.column_names}


def _whole(column: ArrowColumn) -> Ints:
    assert isinstance(column, pa.ChunkedArray)  # noqa: S101 (as a table has them)
    if column.num_chunks == 1:
        found: Ints = column.chunk(0).to_numpy(zero_copy_only=True)
        return found
    return np.array(column.to_numpy(), dtype=np.int64)


__all__ = ["bytes_of", "read_rows", "write_rows"]
