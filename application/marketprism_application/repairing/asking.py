"""Witnesses are asked for bars: in few questions, and again before it counts that one lacks some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.ports.history import RawPage
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.ranges import between
from marketprism_application.repairing.rows import NONE, Rows, by_time
from marketprism_domain.integrity.dataset import Dataset

ATTEMPTS = 3
# The order in which witnesses are asked. Bars of ours are made of trades: they are asked first about those, and what
# the venue's own bars say counts where no trades are stored.
_OF_VENUE = ("kline", "archive", "trade", "ticks", "file")
_OF_OURS = ("trade", "kline", "archive", "ticks", "file")
SPEAKS_FOR_VENUE = frozenset({"kline", "archive"})


class Span(NamedTuple):
    """A range that is asked for, [ts_from, ts_to), and how many bars of it are wanted."""

    ts_from: int
    ts_to: int
    bars: int


@dataclass
class Answer:
    """What one witness has of the bars that it was asked for, by their times. `asked` is how often each was asked
    about; `error` why it could not answer about the rest."""

    rows: Rows = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    pages: list[RawPage] = field(default_factory=list)
    requests: int = 0
    error: str = ""


def in_order(witnesses: Sequence[Witness], names: Sequence[str], *, of_ours: bool) -> list[Witness]:
    """The witnesses of these names, all without any, in the order in which they are asked."""
    order = _OF_OURS if of_ours else _OF_VENUE
    chosen = [each for each in witnesses if not names or each.name in names]
    return sorted(chosen, key=lambda each: order.index(each.name) if each.name in order else len(order))


def spans_of(witness: Witness, dataset: Dataset, opens: Ints, closes: Ints) -> list[Span]:
    """The fewest questions about bars, in order."""
    bars = zip(opens.tolist(), closes.tolist(), strict=True)
    return joined(witness, dataset, [Span(ts, end, 1) for ts, end in bars])


def joined(witness: Witness, dataset: Dataset, spans: Sequence[Span]) -> list[Span]:
    """Ranges in order, as few as can be: two are one where they touch, or where that takes fewer requests than both, as
    it does of those that are closer than a page."""
    runs: list[Span] = []
    for span in spans:
        if runs and span.ts_from <= runs[-1].ts_to:
            runs[-1] = _whole(runs[-1], span)
        else:
            runs.append(span)
    found: list[Span] = []
    for run in runs:
        if found:
            whole = _whole(found[-1], run)
            apart = _requests(witness, dataset, found[-1]) + _requests(witness, dataset, run)
            if _requests(witness, dataset, whole) < apart:
                found[-1] = whole
                continue
        found.append(run)
    return found


def _whole(before: Span, last: Span) -> Span:
    return Span(before.ts_from, max(before.ts_to, last.ts_to), before.bars + last.bars)


def _requests(witness: Witness, dataset: Dataset, span: Span) -> int:
    return witness.cost(replace(dataset, ts_from=span.ts_from, ts_to=span.ts_to))[0]


async def ask_about(witness: Witness, dataset: Dataset, opens: Ints, closes: Ints, pause_s: float) -> Answer:
    """What a witness has of the bars that open and close then. What a remote one lacks is asked for three times,
    `pause_s` seconds apart: an answer may lack rows for a moment."""
    answer = Answer()
    left, ends = opens, closes
    for attempt in range(ATTEMPTS if witness.is_remote else 1):
        if attempt:
            await asyncio.sleep(pause_s)
        for span in spans_of(witness, dataset, left, ends):
            try:
                found = await witness.bars(replace(dataset, ts_from=span.ts_from, ts_to=span.ts_to))
            except SourceError as error:
                answer.error = str(error) or type(error).__name__
                return answer
            answer.requests += found.requests
            answer.pages += found.pages
            answer.rows |= await asyncio.to_thread(by_time, found.rows)
            for ts in between(left, span.ts_from, span.ts_to).tolist():
                answer.asked[ts] = answer.asked.get(ts, 0) + 1
        lacking = ~np.isin(left, np.array(list(answer.rows), dtype=np.int64) if answer.rows else NONE)
        left, ends = left[lacking], ends[lacking]
        if not len(left):
            break
    return answer


__all__ = ["ATTEMPTS", "SPEAKS_FOR_VENUE", "Answer", "Span", "ask_about", "in_order", "joined", "spans_of"]
