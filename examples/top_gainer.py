"""Short the day's top gainer: bracket, averaging down, trailing stop and timed exit in one strategy.

    marketprism backtest examples.top_gainer:TopGainer klines/*.parquet --interval 1h --param rise=0.2

When a day is over, whatever has risen most in it, and by `rise` at least, is sold short with a stop above and a target
below. It is sold again where the price goes on against it (at most `adds` times: the exits then follow the average
price). Once it has earned `trail_from`, a trailing stop takes the place of the stop. After `hours` it is closed.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from marketprism_backtest import BarView, Context, DayOf, Field, Fill, Parameters, Strategy


class TopGainer(Strategy):
    """One short position at a time, in the instrument that has risen most in the day that is over."""

    class Params(Parameters):
        """Shares of a price, but for `share` (of the equity in each sale), `adds` (how often) and `hours`."""

        rise: Decimal = Field(Decimal("0.1"), gt=0)
        stop: Decimal = Field(Decimal("0.1"), gt=0, json_schema_extra={"sweep": ["0.05", "0.1", "0.2"]})
        take: Decimal = Field(Decimal("0.1"), gt=0, lt=1)
        add_every: Decimal = Field(Decimal("0.03"), gt=0)
        adds: int = Field(2, ge=0, le=20)
        trail_from: Decimal = Field(Decimal("0.04"), gt=0, lt=1)
        trail: Decimal = Field(Decimal("0.02"), gt=0, lt=1)
        hours: int = Field(24, ge=1, le=10_000)
        share: Decimal = Field(Decimal("0.1"), gt=0, le=1)

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._number = 0  # of the trade, so that its timer ends no other
        self._clear()

    def _clear(self) -> None:
        self._symbol, self._adds, self._is_trailing = "", 0, False
        self._sold = self._money = self._last_sale = Decimal(0)

    def on_universe(self, ctx: Context, days: list[DayOf]) -> list[str] | None:
        """A day is over: its top gainer is sold where nothing is held."""
        risen = [day for day in days if day.change is not None and day.change >= self.params.rise]
        if self._symbol or not risen:
            return None
        top = max(risen, key=lambda day: (day.change or 0.0, day.symbol))
        self._symbol, self._number = top.symbol, self._number + 1
        stop, take = top.close * (1 + self.params.stop), top.close * (1 - self.params.take)
        order = ctx.bracket(top.symbol, -self._quantity(ctx), stop=stop, take=take, tag="short")
        if order.is_done:  # refused
            self._clear()
            return None
        ctx.timer(f"exit {self._number}", timedelta(hours=self.params.hours))
        return [top.symbol]

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """Sell again where it rises on; let the stop follow where it has fallen enough."""
        if bar.symbol != self._symbol or not self._sold or self._is_trailing:
            return
        average = self._money / self._sold
        if self._adds < self.params.adds and bar.close >= self._last_sale * (1 + self.params.add_every):
            self._adds += 1
            self._last_sale = bar.close
            ctx.sell(bar.symbol, self._quantity(ctx), tag="add")
        elif bar.close <= average * (1 - self.params.trail_from):
            self._is_trailing = True
            self._cancel(ctx, "stop")
            ctx.trailing(bar.symbol, average * self.params.trail)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Exits follow the average price; with the position ends all that waits."""
        if fill.symbol != self._symbol:
            return
        if not ctx.position(fill.symbol):
            self._cancel(ctx)
            self._clear()
        elif fill.side == "sell":
            self._sold, self._money, self._last_sale = (
                self._sold + fill.quantity,
                self._money + fill.quantity * fill.price,
                fill.price,
            )
            if fill.tag == "add":
                average, held = self._money / self._sold, -ctx.position(fill.symbol)
                self._cancel(ctx)
                ctx.buy(fill.symbol, held, stop=average * (1 + self.params.stop), tif="gtc", tag="stop")
                ctx.buy(fill.symbol, held, limit=average * (1 - self.params.take), tif="gtc", tag="take")

    def on_timer(self, ctx: Context, name: str) -> None:
        """The trade has lasted long enough."""
        if name == f"exit {self._number}" and self._symbol:
            self._cancel(ctx)
            if held := -ctx.position(self._symbol):
                ctx.buy(self._symbol, held, tag="time")
            else:
                self._clear()

    def _cancel(self, ctx: Context, kind: str = "") -> None:
        for order in ctx.orders:
            if order.symbol == self._symbol and (not kind or order.kind == kind):
                ctx.cancel(order)

    def _quantity(self, ctx: Context) -> Decimal:
        worth = ctx.value(self._symbol)
        return round(ctx.equity * self.params.share / worth, 3) if worth else Decimal(0)
