"""A portfolio of ten contracts, chosen anew every day: long what has risen most, short what has fallen most.

    marketprism backtest examples.portfolio:Portfolio bars/*.parquet --interval 1d --param size=10 --param days=5

At the end of each trading day the contracts with the largest turnover *of that day* are the universe of the next one.
What is not listed yet, or no longer, has no rows in the day and cannot be among them: nothing is known beforehand.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from decimal import Decimal

from marketprism_backtest import Context, DayOf, Field, Parameters, Strategy


class Portfolio(Strategy):
    """The most traded contracts of the day before, half of them long and half of them short by their momentum."""

    class Params(Parameters):
        """Contracts in the universe, days of the momentum, and the share of the equity that all positions are worth."""

        size: int = Field(10, ge=2, le=200)
        days: int = Field(5, ge=1, le=250, json_schema_extra={"sweep": [5, 10, 20]})
        exposure: Decimal = Field(Decimal(1), gt=0, le=10)

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self._closes: dict[str, deque[Decimal]] = {}

    @property
    def lookback(self) -> timedelta:
        """The days of the momentum, and the one before them."""
        return timedelta(days=self.params.days + 1)

    def on_universe(self, ctx: Context, days: list[DayOf]) -> list[str]:
        """A day is over: who was traded most is in, who was not is closed, and weights are equal."""
        for day in days:
            self._closes.setdefault(day.symbol, deque(maxlen=self.params.days + 1)).append(day.close)
        most_traded = sorted(days, key=lambda day: (-day.turnover, day.symbol))
        chosen = [day.symbol for day in most_traded[: self.params.size]]
        for symbol in ctx.universe:
            if symbol not in chosen:
                ctx.close(symbol)
        ranked = sorted(
            (symbol for symbol in chosen if len(self._closes[symbol]) > self.params.days),
            key=lambda symbol: (-self._momentum(symbol), symbol),
        )
        half = len(ranked) // 2
        sides = dict.fromkeys(ranked[:half], 1) | dict.fromkeys(ranked[len(ranked) - half :], -1)
        for symbol in chosen:
            ctx.target(symbol, sides.get(symbol, 0) * self._lots(ctx, symbol, 2 * half))
        ctx.record("universe", " ".join(chosen))
        return chosen

    def _momentum(self, symbol: str) -> Decimal:
        closes = self._closes[symbol]
        return closes[-1] / closes[0]

    def _lots(self, ctx: Context, symbol: str, count: int) -> int:
        """Lots that are worth an equal part of the equity."""
        worth = ctx.value(symbol)
        return int(ctx.equity * self.params.exposure / count / worth) if count and worth else 0
