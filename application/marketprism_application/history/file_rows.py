"""Rows of a file as records of a kind, in columns, some ten thousand at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_application.errors import QueryError, SourceError
from marketprism_application.history.quote_rows import AMOUNTS, SIDES, QuoteNumbers, sides_of
from marketprism_application.history.targets import ImportTarget
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.exact_numbers import ArrowArray, ArrowColumn, Flags, Ints
from marketprism_application.integrity.expected_grid import NOWHERE
from marketprism_application.integrity.file_check import CheckAsked, opened
from marketprism_application.ports.imports import DECIMAL, TIME_OF, FileSeries, RowsFile
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_ROWS = 32_768
_MOST = 38 - DECIMAL.scale
_OF_BARS = ("open", "high", "low", "close", "volume", "turnover", "open_interest", "trades", "taker_buy_volume")
_AMOUNTS = ("quantity", "open_interest", "volume", "taker_buy_volume", *AMOUNTS)


@dataclass(frozen=True)
class FileRows:
    """Records of a kind in columns, in the order of their times; `row` is the number of each in the file. `given` are
    the fields that the file has: what it does not have is held against nothing. `left_out`: rows of this part that were
    not made into records, since others of the same bar differ, or the same was there before."""

    table: pa.Table
    row: Ints
    given: frozenset[str]
    left_out: int = 0
    repeated: int = 0


def rows_of(
    file: RowsFile,
    series: FileSeries,
    target: ImportTarget,
    calendar: MarketCalendar,
    asked: CheckAsked,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[FileRows]:
    """The rows of a series that lie in the range that is asked for, as records of the target.

    A bar that is still forming is none yet, and left out.

    Raises:
        SourceError: the file cannot be read, or a value of it cannot be stored. QueryError: bars that are counted as
        those of the store are not.
    """
    if target.kind.has_interval:
        yield from _bars(file, series, target, calendar.schedule(series.venue, series.symbol), asked, block_rows)
        return
    waiting: list[pa.RecordBatch] = []
    count = 0
    quotes = QuoteNumbers()
    for batch in file.batches(series):
        for start in range(0, batch.num_rows, block_rows):
            waiting.append(batch.slice(start, block_rows))
            count += waiting[-1].num_rows
            if count >= block_rows:
                yield _events(pa.Table.from_batches(waiting), target, asked, quotes)
                waiting, count = [], 0
    if waiting:
        yield _events(pa.Table.from_batches(waiting), target, asked, quotes)


def _events(rows: pa.Table, target: ImportTarget, asked: CheckAsked, quotes: QuoteNumbers) -> FileRows:
    time = TIME_OF[target.kind.name]
    ts = rows.column(time).to_numpy()
    keep = _inside(ts, asked)
    if not keep.all():
        rows = rows.filter(pa.array(keep))
    if not rows.num_rows:
        return FileRows(schema_of(target.kind.name).empty_table(), ts[:0], frozenset())
    ts = rows.column(time).to_numpy()
    given = {name for name in rows.column_names if name in target.kind.fields and not _is_empty(rows.column(name))}
    columns: dict[str, ArrowColumn] = {name: rows.column(name) for name in given}
    for name in target.what.needed:
        if name not in given or rows.column(name).null_count:
            raise QueryError(f"{name}: expected one in each row, by which it is there once; the file has none")
    if target.what.numbered:
        columns["seq"] = _numbers(rows)
        columns["first_id"], columns["last_id"] = rows.column("first_id"), rows.column("last_id")
    if target.what.of_quotes:
        columns |= {name: rows.column(name) for names in SIDES.values() for name in names}
    columns = _sized(columns, target)
    if target.what.of_quotes:
        columns |= {"seq": quotes.of(rows), **sides_of(columns)}
        given |= SIDES.keys()
    table = _table(target, columns, ts, asked)
    number = rows.column("row").to_numpy()
    key = "seq" if target.what.numbered else target.what.key
    first = np.unique(table.column(key).to_numpy(), return_index=True)[1]
    if len(first) == len(ts):
        return FileRows(table, number, frozenset(given))
    order = np.sort(first)
    once = table.take(pa.array(order, pa.int64()))
    return FileRows(once, number[order], frozenset(given), repeated=len(ts) - len(first))


def _numbers(rows: pa.Table) -> ArrowArray:
    """The venue's own number of each trade; of an id that is none, a number that is always the same for it."""
    number = rows.column("number").combine_chunks()
    if number.null_count == 0:
        return number
    ids = [str(each) for each in rows.column("trade_id").to_pylist()]
    return pa.array([int(text) if text.isdecimal() and len(text) < 19 else _digest(text) for text in ids], pa.int64())


