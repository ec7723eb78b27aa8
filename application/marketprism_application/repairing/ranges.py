"""Ranges of time by which bars are looked up, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from marketprism_application.integrity.exact_numbers import Flags, Ints


class Ranges:
    """Ranges [ts_from, ts_to), those that touch as one."""

    def __init__(self, ranges: Iterable[tuple[int, int]], room: int = 0) -> None:
        """Those that lie no further than `room` nanoseconds from one another are one, too."""
        merged: list[list[int]] = []
        for ts_from, ts_to in sorted(ranges):
            if merged and ts_from - merged[-1][1] <= room:
                merged[-1][1] = max(merged[-1][1], ts_to)
            else:
                merged.append([ts_from, ts_to])
        self._bounds = np.array(merged, dtype=np.int64).reshape(-1, 2)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(first, end) for first, end in self._bounds.tolist()])

    def hold(self, ts: Ints) -> Flags:
        """Which instants lie in one of them."""
        if not len(self._bounds):
            return np.zeros(len(ts), dtype=np.bool_)
        at = np.searchsorted(self._bounds[:, 0], ts, side="right") - 1
        found: Flags = (at >= 0) & (ts < self._bounds[np.maximum(at, 0), 1])
        return found

    def cover(self, ts_from: int, ts_to: int) -> bool:
        """Whether a range lies whole in one of them."""
        at = int(np.searchsorted(self._bounds[:, 0], ts_from, side="right")) - 1
        return at >= 0 and ts_to <= int(self._bounds[at, 1])

    def meet(self, ts_from: int, ts_to: int) -> bool:
        """Whether a range shares an instant with one of them."""
        at = int(np.searchsorted(self._bounds[:, 0], ts_to)) - 1
        return at >= 0 and ts_from < int(self._bounds[at, 1])


def between(times: Ints, ts_from: int, ts_to: int) -> Ints:
    """Those of some times, which are in order, that lie in [ts_from, ts_to)."""
    first, last = np.searchsorted(times, (ts_from, ts_to))
    return times[first:last]


__all__ = ["Ranges", "between"]
