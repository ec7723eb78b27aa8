"""Whether the day of a recording's evening rows is the natural day or the trading day: the rows around tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from marketprism_adapters.counters.depth.event_times import NightStamp, Part

_ENOUGH = 3  # answers that agree by majority


class StampedRow(NamedTuple):
    """The code of a row, the part of the day that its time is of, and the day that it names."""

    code: str
    part: Part
    day: str


def night_stamp_of(rows: Iterable[StampedRow]) -> NightStamp | None:
    """What the day of evening rows is, by the majority of the first changes from day to evening and back; None where no
    row tells.

    An evening whose day is that of the day before it is named by the natural day; one whose day is that of the day
    behind it, by its trading day. Rows after midnight tell nothing: mostly both are the same then.
    """
    before: dict[str, StampedRow] = {}
    votes: Counter[NightStamp] = Counter()
    for row in rows:
        if row.part is Part.AFTER_MIDNIGHT:
            continue
        last, before[row.code] = before.get(row.code), row
        if last is None or last.part is row.part or row.day < last.day:
            continue
        evening_first = last.part is Part.EVENING
        votes[NightStamp.TRADING_DAY if evening_first == (row.day == last.day) else NightStamp.NATURAL] += 1
        if votes.total() >= _ENOUGH:
            break
    return votes.most_common(1)[0][0] if votes else None


__all__ = ["StampedRow", "night_stamp_of"]
