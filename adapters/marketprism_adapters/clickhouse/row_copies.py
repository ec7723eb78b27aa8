"""RowCopies over any engine that speaks ClickHouse's SQL: rows leave and come as Arrow tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import Params, parameter
from marketprism_adapters.clickhouse.sql.schema import Insert
from marketprism_adapters.clickhouse.topology import DATABASE, PARTITIONS, TABLES
from marketprism_application.contracts.backup_records import StreamPlace, TableShape
from marketprism_application.errors import StoreError
from marketprism_application.ports.archive import Columns, HotPartition, Measured
from marketprism_application.ports.backup import RowSlice

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "schema_migrations"
# Those that say what the store has go first: rows that came after them are read again from the streams. A row that was
# set aside is in its table once it was put in again, so its list is older too.
LEDGERS = ("store_identity", "store_progress", "dead_letters")
SLICE_ROWS = 65_536
_TABLES = f"""SELECT name, sorting_key, partition_key FROM system.tables
WHERE database = '{DATABASE}' AND engine LIKE '%MergeTree' AND name <> '{SCHEMA}' ORDER BY name"""
_COLUMNS = f"""SELECT table, name, type FROM system.columns
WHERE database = '{DATABASE}' AND default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY table, position"""
_HASH = "row_hash"
_MASK = (1 << 64) - 1


class SqlRowCopies:
    """Fulfils `RowCopies`; `slice_rows` rows are in memory at a time."""

    def __init__(self, engine: Engine, name: str, slice_rows: int = SLICE_ROWS) -> None:
        self._engine = engine
        self._slice_rows = slice_rows
        self._keys: dict[str, tuple[str, ...]] = {}
        self._types: dict[str, dict[str, str]] = {}
        self.engine = name

    async def schema(self) -> int:
        """The largest number in the list of migrations."""
        listed = f"SELECT 1 AS there FROM system.tables WHERE database = '{DATABASE}' AND name = '{SCHEMA}'"
        if not (await self._engine.fetch(listed)).num_rows:
            return 0
        found = await self._engine.fetch(f"SELECT toInt64(max(number)) AS number FROM {DATABASE}.{SCHEMA}")
        return int(found.to_pylist()[0]["number"])

    async def shapes(self) -> Mapping[str, TableShape]:
        """As `system.tables` and `system.columns` have them."""
        spans = {function: span for span, function in PARTITIONS.items()}
        columns: dict[str, list[tuple[str, str]]] = {}
        for row in (await self._engine.fetch(_COLUMNS)).to_pylist():
            columns.setdefault(str(row["table"]), []).append((str(row["name"]), str(row["type"])))
        found = {}
        for row in (await self._engine.fetch(_TABLES)).to_pylist():
            table, function = str(row["name"]), str(row["partition_key"]).partition("(")[0]
            self._keys[table] = tuple(re.split(r",\s*", str(row["sorting_key"])))
            self._types[table] = dict(columns[table])
            found[table] = TableShape(tuple(columns[table]), spans.get(function, ""))
        return found

    async def partitions(self) -> Sequence[HotPartition]:
        """By counting in each table, for which nobody needs a right beside that to read it."""
        if not self._keys:
            await self.shapes()
        found: list[HotPartition] = []
        for table in self._keys:
            rows = await self._engine.fetch(
                f"SELECT _partition_id AS partition, toInt64(count()) AS rows FROM {DATABASE}.{table} "
                "GROUP BY partition ORDER BY partition"
            )
            found += [HotPartition(table, str(r["partition"]), int(r["rows"]), 0) for r in rows.to_pylist()]
        order = {table: number for number, table in enumerate(LEDGERS)}
        return sorted(
            found,
            key=lambda each: (order.get(each.table, len(order) + (each.table in TABLES)), each.table, each.partition),
        )

    async def measure(self, table: str, partition: str, columns: Columns) -> Measured:
        """By one statement, in the engine."""
        where, params = "1", {}
        if partition:
            where, params = "_partition_id = {partition:String}", {"partition": parameter(partition)}
        if table not in self._types:
            await self.shapes()
        types = self._types[table]
        found = await self._engine.fetch(
            "SELECT toInt64(count()) AS rows, groupBitXor(h) AS mixed, sumWithOverflow(h) AS added "
            f"FROM (SELECT {_hash(columns, types)} AS h FROM {DATABASE}.{table} FINAL WHERE {where})",
            params,
        )
        row = found.to_pylist()[0]
        return _measured(int(row["rows"]), int(row["mixed"]), int(row["added"]))

    async def slices(self, table: str, partition: str, columns: Columns) -> AsyncIterator[RowSlice]:
        """By ranges of the first column of the table's key; a value that has too many rows is cut by a hash of the
        whole key, so that rows of one key are in one slice."""
        names = ", ".join(_out(name, kind) for name, kind in columns)
        base: Params = {"partition": parameter(partition)}
        # In a query of its own: a name that stands for a number would be what is hashed, too.
        hashed = f"SELECT *, {_hash(columns, dict(columns))} AS {_HASH} FROM {DATABASE}.{table} FINAL"
        for where, more in await self._cuts(table, partition):
            rows = await self._engine.fetch(
                f"SELECT {names}, {_HASH} FROM ({hashed} WHERE _partition_id = {{partition:String}} AND {where}) AS t "
                f"ORDER BY {', '.join(self._keys[table])}",
                {**base, **more},
            )
            if rows.num_rows:
                yield _slice_of(rows)

    async def _cuts(self, table: str, partition: str) -> list[tuple[str, Params]]:
        if table not in self._keys:
            await self.shapes()
        key = self._keys[table]
        counted = await self._engine.fetch(
            f"SELECT toString({key[0]}) AS k, toInt64(count()) AS rows FROM {DATABASE}.{table} "
            "WHERE _partition_id = {partition:String} GROUP BY k ORDER BY k",
            {"partition": parameter(partition)},
        )
        values = [(str(row["k"]), int(row["rows"])) for row in counted.to_pylist()]
        cuts: list[tuple[str, Params]] = []
        start = rows = 0
        for number, (value, count) in enumerate(values):
            rows += count
            if count > self._slice_rows:
                if start < number:
                    cuts.append(_between(key[0], values[start][0], values[number - 1][0]))
                pieces = -(-count // self._slice_rows)
                one, params = _between(key[0], value, value)
                cuts += [
                    (f"{one} AND cityHash64({', '.join(key)}) % {pieces} = {piece}", params) for piece in range(pieces)
                ]
                start, rows = number + 1, 0
            elif rows > self._slice_rows:
                cuts.append(_between(key[0], values[start][0], values[number - 1][0]))
                start, rows = number, count
        if start < len(values):
            cuts.append(_between(key[0], values[start][0], values[-1][0]))
        return cuts

    async def put(self, table: str, columns: Columns, rows: pa.Table) -> None:
        """By one insert, without a token: it is asked of a store that nobody else writes."""
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(_in(name, kind) for name, kind in columns)
        structure = ", ".join(f"{name} {'Int64' if _is_time(kind) else kind}" for name, kind in columns)
        how = (
            "SETTINGS async_insert = 0, insert_deduplicate = 0, "
            "optimize_on_insert = 0, max_partitions_per_insert_block = 0"
        )
        await self._engine.insert(Insert(f"INSERT INTO {DATABASE}.{table} ({names})", how, values, structure), rows)

    async def places(self) -> Sequence[StreamPlace]:
        """As the ledger has them."""
        found = await self._engine.fetch(
            f"SELECT stream, created, watermark, ts_message FROM {DATABASE}.store_progress FINAL "
            "ORDER BY stream, created"
        )
        return [
            StreamPlace(str(r["stream"]), str(r["created"]), int(r["watermark"]), int(r["ts_message"]))
            for r in found.to_pylist()
        ]


def _is_time(kind: str) -> bool:
    """Whether a column goes as nanoseconds: of times there are as many forms as protocols."""
    return kind.startswith("DateTime64(9")


def _out(name: str, kind: str) -> str:
    return f"toUnixTimestamp64Nano({name}) AS {name}" if _is_time(kind) else name


def _in(name: str, kind: str) -> str:
    return f"fromUnixTimestamp64Nano({name}, 'UTC')" if _is_time(kind) else name


def _between(column: str, first: str, last: str) -> tuple[str, Params]:
    return (
        f"{column} >= {{first_key:String}} AND {column} <= {{last_key:String}}",
        {"first_key": parameter(first), "last_key": parameter(last)},
    )


def _hash(columns: Columns, types: Mapping[str, str]) -> str:
    """Of a row, as the archive has it: a column that has another type by now counts as what it was."""
    hashed = []
    for name, kind in columns:
        if name not in types:
            raise StoreError(f"column {name}: expected it among those of the table, it is not there")
        value = name if types[name] == kind else f"CAST({name} AS {kind})"
        nullable = "Nullable" in kind and not kind.startswith("Array")
        hashed.append(f"isNull({value}), assumeNotNull({value})" if nullable else value)
    return f"cityHash64({', '.join(hashed)})"


def _slice_of(rows: pa.Table) -> RowSlice:
    mixed = added = 0
    for chunk in rows.column(_HASH).chunks:
        buffer = chunk.buffers()[1]
        assert buffer is not None  # noqa: S101 (of numbers that are none of them missing)
        values = memoryview(buffer).cast("Q")[chunk.offset : chunk.offset + len(chunk)]
        mixed ^= reduce(xor, values, 0)
        added = (added + sum(values)) & _MASK
    return RowSlice(rows.drop_columns([_HASH]), _measured(rows.num_rows, mixed, added))


def _measured(rows: int, mixed: int, added: int) -> Measured:
    return Measured(rows, f"{mixed:016X}{added:016X}")


__all__ = ["LEDGERS", "SCHEMA", "SLICE_ROWS", "SqlRowCopies"]
