"""Where the rows of an answer lay: in the store alone, or in archived files too. It travels in the metadata of the
answer's schema; a table that has none of it is of a store without an archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_application.contracts.plain_table import PlainTable, Table
    from marketprism_application.contracts.questions import EncodedAnswer

_TIERS = b"tiers"
AnyTable = TypeVar("AnyTable", "pa.Table", "PlainTable")


class Tiers(NamedTuple):
    """`cold_until`: the newest time, nanoseconds UTC, of any archived row of the tables that were asked; what is newer
    is in the store. `units`: the archived partitions that were read for the answer, each as `market_ticks 20250303`."""

    cold_until: int
    units: tuple[str, ...] = ()

    @property
    def cold_units(self) -> int:
        """How many archived partitions were read for the answer; 0: it is of the store alone."""
        return len(self.units)

    def shown(self) -> dict[str, int]:
        """What people and programs are shown."""
        return {"cold_units": self.cold_units, "cold_until": self.cold_until}


def tiers_of(table: Table | EncodedAnswer) -> Tiers | None:
    """Where the rows of an answer lay; None where there is no archive."""
    found = (table.schema.metadata or {}).get(_TIERS)
    return None if found is None else msgspec.json.decode(found, type=Tiers)


def with_tiers(table: AnyTable, tiers: Tiers | None) -> AnyTable:
    """The table, which says so."""
    if tiers is None:
        return table
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _TIERS: msgspec.json.encode(tiers)})


def joined(several: Iterable[Tiers | None]) -> Tiers | None:
    """Of an answer that was made of several."""
    known = [tiers for tiers in several if tiers is not None]
    if not known:
        return None
    units = sorted({unit for tiers in known for unit in tiers.units})
    return Tiers(max(tiers.cold_until for tiers in known), tuple(units))


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of several of the same columns, which says where the rows of all of them lay."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    found = pa.concat_tables([table for table in tables if table.num_rows] or tables[:1]).replace_schema_metadata(None)
    return with_tiers(found, joined(map(tiers_of, tables)))


__all__ = ["Tiers", "joined", "tiers_of", "together", "with_tiers"]
