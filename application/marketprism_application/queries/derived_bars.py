"""Bars of an interval that are not stored, made of the minutes that are, by the rules that the aggregator has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.contracts.rows import Row
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.paging import is_behind, page, paged, pages
from marketprism_application.queries.stored_bars import StoredBars
from marketprism_domain.bars.cascade import Cascade, Minute, Window
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
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
    """A page of bars of the query's interval: those that are stored, and between them those of minutes that none of
    them holds, like imported ones; marked where there is more.

    Raises:
        QueryError: an interval that minutes cannot make, or one window of more minutes than an answer may take.
    """
    interval = Interval.parse(str(query.interval))
    asked = str(interval)
    if asked == _MINUTE or _MINUTE not in rules.intervals:
        return await page(reader, query)
    stored: StoredBars | None = None
    wanted = query
    if asked in rules.intervals:
        found = await page(reader, query)
        stored = StoredBars(found, query)
        lacking = await stored.lacking(reader, _Windows(interval, query.symbol, rules).of)
        if lacking is None:
            return found
        wanted = lacking
    elif interval.seconds % 60:
        raise QueryError(f"interval: expected one of {', '.join(rules.intervals)} or whole minutes, was {asked!r}")
    making = _Making(reader, wanted, rules)
    rows, more = await (making.newest() if query.last else making.oldest())
    if stored is not None:
        rows, more = await asyncio.to_thread(stored.joined, rows, more=more)
    from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415 (loads pyarrow)

    return paged(BAR, rows, schema_of(BAR.name), query, more=more)


class _Windows:
    """The windows of an interval at each venue of an instrument."""

    def __init__(self, interval: Interval, symbol: str, rules: ReadRules) -> None:
        self._interval, self._symbol, self._rules = interval, symbol, rules
        self._venues: dict[str, Cascade] = {}

    def of(self, venue: str, minute: Window) -> Window:
        """The window that a minute is in."""
        cascade = self._venues.get(venue)
        if cascade is None:
            schedule = self._rules.calendar.schedule(venue, self._symbol)
            cascade = Cascade([str(self._interval)], schedule, by_clock=self._rules.by_clock)
            self._venues[venue] = cascade
        return cascade.window(self._interval, minute)


class _Making:
    """Bars that are made of minutes, as many as the query asks for."""

    def __init__(self, reader: StoreReader, query: Records, rules: ReadRules) -> None:
        self._reader = reader
        self._query = query
        self._rules = rules
        self._interval = str(Interval.parse(str(query.interval)))
        self._per_bar = Interval.parse(self._interval).seconds // 60
        self._end = None if query.ts_to is None else query.ts_to + self._per_bar * NANOS_PER_MINUTE
        start = query.ts_from
        if query.after is not None:  # its window is made again, and left out
            start = max(start or 0, int(query.after[0]))
        # Days are looked for in the bars: a week's minutes have the days of the week.
        self._minutes = msgspec.structs.replace(
            query, interval=_MINUTE, ts_from=start, ts_to=self._end, after=None, from_day=None, to_day=None
        )
        self._venues: dict[str, _OfVenue] = {}

    async def oldest(self) -> tuple[list[Row], bool]:
        """Bars from the query's begin on, and whether there are more behind them."""
        rows: list[Row] = []
        count = 0
        wanted = msgspec.structs.replace(
            self._minutes, limit=min(MAX_LIMIT, (self._query.limit + 2) * self._per_bar), last=False
        )
        async for table in pages(self._reader, wanted):
            # In a thread: a year of minutes takes longer than a heartbeat may wait.
            minutes = await asyncio.to_thread(table.to_pylist)
            rows += await asyncio.to_thread(self._fed, minutes)
            count += len(minutes)
            if table.num_rows < wanted.limit:
                break
            whole = self._whole(rows, minutes[-1]["ts_open"])
            if len(whole) > self._query.limit or (whole and count >= _MOST_MINUTES):
                return whole, True
            if count >= 2 * _MOST_MINUTES:
                raise QueryError(f"interval: expected windows of at most {_MOST_MINUTES} minutes, was {self._interval}")
        rows += await self._rest()
        return self._chosen(rows), False

    async def newest(self) -> tuple[list[Row], bool]:
        """The newest bars, and whether there are more before them."""
        minutes: list[Row] = []
        asked = msgspec.structs.replace(
            self._minutes, limit=min(MAX_LIMIT, (self._query.limit + 1) * self._per_bar), last=True
        )
        while True:
            found = await asyncio.to_thread((await self._reader.answer(asked)).to_pylist)
            full = len(found) == asked.limit
            floor = found[0]["ts_open"] if full else -1  # of this minute there may be more, before it there is
            minutes = [row for row in found if row["ts_open"] > floor] + minutes
            self._venues.clear()
            rows = await asyncio.to_thread(self._fed, minutes)
            rows = self._chosen([*rows, *await self._rest()])
            # A window that began at or before the floor lacks minutes.
            rows = [row for row in rows if row["ts_open"] > floor]
            if not full or len(rows) > self._query.limit or (rows and len(minutes) >= _MOST_MINUTES):
                return rows, full or len(rows) > self._query.limit
            asked = msgspec.structs.replace(asked, ts_to=floor + 1, limit=MAX_LIMIT)

    def _fed(self, minutes: list[Row]) -> list[Row]:
        """Bars that these minutes close."""
        rows = []
        for row in minutes:
            venue = self._venues.get(row["venue"])
            if venue is None:
                schedule = self._rules.calendar.schedule(row["venue"], self._query.symbol)
                venue = self._venues[row["venue"]] = _OfVenue(self._interval, schedule, by_clock=self._rules.by_clock)
            rows += venue.add(row)
        return rows

    def _whole(self, rows: list[Row], ts: int) -> list[Row]:
        """Chosen bars before which there is none that lacks a minute, when minutes are known up to this one."""
        rows += [row for venue in self._venues.values() for row in venue.close_until(ts)]
        begun = min(venue.begun(ts) for venue in self._venues.values())
        return self._chosen([row for row in rows if row["ts_open"] < begun and row["ts_close"] <= ts])

    async def _rest(self) -> list[Row]:
        """Bars that the range ended in: the minutes of their windows behind it, where they are over."""
        rows: list[Row] = []
        for name, venue in self._venues.items():
            window = venue.window
            if window is None or self._end is None or not self._inside(window.ts_open):
                continue  # what is still being made is no bar yet
            behind = msgspec.structs.replace(
                self._minutes, venue=name, ts_from=self._end, ts_to=window.ts_close, limit=MAX_LIMIT, last=False
            )
            if window.ts_close > self._end:
                for row in (await self._reader.answer(behind)).to_pylist():
                    rows += venue.add(row)
            if venue.window is not None:
                over = msgspec.structs.replace(behind, ts_from=max(self._end, window.ts_close), ts_to=None, limit=1)
                if (await self._reader.answer(over)).num_rows:
                    rows += venue.close_until(window.ts_close)
        return rows

    def _inside(self, opened: int) -> bool:
        query = self._query
        return (query.ts_from is None or opened >= query.ts_from) and (query.ts_to is None or opened < query.ts_to)

    def _chosen(self, rows: list[Row]) -> list[Row]:
        query = self._query
        return [
            row
            for row in rows
            if self._inside(row["ts_open"])
            and (query.from_day or "") <= row["trading_day"]
            and (query.to_day is None or row["trading_day"] <= query.to_day)
            and (query.after is None or is_behind(BAR, row, query.after))
        ]


