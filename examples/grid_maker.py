"""A grid of resting orders: buys below the price, sells above it, each fill answered one step away.

    marketprism backtest examples.grid_maker:GridMaker ru1901_20181008.csv.gz --fill queue --param step=10

With `--fill queue` an order waits behind what is shown at its price, and trades of the recording move it up.
Without a place in the queue every touch would be a fill, and a grid would always win.
"""

from __future__ import annotations

from decimal import Decimal

from marketprism_backtest import Context, Field, Fill, Parameters, Strategy, TickView


class GridMaker(Strategy):
    """Buys at every step below the day's first price, sells at every step above it, up to a most that is held."""

    class Params(Parameters):
        """Price between two levels, levels on each side, lots of an order, and the most that is held."""

        step: Decimal = Field(Decimal(10), gt=0, json_schema_extra={"sweep": [5, 10, 20]})
        levels: int = Field(3, ge=1, le=50)
        lots: int = Field(1, ge=1, le=1_000)
        most: int = Field(5, ge=1, le=10_000)

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._days: dict[str, int] = {}

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        """The first price of continuous trading in a day is the middle of its grid."""
        symbol, end = tick.symbol, ctx.day_end(tick.symbol)
        middle = ctx.last(symbol)
        if end is None or middle is None or self._days.get(symbol) == end or ctx.phase(symbol) != "continuous":
            return
        self._days[symbol] = end  # orders of the day before have ended with it
        for level in range(1, self.params.levels + 1):
            self._send(ctx, symbol, -1, middle + level * self.params.step, self.params.lots)
            self._send(ctx, symbol, 1, middle - level * self.params.step, self.params.lots)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """What was bought is offered one step higher, what was sold is bid for one step lower."""
        sign = -1 if fill.side == "buy" else 1
        self._send(ctx, fill.symbol, sign, fill.price - sign * self.params.step, int(fill.quantity))

    def _send(self, ctx: Context, symbol: str, sign: int, price: Decimal, lots: int) -> None:
        """An order that, with those of its side that wait already, cannot make the position too large."""
        waiting = sum(
            int(order.quantity)
            for order in ctx.orders
            if order.symbol == symbol and (order.side == "buy") == (sign > 0)
        )
        if abs(int(ctx.position(symbol)) + sign * (waiting + lots)) > self.params.most:
            return
        send = ctx.buy if sign > 0 else ctx.sell
        send(symbol, lots, limit=price, tag="grid")
