"""How far the bars of a table are apart, as an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from marketprism_domain.values import NANOS_PER_MINUTE, Interval

_MINUTES = {60 * 24: "1d", 60 * 24 * 7: "1w"}
_MOST_MINUTES = 24 * 60
_FEW = 20
_HOUR_NS = 60 * NANOS_PER_MINUTE
_OF_MINUTES, _OF_HOURS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30), (1, 2, 3, 4, 6, 8, 12)
_USUAL = frozenset({"1d", "1w", *(f"{n}m" for n in _OF_MINUTES), *(f"{n}h" for n in _OF_HOURS)})


def interval_of_ns(length: int) -> str | None:
    """`1m`, `4h`, `1d` of a length in nanoseconds; None for what no bars are counted in."""
    minutes, rest = divmod(length, NANOS_PER_MINUTE)
    if rest or minutes <= 0:
        return None
    if minutes in _MINUTES:
        return _MINUTES[minutes]
    if minutes >= _MOST_MINUTES:
        return None
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def usual_interval(times: Sequence[int]) -> str | None:
    """The interval that most neighbours of a list of times are apart, whichever way it runs; None where none is."""
    apart = Counter(abs(after - before) for before, after in pairwise(times) if after != before)
    if not apart:
        return None
    known = [(length, count) for length, count in apart.items() if interval_of_ns(length) in _USUAL] or [*apart.items()]
    length, _ = min(known, key=lambda item: (-item[1], item[0]))
    return interval_of_ns(length)


def contradicts(interval: str, times: Sequence[int]) -> bool:
    """Whether bars of an interval cannot be at these times: most are four times as near to one another, or all of many
    at least twice as far apart. Sections cut bars, so that some are nearer than they last."""
    length = Interval.parse(interval).nanos
    apart = [abs(after - before) for before, after in pairwise(times) if after != before]
    if len(apart) < _FEW:
        return False
    nearer = sum(4 * each <= length for each in apart)
    return 2 * nearer > len(apart) or (length <= _HOUR_NS and min(apart) >= 2 * length)
