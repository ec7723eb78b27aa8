"""What a user writes: one class with callbacks, whose object runs in a backtest as it does elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from marketprism_application.backtesting.book_feed import BookView
    from marketprism_application.backtesting.columns import FundingRow, Hole, Roll
    from marketprism_application.backtesting.context import Context
    from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
    from marketprism_application.backtesting.market import Order
    from marketprism_application.backtesting.universe import DayOf
from marketprism_application.backtesting.orders import Fill


class Parameters(BaseModel):
    """Base of a strategy's parameters: pydantic fields with types and bounds; an unknown name is refused.

    `Field(10, ge=2, le=500, json_schema_extra={"sweep": [5, 10, 20]})` has bounds and a hint for sweeps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Strategy:
    """Base of strategies. A run makes one object, calls it for every event, and lets it act through `ctx` alone.

    `Params` is the class of the parameters, `self.params` its object. `lookback` is how far back decisions look: a
    history beyond it is refused, and a decision within it of a gap counts as tainted. Views of rows (`bar`, `tick`,
    `trade`) are one object that changes with each row: copy what is to be remembered.
    """

    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters | None = None) -> None:
        self.params = params if params is not None else self.Params()

    @property
    def lookback(self) -> timedelta:
        """How far back decisions look, in session time; nothing without a value of the strategy's own."""
        return timedelta(0)

    def on_start(self, ctx: Context) -> None:
        """Called once, before the first row."""

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        """Called for each snapshot or quote."""

    def on_book(self, ctx: Context, book: BookView) -> None:
        """Called for each step of a book, with the book as it stands behind it."""

    def on_trade(self, ctx: Context, trade: TradeView) -> None:
        """Called for each trade of a tape."""

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        """Called for each bar, when it is closed and published."""

    def on_funding(self, ctx: Context, funding: FundingRow) -> None:
        """Called at each settlement of funding."""

    def on_gap(self, ctx: Context, symbol: str, gap: Hole) -> None:
        """Called when a gap is noticed, which is after it."""

    def on_session(self, ctx: Context, symbol: str, phase: str) -> None:
        """Called at each change of the market: auction, continuous, break, halt, closed, day_end."""

    def on_universe(self, ctx: Context, days: list[DayOf]) -> Iterable[str] | None:
        """Called when a trading day is over, with that day of every instrument that had rows in it by then.

        What comes back is `ctx.universe` from then on; None leaves it as it is. Before the first day is over it is
        empty in strategies that have this callback.
        """

    def on_roll(self, ctx: Context, roll: Roll) -> None:
        """Called when a contract is left for the next one, before the orders of it are sent."""

    def on_order(self, ctx: Context, order: Order) -> None:
        """Called when an order ends without having been filled: refused, cancelled or expired."""

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """Called for each fill, once the strategy could know of it."""

    def on_liquidation(self, ctx: Context, fill: Fill) -> None:
        """Called when a position was closed by force."""

    def on_timer(self, ctx: Context, name: str) -> None:
        """Called at the time that a timer was set for."""


def overridden(strategy: Strategy, name: str) -> bool:
    """Whether a strategy has a callback of its own; one that has none need not be called."""
    return getattr(type(strategy), name) is not getattr(Strategy, name)
