"""Quality of many instruments over time: windows, summed up."""

from __future__ import annotations

import pyarrow as pa

# One row per venue, symbol and span of time that has a window. `score` is that of the ticks of all its windows, two
# digits; `lowest` is the worst window's. `reasons` is JSON, counts by reason, by name.
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("venue", pa.string()),
    ("symbol", pa.string()),
    ("ts_from", pa.int64()),
    ("ts_to", pa.int64()),
    ("windows", pa.int64()),
    ("score", pa.float64()),
    ("lowest", pa.int64()),
    ("ticks", pa.int64()),
    ("accepted", pa.int64()),
    ("rejected", pa.int64()),
    ("stale", pa.int64()),
    ("warned", pa.int64()),
    ("anomalies", pa.int64()),
    ("reasons", pa.string()),
]
COLUMNS = pa.schema(_FIELDS)
MOST_SPANS = 100  # of an instrument
_MINUTE = 60 * 10**9
_DAY = 86_400 * 10**9
_WIDTHS = tuple(n * _MINUTE for n in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440))


def width_for(ts_from: int | None, ts_to: int | None, now_ns: int) -> int:
    """The narrowest span, nanoseconds, of which a range has no more than an answer shows of an instrument. A range
    without a beginning is a day."""
    length = _DAY if ts_from is None else max(0, (now_ns if ts_to is None else ts_to) - ts_from)
    return next((width for width in _WIDTHS if length <= width * MOST_SPANS), -(-length // (_DAY * MOST_SPANS)) * _DAY)
