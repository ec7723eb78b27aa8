"""Records and results as they are answered."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.backtesting.result_tables import as_texts, groups_table, rolling_table, trips_of
from marketprism_application.contracts.backtests import (
    BacktestRecord,
    Kind,
    Progress,
    RunState,
    Shown,
    TableOf,
    TaskProgress,
)
from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import HttpFile
from marketprism_services.backtest.refusals import wrong
from marketprism_services.backtest.stored_results import StoredResults, StoredRun
from marketprism_services.backtest.tasks import REPORT

CSV, ARROW, HTML = "text/csv", "application/vnd.apache.arrow.stream", "text/html"
PARQUET = "application/vnd.apache.parquet"
FILES = (CSV, ARROW, PARQUET)
_ROWS_OF_JSON, _MOST_ROWS = 10_000, 100_000
_MOST_BYTES = 6_000_000  # of one answer over NATS


async def shown(store: BacktestStore, record: BacktestRecord, *, short: bool = False) -> Shown:
    """A record as it is shown; `short` leaves out what a list has no room for."""
    under_way = [] if record.state.is_final else await store.progress(record.id)
    same = await store.record(record.same_as) if record.same_as else None
    summary = (same.record if same is not None else record).summary
    if short:
        statistics = summary.get("statistics")
        sharpe = statistics.get("sharpe") if isinstance(statistics, dict) else None
        summary = {name: each for name, each in summary.items() if not isinstance(each, dict | list)}
        summary |= {"sharpe": sharpe} if statistics else {}
    question = record.question
    return Shown(
        run_id=record.id,
        kind=record.kind,
        state=record.state,
        user=record.user,
        strategy=question.strategy,
        params=question.params,
        instruments=question.instruments,
        venue=question.venue,
        interval=question.interval,
        ts_from=question.ts_from,
        ts_to=question.ts_to,
        settings=question.options,
        as_of=question.as_of,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        digest=record.digest,
        follow_of=record.follow_of,
        cached=bool(record.same_as),
        runs=record.runs,
        done=record.done,
        failed=record.failed,
        rows=record.rows,
        cpu_s=round(record.cpu_s, 3),
        code=record.code,
        error=record.error,
        progress=progress_of(record, under_way),
        sweep=record.sweep,
        summary=summary,
    )


def progress_of(record: BacktestRecord, tasks: Iterable[TaskProgress]) -> Progress:
    """How far a record is, by what its tasks have said."""
    if record.state is RunState.DONE:
        return Progress(record.runs, record.runs, 1.0)
    going = {number for number, _, _ in record.parts}
    mine = [each for each in tasks if each.number in going]
    done = record.done + sum(each.done for each in mine)
    share = min(1.0, (done + sum(each.share for each in mine)) / max(1, record.runs))
    if record.state.is_final:
        return Progress(record.done, record.runs, record.done / max(1, record.runs))
    spent_s = (time.time_ns() - record.started_at) / 1e9 if record.started_at else 0.0
    eta_s = round(spent_s / share * (1 - share), 1) if share > 0.01 and spent_s else None
    newest = max(mine, key=lambda each: each.at, default=None)
    equity = newest.equity if newest is not None and record.kind is Kind.RUN else ""
    return Progress(done, record.runs, round(share, 4), eta_s, max((each.now for each in mine), default=0), equity)


async def run_document_of(results: StoredResults, record: BacktestRecord) -> dict[str, object]:
    """All that a run says of itself. Raises RemoteError: NOT_FOUND, it has no result."""
    return (await run_of(results, record, "result")).document


async def run_of(results: StoredResults, record: BacktestRecord, what: str) -> StoredRun:
    """A run's result. Raises RemoteError: NOT_FOUND, it has none."""
    found = await results.run(record.same_as or record.id) if record.state.is_final else None
    if found is None:
        raise _no_result(record, what)
    return found


async def report_of(results: StoredResults, record: BacktestRecord) -> HttpFile:
    """The page of a run. Raises RemoteError: NOT_FOUND."""
    await run_of(results, record, "report")
    text = await results.file(record.same_as or record.id, REPORT)
    if text is None:
        raise _no_result(record, "report")
    return HttpFile(HTML, text.encode(), f"backtest-{record.id}.html")


