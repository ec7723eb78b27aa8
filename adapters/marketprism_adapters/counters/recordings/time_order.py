"""Ticks in order: a row whose time, or whose total or extreme of the day, is not of its place is found by its
neighbours, and refused alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import NANOS_PER_SECOND

# A venue's clock may step back a little between snapshots; further back means that a row is not in time order.
_MAX_STEP_NS = 60 * NANOS_PER_SECOND
_MOST_WAITING = 10_000
# What a day has traded may be doubled from one row to the next in its first minutes, and behind a hole.
_JUMP, _LEAST_LOTS, _LEAST_MONEY = 2, 1_000, 100_000_000
_FAR_OFF = Decimal("0.02")  # of the day's high or low


class OutOfOrder(NamedTuple):
    """A row that is not in time order, and by how much."""

    number: int
    text: str


class InOrder:
    """Takes the ticks of a file in its order and gives them back in the same, but for those out of time order.

    A tick that lies far ahead of the one before of its instrument waits for the next one: if that goes back, between
    the two, the waiting one is wrong. Whatever comes meanwhile waits behind it. `in_session` says of a tick whether its
    time lies in a section; one outside is not refused: what is sent again at a login has a time of before. No more than
    `most_waiting` wait. So does one with far more volume or turnover, or far beyond the day's high or low, of the one
    before: if the next one takes that back, it alone is wrong, and not all behind it.
    """

    def __init__(self, in_session: Callable[[Tick], bool], most_waiting: int = _MOST_WAITING) -> None:
        self._in_session = in_session
        self._most_waiting = most_waiting
        self._latest: dict[str, int] = {}
        self._ahead: dict[str, tuple[Tick, int]] = {}  # waits for the next of its instrument; the time before it
        self._waiting: deque[Tick] = deque()
        self._wrong: dict[int, OutOfOrder] = {}
        self._before: dict[str, Tick] = {}  # the last one whose totals are right
        self._jumped: dict[str, tuple[Tick, Tick]] = {}  # waits for the next of its instrument; the one before it

    def take(self, tick: Tick) -> Iterator[Tick | OutOfOrder]:
        """Take the next tick; those come back that nothing can be wrong with any more."""
        symbol, ts = tick.symbol, tick.ts_event
        ahead = self._ahead.pop(symbol, None) if self._ahead else None
        before = self._latest.get(symbol, 0)
        if (
            ahead is not None
            and before - ts > _MAX_STEP_NS
            and ts >= ahead[1] - _MAX_STEP_NS
            and self._in_session(tick)
        ):
            self._wrong[ahead[0].source_seq] = _out_of_order(ahead[0], f"ahead of the next by {_seconds(before - ts)}")
            before = self._latest[symbol] = ahead[1]
        if before - ts > _MAX_STEP_NS:
            if self._in_session(tick):
                self._wrong[tick.source_seq] = _out_of_order(tick, f"went back by {_seconds(before - ts)}")
        elif ts >= before:
            self._latest[symbol] = ts
            if ts - before > _MAX_STEP_NS:
                self._ahead[symbol] = (tick, before)
        self._compare_totals(tick)
        if not self._ahead and not self._jumped and not self._waiting and not self._wrong:
            yield tick
            return
        self._waiting.append(tick)
        if len(self._waiting) > self._most_waiting:
            self._ahead.clear()
            self._jumped.clear()
        yield from self._settled()

    def rest(self) -> Iterator[Tick | OutOfOrder]:
        """What still waits, at the end of the file."""
        self._ahead.clear()
        self._jumped.clear()
        yield from self._settled()

    def _compare_totals(self, tick: Tick) -> None:
        symbol = tick.symbol
        if self._jumped and (jumped := self._jumped.pop(symbol, None)) is not None:
            ahead, before = jumped
            if text := _fell_back(ahead, before, tick):
                self._wrong.setdefault(ahead.source_seq, OutOfOrder(ahead.source_seq, text))
                self._before[symbol] = before
        last = self._before.get(symbol)
        self._before[symbol] = tick
        if last is not None and last.trading_day == tick.trading_day and _jumps(tick, last):
            self._jumped[symbol] = (tick, last)

    def _settled(self) -> Iterator[Tick | OutOfOrder]:
        while self._waiting and not self._is_open(self._waiting[0]):
            tick = self._waiting.popleft()
            yield self._wrong.pop(tick.source_seq, tick)

    def _is_open(self, tick: Tick) -> bool:
        """Whether the next of its instrument may still show it to be wrong: of each, the one ahead and no other."""
        ahead, jumped = self._ahead.get(tick.symbol), self._jumped.get(tick.symbol)
        return (ahead is not None and ahead[0] is tick) or (jumped is not None and jumped[0] is tick)


def _jumps(tick: Tick, last: Tick) -> bool:
    """Whether so much was traded since the last one, or so far away, that the next one has to confirm it."""
    now, before = tick.volume, last.volume
    if now is not None and before is not None and now > before * _JUMP + _LEAST_LOTS:
        return True
    now, before = tick.turnover, last.turnover
    if now is not None and before is not None and now > before * _JUMP + _LEAST_MONEY:
        return True
    now, before = tick.high, last.high
    if now is not None and before is not None and now - before > abs(before) * _FAR_OFF:
        return True
    now, before = tick.low, last.low
    if now is not None and before is not None and before - now > abs(before) * _FAR_OFF:
        return True
    return _outside(tick) or (tick.open != last.open and last.open is not None)


def _outside(tick: Tick) -> bool:
    """Whether the last price is not between the day's low and high."""
    last, low, high = tick.last, tick.low, tick.high
    return last is not None and low is not None and high is not None and not low <= last <= high


def _fell_back(ahead: Tick, before: Tick, following: Tick) -> str:
    """What was wrong with a tick that the next one of the day takes back to where the one before was; empty where
    nothing was."""
    if following.trading_day != ahead.trading_day:
        return ""
    for name in ("volume", "turnover", "high"):
        lowest, was, then = (getattr(tick, name) for tick in (before, ahead, following))
        if lowest is not None and was is not None and then is not None and lowest <= then < was:
            return f"expected a {name} of at most {then}, that of the next row of {ahead.symbol}, was {was}"
    highest, was, then = before.low, ahead.low, following.low
    if highest is not None and was is not None and then is not None and highest >= then > was:
        return f"expected a low of at least {then}, that of the next row of {ahead.symbol}, was {was}"
    if _outside(ahead) and not _outside(following):
        return f"expected a price within the low {ahead.low} and the high {ahead.high} of the day, was {ahead.last}"
    if ahead.open != before.open and following.open == before.open:
        return f"expected an open of {before.open}, as in the rows around of {ahead.symbol}, was {ahead.open}"
    return ""


def _out_of_order(tick: Tick, what: str) -> OutOfOrder:
    return OutOfOrder(tick.source_seq, f"expected rows in time order, {tick.symbol} {what}")


def _seconds(nanos: int) -> str:
    return f"{nanos / NANOS_PER_SECOND:.1f} s"
