"""HotStore over an engine: the embedded one, which reads and writes files where this process does, or a server, which
reads and writes those of an S3-compatible store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from marketprism_adapters.clickhouse.archive.sources import (
    ColdPart,
    TableSource,
    both,
    function,
    part_of,
)
from marketprism_adapters.clickhouse.archive.sources import (
    cold as cold_selects,
)
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.literals import quoted
from marketprism_adapters.clickhouse.sql.parameters import Params, parameter
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.archiving.digests import of_files
from marketprism_application.archiving.layout import ARCHIVABLE
from marketprism_application.contracts.archive_records import ColdCopy, ColdFile, InstrumentRows
from marketprism_application.ports.archive import ColdAddress, Columns, HotPartition, Measured, Outline, Slice

_COLUMNS = f"""SELECT table, name, type FROM system.columns
WHERE database = '{DATABASE}' AND default_kind <> 'MATERIALIZED' ORDER BY table, position"""
_PARTS = f"""SELECT table, partition_id AS partition, toInt64(sum(rows)) AS rows, toInt64(sum(bytes_on_disk)) AS bytes
FROM system.parts WHERE active AND database = '{DATABASE}' GROUP BY table, partition ORDER BY table, partition"""
_DROP_ATTEMPTS = 5
_ROW_GROUP, _LEVEL = 131_072, 3
_DICTIONARY = 65_536  # bytes: columns of many values are smaller, and quicker, as they are


async def columns_of_tables(engine: Engine) -> dict[str, Columns]:
    """Stored columns of every table, (name, type) in their order. Raises StoreError."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in (await engine.fetch(_COLUMNS)).to_pylist():
        found.setdefault(str(row["table"]), []).append((str(row["name"]), str(row["type"])))
    return {table: tuple(columns) for table, columns in found.items()}


def patience(timeout_s: float) -> dict[str, str]:
    """Settings with which an engine gives a store of files up that does not answer so long; by itself it tries 500
    times, and everybody else waits meanwhile."""
    limit_ms = str(max(1, int(timeout_s * 1000)))
    return {"s3_retry_attempts": "1", "s3_request_timeout_ms": limit_ms, "s3_connect_timeout_ms": limit_ms}


async def wait_no_longer(engine: Engine, timeout_s: float) -> None:
    """From now on the session of an engine has this patience. Raises StoreError."""
    await engine.execute("SET " + ", ".join(f"{name} = {value}" for name, value in patience(timeout_s).items()))


async def hot_partitions(engine: Engine) -> list[HotPartition]:
    """Every partition that has an active part. Raises StoreError."""
    rows = (await engine.fetch(_PARTS)).to_pylist()
    return [
        HotPartition(str(row["table"]), str(row["partition"]), int(row["rows"]), int(row["bytes"]))
        for row in rows
        if row["table"] in ARCHIVABLE
    ]


