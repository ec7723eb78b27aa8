"""What a store takes up: its tables and the disks that they lie on, as the engine knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE

_UNLIMITED = 1 << 60  # bytes: a disk in an object store calls itself larger


class TableOnDisk(NamedTuple):
    """What of a table lies on one disk: rows (those that lie there twice until a merge too), bytes, parts."""

    name: str
    disk: str
    rows: int
    bytes: int
    parts: int


class TableSize(NamedTuple):
    """A table: rows (those that lie there twice until a merge too), bytes on its disks, parts."""

    name: str
    rows: int
    bytes: int
    parts: int


class DiskSpace(NamedTuple):
    """A disk of the engine, in bytes; both are 0 of a disk without an end, in an object store."""

    name: str
    free_bytes: int
    total_bytes: int


class Inventory(NamedTuple):
    """Tables and disks of one store; what lies where."""

    placed: tuple[TableOnDisk, ...]
    disks: tuple[DiskSpace, ...]

    @property
    def tables(self) -> tuple[TableSize, ...]:
        """Each table once, whatever the number of its disks."""
        by_name: dict[str, list[TableOnDisk]] = {}
        for each in self.placed:
            by_name.setdefault(each.name, []).append(each)
        return tuple(TableSize(name, *_sums(found)) for name, found in by_name.items())

    def by_disk(self) -> dict[str, dict[str, int]]:
        """By disk: free_bytes, total_bytes (0: without an end), and rows, bytes and parts of the tables on it."""
        found = {}
        for disk in self.disks:
            rows, size, parts = _sums([each for each in self.placed if each.disk == disk.name])
            space = {"free_bytes": disk.free_bytes, "total_bytes": disk.total_bytes}
            found[disk.name] = {**space, "rows": rows, "bytes": size, "parts": parts}
        return found


def _sums(placed: Sequence[TableOnDisk]) -> tuple[int, int, int]:
    return sum(p.rows for p in placed), sum(p.bytes for p in placed), sum(p.parts for p in placed)


async def inventory(engine: Engine) -> Inventory:
    """The store as it is now. Raises StoreError."""
    placed = await engine.fetch(
        "SELECT table AS name, disk_name AS disk, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts "
        f"FROM system.parts WHERE active AND database = '{DATABASE}' GROUP BY name, disk ORDER BY name, disk"
    )
    disks = await engine.fetch("SELECT name, free_space AS free, total_space AS total FROM system.disks ORDER BY name")
    return Inventory(
        tuple(
            TableOnDisk(str(r["name"]), str(r["disk"]), int(r["rows"]), int(r["bytes"]), int(r["parts"]))
            for r in placed.to_pylist()
        ),
        tuple(_space(str(r["name"]), int(r["free"]), int(r["total"])) for r in disks.to_pylist()),
    )


def _space(name: str, free: int, total: int) -> DiskSpace:
    return DiskSpace(name, free, total) if total < _UNLIMITED else DiskSpace(name, 0, 0)


__all__ = ["DiskSpace", "Inventory", "TableOnDisk", "TableSize", "inventory"]
