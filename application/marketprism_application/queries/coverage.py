"""How much is stored of many instruments, day by day: the coverage calendar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pyarrow as pa

from marketprism_application.contracts.overview_questions import MOST_DAYS, Coverage
from marketprism_application.contracts.rows import Row
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import NANOS_PER_MINUTE

# What a reader gives: a row per venue, symbol and trading day of which there is a minute bar or a gap. `gap_bars` are
# bars that overlap a gap, `gap_ns` is the length of all holes of the day's ledger, as `daily` has it.
_STORED: list[tuple[str, pa.DataType]] = [
    ("venue", pa.string()),
    ("symbol", pa.string()),
    ("trading_day", pa.string()),
    ("bars", pa.int64()),
    ("gap_bars", pa.int64()),
    ("gaps", pa.int64()),
    ("gap_ns", pa.int64()),
]
STORED = pa.schema(_STORED)
# What is answered: a row per day that has sessions, or of which something is stored. `minutes` are those of the day's
# sessions that are over, null of a day without; `complete` is the share of them that has a bar, four digits.
COLUMNS = STORED.append(pa.field("minutes", pa.int64())).append(pa.field("complete", pa.float64()))
STILL_RUNNING = timedelta(days=30)  # data that is not older than this ends today, whether or not today has any
_HOLIDAYS = 12  # days of the longest holidays and weekends beside them
_BOOKKEEPING = {"bars": 0, "gap_bars": 0, "gaps": 0, "gap_ns": 0}
Name = tuple[str, str]  # venue, symbol


class Term(NamedTuple):
    """First and last day of a contract, empty where they are not known."""

    first: str = ""
    last: str = ""


def day_range(found: pa.Table, asked: Coverage, today: str) -> tuple[str, str] | None:
    """The days to show: as they are asked for, else from the first that was found to today, or to the last that was
    found where that is long ago. What is much older than so many days before the last is of another time, and not
    shown unless asked for. None where nothing was found and a bound is not given."""
    first, last = asked.from_day, asked.to_day
    days = [day for day in found.column("trading_day").to_pylist() if day]
    if last is None:
        newest = max(days, default=today if first is not None else "")
        if not newest:
            return None
        last = today if newest <= today and day_of(today) - day_of(newest) <= STILL_RUNNING else newest
    reach = MOST_DAYS - 1 if first is not None else min(MOST_DAYS - 1, 2 * asked.days + _HOLIDAYS)
    oldest = day_text(day_of(last) - timedelta(days=reach))
    if first is not None:
        return max(first, oldest), last
    near = [day for day in days if oldest <= day <= last]
    return (min(near), last) if near else None


def with_data(found: pa.Table, names: Sequence[Name], days: tuple[str, str]) -> list[Name]:
    """Of these instruments those of which anything was found on these days."""
    columns = (found.column(name).to_pylist() for name in ("venue", "symbol", "trading_day"))
    there = {(venue, symbol) for venue, symbol, day in zip(*columns, strict=True) if days[0] <= day <= days[1]}
    return [name for name in names if name in there]


def filled(
    found: pa.Table,
    names: Sequence[Name],
    days: tuple[str, str],
    calendar: MarketCalendar,
    terms: Mapping[Name, Term],
    now_ns: int,
) -> pa.Table:
    """The calendar of these instruments: what was found, and the days between of which nothing is there.

    Times are of the calendar; sections that have not begun count for nothing. Runs over names times days, so it belongs
    in a thread.
    """
    stored: dict[Name, dict[str, Row]] = {}
    for row in found.to_pylist():
        stored.setdefault((row["venue"], row["symbol"]), {})[row["trading_day"]] = row
    wanted = list(_days(*days))
    rows: list[Row] = []
    for venue, symbol in names:
        schedule = calendar.schedule(venue, symbol)
        rows.extend(_rows((venue, symbol), stored.get((venue, symbol), {}), schedule, wanted, terms, now_ns))
    return pa.Table.from_pylist(rows, COLUMNS)


def _rows(
    name: Name,
    stored: Mapping[str, Row],
    schedule: Schedule,
    days: Iterable[tuple[date, str]],
    terms: Mapping[Name, Term],
    now_ns: int,
) -> Iterator[Row]:
    term = terms.get(name, Term())
    for day, text in days:
        row = stored.get(text)
        known = (not term.first or text >= term.first) and (not term.last or text <= term.last)
        due = _minutes(schedule, day, text, now_ns) if known else None
        if row is None and not due:
            continue
        bars = row["bars"] if row is not None else 0
        yield {
            "venue": name[0],
            "symbol": name[1],
            "trading_day": text,
            **(_BOOKKEEPING if row is None else {key: row[key] for key in _BOOKKEEPING}),
            "minutes": due,
            "complete": round(min(1.0, bars / due), 4) if due else None,
        }


def _minutes(schedule: Schedule, day: date, text: str, now_ns: int) -> int | None:
    """Minutes of a day that are over, None of a day on which nothing trades."""
    if not schedule.trades(day):
        return None
    ends = ((each.ts_open, min(each.ts_close, now_ns)) for each in schedule.sessions(text))
    return sum(max(0, end - opened) // NANOS_PER_MINUTE for opened, end in ends) or None


def _days(first: str, last: str) -> Iterator[tuple[date, str]]:
    """Days and their texts."""
    begin = day_of(first)
    for number in range((day_of(last) - begin).days + 1):
        day = begin + timedelta(days=number)
        yield day, day_text(day)
