"""How far the clock that receives ticks is off the clock of the venue that stamps them.

The difference of a tick's receive time and its event time is its age and the clocks' offset in one number. Ages are
small and the same for everything that is alive; a row that a login brings again is old by itself, alone. So an offset
is what ticks have in common while their event time moves on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_domain.values import NANOS_PER_SECOND

AGREES_NS = 5 * NANOS_PER_SECOND  # ticks of one clock lie this close to one another
_SAMPLES = 33
_EVERY_NS = NANOS_PER_SECOND
_MOVES = 2  # ticks that moved on, in a row, before a new offset is believed
_MOST_ODD = 256
SETTLED = 5  # samples, one a second at most, before an offset is told


@dataclass(slots=True)
class ClockState:
    """Complete memory of a clock's estimate; plain data."""

    offset_ns: int = 0  # receive clock minus venue clock, the median of the samples
    samples: list[int] = field(default_factory=list)
    ts_sample: int = 0  # receive time of the last sample
    ts_recv: int = 0  # of the last tick
    moves: int = 0
    odd: dict[str, tuple[int, int]] = field(default_factory=dict)  # instruments of ticks that disagreed: event, receive


class VenueClock:
    """Estimates the offset of one source's receive clock to its venue, from ticks in the order of the log."""

    __slots__ = ("state",)

    def __init__(self, state: ClockState | None = None) -> None:
        self.state = state or ClockState()

    @property
    def offset_ns(self) -> int:
        """Receive clock minus venue clock: above 0 the receiving clock is ahead (or what comes is late)."""
        return self.state.offset_ns

    @property
    def correction_ns(self) -> int:
        """What is to be taken off the receive clock to have the venue's; a small offset is the age of what comes."""
        offset = self.state.offset_ns
        return offset if abs(offset) > AGREES_NS // 2 else 0

    @property
    def settled(self) -> bool:
        """Whether the estimate rests on more than a moment."""
        return len(self.state.samples) >= SETTLED

    def hears(self, symbol: str, ts_event: int, ts_recv: int) -> bool:
        """Take the next tick; whether it agrees with the clock as it is known now.

        A tick that disagrees is old, or the clock was set. The clock was set if it went back while the venue's did
        not, and if ticks of an instrument keep the new distance while their event time moves on.
        """
        state = self.state
        age = ts_recv - ts_event
        back, state.ts_recv = state.ts_recv - ts_recv, ts_recv
        if -AGREES_NS <= age - state.offset_ns <= AGREES_NS:
            if state.moves or state.odd:
                state.moves = 0
                state.odd.clear()
            if not 0 <= ts_recv - state.ts_sample < _EVERY_NS:
                self._sample(age, ts_recv)
            return True
        before = state.odd.get(symbol)
        if len(state.odd) >= _MOST_ODD and before is None:
            del state.odd[next(iter(state.odd))]
        state.odd[symbol] = (ts_event, ts_recv)
        set_back = back > AGREES_NS and bool(state.samples) and age < state.offset_ns
        if before is not None and ts_event > before[0] and abs(age - (before[1] - before[0])) <= AGREES_NS:
            state.moves += 1
        if not set_back and state.moves < _MOVES:
            return False
        state.samples.clear()
        state.odd.clear()
        state.moves = 0
        self._sample(age, ts_recv)
        return True

    def _sample(self, age: int, ts_recv: int) -> None:
        state = self.state
        state.ts_sample = ts_recv
        state.samples.append(age)
        if len(state.samples) > _SAMPLES:
            del state.samples[0]
        state.offset_ns = sorted(state.samples)[len(state.samples) // 2]
