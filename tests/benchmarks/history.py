"""Bars of stored ticks: by columns, by the live builder, by the database, by polars and by vnpy.

Ticks a CPU second of one process for seven intervals, medians of runs in turns. The arrays are those that a store gives:
128-bit decimals and nanoseconds. polars and vnpy get doubles, and count by the clock: no sections, auctions, gaps or totals
that begin anew with a night.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import structlog

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_application.columns.builder import ColumnBuilder
from marketprism_application.columns.tick_columns import COLUMNS, TIMES, TickColumns, table_of
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.ports.storage import EncodedRows, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.tick_history import tick_columns
from marketprism_application.replay.stored import Span, rebuild_stored
from marketprism_domain.bars.builder import BarBuilder
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from tests.benchmarks.backtest_peers.environments import python_of
from tests.benchmarks.stages import SEVEN, ticks_to_measure
from tests.conftest import FIXTURES

_RUNS = 5
_WEEKS, _WEEK = 8, 7 * 86_400 * NANOS_PER_SECOND
_SYMBOLS, _MOST = 200, 40_000
_AT_ONCE = 200_000  # ticks that columns get at once: as a rebuild gives them
_LIVE_TICKS = 1_000  # of each of 200 symbols through the live builder
_BLOCK = 20_000
_LONGER = [n * NANOS_PER_MINUTE for n in (3, 5, 15, 30, 60, 1_440)]
_SCHEMA = schema_of("bar")


class Series(NamedTuple):
    """Ticks of one instrument, one by one and as a store gives them."""

    venue: str
    symbol: str
    ticks: list[Tick]
    table: pa.Table


def measure_history() -> dict[str, Any]:
    """Ticks a CPU second of each way, of one instrument and of 200; what a store adds, with microseconds a tick."""
    pa.set_cpu_count(1)
    calendar = chinese_calendar_of_markets()
    series = [_series(ticks, calendar) for ticks in _recorded(calendar)]
    first = series[0]
    longs = [each._replace(table=_weeks(each.table)) for each in series]
    many = [series[n % len(series)] for n in range(_SYMBOLS)]
    many = [each._replace(table=each.table.slice(0, _MOST)) for each in many]
    _check(first, calendar)
    arrays = {"one": _arrays(longs[:1]), "many": _arrays(many)}
    ways: dict[str, Callable[[], int]] = {
        f"columns_{each.symbol}": partial(_by_columns, [each], calendar) for each in longs
    }
    ways |= {
        "columns_200_symbols": lambda: _by_columns(many, calendar),
        "live_builder": lambda: _one_by_one([first], len(first.ticks), calendar),
        "live_builder_200_symbols": lambda: _one_by_one(many, _LIVE_TICKS, calendar),
        "polars": lambda: _by_polars(arrays["one"]),
        "polars_200_symbols": lambda: _by_polars(arrays["many"]),
    }
    found: dict[str, Any] = {
        "ticks": {each.symbol: each.table.num_rows for each in longs},
        "ticks_of_200_symbols": sum(each.table.num_rows for each in many),
        "ticks_per_cpu_s": _in_turns(ways),
        "vnpy_ticks_per_cpu_s": _by_vnpy(first),
        "stored": asyncio.run(_of_store(first, calendar)),
    }
    return found


def _recorded(calendar: MarketCalendar) -> list[list[Tick]]:
    """Ticks of one instrument each: recordings, simulated ones where there are none."""
    folder = FIXTURES / "ctp/ticks"
    paths = [sorted(folder.glob(f"{name}_*")) for name in ("ru1901", "AP010", "CFFEX_IF2101")]
    found = [[tick for path in each for tick in Recording(path, calendar).rows()] for each in paths if each]
    return found or [ticks_to_measure(calendar)[0]]


def _series(ticks: list[Tick], calendar: MarketCalendar) -> Series:
    """Ticks as if they were validated."""
    place = calendar.schedule(ticks[0].venue, ticks[0].symbol).place
    numbered = [
        tick._replace(seq=n, verdict="valid", phase=place(tick.ts_event).phase) for n, tick in enumerate(ticks, 1)
    ]
    return Series(ticks[0].venue, ticks[0].symbol, numbered, table_of(numbered))


def _weeks(table: pa.Table) -> pa.Table:
    """The same ticks again in the weeks behind them."""
    parts = []
    for week in range(_WEEKS):
        steps = {"epoch": 0, "seq": week * table.num_rows}
        columns = {
            name: pa.array(column.to_numpy() + steps.get(name, week * _WEEK)) if name in TIMES else column
            for name, column in zip(table.schema.names, table.columns, strict=True)
        }
        parts.append(pa.table(columns, COLUMNS))
    return pa.concat_tables(parts).combine_chunks()


def _by_columns(series: list[Series], calendar: MarketCalendar) -> int:
    own = calendar.copy()
    for each in series:
        _column_bars(each, own)
    return sum(each.table.num_rows for each in series)


def _column_bars(series: Series, calendar: MarketCalendar) -> pa.Table:
    builder = ColumnBuilder(series.venue, series.symbol, calendar, SEVEN, _SCHEMA)
    for at in range(0, series.table.num_rows, _AT_ONCE):
        ticks = TickColumns.of(series.venue, series.symbol, series.table.slice(at, _AT_ONCE))
        builder.feed(ticks)
    builder.close_until(int(ticks.ts_event[-1]) + 3_600 * NANOS_PER_SECOND)
    return builder.table()


def _one_by_one(series: list[Series], count: int, calendar: MarketCalendar) -> int:
    own = calendar.copy()
    builders = [(BarBuilder(each.venue, each.symbol, own.schedule(each.venue, each.symbol), SEVEN)) for each in series]
    for n in range(count):
        for builder, each in zip(builders, series, strict=True):
            builder.on_tick(each.ticks[n])
    return count * len(series)


def _check(series: Series, calendar: MarketCalendar) -> None:
    """Bars by columns are the live builder's, or there is nothing to compare."""
    builder = BarBuilder(series.venue, series.symbol, calendar.schedule(series.venue, series.symbol), SEVEN)
    bars = [bar for tick in series.ticks for bar in builder.on_tick(tick)]
    bars += builder.on_clock(series.ticks[-1].ts_event + 3_600 * NANOS_PER_SECOND)
    wanted = [pa.array(column, field.type) for column, field in zip(zip(*bars, strict=True), _SCHEMA, strict=True)]
    assert _column_bars(series, calendar.copy()).equals(pa.Table.from_arrays(wanted, schema=_SCHEMA))


