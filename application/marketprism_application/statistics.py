"""Sums and averages of an instrument over a range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

_DECIMAL = pa.decimal128(38, 18)
# What a reader gives, over closed minute bars; `gaps` counts those that overlap a gap, `multiplier` is that of the
# newest contract terms, null where none are stored.
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
]
COLUMNS = pa.schema(_FIELDS)
_PLACES = Decimal("1e-10")


def with_vwap(table: pa.Table) -> pa.Table:
    """Add `vwap`: turnover by volume and multiplier, to ten digits behind the point.

    Null where nothing was traded, or where the multiplier is not known: turnover is money, and without the size of the
    contract it is no price.
    """
    return table.append_column("vwap", pa.array([_vwap(row) for row in table.to_pylist()], _DECIMAL))


def _vwap(row: dict[str, Any]) -> Decimal | None:
    if not row["volume"] or not row["multiplier"]:
        return None
    price: Decimal = row["turnover"] / row["volume"] / row["multiplier"]
    return price.quantize(_PLACES)
