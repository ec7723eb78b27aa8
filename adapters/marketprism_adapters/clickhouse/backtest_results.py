"""Results of backtests over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import Params, parameter
from marketprism_adapters.clickhouse.sql.schema import Insert
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.backtest_rows import (
    MORE,
    RECORDS,
    RUNS,
    STATS,
    TABLES,
    RecordsAsked,
    ResultsQuestion,
    RowsAsked,
    RunsAsked,
    TrialsAsked,
    Type,
    WriteRows,
)
from marketprism_application.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

STORED: dict[Type, str] = {
    "text": "Nullable(String)",
    "int": "Nullable(Int64)",
    "money": "Nullable(Decimal(38, 12))",
    "float": "Nullable(Float64)",
    "bool": "Nullable(Bool)",
}
KEY = (("record", "String"), ("run", "Int64"), ("row", "Int64"), ("version", "UInt64"))
# Words of the language are no names of columns.
_RENAMED = {
    "limit": "limit_price",
    "order": "order_number",
    "rows": "rows_read",
    "settings": "run_settings",
    "stop": "stop_price",
}
_NONE_FIRST = "(r.state = 'failed' OR isNull(s.value)) ASC, s.value DESC, r.run"


def columns_of_results(table: str) -> tuple[tuple[str, str], ...]:
    """Columns of a table of results with their types, as the migrations have them."""
    own = tuple((_RENAMED.get(each.name, each.name), STORED[each.type]) for each in TABLES[table])
    return (*KEY, *own, (MORE, "String"))


class SqlBacktestResults:
    """Fulfils `BacktestResults`. Of rows with one key the table keeps that of the highest version."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def write(self, rows: WriteRows) -> None:
        """One insert for each table, in their order."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        for each in rows.rows:
            _check(each.table)
            table = pa.ipc.open_stream(io.BytesIO(each.data)).read_all()
            columns = columns_of_results(each.table)
            version = pa.array([rows.version] * table.num_rows, pa.uint64())
            arranged = table.append_column("version", version).rename_columns(
                [_RENAMED.get(name, name) for name in (*table.column_names, "version")]
            )
            if missing := {name for name, _ in columns} - set(arranged.column_names):
                raise StoreError(f"{each.table}: expected the column {sorted(missing)[0]}, it is not there")
            names = [name for name, _ in columns]
            listed, structure = ", ".join(names), ", ".join(f"{name} {kind}" for name, kind in columns)
            into = f"INSERT INTO {DATABASE}.{each.table} ({listed})"
            how = "SETTINGS async_insert = 0, insert_deduplicate = 0"
            await self._engine.insert(Insert(into, how, listed, structure), arranged.select(names))

    async def answer(self, question: ResultsQuestion) -> pa.Table:
        """By one statement of the engine."""
        if isinstance(question, RecordsAsked):
            return await self._engine.fetch(*_records(question))
        if isinstance(question, TrialsAsked):
            return await self._engine.fetch(*_trials(question))
        if isinstance(question, RunsAsked):
            return await self._engine.fetch(*_runs(question))
        return await self._rows(question)

    async def _rows(self, asked: RowsAsked) -> pa.Table:
        _check(asked.table)
        names = [_RENAMED.get(each.name, each.name) for each in TABLES[asked.table]]
        found = await self._engine.fetch(
            f"SELECT row, {', '.join(names)}, {MORE} FROM {DATABASE}.{asked.table} FINAL "
            "WHERE record = {record:String} AND run = {run:Int64} AND row >= {first:Int64} AND row < {until:Int64} "
            "ORDER BY row",
            {"record": parameter(asked.record), "run": asked.run, "first": asked.offset, "until": asked.until},
        )
        own = [each.name for each in TABLES[asked.table]]
        return found.rename_columns(["row", *own, MORE])


def _check(table: str) -> None:
    if table not in TABLES:
        raise StoreError(f"table: expected one of {', '.join(TABLES)}, was {table[:80]!r}")


def _records(asked: RecordsAsked) -> tuple[str, Params]:
    """The narrow columns say which, then their documents are read."""
    where, params = _conditions(asked)
    params |= {"offset": max(0, asked.offset), "most": max(0, asked.limit)}
    chosen = (
        f"SELECT record FROM {DATABASE}.{RECORDS} FINAL WHERE {where} "
        "ORDER BY created_at DESC, record LIMIT {most:UInt64} OFFSET {offset:UInt64}"
    )
    text = (
        f"SELECT record, created_at, document FROM {DATABASE}.{RECORDS} FINAL "
        f"WHERE record GLOBAL IN ({chosen}) ORDER BY created_at DESC, record"
    )
    return text, params


def _conditions(asked: RecordsAsked) -> tuple[str, Params]:
    found, params = ["1"], Params()
    for name in ("strategy", "state", "kind", "user", "key", "digest"):
        value: str = getattr(asked, name)
        if value:
            found.append(f"{name} = {{{name}:String}}")
            params[name] = parameter(value)
    if asked.own:
        found.append("same_as = ''")
    for name, operator, bound in (("before", "<", asked.before), ("after", ">", asked.after)):
        if bound:
            found.append(f"created_at {operator} {{{name}:Int64}}")
            params[name] = bound
    if asked.ids:
        found.append(f"record IN ({_list(asked.ids, params)})")
    return " AND ".join(found), params


def _list(values: Sequence[str], params: Params) -> str:
    names = [f"id{number}" for number in range(len(values))]
    params |= {name: parameter(value) for name, value in zip(names, values, strict=True)}
    return ", ".join(f"{{{name}:String}}" for name in names)


def _trials(asked: TrialsAsked) -> tuple[str, Params]:
    text = (
        f"SELECT if(ifNull(digest, '') = '', record, digest) AS content, toInt64(max(ifNull(done, 0))) AS done "
        f"FROM {DATABASE}.{RECORDS} FINAL WHERE strategy = {{strategy:String}} AND same_as = '' "
        "AND created_at < {before:Int64} AND record <> {but:String} GROUP BY content ORDER BY content"
    )
    return text, {"strategy": parameter(asked.strategy), "before": asked.before, "but": parameter(asked.but)}


def _runs(asked: RunsAsked) -> tuple[str, Params]:
    of = "WHERE record = {record:String}"
    params: Params = {"record": parameter(asked.record)}
    runs = f"(SELECT run, state, counts, document FROM {DATABASE}.{RUNS} FINAL {of}) AS r"
    names = "r.run AS run, r.state AS state, r.counts AS counts, r.document AS document"
    limit = f"LIMIT {max(0, asked.limit)} OFFSET {max(0, asked.offset)}"
    if not asked.sort:
        return f"SELECT {names} FROM {runs} ORDER BY r.run {limit}", params
    params["name"] = parameter(asked.sort)
    values = f"(SELECT run, value FROM {DATABASE}.{STATS} FINAL {of} AND name = {{name:String}}) AS s"
    text = f"SELECT {names} FROM {runs} GLOBAL LEFT JOIN {values} ON r.run = s.run ORDER BY {_NONE_FIRST} {limit}"
    return text, params


__all__ = ["KEY", "STORED", "SqlBacktestResults", "columns_of_results"]
