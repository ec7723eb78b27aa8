"""Klines of the simulated Binance, made of its trades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from marketprism_adapters.venues.kit.simulated_bars import BarSeries, Cost, SimulatedBar
from marketprism_adapters.venues.kit.simulated_market import SimulatedTrade, Text

_DAY_MS = 86_400_000
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS}
_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
_FIRST_MONDAY_MS = 4 * _DAY_MS  # 1970-01-05


def intervals(market: str) -> tuple[str, ...]:
    """Those that a market has."""
    return ("1s", *_INTERVALS) if market == "spot" else _INTERVALS


def span(interval: str, ts_ms: int) -> tuple[int, int]:
    """The bar of that moment: when it opens and when the next one does. Weeks begin on Mondays."""
    if interval == "1M":
        at = datetime.fromtimestamp(ts_ms / 1_000, UTC)
        following = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
        first, then = (datetime(year, month, 1, tzinfo=UTC) for year, month in ((at.year, at.month), following))
        return int(first.timestamp()) * 1_000, int(then.timestamp()) * 1_000
    if interval == "1w":
        opened_ms = ts_ms - (ts_ms - _FIRST_MONDAY_MS) % (7 * _DAY_MS)
        return opened_ms, opened_ms + 7 * _DAY_MS
    length_ms = int(interval[:-1]) * _UNITS_MS[interval[-1]]
    opened_ms = ts_ms - ts_ms % length_ms
    return opened_ms, opened_ms + length_ms


class Klines:
    """The bars of one instrument and interval, from the one of `ts_ms` on; `trades` are those that were before."""

    def __init__(
        self, interval: str, ts_ms: int, price: Text, trades: Iterable[SimulatedTrade], turnover: Cost
    ) -> None:
        self._interval = interval
        self._series = BarSeries(partial(span, interval), ts_ms, price, turnover)
        begins_ms = self._series.running.opened_ms
        for made in trades:
            if made.ts_ms >= begins_ms:
                self.take(made)

    def take(self, made: SimulatedTrade) -> None:
        """Add one trade to the running bar."""
        self._series.take(made)

    def closed(self, native: str, ts_ms: int) -> Iterator[dict[str, Any]]:
        """Events of the bars that have ended and were not told yet."""
        for bar in self._series.ended(ts_ms):
            yield self._kline_frame(bar, native, ts_ms)

    def running(self, native: str, ts_ms: int) -> dict[str, Any]:
        """The event of the bar that runs."""
        return self._kline_frame(self._series.running, native, ts_ms)

    def _kline_frame(self, bar: SimulatedBar, native: str, ts_ms: int) -> dict[str, Any]:
        return {
            "e": "kline",
            "E": ts_ms,
            "s": native,
            "k": {
                "t": bar.opened_ms,
                "T": bar.ends_ms - 1,
                "s": native,
                "i": self._interval,
                "f": bar.first,
                "L": bar.last,
                "o": bar.open,
                "c": bar.close,
                "h": bar.high,
                "l": bar.low,
                "v": str(bar.volume),
                "n": bar.count,
                "x": ts_ms >= bar.ends_ms,
                "q": str(bar.cost),
                "V": str(bar.bought),
                "Q": str(bar.bought_for),
                "B": "0",
            },
        }
