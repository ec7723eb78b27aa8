"""Klines of the simulated Binance, made of its trades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketprism_adapters.venues.simulator.market import Print, Text

_DAY_MS = 86_400_000
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS}
_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
_FIRST_MONDAY_MS = 4 * _DAY_MS  # 1970-01-05
_NONE = Decimal(0)
Turnover = Callable[[Print], Decimal]


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


@dataclass
class _Bar:
    opened_ms: int
    ends_ms: int
    open: Text
    high: Text
    low: Text
    close: Text
    first: int = -1  # ids of its trades
    last: int = -1
    count: int = 0
    volume: Decimal = _NONE
    turnover: Decimal = _NONE
    bought: Decimal = _NONE  # by takers
    bought_for: Decimal = _NONE

    def take(self, made: Print, turnover: Decimal) -> None:
        """One trade more."""
        quantity = Decimal(made.quantity)
        if not self.count:
            self.open = self.high = self.low = made.price
            self.first = made.trade_id
        self.high, self.low = max(self.high, made.price, key=Decimal), min(self.low, made.price, key=Decimal)
        self.close, self.last = made.price, made.trade_id
        self.count += 1
        self.volume += quantity
        self.turnover += turnover
        if not made.sell:
            self.bought += quantity
            self.bought_for += turnover

    def told(self, native: str, interval: str, ts_ms: int) -> dict[str, Any]:
        """The event."""
        return {"e": "kline", "E": ts_ms, "s": native, "k": {
            "t": self.opened_ms, "T": self.ends_ms - 1, "s": native, "i": interval, "f": self.first, "L": self.last,
            "o": self.open, "c": self.close, "h": self.high, "l": self.low, "v": str(self.volume), "n": self.count,
            "x": ts_ms >= self.ends_ms, "q": str(self.turnover), "V": str(self.bought), "Q": str(self.bought_for),
            "B": "0",
        }}  # fmt: skip


class Klines:
    """The bars of one instrument and interval, from the one of `ts_ms` on; `trades` are those that were before."""

    def __init__(
        self, interval: str, ts_ms: int, price: Text, trades: Iterable[Print], turnover: Turnover
    ) -> None:  # fmt: skip
        self.interval = interval
        self._turnover = turnover
        self._closed: list[_Bar] = []
        self._bar = self._new(ts_ms, price)
        for made in trades:
            if made.ts_ms >= self._bar.opened_ms:
                self.take(made)

    def _new(self, ts_ms: int, price: Text) -> _Bar:
        return _Bar(*span(self.interval, ts_ms), price, price, price, price)

    def _roll(self, ts_ms: int) -> None:
        if ts_ms >= self._bar.ends_ms:
            self._closed.append(self._bar)
            self._bar = self._new(ts_ms, self._bar.close)

    def take(self, made: Print) -> None:
        """One trade more."""
        self._roll(made.ts_ms)
        self._bar.take(made, self._turnover(made))

    def closed(self, native: str, ts_ms: int) -> Iterator[dict[str, Any]]:
        """Events of the bars that have ended and were not told yet."""
        self._roll(ts_ms)
        ended, self._closed = self._closed, []
        for bar in ended:
            yield bar.told(native, self.interval, ts_ms)

    def running(self, native: str, ts_ms: int) -> dict[str, Any]:
        """The event of the bar that runs."""
        return self._bar.told(native, self.interval, ts_ms)
