"""Mark prices that a venue published: where there are some, positions are liquidated by them and not by trades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MarkColumns:
    """Mark prices in units, with the time and the trading day of each."""

    ts: Ints
    day: Ints
    price: Ints

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def time(self) -> Ints:
        """When each mark is there: the venue's time."""
        return self.ts

    def values(self) -> tuple[Ints, ...]:
        """All columns, in an order that does not change."""
        return self.ts, self.day, self.price


__all__ = ["MarkColumns"]
