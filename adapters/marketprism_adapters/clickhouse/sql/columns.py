"""From records to columns and back, by the types of the kind registry.

Numbers become text here and are parsed by Arrow, or by an engine that does not read Arrow: exactly, and faster than
Python builds Arrow decimals.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.ports.storage import StreamPlace
from marketprism_domain.values import BookLevel

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_application.integrity.exact_numbers import ArrowColumn

Values = Sequence[Any]


class Column(NamedTuple):
    """One column of a table.

    `stored` is its ClickHouse type, `insert` the expression over the incoming Arrow column, `read`
    the expression that gives it back, `arrow` what comes in, `encode` makes the incoming values.
    """

    name: str
    stored: str
    insert: str
    read: str
    arrow: pa.DataType
    encode: Callable[[Values], Values]

    @property
    def incoming(self) -> str:
        """ClickHouse type of what comes in."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        if pa.types.is_list(self.arrow):
            return "Array(String)"
        plain = "Bool" if pa.types.is_boolean(self.arrow) else "Int64" if pa.types.is_int64(self.arrow) else "String"
        return f"Nullable({plain})" if self.stored.startswith("Nullable") else plain

    @property
    def exact(self) -> pa.DataType:
        """The Arrow type of what is stored."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        if self.stored.startswith("DateTime64"):
            return pa.timestamp("ns", "UTC")
        number = pa.decimal128(38, 18)
        if "Decimal" not in self.stored:
            return self.arrow
        return pa.list_(number) if pa.types.is_list(self.arrow) else number


def _same(values: Values) -> Values:
    return values


def _texts(values: Values) -> Values:
    return [None if value is None else exact_text(value) for value in values]


def exact_text(value: Decimal) -> str:
    """Text the engine parses without loss.

    Raises:
        ValueError: more than 18 fraction or 20 integer digits: the engine would cut them without a word.
    """
    text = str(value)
    if len(text) > 19:
        exponent = int(value.as_tuple().exponent)
        if exponent < -18 or value.adjusted() >= 20:
            raise ValueError(f"expected at most 20 integer and 18 fraction digits, was {text}")
    return text


def _prices(values: Values) -> Values:
    return [[exact_text(level.price) for level in side] for side in values]


def _quantities(values: Values) -> Values:
    return [[exact_text(level.quantity) for level in side] for side in values]


def _json(values: Values) -> Values:
    return [json.dumps(value, sort_keys=True) for value in values]


def _column(name: str, hint: Any, dictionary: frozenset[str]) -> list[Column]:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    inner, optional = _unwrap(hint)
    if inner is Decimal:
        stored = "Nullable(Decimal(38, 18))" if optional else "Decimal(38, 18)"
        return [Column(name, stored, f"toDecimal128({name}, 18)", name, pa.string(), _texts)]
    if inner is bool:
        return [Column(name, "Bool", name, name, pa.bool_(), _same)]
    if inner is int and name.startswith("ts_"):
        insert = f"fromUnixTimestamp64Nano({name}, 'UTC')"
        read = f"toUnixTimestamp64Nano({name}) AS {name}"
        return [Column(name, "DateTime64(9, 'UTC')", insert, read, pa.int64(), _same)]
    if inner is int:
        stored = "Nullable(Int64)" if optional else "Int64"
        return [Column(name, stored, name, name, pa.int64(), _same)]
    if inner is str:
        stored = "LowCardinality(String)" if name in dictionary else "String"
        return [Column(name, stored, name, name, pa.string(), _same)]
    if typing.get_origin(inner) is dict:
        return [Column(name, "String", name, name, pa.string(), _json)]
    return _array(name, typing.get_args(inner)[0])


def _array(name: str, item: Any) -> list[Column]:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    if item is BookLevel:
        made = []
        for part, encode in (("price", _prices), ("quantity", _quantities)):
            flat = f"{name}_{part}"
            insert = f"arrayMap(x -> toDecimal128(x, 18), {flat})"
            made.append(Column(flat, "Array(Decimal(38, 18))", insert, flat, pa.list_(pa.string()), encode))
        return made
    stored = "Array(LowCardinality(String))"
    return [Column(name, stored, name, name, pa.list_(pa.string()), lambda rows: [list(r) for r in rows])]


def _unwrap(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return inner[0], True
    return hint, False


@cache
def columns_of(kind_name: str) -> tuple[tuple[str, tuple[Column, ...]], ...]:
    """(field, columns) of a kind, in wire order."""
    kind = KINDS[kind_name]
    return tuple((name, tuple(_column(name, kind.types[name], kind.dictionary))) for name in kind.fields)


def to_arrow(kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], epoch: int) -> pa.Table:
    """Columns of the rows, with where each came from.

    Raises:
        ValueError: a decimal that the engine cannot hold exactly.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    arrays: dict[str, Any] = {}
    for values, (_, columns) in zip(zip(*rows, strict=True), columns_of(kind.name), strict=True):
        for column in columns:
            arrays[column.name] = pa.array(column.encode(values), column.arrow)
    arrays["stream_seq"] = pa.array([place.seq for place in places], pa.uint64())
    arrays["stream_index"] = pa.array([place.offset for place in places], pa.uint32())
    arrays["writer_epoch"] = pa.array([epoch] * len(rows), pa.uint64())
    return pa.table(arrays)


