"""Bars that were closed and published by now, for strategies that look back."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_application.backtesting.columns import BarColumns
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.market import Market


class ClosedBar(NamedTuple):
    """A bar that was closed, as it was published."""

    ts_open: int
    ts_close: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    gap: bool


class History:
    """How many rows of each series of bars a run has delivered, and those rows."""

    def __init__(self) -> None:
        self._delivered: dict[tuple[int, str], tuple[BarColumns, int]] = {}

    def deliver(self, market: Market, columns: BarColumns, rows: int) -> None:
        """So many rows of a series have been there by now."""
        self._delivered[market.rank, columns.interval] = (columns, rows)

    def bars(self, market: Market, interval: str, count: int) -> list[ClosedBar]:
        """The last bars of a series, the oldest first. Raises BacktestError: the run has no such series."""
        if interval not in market.data.bars:
            known = ", ".join(market.data.bars) or "none"
            raise BacktestError(f"interval: expected one of the run's ({known}), was {interval!r}")
        columns, rows = self._delivered.get((market.rank, interval), (market.data.bars[interval], 0))
        return [self._bar(market, columns, row) for row in range(max(0, rows - count), rows)]

    @staticmethod
    def _bar(market: Market, columns: BarColumns, row: int) -> ClosedBar:
        prices = [market.price(int(each[row])) for each in (columns.open, columns.high, columns.low, columns.close)]
        volume = market.quantity(int(columns.volume[row]))
        return ClosedBar(
            int(columns.ts_open[row]), int(columns.ts_close[row]), *prices, volume, bool(columns.gap[row])
        )
