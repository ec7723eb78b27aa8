"""Events of the bars that closed: some of them by themselves, the longer ones as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from marketprism_domain.events.registry import BarDataAggregated, MarketBarGenerated
from marketprism_domain.marketdata.bar import Bar

_MOST = 20  # bars that are named by themselves at a time: every minute closes thousands at once
_OF_TICKS = "1m"  # every longer bar is made of these


class BarEvents:
    """Collects closed bars between two calls of `take`."""

    def __init__(self) -> None:
        self._named: list[MarketBarGenerated] = []
        self._longer: Counter[str] = Counter()

    def closed(self, bars: Sequence[Bar]) -> None:
        """These bars closed, or are the next revisions of bars that have."""
        for bar in bars[: _MOST - len(self._named)]:
            self._named.append(MarketBarGenerated(bar.venue, bar.symbol, bar.interval, bar.ts_open, bar.revision))
        self._longer.update(bar.interval for bar in bars if bar.interval != _OF_TICKS)

    def take(self) -> list[object]:
        """Since the last call: `MarketBarGenerated` of the first 20 bars, `BarDataAggregated` of each longer one."""
        longer = [BarDataAggregated(interval, bars) for interval, bars in sorted(self._longer.items())]
        found = [*self._named, *longer]
        self._named, self._longer = [], Counter()
        return found


__all__ = ["BarEvents"]
