"""A data catalog of NautilusTrader: `data/<class>/<identifier>/<first>_<last>.parquet`.

Prices and sizes are 128-bit whole numbers of 10^-16 in 16 bytes, least first; the schema's metadata say how many
digits a price and a size have. Bars are stamped at their close. Checked with 1.221 and 1.231.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marketprism_adapters.exports.series import (
    Exported,
    ExportSeries,
    Ints,
    Tables,
    decimals_needed,
    folder_of,
    ints,
    moment,
    placed,
    whole,
)
from marketprism_application.errors import QueryError
from marketprism_application.integrity.exact_numbers import ArrowArray

_SCALE = 16
_MOST_DIGITS = 16
_RAW = pa.binary(16)
Metadata = dict[bytes | str, bytes | str]
_STEPS = {"s": "SECOND", "m": "MINUTE", "h": "HOUR", "d": "DAY", "w": "WEEK"}
_SIDES = {"buy": 1, "sell": 2}  # who took; 0 is nobody


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Bars or klines, trades, best prices of ticks or of books as quotes.

    Raises:
        QueryError: a number that has more digits than the catalog holds. SourceError: no rows, or no place.
    """
    files, counts = [], {}
    for kind, tables in rows.items():
        table = whole(tables, kind)
        if "ts_open" in table.column_names:
            folder, made = _bars(series, table)
        elif "trade_id" in table.column_names:
            folder, made = _trades(series, table)
        else:
            folder, made = _quotes(series, _best(table))
        files.append(_written(out / "data" / folder, made))
        counts[kind] = made.num_rows
    return Exported(tuple(files), counts, (f"instrument id {_id(series)}; terms of the instrument are not in it",))


def _id(series: ExportSeries) -> str:
    return f"{series.name}.{series.venue.upper()}"


def _bars(series: ExportSeries, table: pa.Table) -> tuple[str, pa.Table]:
    unit = _STEPS[series.interval[-1]]
    bar_type = f"{_id(series)}-{series.interval[:-1]}-{unit}-LAST-EXTERNAL"
    prices = decimals_needed(table, ("open", "high", "low", "close"), _MOST_DIGITS)
    sizes = decimals_needed(table, ("volume",), _MOST_DIGITS)
    columns = {name: _raw(table, name) for name in ("open", "high", "low", "close", "volume")}
    metadata: Metadata = {"bar_type": bar_type, "instrument_id": _id(series)}
    closes = ints(table, "ts_close")
    return f"bar/{bar_type}", _table(columns, closes, closes, metadata, (prices, sizes))


def _trades(series: ExportSeries, table: pa.Table) -> tuple[str, pa.Table]:
    places = (decimals_needed(table, ("price",), _MOST_DIGITS), decimals_needed(table, ("quantity",), _MOST_DIGITS))
    sides = [_SIDES.get(str(side), 0) for side in table.column("side").to_pylist()]
    columns = {
        "price": _raw(table, "price"),
        "size": _raw(table, "quantity"),
        "aggressor_side": pa.array(sides, pa.uint8()),
        "trade_id": table.column("trade_id").combine_chunks(),
    }
    metadata: Metadata = {"instrument_id": _id(series)}
    return f"trade_tick/{_id(series)}", _table(columns, *_times(table), metadata, places)


def _quotes(series: ExportSeries, table: pa.Table) -> tuple[str, pa.Table]:
    places = (
        decimals_needed(table, ("bid_price", "ask_price"), _MOST_DIGITS),
        decimals_needed(table, ("bid_size", "ask_size"), _MOST_DIGITS),
    )
    columns = {name: _raw(table, name) for name in ("bid_price", "ask_price", "bid_size", "ask_size")}
    return f"quote_tick/{_id(series)}", _table(columns, *_times(table), {"instrument_id": _id(series)}, places)


def _best(table: pa.Table) -> pa.Table:
    """Ticks or tops of books that have both sides, with their best levels."""
    lengths = [pc.list_value_length(table.column(name)).to_numpy() for name in ("bids", "asks")]
    table = table.filter(pa.array((lengths[0] > 0) & (lengths[1] > 0)))
    if not table.num_rows:
        raise QueryError("quotes: expected rows with a best bid and a best ask, there are none")
    found = {"ts_event": table.column("ts_event"), "ts_recv": table.column("ts_recv")}
    for side, name in (("bid", "bids"), ("ask", "asks")):
        level = pc.list_element(table.column(name), 0)
        found[f"{side}_price"] = pc.struct_field(level, "price")
        found[f"{side}_size"] = pc.struct_field(level, "quantity")
    return pa.table(list(found.values()), names=list(found))


def _times(table: pa.Table) -> tuple[Ints, Ints]:
    """When it happened, and when it was received: the catalog's files are in the order of the second."""
    event = ints(table, "ts_event")
    return event, np.maximum.accumulate(np.maximum(ints(table, "ts_recv"), event))


def _raw(table: pa.Table, name: str) -> ArrowArray:
    column = table.column(name).combine_chunks().cast(pa.decimal128(38, _SCALE))
    if column.null_count:
        raise QueryError(f"{name}: expected a number in every row, was none in {column.null_count}")
    start = column.offset * 16
    data = column.buffers()[1]
    assert data is not None  # noqa: S101 (of a column of numbers)
    return pa.FixedSizeBinaryArray.from_buffers(_RAW, len(column), [None, data.slice(start, len(column) * 16)])


def _table(
    columns: Mapping[str, ArrowArray],
    event: Ints,
    init: Ints,
    metadata: Metadata,
    places: tuple[int, int],
) -> pa.Table:
    arrays = {**columns, "ts_event": pa.array(event.astype(np.uint64)), "ts_init": pa.array(init.astype(np.uint64))}
    metadata = {**metadata, "price_precision": str(places[0]), "size_precision": str(places[1])}
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    return pa.table(list(arrays.values()), schema=pa.schema(fields, metadata=metadata))


def _written(folder: Path, table: pa.Table) -> Path:
    init = ints(table, "ts_init")
    path = folder_of(folder) / f"{_stamp(int(init[0]))}_{_stamp(int(init[-1]))}.parquet"
    return placed(path, partial(pq.write_table, table))


def _stamp(ts: int) -> str:
    return f"{moment(ts):%Y-%m-%dT%H-%M-%S}-{ts % 10**9:09d}Z"
