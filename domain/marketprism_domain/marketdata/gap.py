"""Gap: a hole in a stream, one entry of the ledger."""

from __future__ import annotations

from typing import Final, NamedTuple

MISSING_TRADES = "missing_trades"  # the venue numbers its trades, and some did not come
# Causes of which somebody has to know. The others mark where data begin and end, and what was left out on purpose.
LOSSES: Final = (
    "silence",
    "disconnected",
    "interrupted",
    "restart",
    "sequence",
    "reported",
    "truncated",
    "queue_full",
    "overflow",
    MISSING_TRADES,
)

_OF_TICKS = ("tick", "bar")


def kind_missing_in(kind: str) -> str:
    """What a gap says is missing where rows of a kind are: bars are missing with the ticks that they are made of."""
    return "" if kind in _OF_TICKS else kind


FROM_HISTORY: Final = "history"  # source of an entry about rows of the past, with an interval behind a colon of bars


def interval_missing_in(source: str) -> str:
    """The interval of the bars that an entry with this source is about: a minute that a venue lacks says nothing of its
    hours. Empty where it is about all of them, or about rows without an interval."""
    kind, _, interval = source.partition(":")
    return interval if kind == FROM_HISTORY else ""


class Gap(NamedTuple):
    """Data of one instrument known or presumed missing between two instants.

    `cause` is one word: silence, disconnected, restart, sequence, recording_end, reported, missing_trades.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int  # when it was noticed, in event time
    ts_recv: int
    ts_pub: int
    ts_from: int
    ts_to: int
    cause: str
    trading_day: str = ""
    kind: str = ""  # of data that is missing; empty: ticks, and with them bars