def _digest(text: str) -> int:
    data = text.encode()
    return (zlib.crc32(data) << 30) ^ zlib.adler32(data)


def _sized(columns: dict[str, ArrowColumn], target: ImportTarget) -> dict[str, ArrowColumn]:
    """Amounts of contracts as amounts of what is traded."""
    if target.size is None:
        return columns
    done = dict(columns)
    for name in _AMOUNTS:
        if name in columns:
            values = [None if each is None else each * target.size for each in columns[name].to_pylist()]
            done[name] = _exact(values, name)
            if name in ("quantity", "open_interest") and "contracts" in target.kind.fields:
                done["contracts"] = columns[name]
    return done


def _exact(values: list[Decimal | None], name: str) -> ArrowArray:
    try:
        return pa.array(values, DECIMAL)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{name}: expected at most {_MOST} and {DECIMAL.scale} digits: {error}") from error


def _inside(ts: Ints, asked: CheckAsked) -> Flags:
    keep: Flags = np.ones(len(ts), dtype=np.bool_)
    if asked.ts_from is not None:
        keep &= ts >= asked.ts_from
    keep &= ts < (asked.now_ns if asked.ts_to is None else min(asked.ts_to, asked.now_ns))
    return keep


def _bars(
    file: RowsFile, series: FileSeries, target: ImportTarget, schedule: Schedule, asked: CheckAsked, block_rows: int
) -> Iterator[FileRows]:
    batches = list(file.batches(series))
    if not batches:
        raise SourceError(f"{series.symbol}: expected rows of it in the file, there are none")
    table = pa.Table.from_batches(batches).combine_chunks()
    del batches
    rows = BarRows.of(table)
    interval = Interval.parse(target.interval)
    known = opened(rows, series, schedule, asked, file.facts.stamped)
    if known.alignment == "wall" and interval.unit not in "dw" and interval.nanos > NANOS_PER_MINUTE:
        raise QueryError(
            f"interval: expected bars that end with their section, was {target.interval} by the wall clock; "
            "import bars of 1m, of which the longer ones are made"
        )
    rows, grid = known.stamped.rows, known.grid
    at = grid.place(rows.ts)
    there = at != NOWHERE
    ts_close = np.where(there, grid.ts_close[np.maximum(at, 0)], rows.ts + interval.nanos)
    keep = _inside(rows.ts, asked) & (ts_close <= asked.now_ns)
    settled, left_out, repeated = _settled(rows, keep)
    place = np.searchsorted(table.column("row").to_numpy(), rows.row)
    given = frozenset(name for name in _OF_BARS if name in target.kind.fields and not _is_empty(table.column(name)))
    for start in range(0, len(settled), block_rows):
        chosen = settled[start : start + block_rows]
        part = table.take(pa.array(place[chosen], pa.int64()))
        columns: dict[str, ArrowColumn] = {name: part.column(name) for name in given}
        ts = rows.ts[chosen]
        columns |= {"ts_open": pa.array(ts), "ts_close": pa.array(ts_close[chosen])}
        if "trading_day" in target.kind.fields:
            columns["trading_day"] = _days(grid.days, grid.day, at[chosen], ts, schedule)
        table_of_part = _table(target, _sized(columns, target), ts_close[chosen], asked)
        first = start == 0
        yield FileRows(table_of_part, rows.row[chosen], given, left_out if first else 0, repeated if first else 0)
    if not len(settled):
        yield FileRows(schema_of(target.kind.name).empty_table(), rows.row[:0], given, left_out, repeated)


