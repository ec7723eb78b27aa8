"""Sections of a trading day, where an instant falls among them, and what changes them on the day itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import NANOS_PER_MINUTE


class Session(NamedTuple):
    """One continuous section of a trading day, [ts_open, ts_close)."""

    trading_day: str
    number: int  # 0, 1, 2 … in order of trading
    ts_open: int
    ts_close: int
    minute_offset: int  # session minutes of this trading day before this section
    ts_auction: int  # start of the call auction before it; equal to ts_open when there is none
    last: bool  # the trading day ends with it


class Placement(NamedTuple):
    """Where an instant falls.

    `phase`: auction (before the opening of `session`), continuous, section_end (at or just after its end: the
    instant belongs to the section's last minute), break (between sections), closed. `session` is None in the
    last two.
    """

    trading_day: str
    session: Session | None
    phase: str


class SessionChange(NamedTuple):
    """On this trading day the product's section runs from `ts_open` to `ts_close`, whatever the table says.

    It stands for the section of the table that it overlaps (a late opening, a later end), or for one that the table
    does not have. Whole minutes.
    """

    venue: str
    product: str
    trading_day: str
    ts_open: int
    ts_close: int


def changed(sessions: Sequence[Session], change: SessionChange) -> tuple[Session, ...]:
    """The day's sections with a change among them.

    A section that opens late keeps the auction it had: what comes before the opening belongs to its first minute.

    Raises:
        InvalidValue: the change has no length or no whole minutes.
    """
    if change.ts_close <= change.ts_open or change.ts_open % NANOS_PER_MINUTE or change.ts_close % NANOS_PER_MINUTE:
        raise InvalidValue("session change", "whole minutes, the end after the opening", tuple(change))
    spans: list[tuple[int, int, int]] = []  # ts_auction, ts_open, ts_close
    placed = False
    for session in sessions:
        overlaps = session.ts_open < change.ts_close and change.ts_open < session.ts_close
        if overlaps and not placed:
            spans.append((min(session.ts_auction, change.ts_open), change.ts_open, change.ts_close))
            placed = True
        else:
            spans.append((session.ts_auction, session.ts_open, session.ts_close))
    if not placed:
        spans.append((change.ts_open, change.ts_open, change.ts_close))
    spans.sort()
    # No section reaches into the next one, its auction included.
    following = [*(auction for auction, _, _ in spans[1:]), spans[-1][2]]
    spans = [(auction, opens, min(end, after)) for (auction, opens, end), after in zip(spans, following, strict=True)]
    made: list[Session] = []
    offset = 0
    for auction, opens, end in spans:
        made.append(Session(change.trading_day, len(made), opens, end, offset, auction, last=False))
        offset += (end - opens) // NANOS_PER_MINUTE
    made[-1] = made[-1]._replace(last=True)
    return tuple(made)
