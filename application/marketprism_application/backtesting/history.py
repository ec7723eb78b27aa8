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


class Progress:
    """How many rows of a series a run has delivered; its feed counts them."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0


class History:
    """Series of bars, and how far each was delivered."""

    def __init__(self) -> None:
        self._progress: dict[tuple[int, str], Progress] = {}

    def of(self, market: Market, interval: str) -> Progress:
        """The count of a series, for its feed."""
        return self._progress.setdefault((market.rank, interval), Progress())

    def bars(self, market: Market, interval: str, count: int) -> list[ClosedBar]:
        """The last bars of a series, the oldest first. Raises BacktestError: the run has no such series."""
        columns = market.data.bars.get(interval)
        if columns is None:
            known = ", ".join(market.data.bars) or "none"
            raise BacktestError(f"interval: expected one of the run's ({known}), was {interval!r}")
        rows = self.of(market, interval).rows
        return [self._bar(market, columns, row) for row in range(max(0, rows - count), rows)]

    @staticmethod
    def _bar(market: Market, columns: BarColumns, row: int) -> ClosedBar:
        first, high, low, last = (
            market.price(int(each[row])) for each in (columns.open, columns.high, columns.low, columns.close)
        )
        volume = market.quantity(int(columns.volume[row]))
        ts_open, ts_close = int(columns.ts_open[row]), int(columns.ts_close[row])
        return ClosedBar(ts_open, ts_close, first, high, low, last, volume, bool(columns.gap[row]))
