"""Ranges of a series that were downloaded: put beside one another, and taken out of a range that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from marketprism_application.downloads.units import unit_at
from marketprism_application.ports.downloads import DownloadedRange


def merged(known: Iterable[DownloadedRange], more: Iterable[DownloadedRange], span: str) -> list[DownloadedRange]:
    """The known ranges and those that were downloaded now. A new one that lies in a known one says nothing; a known one
    that overlaps a new one otherwise is dropped whole, for its rows cannot be told apart. Those that touch are one,
    within a unit of storage (`span`), so that rows that are lost later are found by units."""
    found = list(known)
    for new in more:
        if any(each.ts_from <= new.ts_from and new.ts_to <= each.ts_to for each in found):
            continue
        found = [each for each in found if each.ts_to <= new.ts_from or each.ts_from >= new.ts_to]
        found.append(new)
    found.sort()
    joined: list[DownloadedRange] = []
    for each in found:
        if joined and _are_one(joined[-1], each, span):
            joined[-1] = _joined(joined[-1], each)
        else:
            joined.append(each)
    return joined


def _are_one(before: DownloadedRange, after: DownloadedRange, span: str) -> bool:
    return before.ts_to == after.ts_from and unit_at(span, before.ts_from) == unit_at(span, after.ts_from)


def _joined(before: DownloadedRange, after: DownloadedRange) -> DownloadedRange:
    return DownloadedRange(
        before.ts_from,
        after.ts_to,
        before.rows + after.rows,
        before.first or after.first,
        after.last or before.last,
    )


def without(ranges: Sequence[tuple[int, int]], known: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left of ranges, each before the next, when the known ones are taken out of them; those that touch are
    one."""
    left: list[tuple[int, int]] = []
    taken = sorted(known)
    at = 0
    for begin, end in ranges:
        while at and taken[at - 1][1] > begin:
            at -= 1
        here = begin
        while at < len(taken) and taken[at][0] < end:
            first, last = taken[at]
            if first > here:
                left.append((here, first))
            here = max(here, last)
            at += 1
        if here < end:
            left.append((here, end))
    joined: list[tuple[int, int]] = []
    for begin, end in left:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


__all__ = ["merged", "without"]
