"""Units of storage: rows of which time lie in one file, and are replaced together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from marketprism_application.contracts.kinds import KINDS
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND, Interval

_HOUR, _DAY = 60 * NANOS_PER_MINUTE, 1440 * NANOS_PER_MINUTE


class Unit(NamedTuple):
    """One unit: its name as a folder of a Hive layout, and its time."""

    name: str
    ts_from: int
    ts_to: int


def span_of(kind: str, interval: str) -> str:
    """`day`, `month` or `year`: the time that a unit of these rows has, so that a file is neither tiny nor huge."""
    if not KINDS[kind].has_interval:
        return "day" if KINDS[kind].numbered else "month"
    length = Interval.parse(interval).nanos
    return "year" if length >= _DAY else "month" if length >= _HOUR else "day"


def units(span: str, ts_from: int, ts_to: int) -> Iterator[Unit]:
    """The units that [ts_from, ts_to) touches, in order."""
    at = ts_from
    while at < ts_to:
        unit = unit_at(span, at)
        yield unit
        at = unit.ts_to


def unit_at(span: str, ts: int) -> Unit:
    """The unit of a moment, in UTC."""
    if span == "day":
        begin = ts - ts % _DAY
        return Unit(f"day={_at(begin):%Y-%m-%d}", begin, begin + _DAY)
    when = _at(ts)
    if span == "month":
        following = (when.year + when.month // 12, when.month % 12 + 1)
        return Unit(f"month={when:%Y-%m}", _begin(when.year, when.month), _begin(*following))
    return Unit(f"year={when.year}", _begin(when.year, 1), _begin(when.year + 1, 1))


def _at(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // NANOS_PER_SECOND, UTC)


def _begin(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * NANOS_PER_SECOND


__all__ = ["Unit", "span_of", "unit_at", "units"]
