"""How far the clock that receives ticks is off the clock of the venue that stamps them.

The difference of a tick's receive time and its event time is its age and the clocks' offset in one number. Ages are
small and the same for everything that is alive; a row that a login brings again is old by itself, alone. So an offset
is what ticks have in common while their event time moves on.
"""

from __future__ import annotations

from typing import Final

from marketprism_domain.ticks.state import ClockState
from marketprism_domain.values import NANOS_PER_SECOND

AGREES_NS: Final = 5 * NANOS_PER_SECOND  # ticks of one clock lie this close to one another
_SAMPLES: Final = 33
_EVERY_NS: Final = NANOS_PER_SECOND
_MOVES: Final = 2  # ticks that moved on, in a row, before a new offset is believed
_MOST_ODD: Final = 256
SETTLED = 5  # samples, one a second at most, before an offset is told


class VenueClock:
    """Estimates the offset of one source's receive clock to its venue, from ticks in the order of the log."""

    __slots__ = ("_moves", "_odd", "_samples", "_ts_sample", "offset_ns", "ts_recv")

    def __init__(self, state: ClockState | None = None) -> None:
        state = state or ClockState()
        self.offset_ns: int = state.offset_ns  # above 0 the receiving clock is ahead (or what comes is late)
        self.ts_recv: int = state.ts_recv  # of the last tick
        self._samples: list[int] = state.samples
        self._ts_sample: int = state.ts_sample
        self._moves: int = state.moves
        self._odd: dict[str, tuple[int, int]] = state.odd

    @property
    def state(self) -> ClockState:
        """The complete memory as it is now."""
        return ClockState(self.offset_ns, self._samples, self._ts_sample, self.ts_recv, self._moves, self._odd)

    @property
    def correction_ns(self) -> int:
        """What is to be taken off the receive clock to have the venue's; a small offset is the age of what comes."""
        offset = self.offset_ns
        return offset if abs(offset) > AGREES_NS // 2 else 0

    @property
    def settled(self) -> bool:
        """Whether the estimate rests on more than a moment."""
        return len(self._samples) >= SETTLED

    def hears(self, symbol: str, ts_event: int, ts_recv: int) -> bool:
        """Take the next tick; whether it agrees with the clock as it is known now.

        A tick that disagrees is old, or the clock was set. The clock was set if it went back while the venue's did
        not, and if ticks of an instrument keep the new distance while their event time moves on.
        """
        age = ts_recv - ts_event
        back = self.ts_recv - ts_recv
        self.ts_recv = ts_recv
        if -AGREES_NS <= age - self.offset_ns <= AGREES_NS:
            if self._moves or self._odd:
                self._moves = 0
                self._odd.clear()
            if not 0 <= ts_recv - self._ts_sample < _EVERY_NS:
                self._sample(age, ts_recv)
            return True
        return self._disagrees(symbol, ts_event, ts_recv, back)

    def _disagrees(self, symbol: str, ts_event: int, ts_recv: int, back: int) -> bool:
        """Whether the clock was set, so that the tick agrees after all."""
        age = ts_recv - ts_event
        odd = self._odd
        before = odd.get(symbol)
        if len(odd) >= _MOST_ODD and before is None:
            del odd[next(iter(odd))]
        odd[symbol] = (ts_event, ts_recv)
        set_back = back > AGREES_NS and bool(self._samples) and age < self.offset_ns
        if before is not None and ts_event > before[0] and abs(age - (before[1] - before[0])) <= AGREES_NS:
            self._moves += 1
        if not set_back and self._moves < _MOVES:
            return False
        self._samples.clear()
        odd.clear()
        self._moves = 0
        self._sample(age, ts_recv)
        return True

    def _sample(self, age: int, ts_recv: int) -> None:
        samples = self._samples
        self._ts_sample = ts_recv
        samples.append(age)
        if len(samples) > _SAMPLES:
            del samples[0]
        self.offset_ns = sorted(samples)[len(samples) // 2]