class SqlHotStore:
    """Fulfils `HotStore`."""

    def __init__(
        self,
        engine: Engine,
        address: Callable[[str], ColdAddress],
        *,
        row_group: int = _ROW_GROUP,
        zstd_level: int = _LEVEL,
        elsewhere: bool = False,
    ) -> None:
        """`elsewhere`: the engine sees no file of this machine."""
        self._engine = engine
        self._address = address
        self._elsewhere = elsewhere
        self._row_group = row_group
        self._zstd_level = zstd_level
        self._columns: dict[str, Columns] = {}

    async def partitions(self) -> Sequence[HotPartition]:
        """As `system.parts` has the active ones."""
        return await hot_partitions(self._engine)

    async def outline(self, table: str, partition: str, cold: ColdCopy | None) -> Outline:
        """By one statement over the unit."""
        kind, columns = ARCHIVABLE[table], await self._columns_of(table)
        source = await self._unit(table, partition, cold, "1")
        days = ("min(trading_day)", "max(trading_day)") if "trading_day" in kind.fields else ("''", "''")
        found = await self._engine.fetch(
            f"SELECT symbol, venue, toInt64(count()) AS rows, toUnixTimestamp64Nano(min({kind.time_field})) AS first, "
            f"toUnixTimestamp64Nano(max({kind.time_field})) AS last, {days[0]} AS first_day, {days[1]} AS last_day, "
            f"toInt64(min(stream_seq)) AS first_seq, toInt64(max(stream_seq)) AS last_seq FROM {source} AS u "
            "GROUP BY symbol, venue ORDER BY symbol, venue"
        )
        rows = found.to_pylist()
        instruments = tuple(
            InstrumentRows(r["symbol"], r["venue"], int(r["rows"]), int(r["first"]), int(r["last"])) for r in rows
        )
        if not rows:
            return Outline((), tuple(columns), ("", ""), (0, 0))
        day = min(str(r["first_day"]) for r in rows), max(str(r["last_day"]) for r in rows)
        seq = min(int(r["first_seq"]) for r in rows), max(int(r["last_seq"]) for r in rows)
        return Outline(instruments, tuple(columns), day, seq)

    async def export(
        self, table: str, partition: str, cold: ColdCopy | None, part: Slice, path: str, local: Path
    ) -> bool:
        """INSERT INTO FUNCTION file(…), or s3(…) where the engine is elsewhere."""
        columns, params = await self._columns_of(table), _slice(part)
        source = await self._unit(table, partition, cold, _IN_SLICE)
        names = ", ".join(name for name, _ in columns)
        order = ", ".join(ARCHIVABLE[table].order_by)
        target = function(self._address(path) if self._elsewhere else ColdAddress(str(local)), columns)
        await self._engine.execute(
            f"INSERT INTO FUNCTION {target} SELECT {names} FROM {source} AS u ORDER BY {order} "
            f"SETTINGS engine_file_truncate_on_insert = 1, s3_truncate_on_insert = 1, "
            f"output_format_parquet_row_group_size = {self._row_group}, output_format_parquet_write_bloom_filter = 0, "
            f"output_format_parquet_max_dictionary_size = {_DICTIONARY}, "
            f"output_format_parquet_compression_method = 'zstd', output_format_compression_level = {self._zstd_level}",
            params,
        )
        return self._elsewhere

    async def measure(self, table: str, partition: str, cold: ColdCopy | None, part: Slice | None = None) -> Measured:
        """Over the hot rows and the files."""
        where, params = (_IN_SLICE, _slice(part)) if part is not None else ("1", {})
        return await self._measured(table, await self._unit(table, partition, cold, where), params)

    async def measure_files(
        self, table: str, files: Sequence[ColdFile], columns: Sequence[tuple[str, str]]
    ) -> Measured:
        """Over the files alone."""
        part = part_of("", tuple(columns), [file.path for file in files], self._address)
        source = TableSource(await self._columns_of(table), (part,), frozenset())
        union = " UNION ALL ".join(cold_selects(source, "1"))
        return await self._measured(table, f"({union})", {})

    async def drop(self, table: str, partition: str, cold: ColdCopy) -> bool:
        """Part by part, by name: one that was merged meanwhile is not there, and all is looked at again."""
        for _ in range(_DROP_ATTEMPTS):
            parts = await self._parts(table, partition)
            if not parts:
                return True
            named = ", ".join(f"'{quoted(name)}'" for name in parts)
            where = f"_part IN ({named})"
            if not await self._adds_nothing(table, partition, cold, where):
                return False
            for name in parts:
                if name in await self._parts(table, partition):
                    await self._engine.execute(f"ALTER TABLE {DATABASE}.{table} DROP PART '{quoted(name)}'")
        return not await self._parts(table, partition)

    async def restore(self, table: str, partition: str, cold: ColdCopy) -> None:
        """File by file, once a file: an insert with a token of it."""
        columns = await self._columns_of(table)
        names = ", ".join(name for name, _ in columns)
        for file in cold.files:
            part = part_of(partition, cold.columns, [file.path], self._address)
            (select,) = cold_selects(TableSource(columns, (part,), frozenset()), "1")
            await self._engine.execute(
                f"INSERT INTO {DATABASE}.{table} ({names}) SETTINGS async_insert = 0, "
                f"insert_deduplicate = 0, max_partitions_per_insert_block = 0 {select}"
            )

    async def _adds_nothing(self, table: str, partition: str, cold: ColdCopy, where: str) -> bool:
        """Whether the copy and these parts together are the copy."""
        wanted = of_files(cold.files)
        columns = await self._columns_of(table)
        hot = f"(SELECT * FROM {DATABASE}.{table} FINAL WHERE _partition_id = '{partition}' AND {where})"
        if await self._measured(table, hot, {}) == wanted:
            return True
        parts = (self._part(partition, cold),)
        source = TableSource(columns, parts, frozenset({partition}))
        return await self._measured(table, both(table, source, "1", only=partition), {}) == wanted

    async def _unit(self, table: str, partition: str, cold: ColdCopy | None, where: str) -> str:
        columns = await self._columns_of(table)
        if cold is None:
            return both(table, TableSource(columns, (), frozenset()), where, only=partition)
        parts = (self._part(partition, cold),)
        return both(table, TableSource(columns, parts, frozenset({partition})), where, only=partition)

    def _part(self, partition: str, cold: ColdCopy) -> ColdPart:
        return part_of(partition, cold.columns, [file.path for file in cold.files], self._address)

    async def _measured(self, table: str, source: str, params: Params) -> Measured:
        hashed = ", ".join(
            f"isNull({name}), assumeNotNull({name})" if "Nullable" in kind and not kind.startswith("Array") else name
            for name, kind in await self._columns_of(table)
        )
        found = await self._engine.fetch(
            "SELECT toInt64(count()) AS rows, hex(groupBitXor(h)) AS xored, hex(sumWithOverflow(h)) AS added "
            f"FROM (SELECT cityHash64({hashed}) AS h FROM {source} AS u)",
            params,
        )
        row = found.to_pylist()[0]
        return Measured(int(row["rows"]), f"{str(row['xored']).zfill(16)}{str(row['added']).zfill(16)}")

    async def _parts(self, table: str, partition: str) -> list[str]:
        found = await self._engine.fetch(
            f"SELECT name FROM system.parts WHERE active AND database = '{DATABASE}' AND table = {{table:String}} "
            "AND partition_id = {partition:String} ORDER BY name",
            {"table": table, "partition": partition},
        )
        return [str(row["name"]) for row in found.to_pylist()]

    async def _columns_of(self, table: str) -> Columns:
        if not self._columns:
            self._columns = await columns_of_tables(self._engine)
        return self._columns[table]


_IN_SLICE = "symbol >= {slice_first:String} AND symbol <= {slice_last:String}"


def _slice(part: Slice) -> Params:
    return {"slice_first": parameter(part.first), "slice_last": parameter(part.last)}


__all__ = ["SqlHotStore", "columns_of_tables", "hot_partitions", "patience", "wait_no_longer"]