def _settled(rows: BarRows, keep: Flags) -> tuple[NDArray[np.intp], int, int]:
    """Which rows alone say what their bar is; how many others differ from one another, how many are there again."""
    index = np.flatnonzero(keep)
    if len(index) < 2:
        return index, 0, 0
    ts = rows.ts[index]
    same = ts[1:] == ts[:-1]
    if not same.any():
        return index, 0, 0
    first = np.r_[True, ~same]
    differs = np.zeros(len(index), dtype=np.bool_)
    pairs = np.flatnonzero(same)
    for name in ("open", "high", "low", "close", "volume"):
        units = getattr(rows, name).units[index]
        differs[pairs + 1] |= (units[pairs] != units[pairs + 1]).astype(np.bool_)
    group = np.cumsum(first) - 1
    conflict = np.isin(group, group[differs])
    return index[first & ~conflict], int(conflict.sum()), int((~first & ~conflict).sum())


def _days(
    days: tuple[str, ...], day: NDArray[np.int32], at: NDArray[np.intp], ts: Ints, schedule: Schedule
) -> ArrowArray:
    names = np.array(days, dtype=object)[day[np.maximum(at, 0)]] if len(days) else np.full(len(at), "", dtype=object)
    for outside in np.flatnonzero(at == NOWHERE).tolist():
        names[outside] = schedule.trading_day_of(int(ts[outside]))
    return pa.array(names, pa.string())


def _is_empty(column: ArrowColumn) -> bool:
    return column.null_count == len(column)


def _table(
    target: ImportTarget,
    columns: dict[str, ArrowColumn],
    ts_event: Ints,
    asked: CheckAsked,
) -> pa.Table:
    """Every field of the kind: those that are given, those that all have alike, and what a field is without a value."""
    count, kind = len(ts_event), target.kind
    now = pa.array(np.full(count, asked.now_ns, dtype=np.int64))
    alike: dict[str, object] = {
        "venue": target.venue,
        "symbol": target.symbol,
        "source": target.source,
        "interval": target.interval,
        **target.what.constant,
    }
    schema, made = schema_of(kind.name), []
    for field in schema:
        name = field.name
        if name in columns:
            made.append(columns[name])
        elif name in ("ts_event", "ts_recv") or name in target.what.same:  # when it was received nobody knows
            made.append(pa.array(ts_event))
        elif name == "ts_pub":
            made.append(now)
        elif name in alike:
            made.append(pa.repeat(pa.scalar(alike[name], field.type), count))
        else:
            made.append(pa.repeat(pa.scalar(_without(kind.model, name), field.type), count))
    for name in ("price", "quantity", "rate", "open_interest", *_OF_BARS[:5]):
        if name in kind.fields and columns.get(name) is not None and name in _always(kind.model):
            _check_there(columns[name], name)
    return pa.table(made, schema=schema)


def _without(model: type[object], name: str) -> object:
    """What a field is where a file has none of it."""
    defaults: dict[str, object] = getattr(model, "_field_defaults", {})
    if name in defaults:
        return defaults[name]
    return Decimal(0) if name == "turnover" else 0


def _always(model: type[object]) -> frozenset[str]:
    fields: tuple[str, ...] = getattr(model, "_fields", ())
    return frozenset(fields) - frozenset(getattr(model, "_field_defaults", {}))


def _check_there(column: ArrowColumn, name: str) -> None:
    if column.null_count:
        raise SourceError(f"{name}: expected a number in every row, was none in {column.null_count}")
    low, high = pc.min(column).as_py(), pc.max(column).as_py()
    if low is not None and high is not None and max(abs(low), abs(high)) >= Decimal(10) ** (_MOST - 1):
        raise SourceError(f"{name}: expected at most {_MOST - 1} digits before the point, was {low} to {high}")


__all__ = ["BLOCK_ROWS", "FileRows", "rows_of"]
