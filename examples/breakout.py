"""Long above the highest close of the bars before, short below the lowest.

marketprism backtest examples.breakout:Breakout bars.csv --param bars=20
"""

from datetime import timedelta

from marketprism_backtest import BarView, Context, Field, Parameters, Strategy


class Breakout(Strategy):
    """It holds one lot, or is one lot short, from the first break on."""

    class Params(Parameters):
        """How many closes a break is of."""

        bars: int = Field(10, ge=2, le=500)

    params: Params

    @property
    def lookback(self) -> timedelta:
        """As many minutes, and that of the break."""
        return timedelta(minutes=self.params.bars + 1)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """A bar has closed."""
        before = ctx.bars(bar.symbol, bar.interval, self.params.bars + 1)[:-1]
        if len(before) < self.params.bars:
            return
        closes = [each.close for each in before]
        if bar.close > max(closes):
            ctx.target(bar.symbol, 1)
        elif bar.close < min(closes):
            ctx.target(bar.symbol, -1)
