"""How a range is cut into parts, and on which times rows of a grid lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from marketprism_application.downloads.units import Unit, units
from marketprism_application.ports.history import Part
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

_WEEK = 7 * 1440 * NANOS_PER_MINUTE
_FIRST_MONDAY = 4 * 1440 * NANOS_PER_MINUTE  # 1970-01-05
_MOST_PAGES = 30
_MOST_UNITS = 31


class Grid(NamedTuple):
    """The times at which rows begin: every `step` nanoseconds from `offset` on."""

    step: int
    offset: int = 0

    @classmethod
    def of(cls, interval: str) -> Grid:
        """Of bars: whole multiples of their length since 1970, weeks begin on Mondays."""
        step = Interval.parse(interval).nanos
        return cls(step, _FIRST_MONDAY if step == _WEEK else 0)

    def from_on(self, ts: int) -> int:
        """The first time of the grid at or after a moment."""
        return ts + (self.offset - ts) % self.step

    def until(self, ts: int) -> int:
        """The last time of the grid at or before a moment."""
        return ts - (ts - self.offset) % self.step


class Cost(NamedTuple):
    """What rows cost: so many a page, so much weight each, so many nanoseconds between two rows."""

    page: int
    weight: float
    step: int

    def pages(self, ts_from: int, ts_to: int) -> int:
        """Pages of a range, one at least."""
        rows = max(1, -(-(ts_to - ts_from) // self.step))
        return -(-rows // self.page)


def cut(dataset: Dataset, span: str, cost: Cost, most_units: int = _MOST_UNITS) -> list[Part]:
    """The parts of a dataset: so many whole units each that their last page is as full as can be, a few dozen pages."""
    found = list(units(span, dataset.ts_from, dataset.ts_to))
    if not found:
        return []
    together = _together(found[len(found) // 2], cost, min(most_units, len(found)))
    parts: list[Part] = []
    for at in range(0, len(found), together):
        group: Sequence[Unit] = found[at : at + together]
        ts_from, ts_to = max(group[0].ts_from, dataset.ts_from), min(group[-1].ts_to, dataset.ts_to)
        pages = cost.pages(ts_from, ts_to)
        parts.append(Part(dataset, len(parts), ts_from, ts_to, pages, pages * cost.weight))
    return parts


def _together(unit: Unit, cost: Cost, most: int) -> int:
    length = unit.ts_to - unit.ts_from
    best, least = 1, float("inf")
    for count in range(1, most + 1):
        pages = cost.pages(0, count * length)
        if pages > _MOST_PAGES and count > 1:
            break
        waste = pages * cost.page * cost.step / (count * length)
        if waste <= least:
            best, least = count, waste
    return best


__all__ = ["Cost", "Grid", "cut"]
