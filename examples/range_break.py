"""Intraday range break: the first minutes of a trading day give a range, and whoever leaves it is followed.

    marketprism backtest examples.range_break:RangeBreak ru1901_20181008.csv.gz ru1901_20181009.csv.gz \
      --interval 1m --param minutes=30

Two stop orders stand at the ends of the range. The one that is reached first opens a position, the other one is its
stop. Some minutes before the trading day ends the position is closed, so that nothing is held over night.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from marketprism_backtest import BarView, Context, Field, Parameters, Strategy

MINUTE = 60_000_000_000


class Day:
    """What is known of a trading day of an instrument: its end, and the range of its first bars."""

    def __init__(self, end: int, bar: BarView) -> None:
        self.end, self.bars = end, 0
        self.high, self.low = bar.high, bar.low
        self.is_over = False

    def widen(self, high: Decimal, low: Decimal) -> None:
        """Another bar of the range."""
        self.bars += 1
        self.high, self.low = max(self.high, high), min(self.low, low)


class RangeBreak(Strategy):
    """The range of a day's first minutes, left upwards or downwards; flat before the day ends."""

    class Params(Parameters):
        """Minutes of the range, lots of a position, and when it is closed before the trading day's end."""

        minutes: int = Field(30, ge=1, le=240, json_schema_extra={"sweep": [15, 30, 60]})
        lots: int = Field(1, ge=1, le=1_000)
        flat_minutes: int = Field(5, ge=1, le=60)

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._days: dict[str, Day] = {}

    @property
    def lookback(self) -> timedelta:
        """The range."""
        return timedelta(minutes=self.params.minutes)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """The range grows, then its ends are watched, then the position is closed."""
        end = ctx.day_end(bar.symbol)
        if end is None:
            return
        day = self._days.get(bar.symbol)
        if day is None or day.end != end:
            day = self._days[bar.symbol] = Day(end, bar)
        if ctx.now >= end - self.params.flat_minutes * MINUTE:
            self._flat(ctx, bar.symbol, day)
        elif day.bars < self.params.minutes:
            day.widen(bar.high, bar.low)
            if day.bars == self.params.minutes:
                ctx.buy(bar.symbol, self.params.lots, stop=day.high, tag="above")
                ctx.sell(bar.symbol, self.params.lots, stop=day.low, tag="below")

    @staticmethod
    def _flat(ctx: Context, symbol: str, day: Day) -> None:
        if day.is_over:
            return
        day.is_over = True
        for order in ctx.orders:
            if order.symbol == symbol:
                ctx.cancel(order)
        ctx.close(symbol)
