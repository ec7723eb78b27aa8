"""Numbers of ticks: what came twice, and what did not come."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Numbered(Protocol):
    """A tick, as far as its place is asked for."""

    @property
    def seq(self) -> int:
        """Its number among the ticks of the instrument."""
        ...

    @property
    def ts_event(self) -> int:
        """The venue's time, nanoseconds UTC."""
        ...


class Place(NamedTuple):
    """Number and time of a tick."""

    seq: int
    ts_event: int


class Sequence:
    """Follows the numbers of one instrument. `count` is how many ticks were new, `newest` the place of the last."""

    def __init__(self) -> None:
        self.count = 0
        self.newest = Place(0, 0)

    def missed(self, tick: Numbered) -> int | None:
        """How many ticks between the one before and this one did not come; None: this one came before.

        A number that went back with a later time is of a store that began anew.
        """
        repeated = self.count > 0 and tick.seq <= self.newest.seq and tick.ts_event <= self.newest.ts_event
        if repeated:
            return None
        missed = max(0, tick.seq - self.newest.seq - 1) if self.count else 0
        self.count += 1
        self.newest = Place(tick.seq, tick.ts_event)
        return missed
