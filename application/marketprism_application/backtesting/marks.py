"""Mark prices that a venue published: where there are some, positions are liquidated by them and not by trades."""

from __future__ import annotations

from dataclasses import dataclass

from marketprism_application.backtesting.row_columns import Ints, RowColumns


@dataclass(frozen=True)
class MarkColumns(RowColumns):
    """Mark prices in units, with the time and the trading day of each."""

    ts: Ints
    day: Ints
    price: Ints


__all__ = ["MarkColumns"]
