"""Several connections that say the same: each snapshot once, whoever brings it first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

_REMEMBERED = 256
_KEY = (
    "UpdateTime",
    "UpdateMillisec",
    "Volume",
    "Turnover",
    "OpenInterest",
    "LastPrice",
    "BidPrice1",
    "BidVolume1",
    "AskPrice1",
    "AskVolume1",
    "BidPrice2",
    "AskPrice2",
    "TradingDay",
)


class Merge:
    """Of an instrument the last snapshots are remembered: one that comes again, from another front, is a repeat.

    One that lies behind what another front has brought (the day's volume only grows) is late, and says nothing new.

    With one connection nothing is compared: what it sends twice it meant twice.
    """

    def __init__(self, connections: int) -> None:
        self._several = connections > 1
        self._seen: dict[str, OrderedDict[tuple[Any, ...], int]] = {}
        self._newest: dict[str, tuple[object, int, int]] = {}  # trading day, volume, front
        self.repeats = 0
        self.late = 0

    def is_new(self, data: Mapping[str, Any], front: int) -> bool:
        """Whether this snapshot was not seen from another front yet."""
        if not self._several:
            return True
        symbol = str(data.get("InstrumentID"))
        day, volume = data.get("TradingDay"), int(data.get("Volume") or 0)
        newest = self._newest.get(symbol)
        if newest is not None and newest[0] == day and newest[1] > volume and newest[2] != front:
            self.late += 1
            return False
        seen = self._seen.setdefault(symbol, OrderedDict())
        key = tuple(data.get(name) for name in _KEY)
        first = seen.get(key)
        if first is not None and first != front:
            self.repeats += 1
            return False
        seen[key] = front
        if newest is None or newest[0] != day or volume > newest[1]:
            self._newest[symbol] = (day, volume, front)
        if len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        return True
