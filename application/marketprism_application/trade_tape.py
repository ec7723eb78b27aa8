"""The tape of one instrument's trades: each id once, in the order of the ids, every hole known."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

MOST_WAITING = 50_000
_ANEW_NS = 10_000_000_000


def _place(waiting: Waiting) -> tuple[int, int]:
    return waiting.first, waiting.seq


class Hole(NamedTuple):
    """Trades `first` to `last` are missing; they happened between the two instants."""

    first: int
    last: int
    ts_from: int
    ts_to: int
    ts_recv: int  # when it was seen


class Waiting(NamedTuple):
    """A trade behind a hole; it covers the ids `first` to `seq`."""

    first: int
    seq: int
    trade: Any


class TradeTape:
    """Takes trades as connections deliver them, several at a time where they overlap, and hands them on in order.

    `dense`: the venue numbers the trades of an instrument without leaving any out, so a jump is a hole. What comes
    behind a hole waits until the hole is filled (by another connection, by a request) or given up.
    """

    __slots__ = ("_dense", "_waiting", "last", "repeats", "ts_last")

    def __init__(self, *, dense: bool) -> None:
        self._dense = dense
        self._waiting: list[Waiting] = []
        self.last = 0
        self.ts_last = 0
        self.repeats = 0

    def resume(self, last: int, ts_last: int) -> None:
        """Go on behind a trade that somebody else has told."""
        if last > self.last:
            self.last, self.ts_last = last, ts_last

    def take(self, first: int, trade: Any) -> bool:
        """Whether this trade (a message, covering the ids `first` to its `seq`) is to be told now.

        If not, it was told before, or it waits; see `ready`.
        """
        seq, last = trade.seq, self.last
        if seq > last:
            if first != last + 1 and last and self._dense:
                if first <= last:
                    self.repeats += 1  # part of it was told: the rest is a hole that single executions fill
                else:
                    self._keep(Waiting(first, seq, trade))
                return False
            self.last = seq
            self.ts_last = max(self.ts_last, trade.ts_event)
            return True
        if self.begins_anew(trade) and not self._waiting:
            self.last, self.ts_last = seq, trade.ts_event
            return True
        self.repeats += 1
        return False

    def begins_anew(self, trade: Any) -> bool:
        """Whether the venue has begun to count anew: an older id of a much newer trade.

        What waits has to be given up before such a trade is taken.
        """
        return bool(trade.seq <= self.last and trade.ts_event > self.ts_last + _ANEW_NS)

    def _keep(self, behind: Waiting) -> None:
        waiting = self._waiting
        at = bisect_left(waiting, behind[:2], key=_place)
        if at < len(waiting) and waiting[at].seq == behind.seq:
            self.repeats += 1
        else:
            waiting.insert(at, behind)

    @property
    def waits(self) -> bool:
        """Whether any trade waits."""
        return bool(self._waiting)

    def ready(self) -> list[Any]:
        """Trades that waited and follow now."""
        waiting, found = self._waiting, []
        count = 0
        for each in waiting:
            if each.first > self.last + 1:
                break
            count += 1
            if each.first <= self.last:
                self.repeats += 1
                continue
            self.last, self.ts_last = each.seq, max(self.ts_last, each.trade.ts_event)
            found.append(each.trade)
        del waiting[:count]
        return found

    @property
    def hole(self) -> Hole | None:
        """The oldest hole that is open."""
        if not self._waiting:
            return None
        behind = self._waiting[0]
        trade = behind.trade
        return Hole(self.last + 1, behind.first - 1, self.ts_last, trade.ts_event, trade.ts_recv)

    def give_up(self) -> Hole | None:
        """The oldest hole, which nobody will fill any more: what waited behind it is ready."""
        hole = self.hole
        if hole is not None:
            self.last = hole.last
        return hole

    def overdue(self, before_ns: int) -> bool:
        """Whether the oldest hole was seen before that receive time, or too much waits behind it."""
        waiting = self._waiting
        return bool(waiting) and (waiting[0].trade.ts_recv <= before_ns or len(waiting) > MOST_WAITING)
