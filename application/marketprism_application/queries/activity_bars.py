"""Bars by activity of stored ticks: so many ticks, so much volume or turnover each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pyarrow as pa

from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import MAX_LIMIT, Latest, Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.bars_from_ticks import check_range, gap_ledger, in_days, sections_of
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.paging import paged, pages
from marketprism_domain.bars.activity_bars import Activity, ActivityBarBuilder
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import InstrumentId, TimeWindow

_MOST_TICKS = 1_000_000
_COLUMNS = (
    "venue",
    "symbol",
    "source",
    "epoch",
    "seq",
    "ts_event",
    "ts_recv",
    "ts_pub",
    "source_seq",
    "trading_day",
    "last",
    "volume",
    "turnover",
    "open_interest",
    "verdict",
    "traded",
    "traded_turnover",
)


async def activity_bars(reader: StoreReader, query: Records, rules: ReadRules) -> pa.Table:
    """Bars of the query's activity with ts_open in its range, oldest first; counted from the begin of a trading day.

    What is not full yet is no bar, as long as its trading day lasts.

    Raises:
        QueryError: no range, one of more than 92 days or of more than a million ticks.
    """
    activity = Activity.parse(str(query.interval))
    span = check_range(query)
    newest = await reader.answer(Latest(TICK.name, (query.symbol,)))
    venues = {str(venue) for venue in newest.column("venue").to_pylist()}
    bars: list[Bar] = []
    for venue in sorted(venues if query.venue is None else venues & {query.venue}):
        instrument, gaps = InstrumentId.of(venue, query.symbol), await gap_ledger(reader, query, venue)
        for bar in await _of_venue(reader, query, instrument, activity, rules):
            if span.contains(bar.ts_open) and in_days(query, bar.trading_day):
                holes = gaps.overlapping(instrument, TimeWindow(bar.ts_open, bar.ts_close))
                bars.append(bar._replace(gap=bool(holes)))
    return paged(BAR, [bar._asdict() for bar in bars], schema_of(BAR.name), query, more=False)


async def _of_venue(
    reader: StoreReader, query: Records, instrument: InstrumentId, activity: Activity, rules: ReadRules
) -> list[Bar]:
    """Bars of every trading day that the query's range touches."""
    schedule = rules.calendar.schedule(instrument.venue, instrument.symbol)
    begin = query.ts_from or 0
    if query.after is not None:  # counted from the begin of its trading day, as ever
        begin = max(begin, min(int(query.after[0]), query.ts_to or 0))
    sections = sections_of(schedule, begin, query.ts_to or 0)
    if not sections:
        return []
    builder = ActivityBarBuilder(schedule, activity)
    ts_from, ts_to = sections[0][0], sections[-1][2] + 1
    ticks_of = Records(TICK.name, query.symbol, str(instrument.venue), ts_from, ts_to, limit=MAX_LIMIT)
    bars: list[Bar] = []
    async for ticks in _ticks(reader, ticks_of):
        # In a thread: so many ticks take longer than a heartbeat may wait.
        bars += await asyncio.to_thread(_fed, builder, ticks)
    return [*bars, *builder.close()] if rules.now_ns() >= ts_to else bars


def _fed(builder: ActivityBarBuilder, ticks: list[Tick]) -> list[Bar]:
    return [bar for tick in ticks for bar in builder.on_tick(tick)]


async def _ticks(reader: StoreReader, query: Records) -> AsyncIterator[list[Tick]]:
    count = 0
    async for table in pages(reader, query):
        ticks = [Tick(**row) for row in await asyncio.to_thread(table.select(list(_COLUMNS)).to_pylist)]
        yield ticks
        count += len(ticks)
        if count > _MOST_TICKS:
            raise QueryError(f"to: expected a range of at most {_MOST_TICKS} ticks for bars by activity")


__all__ = ["activity_bars"]
