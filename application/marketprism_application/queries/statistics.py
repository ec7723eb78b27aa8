"""Sums and averages of an instrument over a range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from marketprism_domain.instruments.sizes import size_of

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
Row = dict[str, Any]


def with_vwap(table: pa.Table) -> pa.Table:
    """Add `vwap`: turnover by what was traded, to ten digits behind the point.

    Volumes of instruments with a base currency are amounts of it, those of the others lots, each of `multiplier` units.
    Where no terms are stored, the multiplier is that of the table of contract sizes. Null where nothing was traded,
    where no multiplier is known (turnover is money, and without the size of the contract it is no price), and of
    inverse contracts: their volume is money itself.
    """
    rows = [_with_size(row) for row in table.to_pylist()]
    multipliers = pa.array([row["multiplier"] for row in rows], _DECIMAL)
    table = table.set_column(table.schema.get_field_index("multiplier"), COLUMNS.field("multiplier"), multipliers)
    return table.append_column("vwap", pa.array([_vwap(row) for row in rows], _DECIMAL))


def _with_size(row: Row) -> Row:
    """The row with a multiplier where it had none and the table knows one; of a product's changes the newest counts."""
    if row["multiplier"] is not None or row["base"]:
        return row
    size = size_of(row["venue"] or "", row["symbol"] or "")
    return {**row, "multiplier": size.multiplier} if size is not None else row


def _vwap(row: Row) -> Decimal | None:
    size = Decimal(1) if row["base"] else row["multiplier"]
    if not row["volume"] or not size or row["inverse"]:
        return None
    per_lot: Decimal = row["turnover"] / row["volume"]
    price = per_lot / size
    if not _is_between(price, row) and _is_between(per_lot, row):
        price = per_lot  # turnover without the size, as Zhengzhou's older fronts send it
    return price.quantize(_PLACES)


def _is_between(price: Decimal, row: Row) -> bool:
    """Whether a price lies within what was traded, a thousandth beside it included."""
    low, high = row["low"], row["high"]
    if low is None or high is None:
        return True
    room = abs(high) / 1000
    return bool(low - room <= price <= high + room)
