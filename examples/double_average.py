"""Two running means: long while the fast one is above the slow one, short while it is below."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

from marketprism_backtest import (
    NO_PRICE,
    BarView,
    Context,
    Field,
    Ints,
    Parameters,
    SignalTable,
    Strategy,
    TickView,
    crossing_means,
)


class DoubleAverage(Strategy):
    """Means of the last prices: of bars in the modes of bars, of ticks where there are no bars."""

    class Params(Parameters):
        """How many prices each mean is of, and how many lots are held."""

        fast: int = Field(10, ge=1, le=10_000, json_schema_extra={"sweep": [5, 10, 20]})
        slow: int = Field(30, ge=2, le=10_000, json_schema_extra={"sweep": [30, 60, 120]})
        lots: int = Field(1, ge=1, le=1_000)

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._fast: deque[int] = deque([0] * self.params.fast)
        self._slow: deque[int] = deque([0] * self.params.slow)
        self._lengths = self.params.fast, self.params.slow
        self._fast_sum = self._slow_sum = self._seen = 0
        self._side = 0
        self._of_ticks = False

    @classmethod
    def signals(cls, table: SignalTable, params: Params) -> Ints:
        """What `on_bar` does, of all bars at once: sweeps rank by it where the extra `fast` is installed."""
        return crossing_means(table, params.fast, params.slow, params.lots)

    @property
    def lookback(self) -> timedelta:
        """As far as the slow mean has prices: minutes of bars, of ticks some half seconds."""
        return timedelta(seconds=self.params.slow / 2) if self._of_ticks else timedelta(minutes=self.params.slow)

    def on_start(self, ctx: Context) -> None:
        """Without bars the means are of ticks."""
        self._of_ticks = not any(ctx.intervals(symbol) for symbol in ctx.universe)

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        """There is a new snapshot; before a day's first trade it has no price."""
        if self._of_ticks and tick.last_ticks > NO_PRICE:
            self._on_price(ctx, tick.symbol, tick.last_ticks)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """A bar is closed."""
        self._on_price(ctx, bar.symbol, bar.close_ticks)

    def _on_price(self, ctx: Context, symbol: str, price: int) -> None:
        """Sums of whole numbers are exact, and compared without a division."""
        fast, slow, (short, long) = self._fast, self._slow, self._lengths
        fast.append(price)
        slow.append(price)
        self._fast_sum = of_fast = self._fast_sum + price - fast.popleft()
        self._slow_sum = of_slow = self._slow_sum + price - slow.popleft()
        self._seen += 1
        if self._seen < long:
            return
        above = of_fast * long - of_slow * short
        side = 1 if above > 0 else -1
        if above and side != self._side:
            self._side = side
            ctx.target(symbol, side * self.params.lots)
