"""Records as Arrow tables, typed as the engines type them."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Union

import pyarrow as pa

from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_domain.values import BookLevel

DECIMAL = pa.decimal128(38, 18)
LEVELS = pa.list_(pa.struct([("price", DECIMAL), ("quantity", DECIMAL)]))
_SIMPLE: dict[Any, pa.DataType] = {Decimal: DECIMAL, bool: pa.bool_(), int: pa.int64(), str: pa.string()}

# What the question `Symbols` gives: one row per symbol and venue, by venue and symbol. `bars` are of every interval.
_SYMBOLS: list[tuple[str, pa.DataType]] = [
    ("symbol", pa.string()),
    ("venue", pa.string()),
    ("ticks", pa.int64()),
    ("ts_first", pa.int64()),
    ("ts_last", pa.int64()),
    ("bars", pa.int64()),
]
SYMBOLS = pa.schema(_SYMBOLS)
# What the question `Names` gives: one row per symbol and venue, by venue and symbol.
_NAMES: list[tuple[str, pa.DataType]] = [("symbol", pa.string()), ("venue", pa.string()), ("stored", pa.bool_())]
NAMES = pa.schema(_NAMES)
# What the question `BarSeries` gives: one row per series, by kind, venue, symbol and interval.
_BAR_SERIES: list[tuple[str, pa.DataType]] = [
    *((name, pa.string()) for name in ("kind", "venue", "symbol", "interval")),
    *((name, pa.int64()) for name in ("ts_first", "ts_last", "rows")),
]
BAR_SERIES = pa.schema(_BAR_SERIES)
# What the question `MinuteSpans` gives: one row per venue, trading day and span, by the first opening and the venue.
_MINUTE_SPANS: list[tuple[str, pa.DataType]] = [
    *((name, pa.string()) for name in ("venue", "trading_day")),
    *((name, pa.int64()) for name in ("ts_first", "ts_last")),
]
MINUTE_SPANS = pa.schema(_MINUTE_SPANS)
# What the question `Listing` gives: one row per symbol and venue, by venue and symbol. `ts_last` is the time of the
# newest tick, without one the end of the newest bar; `open_interest` that of the newest day bar.
_LISTING: list[tuple[str, pa.DataType]] = [
    *_NAMES,
    ("ts_last", pa.int64()),
    ("open_interest", pa.decimal128(38, 18)),
    *((name, pa.string()) for name in ("product", "class_", "underlying", "option_type")),
    *((name, pa.string()) for name in ("expire_day", "name", "native", "quote")),
]
LISTING = pa.schema(_LISTING)
# What the question `Search` gives, the likeliest first.
_FOUND: list[tuple[str, pa.DataType]] = [
    *((name, pa.string()) for name in ("venue", "symbol", "product", "class_", "name", "english")),
    ("stored", pa.bool_()),
    ("expire_day", pa.string()),
    ("ts_last", pa.int64()),
]
FOUND = pa.schema(_FOUND)
# What the question `Products` gives, by venue and product.
_PRODUCTS: list[tuple[str, pa.DataType]] = [
    *((name, pa.string()) for name in ("venue", "product", "name", "short", "english", "pinyin")),
    *((name, pa.decimal128(38, 18)) for name in ("multiplier", "price_tick")),
]
PRODUCTS = pa.schema(_PRODUCTS)
# What the question `Audit` gives: one row per source that has a tick, by name.
_AUDIT: list[tuple[str, pa.DataType]] = [
    ("source", pa.string()),
    ("stored", pa.int64()),
    ("distinct_ticks", pa.int64()),
    ("read_back", pa.int64()),
    ("bars", pa.int64()),
]
AUDIT = pa.schema(_AUDIT)


@cache
def schema_of(kind_name: str) -> pa.Schema:
    """Arrow schema of a kind."""
    return pa.schema([(name, _type(hint)) for name, hint in KINDS[kind_name].types.items()])


def _type(hint: Any) -> pa.DataType:
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next(argument for argument in typing.get_args(hint) if argument is not type(None))
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if typing.get_origin(hint) is dict:
        return pa.string()
    return LEVELS if typing.get_args(hint)[0] is BookLevel else pa.list_(pa.string())


def table_of(kind: DataKind, rows: Sequence[Any]) -> pa.Table:
    """Records of one kind as a table."""
    columns: Any = zip(*rows, strict=True) if rows else [[] for _ in kind.fields]
    arrays = {
        field.name: pa.array([_plain(value) for value in column], field.type)
        for column, field in zip(columns, schema_of(kind.name), strict=True)
    }
    return pa.table(arrays)


def _plain(value: Any) -> Any:
    """Book levels as the engines give them, an object as its JSON text."""
    if isinstance(value, tuple) and value and isinstance(value[0], BookLevel):
        return [level._asdict() for level in value]
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
