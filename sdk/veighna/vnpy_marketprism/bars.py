"""Stored bars as `BarData`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.object import BarData

from vnpy_marketprism.making import alike
from vnpy_marketprism.times import day_of, ints_of, moments_of

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = {
    "volume": "volume",
    "turnover": "turnover",
    "open_interest": "open_interest",
    "open_price": "open",
    "high_price": "high",
    "low_price": "low",
    "close_price": "close",
}
FIELDS_OF = {
    "bar": ("ts_open", "trading_day", "revision", "gap", *_NUMBERS.values()),
    "kline": ("ts_open", "closed", *(name for name in _NUMBERS.values() if name != "open_interest")),
}


class FoundBars(NamedTuple):
    """Bars of an answer: `numbers` as floats, `table` as it was sent; `by_day`: their time is their trading day."""

    numbers: pa.Table
    table: pa.Table
    by_day: bool


def bars_of(found: FoundBars, symbol: str, exchange: Exchange, interval: Interval, *, gateway: str) -> list[BarData]:
    """Bars, oldest first, at the time of their opening, or at midnight of their trading day.

    `extra` has `gap` (whether something is missing inside), `revision` and `trading_day`; of a venue's own bars, which
    have none of these, the defaults.
    """
    numbers, table, by_day = found
    count, there = table.num_rows, set(table.column_names)
    if not count:
        return []
    days = [str(day) for day in table.column("trading_day").to_pylist()] if "trading_day" in there else [""] * count
    gaps = table.column("gap").to_pylist() if "gap" in there else [False] * count
    revisions = table.column("revision").to_pylist() if "revision" in there else [0] * count
    columns: dict[str, Sequence[object]] = {
        "datetime": [day_of(day) for day in days] if by_day else moments_of(ints_of(table, "ts_open")),
        "extra": [
            {"gap": gap, "revision": revision, "trading_day": day}
            for gap, revision, day in zip(gaps, revisions, days, strict=True)
        ],
        **varying(numbers, {own: name for own, name in _NUMBERS.items() if name in there}),
    }
    first = moments_of(ints_of(table.slice(0, 1), "ts_open"))[0]
    return alike(BarData(gateway, symbol, exchange, first, interval), columns)


def varying(table: pa.Table, names: dict[str, str]) -> dict[str, list[float]]:
    """Columns by VeighNa's names, 0 where a number is missing; without those that have none at all."""
    return {own: floats(table, name) for own, name in names.items() if table.column(name).null_count < table.num_rows}


def varied_and_shared(table: pa.Table, names: dict[str, str]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """As `varying`; and beside it those that are the same everywhere, like the limits of one day."""
    found, shared = {}, {}
    for own, name in names.items():
        column = table.column(name)
        if column.null_count == table.num_rows:
            continue
        values = doubles(column)
        if (values == values[0]).all():
            shared[own] = float(values[0])
        else:
            found[own] = values.tolist()
    return found, shared


def texts(table: pa.Table, name: str) -> list[str]:
    """A column of few different texts, each of which is one object."""
    encoded = table.column(name).combine_chunks().dictionary_encode()
    words = [str(each) for each in encoded.dictionary.to_pylist()]
    places: list[int] = encoded.indices.to_numpy(zero_copy_only=False).tolist()
    return [words[place] for place in places]


def floats(table: pa.Table, name: str) -> list[float]:
    """Numbers of a column, 0 where there is none, as VeighNa has it."""
    found: list[float] = doubles(table.column(name)).tolist()
    return found


def doubles(column: pa.ChunkedArray[pa.DoubleScalar]) -> npt.NDArray[np.float64]:
    """As `floats`, in an array."""
    values: npt.NDArray[np.float64] = column.combine_chunks().to_numpy(zero_copy_only=False)  # NaN for none
    return np.nan_to_num(values) if column.null_count else values