async def table_of(results: StoredResults, record: BacktestRecord, name: str, asked: TableOf) -> object:
    """Rows of a table as JSON has them, or a file. Raises RemoteError: NOT_FOUND, or a format that is none."""
    if asked.format not in FORMATS:
        raise wrong("format", f"expected one of {', '.join(FORMATS)}", asked.format)
    run = await run_of(results, record, name)
    derived = await _derived(results, record, run, name)
    first, count = max(0, asked.offset), run.counts.get(name, 0) if derived is None else derived.num_rows
    limit = asked.limit if asked.limit is not None else _ROWS_OF_JSON if asked.format == "json" else count
    until = max(first, min(count, first + min(max(0, limit), _MOST_ROWS)))
    if derived is None:
        table = await results.rows(record.same_as or record.id, name, first, until)
    else:
        table = derived.slice(first, until - first)
    if asked.format == "json":
        return await asyncio.to_thread(_plain_rows, table)
    kind, suffix, write = FORMATS[asked.format]
    return _file(kind, await asyncio.to_thread(write, table), f"{record.id}-{name}.{suffix}")


async def _derived(results: StoredResults, record: BacktestRecord, run: StoredRun, name: str) -> pa.Table | None:
    """A table that follows from others, None of one that is stored."""
    if name not in _FOLLOWS_FROM:
        return None
    part, make = _FOLLOWS_FROM[name]
    rows = await results.rows(record.same_as or record.id, part, 0, run.counts.get(part, 0))
    return await asyncio.to_thread(make, rows, float(str(record.question.options["capital"])))


def _groups(positions: pa.Table, _: float) -> pa.Table:
    return groups_table(trips_of(positions))


def _rolling(equity: pa.Table, capital: float) -> pa.Table:
    rows = equity.to_pylist()
    return rolling_table([(str(row["trading_day"]), float(row["equity"])) for row in rows], capital)


_FOLLOWS_FROM: Mapping[str, tuple[str, Callable[[pa.Table, float], pa.Table]]] = MappingProxyType(
    {"groups": ("positions", _groups), "rolling": ("equity", _rolling)}
)


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa_csv.write_csv(as_texts(table), sink)
    return sink.getvalue()


def arrow_of(table: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415 (loads much, few ask for it)

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


class _Format(NamedTuple):
    """A kind of file: its content type, its name's end, and how a table becomes one."""

    kind: str
    suffix: str
    write: Callable[[pa.Table], bytes]


def _none(_: pa.Table) -> bytes:
    return b""


FORMATS: dict[str, _Format] = {
    "json": _Format("application/json", "json", _none),
    "csv": _Format(CSV, "csv", _csv),
    "arrow": _Format(ARROW, "arrow", arrow_of),
    "parquet": _Format(PARQUET, "parquet", _parquet),
}


def _file(kind: str, data: bytes, name: str) -> HttpFile:
    if len(data) > _MOST_BYTES:
        text = f"limit: expected a file of at most {_MOST_BYTES} bytes, was {len(data)}: ask with offset and limit"
        raise RemoteError(Code.RESPONSE_TOO_LARGE, text, {"field": "limit"})
    return HttpFile(kind, data, name)


def _plain_rows(table: pa.Table) -> list[dict[str, object]]:
    return [
        {name: _short(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]


def _short(value: Decimal) -> str:
    return format(value.normalize() + 0, "f")


def _no_result(record: BacktestRecord, what: str) -> RemoteError:
    text = f"id: expected a run with a {what}, was {record.id}, which is {record.state}"
    return RemoteError(Code.NOT_FOUND, f"{text}: {record.error}" if record.error else text, {"field": "id"})


__all__ = [
    "FILES",
    "FORMATS",
    "HTML",
    "arrow_of",
    "progress_of",
    "report_of",
    "run_document_of",
    "run_of",
    "shown",
    "table_of",
]
