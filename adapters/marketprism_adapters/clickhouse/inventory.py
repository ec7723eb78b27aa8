"""What a store takes up: its tables and the disks that they lie on, as the engine knows them."""

from __future__ import annotations

from typing import NamedTuple

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE


class TableSize(NamedTuple):
    """A table: rows (those that lie there twice until a merge too), bytes on disk, parts."""

    name: str
    rows: int
    bytes: int
    parts: int


class DiskSpace(NamedTuple):
    """A disk of the engine, in bytes."""

    name: str
    free_bytes: int
    total_bytes: int


class Inventory(NamedTuple):
    """Tables and disks of one store."""

    tables: tuple[TableSize, ...]
    disks: tuple[DiskSpace, ...]


async def inventory(engine: Engine) -> Inventory:
    """The store as it is now. Raises StoreError."""
    tables = await engine.fetch(
        "SELECT table AS name, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts "
        f"FROM system.parts WHERE active AND database = '{DATABASE}' GROUP BY table ORDER BY table"
    )
    disks = await engine.fetch("SELECT name, free_space AS free, total_space AS total FROM system.disks ORDER BY name")
    return Inventory(
        tuple(TableSize(str(r["name"]), int(r["rows"]), int(r["bytes"]), int(r["parts"])) for r in tables.to_pylist()),
        tuple(DiskSpace(str(r["name"]), int(r["free"]), int(r["total"])) for r in disks.to_pylist()),
    )


__all__ = ["DiskSpace", "Inventory", "TableSize", "inventory"]
