"""Gap: a hole in a stream, one entry of the ledger."""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """Data of one instrument known or presumed missing between two instants.

    `cause` is one word: silence, disconnected, restart, sequence, recording_end, reported.
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
