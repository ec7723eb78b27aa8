"""Bars made of stored ticks by the database itself, under the session rules of the aggregator.

For an interval below a minute, for a store that keeps no minutes, and to check the kept bars against their ticks. The
sections of the trading days go to the database with the question; what comes back is one row a window.

Two rules are the aggregator's alone: a tick that comes out of order is late there and in its place here, and a revision
is a thing of the log.
"""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from marketprism_application.contracts.kinds import BAR, GAP, TICK
from marketprism_application.contracts.questions import MAX_LIMIT, BarsOfTicks, Latest, Records, Sections
from marketprism_application.contracts.rows import Row
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.paging import paged, pages
from marketprism_application.queries.trading_days import AROUND_DAYS
from marketprism_domain.bars.cascade import Cascade, Window
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY, china_date, day_of, day_text
from marketprism_domain.ticks.gaps import GapLedger
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND, InstrumentId, Interval, TimeWindow

_MOST_DAYS = 92


_DECIMAL = pa.decimal128(38, 18)
# `start` is the window's first minute (its own begin where it is shorter than a minute).
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("trading_day", pa.string()),
    ("start", pa.int64()),
    ("open", _DECIMAL),
    ("high", _DECIMAL),
    ("low", _DECIMAL),
    ("close", _DECIMAL),
    ("volume", _DECIMAL),
    ("turnover", _DECIMAL),
    ("open_interest", _DECIMAL),
    ("ticks", pa.int64()),
    ("source", pa.string()),
    ("epoch", pa.int64()),
    ("ts_recv", pa.int64()),
    ("ts_pub", pa.int64()),
]
COLUMNS = pa.schema(_FIELDS)


async def bars_of_ticks(reader: StoreReader, query: Records, rules: ReadRules) -> pa.Table:
    """Bars of the query's interval with ts_open in its range, oldest first.

    Raises:
        QueryError: a week, seconds that do not divide a minute, no range, or one of more than 92 days.
    """
    interval = Interval.parse(str(query.interval))
    if interval.unit == "w" or (interval.seconds < 60 and 60 % interval.seconds):
        raise QueryError(f"interval: expected seconds that divide a minute, minutes, hours or 1d, was {interval}")
    span = check_range(query)
    start = _begin_of(query, span)
    newest = {
        row["venue"]: row["ts_event"] for row in (await reader.answer(Latest(TICK.name, (query.symbol,)))).to_pylist()
    }
    now = rules.now_ns()
    rows: list[Row] = []
    for venue in sorted(set(newest) if query.venue is None else newest.keys() & {query.venue}):
        schedule = rules.calendar.schedule(venue, query.symbol)
        sections = sections_of(schedule, start, span.ts_to)
        width_ns = 0 if interval.unit == "d" else interval.nanos
        made = await reader.answer(BarsOfTicks(query.symbol, venue, sections, width_ns))
        instrument, gaps = InstrumentId.of(venue, query.symbol), await gap_ledger(reader, query, venue)
        cascade = Cascade((), schedule, by_clock=False)
        for row in made.to_pylist():
            window = _window(row, interval, cascade)
            # A window that may still get a tick is no bar yet.
            closed = window.ts_close <= max(now, newest[venue])
            if closed and span.contains(window.ts_open) and in_days(query, window.trading_day):
                holes = gaps.overlapping(instrument, TimeWindow(window.ts_open, window.ts_close))
                rows.append(_row(row, window, venue, query, gap=bool(holes)))
    return paged(BAR, rows, schema_of(BAR.name), query, more=False)


def _begin_of(query: Records, span: TimeWindow) -> int:
    """Where the ticks of the page begin: a window opened there is made of all its ticks."""
    return span.ts_from if query.after is None else min(span.ts_to, max(span.ts_from, int(query.after[0])))


def in_days(query: Records, trading_day: str) -> bool:
    """Whether a trading day is one of those that are asked for."""
    return (query.from_day or "") <= trading_day and (query.to_day is None or trading_day <= query.to_day)


def sections_of(schedule: Schedule, ts_from: int, ts_to: int) -> Sections:
    """Sections of every trading day that a range touches: ts_auction, ts_open, ts_close, session time before, day."""
    found: list[tuple[int, int, int, int, str]] = []
    day, last = china_date(ts_from), china_date(ts_to) + timedelta(days=4)  # a night belongs to the next trading day
    day = day_of(schedule.trading_day_of(ts_from)) if schedule.trading_day_of(ts_from) < day_text(day) else day
    while day <= last:
        text = day_text(day)
        if schedule.trades(day):
            sessions = schedule.sessions(text)
            if sessions[0].ts_auction < ts_to and sessions[-1].ts_close > ts_from - NANOS_PER_DAY:
                found += [
                    (s.ts_auction, s.ts_open, s.ts_close, s.minute_offset * NANOS_PER_MINUTE, text) for s in sessions
                ]
        day += timedelta(days=1)
    return tuple(found)


def check_range(query: Records) -> TimeWindow:
    """The range of a query for bars that are made of ticks.

    Raises:
        QueryError: no range, or one of more than 92 days.
    """
    if query.ts_from is None or query.ts_to is None:
        raise QueryError("from and to: expected both for bars that are made of ticks")
    around = AROUND_DAYS if query.from_day is not None else 0
    if query.ts_to - query.ts_from > (_MOST_DAYS + around) * NANOS_PER_DAY:
        raise QueryError(f"to: expected at most {_MOST_DAYS} days after from for bars that are made of ticks")
    return TimeWindow(query.ts_from, query.ts_to)


async def gap_ledger(reader: StoreReader, query: Records, venue: str) -> GapLedger:
    """Holes of the query's instrument at a venue that are known up to its end."""
    ledger = GapLedger()
    async for found in pages(reader, Records(GAP.name, query.symbol, venue, ts_to=query.ts_to, limit=MAX_LIMIT)):
        for row in found.to_pylist():
            ledger.add(Gap(**row))
    return ledger


def _window(row: Row, interval: Interval, cascade: Cascade) -> Window:
    if interval.seconds < 60:
        return Window(row["start"], row["start"] + interval.nanos, row["trading_day"])
    minute = Window(row["start"], row["start"] + NANOS_PER_MINUTE, row["trading_day"])
    return minute if str(interval) == "1m" else cascade.window(interval, minute)


def _row(row: Row, window: Window, venue: str, query: Records, *, gap: bool) -> Row:
    return {
        **{name: row[name] for name in COLUMNS.names if name != "start"},
        "venue": venue,
        "symbol": query.symbol,
        "seq": window.ts_open // NANOS_PER_SECOND,
        "ts_event": window.ts_close,
        "interval": query.interval,
        "ts_open": window.ts_open,
        "ts_close": window.ts_close,
        "revision": 0,
        "gap": gap,
    }