def _arrays(series: list[Series]) -> dict[str, Any]:
    """Ticks of all instruments as doubles and whole numbers."""
    tables = [each.table for each in series]
    numbers = ("last", "volume", "turnover", "open_interest")
    return {
        "symbol": np.repeat(np.arange(len(tables), dtype=np.int32), [table.num_rows for table in tables]),
        "ts": np.concatenate([table.column("ts_event").to_numpy() for table in tables]),
        **{
            name: np.concatenate([table.column(name).cast(pa.float64()).to_numpy() for table in tables])
            for name in numbers
        },
    }


def _by_polars(arrays: dict[str, Any]) -> int:
    """Minutes of the ticks, longer bars of minutes. Raises ImportError where it is not installed."""
    import polars as pl  # noqa: PLC0415 (an extra)

    key = ["symbol", "start"]
    start = (pl.col("ts") // NANOS_PER_MINUTE * NANOS_PER_MINUTE).alias("start")
    totals = [pl.col(name).last() for name in ("volume", "turnover", "open_interest")]
    last = pl.col("last")
    minutes = (
        pl.LazyFrame(arrays)
        .group_by(["symbol", start], maintain_order=True)
        .agg(
            last.first().alias("open"),
            last.max().alias("high"),
            last.min().alias("low"),
            last.last().alias("close"),
            *totals,
            pl.len().alias("ticks"),
        )
        .with_columns(pl.col(name).diff().over("symbol") for name in ("volume", "turnover"))
        .collect()
    )
    made = [minutes]
    for length in _LONGER:
        whole = (pl.col("start") // length * length).alias("start")
        made.append(
            minutes.lazy()
            .group_by(["symbol", whole], maintain_order=True)
            .agg(
                pl.col("open").first(),
                pl.col("high").max(),
                pl.col("low").min(),
                pl.col("close").last(),
                pl.col("volume").sum(),
                pl.col("turnover").sum(),
                pl.col("open_interest").last(),
                pl.col("ticks").sum(),
            )
            .collect()
        )
    assert all(each.select(key).height for each in made)
    return len(arrays["ts"])


def _in_turns(ways: dict[str, Callable[[], int]]) -> dict[str, Any]:
    """Ticks a CPU second of each, the median of its runs; the collector of cycles rests."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    missing: dict[str, str] = {}
    for _ in range(_RUNS):
        for name, work in ways.items():
            gc.collect()
            gc.disable()
            started = time.process_time()
            try:
                found[name].append(work() / (time.process_time() - started))
            except ImportError as error:
                missing[name] = f"not measured: {error}"
            gc.enable()
    return {name: missing.get(name) or round(statistics.median(rates)) for name, rates in found.items()}


def _by_vnpy(series: Series) -> dict[str, Any]:
    """Its BarGenerator in an environment of its own, or why there is none."""
    python = python_of("vnpy_ctastrategy")
    if isinstance(python, str):
        return {"not_run": python}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ticks.npz"
        arrays = _arrays([series])
        del arrays["symbol"]
        np.savez(path, **arrays)
        script = str(Path(__file__).with_name("history_vnpy.py"))
        done = subprocess.run([str(python), script, str(path), "3"], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"not_run": done.stderr.strip()[-300:]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


async def _of_store(series: Series, calendar: MarketCalendar) -> dict[str, float]:
    """CPU microseconds a tick of an embedded store, of its engine and this process: columns read, seven intervals by
    columns, one and seven by the statement of `made_of=ticks`."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(engine := await ChdbEngine.open(Path(folder) / "db"))
        await store.migrate()
        rows = [msgspec.msgpack.encode(tick) for tick in series.ticks]
        for at in range(0, len(rows), _BLOCK):
            part = EncodedRows(at, rows[at : at + _BLOCK])
            await store.insert_encoded(TICK, [part], StreamRange("T", "x", at, at), 1)
        reader = SqlReader(engine)
        times = [tick.ts_event for tick in series.ticks]
        begin, end = min(times), max(times) + 1
        now = end + 60 * NANOS_PER_SECOND
        rules = ReadRules(calendar, SEVEN.intervals, now_ns=lambda: now)

        async def read(page: int) -> None:
            async for _ in tick_columns(reader, series.symbol, series.venue, None, None, page):
                pass

        async def columns(page: int) -> None:
            await rebuild_stored(reader, calendar, series.symbol, Span(begin, end), SEVEN, now, page_rows=page)

        async def statement(*intervals: str) -> None:
            asked = Records("bar", series.symbol, ts_from=begin, ts_to=end, limit=20_000, made_of="ticks")
            for interval in intervals:
                made = await answer_question(reader, msgspec.structs.replace(asked, interval=interval), rules)
                assert made.num_rows

        ways: dict[str, Callable[[], Awaitable[None]]] = {
            "read_by_20_000": lambda: read(_BLOCK),
            "read_by_200_000": lambda: read(_AT_ONCE),
            "seven_by_columns_read_by_20_000": lambda: columns(_BLOCK),
            "seven_by_columns_read_by_200_000": lambda: columns(_AT_ONCE),
            "one_by_statement": lambda: statement("1m"),
            "seven_by_statement": lambda: statement(*SEVEN.intervals),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(3):
            for name, work in ways.items():
                started = time.process_time()
                await work()
                found[name].append((time.process_time() - started) / len(rows) * 1e6)
        await store.close()
    return {f"{name}_us_per_tick": round(statistics.median(costs), 2) for name, costs in found.items()}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(json.dumps(measure_history(), indent=1))
