"""MarketStore over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from marketprism_adapters.clickhouse.dead_rows import SqlDeadRows
from marketprism_adapters.clickhouse.encoded_columns import NotPlain, encoded_columns
from marketprism_adapters.clickhouse.migrations import (
    LEDGER,
    MIGRATIONS,
    WHOLE_SCHEMA,
    Migration,
    can_create_whole,
    pending,
)
from marketprism_adapters.clickhouse.sql.columns import columns_of, placed_columns, stored_columns, to_arrow
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.schema import (
    COLUMNS,
    CREATED,
    PROVENANCE,
    inserts,
    inserts_columns,
    inserts_encoded,
    inserts_stored,
)
from marketprism_adapters.clickhouse.tiers import tier_statements
from marketprism_adapters.clickhouse.topology import DATABASE, REVISIONS, TABLES, Topology
from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.errors import RowError
from marketprism_application.ports.storage import DeadRow, EncodedRows, StreamPlace, StreamRange
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    import pyarrow as pa

log = structlog.get_logger()

_CAREFUL_PARTS = 100


class SqlStore:
    """Fulfils `MarketStore`. Encoded rows go into an engine that reads Arrow as columns, unless `columns` says no, and
    into others as they are."""

    def __init__(self, engine: Engine, topology: Topology | None = None, *, columns: bool = True) -> None:
        self._engine = engine
        self._columns = columns and engine.reads_arrow
        self._topology = topology or Topology()
        self._letters = SqlDeadRows(engine)
        self._careful = 0  # parts to come whose numbers are looked into at once

    async def plan(self) -> list[Migration]:
        """Migrations that are not applied yet; makes the database and its ledger where there is none.

        Raises:
            SchemaError: the database is newer than this program, or a migration was altered after it was applied.
        """
        for statement in (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", LEDGER):
            await self._apply(statement)
        applied = await self._engine.fetch(f"SELECT number, checksum FROM {DATABASE}.schema_migrations FINAL")
        return pending([(int(row["number"]), str(row["checksum"])) for row in applied.to_pylist()])

    async def applied(self) -> int:
        """The number of the newest migration that is recorded, 0 where there is none; nothing is made."""
        there = await self._engine.fetch(
            f"SELECT 1 FROM system.tables WHERE database = '{DATABASE}' AND name = 'schema_migrations'"
        )
        if not there.num_rows:
            return 0
        found = await self._engine.fetch(f"SELECT max(number) AS newest FROM {DATABASE}.schema_migrations")
        return int(found.to_pylist()[0]["newest"])

    async def migrate(self, up_to: int | None = None) -> Sequence[str]:
        """Bring schema and retention up to date; names of what was applied. `up_to` leaves the schema at that
        migration, for rows that were made under it: later ones change what there is. A database that has nothing yet
        gets the schema as it stands, and every migration is recorded: the same tables, sooner.

        Ended anywhere, or run by two at once, it is run again from its last whole migration: no statement fails where
        it was run before. Who is cancelled ends behind the statement that runs.
        """
        done: list[str] = []
        steps = await self.plan()
        held = up_to is None and self._topology.schema_at_most
        up_to = self._topology.schema_at_most or None if up_to is None else up_to
        if (up_to is None or up_to >= MIGRATIONS[-1].number) and can_create_whole(
            len(MIGRATIONS) - len(steps), await self._tables()
        ):
            return await self._make_whole(steps) + await self._retain()
        for migration in steps:
            if up_to is not None and migration.number > up_to:
                if held:
                    log.warning("migration.held_back", migration=migration.title, schema_at_most=up_to)
                    break
                return done
            for number, statement in enumerate(migration.statements, 1):
                log.info("migration.running", migration=migration.title, statement=number, of=len(migration.statements))
                await self._apply(statement)
            await self._record([migration])
            done.append(migration.title)
        return done + await self._retain()

    async def _tables(self) -> set[str]:
        """What the database has beside the ledger, by the names that statements use."""
        found = await self._engine.fetch(f"SELECT name FROM system.tables WHERE database = '{DATABASE}'")
        return {str(row["name"]).removesuffix("_local") for row in found.to_pylist()} - {"schema_migrations"}

    async def _make_whole(self, steps: Sequence[Migration]) -> list[str]:
        statements = WHOLE_SCHEMA
        for number, statement in enumerate(statements, 1):
            log.info("schema.running", statement=number, of=len(statements))
            await self._apply(statement)
        await self._record(steps)
        return [migration.title for migration in steps]

    async def _record(self, migrations: Sequence[Migration]) -> None:
        values = ", ".join(f"({{n{i}:UInt32}}, {{name{i}:String}}, {{sum{i}:String}})" for i in range(len(migrations)))
        params: dict[str, object] = {}
        for i, each in enumerate(migrations):
            params |= {f"n{i}": each.number, f"name{i}": each.name, f"sum{i}": each.checksum}
        await self._engine.execute(
            f"INSERT INTO {DATABASE}.schema_migrations (number, name, checksum) VALUES {values}", params
        )

    async def _apply(self, statement: str) -> None:
        for rendered in self._topology.render(statement):
            await self._engine.execute(rendered)

    async def _retain(self) -> list[str]:
        """How long tables keep their rows, and on which volume, are settings and no migration."""
        done = []
        for statement in await tier_statements(self._engine, self._topology):  # a TTL names a volume of the policy
            await self._engine.execute(statement)
            done.append(statement.removeprefix("ALTER TABLE "))
        suffix = "_local" if self._topology.cluster else ""
        found = await self._engine.fetch(CREATED)
        created = {str(row["name"]): str(row["created"]) for row in found.to_pylist()}
        for table in sorted(TABLES | REVISIONS.keys()):
            for statement in self._topology.retention(table, created.get(table + suffix, "")):
                await self._engine.execute(statement)
                done.append(statement.removeprefix("ALTER TABLE "))
        return done

    async def verify(self) -> list[str]:
        """What differs between the tables and what this program would make; empty when nothing does."""
        found: dict[tuple[str, str], str] = {}
        for row in (await self._engine.fetch(COLUMNS)).to_pylist():
            found[str(row["table"]), str(row["name"])] = str(row["type"])
        wrong = []
        for kind in KINDS.values():
            wanted = {column.name: column.stored for _, columns in columns_of(kind.name) for column in columns}
            wanted |= dict(PROVENANCE)
            for table in filter(None, (kind.table, kind.revisions)):
                for name, stored in wanted.items():
                    there = found.get((table, name))
                    if there != stored:
                        wrong.append(f"{table}.{name}: expected {stored}, was {there or 'missing'}")
        return wrong

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        """Write rows once per (kind, range)."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        if not rows:
            return 0
        exact = self._engine.reads_arrow
        try:
            table = to_arrow(kind, rows, places, epoch)
            table = stored_columns(kind, table) if exact else table
        except (ValueError, pa.ArrowException, OverflowError) as error:
            raise RowError(f"{kind.table}: {reason_of(error)}") from error
        for what in (inserts_stored if exact else inserts)(kind, f"{covered.token}:{kind.name}"):
            await self._engine.insert(what, table)
        return len(rows)

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        """Write rows once per (kind, range), as the bytes that came: nothing of a row becomes a Python object."""
        rows = sum(len(group.rows) for group in groups)
        if not rows:  # messages may hold marks and no ticks, as those of a gateway that has just taken over
            return 0
        token = f"{covered.token}:{kind.name}"
        if self._columns:
            try:
                table = await asyncio.to_thread(encoded_columns, kind, groups, epoch)
                for what in inserts_stored(kind, token):
                    await self._engine.insert(what, table)
            except (NotPlain, RowError):
                pass  # the engine is asked once more, about the rows as they came
            else:
                return rows
        body = await asyncio.to_thread(_flat, kind, groups, epoch)
        if not self._careful:
            try:
                for what in inserts_encoded(kind, token, careful=False):
                    await self._engine.insert_encoded(what, body)
            except RowError:
                # Numbers of one kind come together: a coin with ten digits behind the point has them in every tick.
                self._careful = _CAREFUL_PARTS
            else:
                return rows
        self._careful -= 1
        for what in inserts_encoded(kind, token, careful=True):
            await self._engine.insert_encoded(what, body)
        return rows

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        """Write rows once per (kind, range), as the columns that came."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        exact = self._engine.reads_arrow
        try:
            table = await asyncio.to_thread(placed_columns, kind, rows, seq, epoch)
            table = await asyncio.to_thread(stored_columns, kind, table) if exact else table
        except (ValueError, pa.ArrowException) as error:
            raise RowError(f"{kind.table}: {reason_of(error)}") from error
        for what in (inserts_stored if exact else inserts_columns)(kind, f"{covered.token}:{kind.name}"):
            await self._engine.insert(what, table)
        return rows.num_rows

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        """Set rows aside that no table can take."""
        for row in dead:
            await self._letters.bury(row)

    async def close(self) -> None:
        await self._engine.close()


_SEQUENCE = struct.Struct(">BQ")  # as MessagePack numbers: uint 64; then uint 32 and uint 64
_INDEX_AND_EPOCH = struct.Struct(">BIBQ")


def _flat(kind: DataKind, groups: Sequence[EncodedRows], epoch: int) -> bytes:
    """Values of the rows one after another, each row followed by where it came from.

    Of bytes only: slices of views are objects that the collector walks through again and again.
    """
    width = len(kind.fields)
    header = bytes([0x90 | width]) if width < 16 else b"\xdc" + width.to_bytes(2, "big")
    size = len(header)
    longest = max((group.first + len(group.rows) for group in groups), default=0)
    tails = [_INDEX_AND_EPOCH.pack(0xCE, index, 0xCF, epoch) for index in range(longest)]
    parts: list[bytes] = []
    for group in groups:
        sequence = _SEQUENCE.pack(0xCF, group.seq)
        for index, row in enumerate(group.rows, group.first):
            data = bytes(row)
            if not data.startswith(header):
                raise RowError(f"{kind.table}: expected a record of {width} fields at {group.seq}/{index}")
            parts += (data[size:], sequence, tails[index])
    return b"".join(parts)
