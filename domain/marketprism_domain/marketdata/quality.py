"""QualityReport: what a monitoring window said of one stream."""

from __future__ import annotations

from typing import NamedTuple


class QualityReport(NamedTuple):
    """Counts and score of one instrument over one window of event time, [ts_from, ts_to)."""

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int  # = ts_to
    ts_recv: int
    ts_pub: int
    ts_from: int
    ts_to: int
    score: int  # 0..100, mean over the window's ticks, rejected ones included
    ticks: int
    accepted: int
    rejected: int
    stale: int
    warned: int
    anomalies: int
    reasons: dict[str, int]  # rejected and warned, by reason
