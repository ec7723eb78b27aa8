"""The tape of one instrument's trades: each id once, every hole known."""

from __future__ import annotations

from typing import NamedTuple

MAX_HOLES = 256


class Hole(NamedTuple):
    """Trades `first` to `last` are missing; they happened between the two instants."""

    first: int
    last: int
    ts_from: int
    ts_to: int
    ts_recv: int  # when it was seen


class TradeTape:
    """Takes ids as connections deliver them, several at a time where they overlap.

    `dense`: the venue numbers the trades of an instrument without leaving any out, so a jump is a hole. A hole stays
    open for what another connection may still bring.
    """

    __slots__ = ("_dense", "_holes", "last", "repeats", "ts_last")

    def __init__(self, *, dense: bool) -> None:
        self._dense = dense
        self._holes: list[Hole] = []
        self.last = 0
        self.ts_last = 0
        self.repeats = 0

    def take(self, first: int, seq: int, ts_event: int, ts_recv: int) -> bool:
        """Whether a trade is new; it covers the ids `first` to `seq`."""
        last = self.last
        if seq > last:
            if last and self._dense and first > last + 1:
                self._holes.append(Hole(last + 1, first - 1, self.ts_last, ts_event, ts_recv))
                del self._holes[:-MAX_HOLES]
            self.last, self.ts_last = seq, max(self.ts_last, ts_event)
            return True
        for number, hole in enumerate(self._holes):
            if hole.first <= first and seq <= hole.last:
                rest = [hole._replace(last=first - 1, ts_to=ts_event), hole._replace(first=seq + 1, ts_from=ts_event)]
                self._holes[number : number + 1] = [each for each in rest if each.first <= each.last]
                return True
        self.repeats += 1
        return False

    def due(self, before_ns: int) -> list[Hole]:
        """Holes seen before that receive time: nobody will fill them any more."""
        if not self._holes:
            return []
        found = [hole for hole in self._holes if hole.ts_recv <= before_ns]
        self._holes = [hole for hole in self._holes if hole.ts_recv > before_ns]
        return found
