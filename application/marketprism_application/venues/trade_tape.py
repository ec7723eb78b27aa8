"""The tape of one instrument's trades: each id once, in the order of the ids, every hole known."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

MOST_WAITING = 50_000
FAR = 20_000  # trades: nobody counts so many on between two that follow one another
_ANEW_NS = 10_000_000_000
_ANEW_SPARSE_NS = 1_000_000_000  # where no hole would show that a number was wrong


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

    __slots__ = ("_before_jump", "_dense", "_recv_last", "_waiting", "last", "repeats", "ts_last")

    def __init__(self, *, dense: bool) -> None:
        self._dense = dense
        self._waiting: list[Waiting] = []
        self.last = 0
        self.ts_last = 0
        self.repeats = 0
        self._recv_last = 0  # when the last trade came that followed
        self._before_jump = 0  # where the tape stood before it went far on, until another trade follows there

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
            self._recv_last, self._before_jump = trade.ts_recv, 0
            return True
        before, self._before_jump = self._before_jump, 0
        if 0 < before < seq <= before + FAR:
            self.last = before  # nothing has followed there: the number that led there was wrong
            return self.take(first, trade)
        if self.begins_anew(trade) and not self._waiting:
            self.last, self.ts_last, self._recv_last = seq, trade.ts_event, trade.ts_recv
            return True
        self.repeats += 1
        return False

    def begins_anew(self, trade: Any) -> bool:
        """Whether the venue has begun to count anew: an older id of a much newer trade.

        What waits has to be given up before such a trade is taken.
        """
        anew_ns = _ANEW_NS if self._dense else _ANEW_SPARSE_NS
        return bool(trade.seq <= self.last and trade.ts_event > self.ts_last + anew_ns)

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
            self._before_jump = self.last if hole.last - hole.first >= FAR else 0
            self.last = hole.last
        return hole

    def drop_outlier(self) -> bool:
        """Leave out a trade that waits far on by itself, while the tape has gone on where it was: its number is wrong.
        Under its right one it is missing, and will be fetched."""
        if len(self._waiting) != 1:
            return False
        behind = self._waiting[0]
        if behind.first - self.last <= FAR or self._recv_last <= behind.trade.ts_recv:
            return False
        self._waiting.clear()
        return True

    def overdue(self, before_ns: int) -> bool:
        """Whether the oldest hole was seen before that receive time, or too much waits behind it."""
        waiting = self._waiting
        return bool(waiting) and (waiting[0].trade.ts_recv <= before_ns or len(waiting) > MOST_WAITING)
