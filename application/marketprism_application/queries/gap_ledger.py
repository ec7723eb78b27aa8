"""The ledger of holes over many instruments."""

from __future__ import annotations

import pyarrow as pa

from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE

STORED = schema_of("gap")
# Besides what the ledger has: `bars`, how many minute bars lie in the hole or touch it. The tick behind a hole brings
# what was traded in it, so its end counts.
COLUMNS = STORED.append(pa.field("bars", pa.int64()))
KEY = ("ts_from", "symbol", "venue", "cause", "kind")  # newest first, all of it descending
_LONGEST_NS = 40 * 86_400 * 10**9  # of a hole whose days are looked at one by one


def with_bars(table: pa.Table, calendar: MarketCalendar) -> pa.Table:
    """Add `bars`: the minutes of the instrument's sessions that the hole touches. Null of a hole of other data than
    ticks, and of one of more than 40 days."""
    columns = [table.column(name).to_pylist() for name in ("venue", "symbol", "ts_from", "ts_to", "kind")]
    counts = [
        _minutes(calendar, venue, symbol, ts_from, ts_to) if not kind and ts_to - ts_from <= _LONGEST_NS else None
        for venue, symbol, ts_from, ts_to, kind in zip(*columns, strict=True)
    ]
    return table.append_column(COLUMNS.field("bars"), pa.array(counts, pa.int64()))


def _minutes(calendar: MarketCalendar, venue: str, symbol: str, ts_from: int, ts_to: int) -> int:
    schedule = calendar.schedule(venue, symbol)
    found, at = 0, ts_from
    while True:
        session = schedule.next_session(at)
        if session.ts_open > ts_to:
            return found
        first = max(0, ts_from - session.ts_open) // NANOS_PER_MINUTE
        last = (min(ts_to, session.ts_close - 1) - session.ts_open) // NANOS_PER_MINUTE
        found += last - first + 1
        at = session.ts_close
