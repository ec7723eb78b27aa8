"""The quote before a row: where an order that was sent after it stands in the queue."""

from __future__ import annotations

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.cursors import TickView
from marketprism_application.backtesting.market import Order
from marketprism_application.backtesting.orders import OrderKind, TimeInForce


class QuoteBefore:
    """Prices and sizes of both sides in the row before, and its trading day."""

    __slots__ = ("ask", "ask_size", "bid", "bid_size", "day")

    def __init__(self) -> None:
        self.bid = self.ask = NO_PRICE
        self.bid_size = self.ask_size = self.day = 0

    def follow(self, tick: TickView, day: int) -> None:
        """From now on this row is the one before."""
        self.bid, self.bid_size, self.ask, self.ask_size = tick.bid_ticks, tick.bid_size, tick.ask_ticks, tick.ask_size
        self.day = day

    def own(self, sign: int) -> tuple[int, int]:
        """Price and size of the side that an order would stand on."""
        return (self.bid, self.bid_size) if sign > 0 else (self.ask, self.ask_size)

    def other(self, sign: int) -> tuple[int, int]:
        """Price and size of the side that an order would take from."""
        return (self.ask, self.ask_size) if sign > 0 else (self.bid, self.bid_size)

    def takes(self, order: Order) -> bool:
        """Whether an order crosses the quote, or is of a kind that does not rest."""
        if order.kind is not OrderKind.LIMIT or order.tif in (TimeInForce.FAK, TimeInForce.FOK):
            return True
        price, size = self.other(order.sign)
        assert order.limit_ticks is not None  # noqa: S101 (a limit order has one)
        return size > 0 and price * order.sign <= order.limit_ticks * order.sign

    def join(self, order: Order) -> None:
        """Let an order take its place behind the size that is shown at its price; elsewhere nobody is before it."""
        price, size = self.own(order.sign)
        order.joined = True
        order.ahead = float(size) if size and price == order.limit_ticks else 0.0
