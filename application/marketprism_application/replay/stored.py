"""Bars of stored ticks, of several intervals at once: what the live pipeline made of them, or would have.

The ticks come from the store as columns and go through `ColumnBuilder`: the builder of the live pipeline with a shorter
way through ticks that come in order. Gaps are told where they were noticed; the venue's changes of its sections
are known from the beginning. Marks of the clock are in no store: a bar closes with the next tick, and at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_application.columns.builder import ColumnBuilder, Notice
from marketprism_application.contracts.kinds import BAR, GAP
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.paging import all_pages
from marketprism_application.queries.tick_history import newest_of, session_changes, tick_columns
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.gap import Gap, interval_missing_in
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import NANOS_PER_SECOND, Interval


class Span(NamedTuple):
    """Bars that open in [ts_from, ts_to); None is no bound."""

    ts_from: int | None = None
    ts_to: int | None = None


@dataclass(frozen=True)
class RebuiltTicks:
    """Bars in their last revision, by venue, interval (in the order of the settings) and opening; how many ticks were
    read, how many of them went one by one through the live pipeline's builder, how many were too late for any bar."""

    bars: pa.Table
    ticks: int = 0
    one_by_one: int = 0
    late: int = 0


async def rebuild_stored(
    reader: StoreReader,
    calendar: MarketCalendar,
    symbol: str,
    span: Span,
    settings: BarSettings,
    now_ns: int,
    *,
    venue: str | None = None,
    page_rows: int = MAX_LIMIT,
    progress: Callable[[int], None] = lambda _: None,
) -> RebuiltTicks:
    """Bars of an instrument at each venue that has ticks of it; `progress` gets how many ticks were read.

    A bar that may still get a tick, by the newest stored one and by `now_ns`, is none yet.

    Raises:
        UnknownSymbolError: no tick of it is stored (at the venue). QueryError: the range ends before it begins, or
        holds no tick. StoreError: as the reader.
    """
    if span.ts_from is not None and span.ts_to is not None and span.ts_to <= span.ts_from:
        raise QueryError(f"to: expected a time after from ({span.ts_from}), was {span.ts_to}")
    newest = await newest_of(reader, symbol, venue)
    if not newest:
        where = f" at {venue}" if venue is not None else ""
        raise UnknownSymbolError(f"symbol: expected an instrument with stored ticks{where}, was {symbol!r}")
    tables, ticks, one_by_one, late = [], 0, 0, 0
    for each, last in sorted(newest.items()):
        own = calendar.copy()
        for change in await session_changes(reader.answer, each, symbol, span.ts_from):
            own.overrule(change)
        schedule = own.schedule(each, symbol)
        begin, end = _reach(schedule, span, settings.intervals)
        gaps = await _gaps(reader, symbol, each, end)
        builder = ColumnBuilder(each, symbol, own, settings, schema_of(BAR.name))
        async for columns in tick_columns(reader, symbol, each, begin, end, page_rows):
            known = int(columns.ts_event.max())
            told = [gap for gap in gaps if gap[0] <= known]
            gaps = [gap for gap in gaps if gap[0] > known]
            # In a thread: a page takes longer than a heartbeat may wait.
            await asyncio.to_thread(builder.feed, columns, told)
            ticks += len(columns)
            progress(ticks)
        for _, gap in gaps:
            builder.tell(gap)
        builder.close_until(max(last, now_ns) + int(settings.grace_s * NANOS_PER_SECOND))
        one_by_one, late = one_by_one + builder.one_by_one, late + builder.late
        tables.append(await asyncio.to_thread(_standing, builder.table(), span, settings.intervals))
    if not ticks:
        raise QueryError(f"from and to: expected a range with stored ticks of {symbol}, there are none")
    return RebuiltTicks(pa.concat_tables(tables), ticks, one_by_one, late)


def _reach(schedule: Schedule, span: Span, intervals: Sequence[str]) -> tuple[int | None, int | None]:
    """From where to where ticks are needed: of whole trading days, of whole weeks where bars of weeks are made."""
    weeks = any(Interval.parse(text).unit == "w" for text in intervals)
    begin, end = span
    if begin is not None:
        day = schedule.trading_day_of(begin)
        first = schedule.week(day)[0] if weeks else day
        begin = min(begin, schedule.sessions(first)[0].ts_auction)
    if end is not None:
        day = schedule.trading_day_of(end)
        last = schedule.week(day)[1] if weeks else day
        # The first tick of the next day closes the last bars.
        following = day_text(schedule.next_day(max(day_of(last), day_of(day))))
        end = max(end, schedule.sessions(following)[0].ts_auction)
    return begin, end


async def _gaps(reader: StoreReader, symbol: str, venue: str, ts_to: int | None) -> list[Notice]:
    """Gaps of the ticks, by when each was noticed."""
    found: list[Gap] = []
    async for page in all_pages(reader.answer, Records(GAP.name, symbol, venue, ts_to=ts_to, limit=MAX_LIMIT)):
        found += [Gap(**row) for row in page.to_pylist()]
    return sorted((gap.ts_event, gap) for gap in found if not interval_missing_in(gap.source))


def _standing(bars: pa.Table, span: Span, intervals: Sequence[str]) -> pa.Table:
    """The last revision of each bar that opens in the range, by interval and opening."""
    opened = bars.column("ts_open").to_numpy()
    revision = bars.column("revision").to_numpy()
    names = bars.column("interval")
    rank = np.zeros(bars.num_rows, np.int64)
    for number, text in enumerate(intervals):
        own = pc.equal(names, pa.scalar(str(Interval.parse(text))))
        rank[np.asarray(own, np.bool_)] = number
    order = np.lexsort((revision, opened, rank))
    opened, rank = opened[order], rank[order]
    stands = np.append((opened[1:] != opened[:-1]) | (rank[1:] != rank[:-1]), True)[: len(order)]
    if span.ts_from is not None:
        stands &= opened >= span.ts_from
    if span.ts_to is not None:
        stands &= opened < span.ts_to
    return bars.take(pa.array(order[stands]))


__all__ = ["RebuiltTicks", "Span", "rebuild_stored"]
