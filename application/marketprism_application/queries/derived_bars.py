"""Bars of an interval that nobody keeps, made of the minutes that are kept, by the rules that the aggregator has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import MAX_LIMIT, Records, key_of
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.bars.cascade import Cascade, Minute, Window
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

if TYPE_CHECKING:
    import pyarrow as pa

_MINUTE = "1m"
_MOST_MINUTES = 200_000


@dataclass(frozen=True, slots=True)
class ReadRules:
    """What the read side knows beside the store: sessions, which intervals are kept, and how windows are counted."""

    calendar: MarketCalendar
    intervals: tuple[str, ...]
    by_clock: bool = False
    now_ns: Callable[[], int] = time.time_ns


async def bars(reader: StoreReader, query: Records, rules: ReadRules) -> pa.Table:
    """Bars of the query's interval, read or made.

    Raises:
        QueryError: an interval that minutes cannot make, a page of made bars, or more minutes than one answer may take.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    asked = str(Interval.parse(str(query.interval)))
    if asked in rules.intervals or _MINUTE not in rules.intervals:
        return await reader.answer(query)
    seconds = Interval.parse(asked).seconds
    if seconds % 60:
        raise QueryError(f"interval: expected one of {', '.join(rules.intervals)} or whole minutes, was {asked!r}")
    if query.after is not None:
        raise QueryError(f"after: expected none for {asked}, which is made of minutes; ask by from and to")
    table, minutes = await _minutes(reader, query, seconds // 60)
    # In a thread: a year of minutes takes longer than a heartbeat may wait.
    made = await asyncio.to_thread(
        lambda: [row for row in _longer_bars(minutes, asked, query, rules) if _inside(row, query)]
    )
    kept = made[-query.limit :] if query.last else made[: query.limit]
    return pa.Table.from_pylist(kept, table.schema)


async def _minutes(reader: StoreReader, query: Records, per_bar: int) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Minute bars that the asked windows may hold, oldest first."""
    if query.last:
        wanted = min(MAX_LIMIT, (query.limit + 1) * per_bar)
        table = await reader.answer(msgspec.structs.replace(query, interval=_MINUTE, limit=wanted))
        return table, await asyncio.to_thread(table.to_pylist)
    end = None if query.ts_to is None else query.ts_to + per_bar * NANOS_PER_MINUTE
    page = msgspec.structs.replace(query, interval=_MINUTE, ts_to=end, limit=MAX_LIMIT)
    table = await reader.answer(page)
    first, found = table, await asyncio.to_thread(table.to_pylist)
    while table.num_rows == page.limit:
        if len(found) >= min(_MOST_MINUTES, query.limit * per_bar + MAX_LIMIT):
            break
        page = msgspec.structs.replace(page, after=key_of(BAR, table))
        table = await reader.answer(page)
        found += await asyncio.to_thread(table.to_pylist)
    return first, found


def _inside(row: dict[str, Any], query: Records) -> bool:
    opened = row["ts_open"]
    return (query.ts_from is None or opened >= query.ts_from) and (query.ts_to is None or opened < query.ts_to)


def _longer_bars(
    minutes: list[dict[str, Any]], interval: str, query: Records, rules: ReadRules
) -> Iterator[dict[str, Any]]:
    for venue in sorted({row["venue"] for row in minutes}):
        schedule = rules.calendar.schedule(venue, query.symbol)
        cascade = Cascade([interval], schedule, by_clock=rules.by_clock)
        latest: dict[str, Any] = {}
        for row in (row for row in minutes if row["venue"] == venue):
            before, latest = latest or row, row
            # A window whose last minute had no trade ends when a later one begins.
            for _, bar in cascade.close_until(row["ts_open"]):
                yield _row(bar, before, interval)
            for _, bar in cascade.add(_minute(row)):
                yield _row(bar, row, interval)
        # What the last minutes began and did not end is still being made, as it is for the aggregator.


def _minute(row: dict[str, Any]) -> Minute:
    window = Window(row["ts_open"], row["ts_close"], row["trading_day"])
    return Minute(
        window,
        row["open"],
        row["high"],
        row["low"],
        row["close"],
        row["volume"],
        row["turnover"],
        row["open_interest"],
        row["ticks"],
        row["gap"],
        0,
        row["source"],
        row["epoch"],
        row["ts_recv"],
        row["ts_pub"],
    )


def _row(bar: Minute, last: dict[str, Any], interval: str) -> dict[str, Any]:
    """A made bar as a row; its place in the order is that of its last minute."""
    window = bar.window
    return {
        **last,
        "interval": interval,
        "ts_open": window.ts_open,
        "ts_close": window.ts_close,
        "ts_event": window.ts_close,
        "trading_day": window.trading_day,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "turnover": bar.turnover,
        "open_interest": bar.open_interest,
        "ticks": bar.ticks,
        "gap": bar.gap,
        "revision": 0,
        "ts_recv": bar.ts_recv,
        "ts_pub": bar.ts_pub,
    }
