"""Steps of order books as columns: a row a step, and the levels of all steps one behind another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
UPDATES, REPLACES, UNKNOWN = 0, 1, 2  # what a step does to the book
_MIX: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


@dataclass(frozen=True)
class BookColumns:
    """Steps of a book. Bids of step n are `prices[bids[n]:asks[n]]`, its asks `prices[asks[n]:bids[n + 1]]`, in units;
    `sizes` likewise, in steps, 0 where a level is gone. `form`: it changes the book, replaces it, or
    says that it is not known."""

    ts: Ints
    ts_recv: Ints
    seq: Ints
    day: Ints
    form: Ints
    bids: Ints  # one more than there are steps
    asks: Ints
    prices: Ints
    sizes: Ints

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def time(self) -> Ints:
        """When each step is there: the venue's time."""
        return self.ts

    def taken(self, steps: NDArray[np.bool_]) -> BookColumns:
        """Some of the steps, with their levels."""
        counts = np.diff(self.bids)
        levels = np.repeat(steps, counts)
        bids = np.r_[0, np.cumsum(counts[steps])].astype(np.int64)
        plain = {name: getattr(self, name)[steps] for name in ("ts", "ts_recv", "seq", "day", "form")}
        asks = bids[:-1] + (self.asks - self.bids[:-1])[steps]
        return BookColumns(**plain, bids=bids, asks=asks, prices=self.prices[levels], sizes=self.sizes[levels])

    def values(self) -> tuple[Ints, ...]:
        """A column a step of all that there is, levels as one number: what is hashed of a run's rows."""
        return self.ts, self.ts_recv, self.seq, self.day, self.form, self._marks()

    def _marks(self) -> Ints:
        """A number for the levels of each step, which any change of them changes."""
        rows = np.arange(len(self.prices), dtype=np.uint64)
        mixed = self.prices.astype(np.uint64) * _MIX[0] ^ self.sizes.astype(np.uint64) * _MIX[1]
        mixed = (mixed ^ (mixed >> np.uint64(29))) * (rows * _MIX[2] | np.uint64(1))
        sums = np.r_[np.uint64(0), np.cumsum(mixed, dtype=np.uint64)]
        sides = (self.asks - self.bids[:-1]).astype(np.uint64) * _MIX[2]
        found: Ints = ((sums[self.bids[1:]] - sums[self.bids[:-1]]) ^ sides).view(np.int64)
        return found


__all__ = ["REPLACES", "UNKNOWN", "UPDATES", "BookColumns"]
