"""Quotes of files as best levels of a book: how each is known again, and what of two is compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_application.contracts.kinds import BOOK_TOP
from marketprism_application.integrity.exact_numbers import ArrowArray, ArrowColumn, Flags, Ints
from marketprism_application.queries.arrow_tables import schema_of

_LEVELS = schema_of(BOOK_TOP.name).field("bids").type
AMOUNTS = ("bid_quantity", "ask_quantity")
SIDES = {"bids": ("bid_price", "bid_quantity"), "asks": ("ask_price", "ask_quantity")}


class QuoteNumbers:
    """The number of each quote of a file, block after block: the venue's own. Where the file has none, its time in
    nanoseconds and how many of that time are before it, as times of files are milliseconds or microseconds."""

    def __init__(self) -> None:
        self._newest, self._count = 0, 0

    def of(self, rows: pa.Table) -> ArrowArray:
        """Of the next block."""
        number = rows.column("number").combine_chunks()
        if number.null_count == 0:
            return number
        ts = rows.column("ts_event").to_numpy()
        begins = np.flatnonzero(np.r_[True, ts[1:] != ts[:-1]])
        before: Ints = np.arange(len(ts), dtype=np.int64) - np.repeat(begins, np.diff(np.r_[begins, len(ts)]))
        if len(ts) and ts[0] == self._newest:
            first = begins[1] if len(begins) > 1 else len(ts)
            before[:first] += self._count
        if len(ts):
            self._newest, self._count = int(ts[-1]), int(before[-1]) + 1
        return pa.array(ts + before)


def sides_of(columns: dict[str, ArrowColumn]) -> dict[str, ArrowColumn]:
    """`bids` and `asks` of one level each, of none where a side of the book was empty."""
    return {side: _levels(columns[price], columns[quantity]) for side, (price, quantity) in SIDES.items()}


def _levels(price: ArrowColumn, quantity: ArrowColumn) -> ArrowArray:
    prices, quantities = _whole(price), _whole(quantity)
    none = pa.scalar(Decimal(0), quantities.type)
    there = pc.greater(quantities, none).fill_null(False).to_numpy(zero_copy_only=False)
    there &= prices.is_valid().to_numpy(zero_copy_only=False)
    ends = np.r_[0, np.cumsum(there)].astype(np.int32)
    cells = [column.filter(pa.array(there)) for column in (prices, quantities)]
    level = pa.StructArray.from_arrays(cells, fields=list(_LEVELS.value_type))
    return pa.ListArray.from_arrays(pa.array(ends), level).cast(_LEVELS)


def _whole(column: ArrowColumn) -> ArrowArray:
    """A column in one piece."""
    found: ArrowArray = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return found


def best_differs(one: ArrowArray, other: ArrowArray) -> Flags:
    """Where the best levels of two columns of levels are not the same."""
    differs = np.zeros(len(one), dtype=np.bool_)
    for name in ("price", "quantity"):
        ours, theirs = _best(one, name), _best(other, name)
        differs |= pc.not_equal(ours, theirs).fill_null(False).to_numpy(zero_copy_only=False).astype(np.bool_)
        nothing, neither = (each.is_null().to_numpy(zero_copy_only=False) for each in (ours, theirs))
        differs |= nothing != neither
    return differs


def _best(levels: ArrowArray, name: str) -> ArrowArray:
    """A field of the first level of each row, null where there is none."""
    rows = cast("pa.ListArray[Any]", levels)
    offsets = rows.offsets.to_numpy()
    first = pa.array(offsets[:-1], mask=offsets[1:] == offsets[:-1])
    found: ArrowArray = cast("pa.StructArray", rows.values).field(name).take(first)
    return found


__all__ = ["AMOUNTS", "SIDES", "QuoteNumbers", "best_differs", "sides_of"]
