"""What an aggregator counts of the bars that it makes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from marketprism_domain.marketdata.bar import Bar
from marketprism_sdk.observability import Metrics

_LIVE_NS = 3_600 * 1_000_000_000  # a bar that closed longer ago is one of a recording, or made again


class AggregatorMeasures:
    """Bars by interval, revisions, those over a gap, and how long after their close they came."""

    def __init__(self, metrics: Metrics, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._metrics = metrics
        self._now_ns = now_ns
        metrics.begin("malformed_messages_total")

    def malformed(self) -> None:
        """A message that could not be decoded."""
        self._metrics.count("malformed_messages_total")

    def closed(self, bars: Sequence[Bar]) -> None:
        """These bars closed, or are the next revisions of bars that have."""
        now, metrics = self._now_ns(), self._metrics
        for interval, number in Counter(bar.interval for bar in bars).items():
            metrics.count("bars_total", number, interval=interval)
        for bar in bars:
            if bar.revision:
                metrics.count("bars_revised_total", interval=bar.interval)
            elif 0 <= now - bar.ts_close < _LIVE_NS:
                metrics.observe("bar_delay_seconds", (now - bar.ts_close) / 1_000_000_000, interval=bar.interval)
            if bar.gap:
                metrics.count("bars_gapped_total", interval=bar.interval)


__all__ = ["AggregatorMeasures"]