def stored_columns(kind: DataKind, table: pa.Table) -> pa.Table:
    """The same columns in the types of the kind's table.

    Raises:
        pyarrow.ArrowInvalid: a text that is no number, or one that the table cannot hold exactly.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    exact = {column.name: column.exact for _, columns in columns_of(kind.name) for column in columns}
    return table.cast(pa.schema([(field.name, exact.get(field.name, field.type)) for field in table.schema]))


def arrow_stream(table: pa.Table) -> bytes:
    """The table in Arrow's stream format."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def placed_columns(kind: DataKind, rows: pa.Table, seq: int, epoch: int) -> pa.Table:
    """Columns of a kind as an answer has them, made into those of its table; decimals stay what they are.

    Raises:
        ValueError: they are not the columns of the kind, or a field that is always there is empty.
    """
    import numpy as np  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415 (loads pyarrow)

    if rows.schema.remove_metadata() != schema_of(kind.name):
        raise ValueError(f"expected the columns of a {kind.name}")
    arrays: dict[str, ArrowColumn] = {}
    for name, columns in columns_of(kind.name):
        given = rows.column(name)
        if given.null_count and not columns[0].stored.startswith("Nullable"):
            raise ValueError(f"{name}: expected a value in every row, was none in {given.null_count}")
        if len(columns) == 1:
            arrays[name] = given
            continue
        sides = _one_chunk(given)
        for column, part in zip(columns, ("price", "quantity"), strict=True):
            values = pc.cast(pc.struct_field(sides.flatten(), part), pa.string())
            arrays[column.name] = pa.ListArray.from_arrays(sides.offsets, values)
    count = rows.num_rows
    arrays["stream_seq"] = pa.array(np.full(count, seq, dtype=np.uint64))
    arrays["stream_index"] = pa.array(np.arange(count, dtype=np.uint32))
    arrays["writer_epoch"] = pa.array(np.full(count, epoch, dtype=np.uint64))
    return pa.table(list(arrays.values()), names=list(arrays))


def from_engine(kind: DataKind, table: pa.Table, fields: Collection[str] = ()) -> pa.Table:
    """The engine's columns as the kind's fields (of those that are named, where any is), the two arrays of a book side
    joined to levels."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415 (loads pyarrow)

    arrays: dict[str, Any] = {}
    for name, columns in columns_of(kind.name):
        if fields and name not in fields:
            continue
        if len(columns) == 1:
            arrays[name] = table.column(name)
            continue
        prices, quantities = (_one_chunk(table.column(column.name)) for column in columns)
        parts = [column.flatten().cast(pa.decimal128(38, 18)) for column in (prices, quantities)]
        struct = pa.StructArray.from_arrays(parts, ["price", "quantity"])
        lengths = pc.list_value_length(prices)
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast(pa.int64()))])
        arrays[name] = pa.ListArray.from_arrays(offsets.cast(pa.int32()), struct)
    schema = schema_of(kind.name)
    return pa.table(arrays).cast(pa.schema([schema.field(name) for name in arrays]))


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
