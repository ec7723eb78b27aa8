"""What is to be moved, and what of the cold data may go: decisions without input or output, given the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from marketprism_application.archiving.layout import age_days, span_of
from marketprism_application.contracts.archive_records import UnitRecord, UnitState
from marketprism_application.ports.archive import HotPartition

# Holes in a stream are named by the hot rows of the last ten days: those are not moved.
LEAST_DAYS = 11
FOR_EVER = 0


class Planned(NamedTuple):
    """A unit to be moved; `again` where late rows have come to one that is cold already."""

    table: str
    partition: str
    rows: int
    hot_bytes: int
    again: bool


def plan_moves(
    hot: Sequence[HotPartition],
    records: Mapping[tuple[str, str], UnitRecord],
    ages: Mapping[str, int],
    now_ns: int,
    keep_days: int = FOR_EVER,
) -> list[Planned]:
    """Units that are old enough and have hot rows, and those whose move was interrupted; the oldest first.

    `ages` has the days of each table that is archived. What is older than `keep_days` is not moved: it would be deleted
    at once; it is left where it is.
    """
    found = []
    by_key = {(each.table, each.partition): each for each in hot if _is_span(each.partition)}
    for key, partition in by_key.items():
        age = age_days(partition.partition, now_ns)
        record = records.get(key)
        if partition.table not in ages or age < ages[partition.table]:
            continue
        if keep_days and age >= keep_days and record is None:
            continue
        if record is not None and not _may_move(record, now_ns):
            continue
        found.append(Planned(*key, partition.rows, partition.bytes, record is not None and record.cold is not None))
    for key, record in records.items():
        if key not in by_key and record.state is not UnitState.DROPPED and _may_move(record, now_ns):
            found.append(Planned(*key, 0, 0, record.cold is not None))
    return sorted(found, key=lambda each: (span_of(each.partition), each.table))


def plan_deletions(records: Mapping[tuple[str, str], UnitRecord], keep_days: int, now_ns: int) -> list[UnitRecord]:
    """Cold units that are older than `keep_days` and not held, the oldest first; none for FOR_EVER."""
    if keep_days == FOR_EVER:
        return []
    old = [
        record
        for record in records.values()
        if record.state is UnitState.DROPPED and not record.hold and age_days(record.partition, now_ns) >= keep_days
    ]
    return sorted(old, key=lambda record: (span_of(record.partition), record.table))


def units_within(
    records: Mapping[tuple[str, str], UnitRecord], tables: Sequence[str], first: date, last: date
) -> list[UnitRecord]:
    """Units of some tables (none: of all) that overlap the days `first` to `last`, both included; the oldest first."""
    found = []
    for record in records.values():
        begins, ends = span_of(record.partition)
        if (not tables or record.table in tables) and begins <= last and first < ends:
            found.append(record)
    return sorted(found, key=lambda record: (span_of(record.partition), record.table))


def _may_move(record: UnitRecord, now_ns: int) -> bool:
    return record.state is not UnitState.RESTORING and not (
        record.state is UnitState.RESTORED and now_ns < record.until
    )


def _is_span(partition: str) -> bool:
    try:
        span_of(partition)
    except ValueError:
        return False
    return True


__all__ = ["FOR_EVER", "LEAST_DAYS", "Planned", "plan_deletions", "plan_moves", "units_within"]
