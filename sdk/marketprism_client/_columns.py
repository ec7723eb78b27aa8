"""Columns of an answer as one computes with them: floats for exact decimals, times with a zone, levels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from marketprism_application.contracts.rows import flat_levels
from marketprism_client._fields import check_fields

_SAMPLE = 512
_MOST_EXACT = 1 << 53
Column: TypeAlias = "pa.ChunkedArray[Any]"


def computed(table: pa.Table, *, decimals: bool, tz: str, depth: int) -> pa.Table:
    """The table with float64 for decimals (unless `decimals`), timestamps for the columns `ts_*`, and `depth` levels of
    a book as `bid_price_1 bid_volume_1 … ask_volume_<depth>` instead of its lists."""
    columns: dict[str, Column] = {}
    table = flat_levels(table, depth)
    for name in table.column_names:
        column = table.column(name)
        if name.startswith("ts_") and pa.types.is_int64(column.type):
            columns[name] = column.cast(pa.timestamp("ns", tz))
        else:
            columns[name] = column
    if not decimals:
        columns = {
            name: as_float(each) if pa.types.is_decimal128(each.type) else each for name, each in columns.items()
        }
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def chosen(table: pa.Table, fields: Sequence[str] | None, always: str) -> pa.Table:
    """The table with the columns `fields` alone, in their order, behind the one that is `always` there.

    Raises:
        QueryFailed: a field that is no column; names the nearest.
    """
    if fields is None:
        return table
    fields = check_fields(fields, table.column_names)
    first = [always] if always in table.column_names and always not in fields else []
    return table.select([*first, *fields])


def as_float(column: Column) -> Column:
    """The doubles nearest to decimals: those that `float` makes of their text.

    Arrow's own cast is not: it multiplies by a power of ten that is no double, which can be one step off. Its parser of
    text rounds once, and most columns have few distinct values. Of many distinct ones that are whole, as sums of
    volumes are, integers are made, of which each up to 2^53 is a double.
    """
    if column.null_count == len(column):  # levels that a venue does not send
        return pa.chunked_array([pa.nulls(len(column), pa.float64())])
    array = column.combine_chunks()
    if len(array) > _SAMPLE and len(array.slice(len(array) // 2, _SAMPLE).unique()) > _SAMPLE // 2:
        whole = _whole(array)
        if whole is not None:
            return pa.chunked_array([whole], pa.float64())
    encoded = array.dictionary_encode()
    values = encoded.dictionary.cast(pa.string()).cast(pa.float64())
    return pa.chunked_array([values.take(encoded.indices)], pa.float64())


def _whole(array: pa.Array[Any]) -> pa.Array[Any] | None:
    """Whole decimals as doubles; None where one is no integer, or has no double of its own."""
    try:
        found = array.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    least, most = (bound.as_py() for bound in pc.min_max(found).values())
    exact = least >= -_MOST_EXACT and most <= _MOST_EXACT
    return found.cast(pa.float64()) if exact else None
