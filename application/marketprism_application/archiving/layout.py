"""Which tables can be archived, what time a partition spans, and where its files lie: a Hive layout."""

from __future__ import annotations

from datetime import UTC, date, datetime

from marketprism_application.contracts.archive_records import UnitRecord
from marketprism_application.contracts.kinds import KINDS, DataKind

ARCHIVABLE: dict[str, DataKind] = {kind.table: kind for kind in KINDS.values() if not kind.stays_hot}
MANIFEST = "manifest.json"
_SPANS = {4: "year", 6: "month", 8: "day"}


def kind_of(table: str) -> DataKind:
    """The kind of a table that can be archived. Raises ValueError."""
    kind = ARCHIVABLE.get(table)
    if kind is None:
        raise ValueError(f"table: expected one of {', '.join(sorted(ARCHIVABLE))}, was {table[:80]!r}")
    return kind


def span_of(partition: str) -> tuple[date, date]:
    """First day, and the day behind the last one, of a partition as the engine names it: 2025, 202503 or 20250303.

    Raises:
        ValueError: it is none of these.
    """
    year, month, day = partition[:4], partition[4:6] or "01", partition[6:] or "01"
    if len(partition) not in _SPANS or not partition.isdecimal():
        raise ValueError(f"partition: expected YYYY, YYYYMM or YYYYMMDD, was {partition[:80]!r}")
    first = date(int(year), int(month), int(day))
    if len(partition) == 8:
        return first, date.fromordinal(first.toordinal() + 1)
    if len(partition) == 4:
        return first, date(first.year + 1, 1, 1)
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def age_days(partition: str, now_ns: int) -> int:
    """Whole days since the end of a partition; negative before it."""
    today = datetime.fromtimestamp(now_ns / 1e9, UTC).date()
    return (today - span_of(partition)[1]).days


def folder_of(table: str, partition: str) -> str:
    """Where the files of a unit lie, as `table=market_ticks/day=2025-03-03`."""
    text = "-".join(filter(None, (partition[:4], partition[4:6], partition[6:])))
    return f"table={table}/{_SPANS[len(partition)]}={text}"


def file_of(record: UnitRecord, revision: int, number: int) -> str:
    """Where a file of an export lies."""
    return f"{folder_of(record.table, record.partition)}/r{revision:04d}-{number:04d}.parquet"


__all__ = ["ARCHIVABLE", "MANIFEST", "age_days", "file_of", "folder_of", "kind_of", "span_of"]
