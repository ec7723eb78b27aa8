"""Columns as the native protocol carries them, from and to Arrow tables that equal those of HTTP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from marketprism_application.errors import StoreError

_PLAIN = {
    "Int8": pa.int8(),
    "Int16": pa.int16(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "UInt8": pa.uint8(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "String": pa.string(),
    "Date": pa.date32(),
    "Date32": pa.date32(),
    "Nothing": pa.null(),
}
_DECIMAL = re.compile(r"Decimal\((\d+), (\d+)\)")
_WRAPPED = re.compile(r"(Nullable|LowCardinality|Array)\((.*)\)")


def arrow_field(name: str, stored: str) -> pa.Field[Any]:
    """The Arrow field that the server's own Arrow output has for a ClickHouse type.

    A low-cardinality string is a plain one. Types whose values lose something on the way through Python, such as times
    in nanoseconds, have none.

    Raises:
        StoreError: a type without one; the text names column and type.
    """
    nullable = False
    inner = stored
    while wrapped := _WRAPPED.fullmatch(inner):
        wrapper, content = wrapped.groups()
        if wrapper == "Array":
            return pa.field(name, pa.list_(arrow_field("item", content)), nullable)
        nullable = nullable or wrapper == "Nullable"
        inner = content
    if decimal := _DECIMAL.fullmatch(inner):
        precision, scale = map(int, decimal.groups())
        wide = pa.decimal256 if precision > 38 else pa.decimal128
        return pa.field(name, wide(precision, scale), nullable)
    if inner not in _PLAIN:
        raise StoreError(f"column {name}: expected a type that the native protocol carries exactly, was {stored}")
    return pa.field(name, _PLAIN[inner], nullable)


def table_of(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]]) -> pa.Table:
    """An Arrow table of (name, ClickHouse type) and each column's values; without values, a table without rows.

    Raises:
        StoreError: a type that has no Arrow field.
    """
    schema = pa.schema([arrow_field(name, stored) for name, stored in columns])
    if not values:
        return schema.empty_table()
    arrays = [_array(column, field.type) for column, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(column: Sequence[Any], wanted: pa.DataType) -> pa.Array[Any]:
    if pa.types.is_boolean(wanted):  # of a column that is mostly defaults the library gives them as 0
        column = [None if value is None else bool(value) for value in column]
    return pa.array(column, wanted)


def values_of(rows: pa.Table) -> list[list[Any]]:
    """Each column's values, as the driver writes them."""
    return [column.to_pylist() for column in rows.columns]
