"""What is stored of an instrument day by day, and how complete it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE

_DECIMAL = pa.decimal128(38, 18)
# What a reader gives: prices and sums are those of the stored ticks, `bars` counts closed minute bars.
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("venue", pa.string()),
    ("symbol", pa.string()),
    ("trading_day", pa.string()),
    ("ticks", pa.int64()),
    ("ts_first", pa.int64()),
    ("ts_last", pa.int64()),
    ("first", _DECIMAL),
    ("high", _DECIMAL),
    ("low", _DECIMAL),
    ("last", _DECIMAL),
    ("volume", _DECIMAL),
    ("turnover", _DECIMAL),
    ("bars", pa.int64()),
    ("gaps", pa.int64()),
    ("gap_ns", pa.int64()),
]
COLUMNS = pa.schema(_FIELDS)
_MILLIONTH = Decimal("0.000001")


def with_completeness(days: pa.Table, calendar: MarketCalendar) -> pa.Table:
    """Add `minutes` (of the day's sessions), `complete` (share of them that has a bar, four digits) and `average`.

    `average` is turnover by volume, rounded to a millionth: the volume-weighted price, times the contract's size where
    the venue counts turnover in money. A day that the calendar does not know has no minutes.
    """
    rows = days.to_pylist()
    minutes = [_minutes(row, calendar) for row in rows]
    complete = [
        None if not total else round(min(1.0, row["bars"] / total), 4) for row, total in zip(rows, minutes, strict=True)
    ]
    average = [
        (row["turnover"] / row["volume"]).quantize(_MILLIONTH) if row["volume"] and row["turnover"] else None
        for row in rows
    ]
    added: list[tuple[str, Any]] = [
        ("minutes", pa.array(minutes, pa.int64())),
        ("complete", pa.array(complete, pa.float64())),
        ("average", pa.array(average, _DECIMAL)),
    ]
    for name, column in added:
        days = days.append_column(name, column)
    return days


def _minutes(row: dict[str, Any], calendar: MarketCalendar) -> int | None:
    sessions = calendar.schedule(row["venue"], row["symbol"]).sessions(row["trading_day"])
    return sum((session.ts_close - session.ts_open) // NANOS_PER_MINUTE for session in sessions) or None
