"""Stretches of time in which a page of rows is looked for, one after another, until it is full.

The engine reads every row of an instrument that lies between the bounds of a question, and every partition between
them, before it gives the first of them: FINAL has to see all rows of a key. So a page of a thousand rows of ten
years costs what ten years cost. In short stretches, each longer than the one before, it costs what a page costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Interval

SECOND_NS = 10**9
_SHORTEST_NS = 600 * SECOND_NS
_OF_ROW_NS = SECOND_NS  # between rows of an instrument that is traded
_OF_BARS = 4  # bars of a market that is open for a quarter of the day
_LONGER = 8  # times as long as the one before
_MOST = 6  # then the rest


class Held(NamedTuple):
    """What a table holds: the time of its oldest and of its newest row, nanoseconds UTC, and how many rows."""

    oldest: int
    newest: int
    rows: int


def stretches(question: Records, held: Held) -> Iterator[Records]:
    """The question, cut into disjoint stretches of time that make up its own, in the order in which its rows are
    wanted: from the oldest on, or back from the newest where the last ones are asked for.

    The time of a row is part of its key, of every kind: rows of one key lie in one stretch. What is held says only
    where to look first: the outermost bounds are those of the question.
    """
    begin = question.ts_from
    if question.after is not None:  # what lies behind a key begins with its time
        begin = max(begin or 0, int(question.after[0]))
    width = _first_width(question)
    low = held.oldest if begin is None else max(begin, held.oldest)
    high = held.newest + 1 if question.ts_to is None else min(question.ts_to, held.newest + 1)
    edge: int | None = None  # up to where it was looked
    for _ in range(_MOST):
        if question.last:
            inner = high - width
            if inner <= low:
                break
            yield _between(question, inner, question.ts_to if edge is None else edge)
            high = edge = inner
        else:
            inner = low + width
            if inner >= high:
                break
            yield _between(question, begin if edge is None else edge, inner)
            low = edge = inner
        width *= _LONGER
    if edge is None:
        yield question
    elif question.last:
        yield _between(question, question.ts_from, edge)
    else:
        yield _between(question, edge, question.ts_to)


def _between(question: Records, ts_from: int | None, ts_to: int | None) -> Records:
    return msgspec.structs.replace(question, ts_from=ts_from, ts_to=ts_to)


def _first_width(question: Records) -> int:
    """Nanoseconds in which there are as many rows as are wanted, of an instrument that is traded much."""
    if KINDS[question.kind].has_interval and question.interval is not None:
        try:
            return _OF_BARS * question.limit * Interval.parse(str(question.interval)).seconds * SECOND_NS
        except InvalidValue:
            pass
    return max(_SHORTEST_NS, question.limit * _OF_ROW_NS)