class _OfVenue:
    """The longer bars of one venue, of its minutes in order."""

    def __init__(self, interval: str, schedule: Schedule, *, by_clock: bool) -> None:
        self._name = interval
        self._interval = Interval.parse(interval)
        self._schedule = schedule
        self._cascade = Cascade([interval], schedule, by_clock=by_clock)
        self._latest: Row = {}

    def add(self, row: Row) -> list[Row]:
        """Bars that this minute closes. A window whose last minute had no trade ends when a later one begins."""
        made = self.close_until(row["ts_open"])
        self._latest = row
        return made + [_row(bar, row, self._name) for _, bar in self._cascade.add(_minute(row))]

    def close_until(self, ts: int) -> list[Row]:
        """Bars whose window ends at or before `ts`."""
        return [_row(bar, self._latest, self._name) for _, bar in self._cascade.close_until(ts)]

    @property
    def window(self) -> Window | None:
        """The window that is being made."""
        making = self._cascade.state().making.get(self._name)
        return making.window if making is not None else None

    def begun(self, ts: int) -> int:
        """When the window began that is being made, or that the minute at `ts` belongs to, whichever is earlier."""
        minute = Window(ts, ts + NANOS_PER_MINUTE, self._schedule.trading_day_of(ts))
        found = self._cascade.window(self._interval, minute).ts_open
        return min(found, self.window.ts_open) if self.window is not None else found


def _minute(row: Row) -> Minute:
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


def _row(bar: Minute, last: Row, interval: str) -> Row:
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
