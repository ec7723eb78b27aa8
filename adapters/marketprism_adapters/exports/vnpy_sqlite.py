"""A database of VeighNa: the tables of bars and ticks as `vnpy_sqlite` makes them, and their overviews.

Numbers are doubles there. Times are those of `database.timezone` without an offset.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketprism_adapters.exports.series import (
    Exported,
    ExportSeries,
    Tables,
    doubles,
    folder_of,
    ints,
    moment,
)
from marketprism_application.errors import QueryError, SourceError
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_sdk.errors import reason_of

Rows = Iterator[tuple[object, ...]]
FILE = "database.db"
_INTERVALS = {"1m": "1m", "1h": "1h", "1d": "d", "1w": "w"}
_LEVELS = range(1, 6)
_KEY = '"symbol" VARCHAR(255) NOT NULL, "exchange" VARCHAR(255) NOT NULL'
_BAR = ("volume", "turnover", "open_interest", "open_price", "high_price", "low_price", "close_price")
_TICK = (
    *("volume", "turnover", "open_interest", "last_price", "last_volume", "limit_up", "limit_down"),
    *("open_price", "high_price", "low_price", "pre_close"),
)
_BOOK = tuple(f"{side}_{what}_{n}" for what in ("price", "volume") for side in ("bid", "ask") for n in _LEVELS)
_LEVELS_OF = {"bid": "bids", "ask": "asks"}


def _reals(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}" REAL{"" if name[-1:] in "2345" else " NOT NULL"}' for name in names)


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS "dbbardata" ("id" INTEGER NOT NULL PRIMARY KEY, {_KEY}, "datetime" DATETIME NOT NULL,
  "interval" VARCHAR(255) NOT NULL, {_reals(_BAR)});
CREATE UNIQUE INDEX IF NOT EXISTS "dbbardata_symbol_exchange_interval_datetime"
  ON "dbbardata" ("symbol", "exchange", "interval", "datetime");
CREATE TABLE IF NOT EXISTS "dbtickdata" ("id" INTEGER NOT NULL PRIMARY KEY, {_KEY}, "datetime" DATETIME NOT NULL,
  "name" VARCHAR(255) NOT NULL, {_reals((*_TICK, *_BOOK))}, "localtime" DATETIME);
CREATE UNIQUE INDEX IF NOT EXISTS "dbtickdata_symbol_exchange_datetime"
  ON "dbtickdata" ("symbol", "exchange", "datetime");
CREATE TABLE IF NOT EXISTS "dbbaroverview" ("id" INTEGER NOT NULL PRIMARY KEY, {_KEY},
  "interval" VARCHAR(255) NOT NULL, "count" INTEGER NOT NULL, "start" DATETIME NOT NULL, "end" DATETIME NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS "dbbaroverview_symbol_exchange_interval"
  ON "dbbaroverview" ("symbol", "exchange", "interval");
CREATE TABLE IF NOT EXISTS "dbtickoverview" ("id" INTEGER NOT NULL PRIMARY KEY, {_KEY},
  "count" INTEGER NOT NULL, "start" DATETIME NOT NULL, "end" DATETIME NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS "dbtickoverview_symbol_exchange" ON "dbtickoverview" ("symbol", "exchange");
"""
_BARS_OF = (
    "INSERT OR REPLACE INTO dbbaroverview (symbol, exchange, interval, count, start, end) "
    "SELECT symbol, exchange, interval, count(*), min(datetime), max(datetime) FROM dbbardata "
    "GROUP BY symbol, exchange, interval"
)
_TICKS_OF = (
    "INSERT OR REPLACE INTO dbtickoverview (symbol, exchange, count, start, end) "
    "SELECT symbol, exchange, count(*), min(datetime), max(datetime) FROM dbtickdata GROUP BY symbol, exchange"
)


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Bars of minutes, hours, days, weeks, or ticks, into `database.db` of the folder, beside what it has.

    Raises:
        QueryError: bars of an interval that vnpy has no name for. SourceError: no rows, or no database there.
    """
    path = folder_of(out) / FILE
    counts = {}
    try:
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(_SCHEMA)
            for kind, tables in rows.items():
                counts[kind] = 0
                for table in tables:  # one transaction: rows of a part of them are not there
                    counts[kind] += table.num_rows
                    if "ts_open" in table.column_names:
                        _put(database, "dbbardata", ("interval", *_BAR), _bars(series, table))
                    else:
                        _put(database, "dbtickdata", ("name", *_TICK, *_BOOK, "localtime"), _ticks(series, table))
                if not counts[kind]:
                    raise SourceError(f"{kind}: expected rows in the range, there are none")
            database.execute(_BARS_OF)
            database.execute(_TICKS_OF)
    except sqlite3.Error as error:
        raise SourceError(f"file {path}: expected a database of vnpy: {reason_of(error)}") from error
    return Exported((path,), counts, (f"times are of {series.zone}: database.timezone has to be the same",))


def _put(
    database: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]
) -> None:
    names = ("symbol", "exchange", "datetime", *columns)
    marks = ", ".join("?" * len(names))
    quoted = ", ".join(f'"{name}"' for name in names)
    database.executemany(f"INSERT OR REPLACE INTO {table} ({quoted}) VALUES ({marks})", rows)  # noqa: S608 (our names)


def _named(series: ExportSeries) -> tuple[str, str]:
    return series.name, series.venue.upper() if is_chinese(series.venue) else "GLOBAL"


def _bars(series: ExportSeries, table: pa.Table) -> Iterator[tuple[object, ...]]:
    interval = _INTERVALS.get(series.interval)
    if interval is None:
        raise QueryError(f"interval: expected one of {', '.join(_INTERVALS)}, which vnpy has, was {series.interval}")
    names = ("volume", "turnover", "open_interest", "open", "high", "low", "close")
    columns = [_values(table, name) for name in names]
    times = _texts(series, ints(table, "ts_open").tolist())
    for time, *values in zip(times, *columns, strict=True):
        yield (*_named(series), time, interval, *values)


def _ticks(series: ExportSeries, table: pa.Table) -> Iterator[tuple[object, ...]]:
    columns: dict[str, list[float]] = {}
    names = ("volume", "turnover", "open_interest", "last", "", "limit_up", "limit_down", "open", "high", "low")
    for own, name in zip(_TICK, (*names, "pre_close"), strict=True):
        columns[own] = _values(table, name)
    for side, field in _LEVELS_OF.items():
        levels = [each or [] for each in table.column(field).to_pylist()]
        for n in _LEVELS:
            for what, of_level in (("price", "price"), ("volume", "quantity")):
                columns[f"{side}_{what}_{n}"] = [
                    float(each[n - 1][of_level]) if len(each) >= n else 0.0 for each in levels
                ]
    times = _texts(series, ints(table, "ts_event").tolist())
    received = _texts(series, ints(table, "ts_recv").tolist())
    ordered = [columns[name] for name in (*_TICK, *_BOOK)]
    for time, local, *values in zip(times, received, *ordered, strict=True):
        yield (*_named(series), time, series.name, *values, local)


def _values(table: pa.Table, name: str) -> list[float]:
    """Numbers of a column, 0 where there is none, as vnpy has it."""
    if name not in table.column_names:
        return [0.0] * table.num_rows
    values: list[float] = np.nan_to_num(doubles(table.column(name))).tolist()
    return values


def _texts(series: ExportSeries, times: list[int]) -> list[str]:
    """Times as the database has them: `2024-01-01 09:00:00`, with microseconds where there are any."""
    return [str(moment(ts, series.zone).replace(tzinfo=None)) for ts in times]
