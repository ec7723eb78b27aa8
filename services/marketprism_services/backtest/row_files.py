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

from marketprism_application.backtesting.columns import (
    BarColumns,
    InstrumentData,
    Ints,
    Selection,
    TickColumns,
    TradeColumns,
)
from marketprism_application.integrity.exact_numbers import ArrowColumn

_META = "meta.pickle"
_FLAG = "gap"


def write_rows(selection: Selection, folder: Path) -> None:
    """Write rows into a folder that is not there yet; it is there as a whole or not at all. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        bare, series = [], []
        for number, data in enumerate(selection.instruments):
            names = []
            for name, columns in _all(data):
                file = f"{number}-{name}.arrow"
                _write(partial / file, columns)
                names.append((name, file))
            series.append(names)
            bare.append(replace(data, bars={}, ticks=None, trades=None))
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
        for name, file in names:
            columns = _read(folder / file)
            if name == "tick":
                ticks = TickColumns(**columns)
            elif name == "trade":
                trades = TradeColumns(**columns)
            else:
                interval = name.removeprefix("bar.")
                flags = columns.pop(_FLAG).astype(np.bool_)
                bars[interval] = BarColumns(interval, gap=flags, **columns)
        found.append(replace(data, bars=bars, ticks=ticks, trades=trades))
    return Selection(tuple(found), rolls)


def bytes_of(folder: Path) -> int:
    """What a folder takes of the disk."""
    return sum(each.stat().st_size for each in folder.iterdir() if each.is_file())


def _all(data: InstrumentData) -> list[tuple[str, BarColumns | TickColumns | TradeColumns]]:
    """Every series in the order that the data have, which `series` would sort: the first interval is what fills."""
    found: list[tuple[str, BarColumns | TickColumns | TradeColumns]] = [
        (f"bar.{interval}", columns) for interval, columns in data.bars.items()
    ]
    found += [("tick", data.ticks)] if data.ticks is not None else []
    return [*found, ("trade", data.trades)] if data.trades is not None else found


def _write(path: Path, columns: BarColumns | TickColumns | TradeColumns) -> None:
    names = [each.name for each in fields(columns) if each.name != "interval"]
    arrays = [pa.array(np.asarray(getattr(columns, name)).astype(np.int64)) for name in names]
    table = pa.table(dict(zip(names, arrays, strict=True)))
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
