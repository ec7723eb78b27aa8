"""Sums and averages of an instrument over a range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

_DECIMAL = pa.decimal128(38, 18)
# What a reader gives, over closed minute bars; `gaps` counts those that overlap a gap, `multiplier` is that of the
# newest contract terms, null where none are stored; `base` and `inverse` are theirs too.
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("venue", pa.string()),
    ("symbol", pa.string()),
    ("bars", pa.int64()),
    ("ticks", pa.int64()),
    ("gaps", pa.int64()),
    ("ts_from", pa.int64()),
    ("ts_to", pa.int64()),
    ("open", _DECIMAL),
    ("high", _DECIMAL),
    ("low", _DECIMAL),
    ("close", _DECIMAL),
    ("volume", _DECIMAL),
    ("turnover", _DECIMAL),
    ("multiplier", _DECIMAL),
    ("base", pa.string()),
    ("inverse", pa.bool_()),
]
COLUMNS = pa.schema(_FIELDS)
_PLACES = Decimal("1e-10")


def with_vwap(table: pa.Table) -> pa.Table:
    """Add `vwap`: turnover by what was traded, to ten digits behind the point.

    Volumes of instruments with a base currency are amounts of it, those of the others lots, each of `multiplier` units.
    Null where nothing was traded, where the multiplier is not known (turnover is money, and without the size of the
    contract it is no price), and of inverse contracts: their volume is money itself.
    """
    return table.append_column("vwap", pa.array([_vwap(row) for row in table.to_pylist()], _DECIMAL))


def _vwap(row: dict[str, Any]) -> Decimal | None:
    size = Decimal(1) if row["base"] else row["multiplier"]
    if not row["volume"] or not size or row["inverse"]:
        return None
    price: Decimal = row["turnover"] / row["volume"] / size
    return price.quantize(_PLACES)
