"""Stored records as they leave their table: numbers without trailing zeros, the columns that are wanted, and the levels
of a book as columns.

A table's decimals are decimal128(38, 18), so that every store gives the same type; as Python numbers they would come
with eighteen digits behind the point. The value is the one that the venue sent; zeros that it wrote behind the last
digit are not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketprism_application.contracts.codec import plain
from marketprism_application.contracts.nearest import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

SIDES = ("bids", "asks")
FLAT_LEVELS = 5
Row = dict[str, Any]


def plain_number(value: Decimal) -> Decimal:
    """The same number without trailing zeros behind the point and without an exponent: `12585` of `12585.000`."""
    return Decimal(plain(value))


def plain_rows(table: pa.Table) -> list[Row]:
    """The rows of a table, each a map by column; decimals, those of book levels too, are `plain_number`s."""
    names = table.column_names
    columns = [_values(column) for column in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [value if value is None else plain_number(value) for value in values]
    return [_plain(value) for value in values] if pa.types.is_nested(column.type) else values


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def flat_levels(table: pa.Table, levels: int = FLAT_LEVELS) -> pa.Table:
    """The table with `bid_price_1`, `bid_volume_1`, `ask_price_1`, `ask_volume_1` … in the place of `bids` and `asks`;
    null where a side has fewer levels. Levels behind the last column are not in it. A table without sides is as it was.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    there = [name for name in SIDES if name in table.column_names]
    if not there:
        return table
    sides = {name: table.column(name).combine_chunks() for name in there}
    added: dict[str, Any] = {}
    for level in range(levels):
        for name, side in sides.items():
            found = _nth(side, level)
            for part, word in (("price", "price"), ("quantity", "volume")):
                added[f"{name[:-1]}_{word}_{level + 1}"] = pc.struct_field(found, part)
    columns: dict[str, Any] = {}
    for name in table.column_names:
        if name == there[0]:
            columns |= added
        elif name not in there:
            columns[name] = table.column(name)
    return pa.table(columns).replace_schema_metadata(table.schema.metadata)


def _nth(side: Any, level: int) -> Any:
    """The level of each row, null where there are fewer."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    if isinstance(side, pa.ChunkedArray):
        side = pa.concat_arrays(side.chunks) if side.num_chunks else pa.array([], side.type)
    lengths = pc.fill_null(pc.list_value_length(side), 0)
    places = pc.add(side.offsets[:-1], pa.scalar(level, pa.int32()))
    return side.values.take(pc.if_else(pc.greater(lengths, pa.scalar(level)), places, pa.scalar(None, places.type)))


def chosen_fields(table: pa.Table, fields: Sequence[str]) -> pa.Table:
    """The columns that are named, in that order; all of them where none is.

    Raises:
        ValueError: one that the table does not have; names the nearest.
    """
    if not fields:
        return table
    for name in fields:
        if name not in table.column_names:
            near = did_you_mean(name, table.column_names)
            raise ValueError(f"fields: expected of {', '.join(table.column_names)}, was {name[:80]!r}{near}")
    if len(set(fields)) < len(fields):
        raise ValueError(f"fields: expected each once, was {','.join(fields)[:80]!r}")
    return table.select(list(fields))
