"""The quote before a row: where an order that was sent after it stands in the queue, and how it moves up."""

from __future__ import annotations

import math
from typing import Final

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.cursors import TickView
from marketprism_application.backtesting.market import Order
from marketprism_application.backtesting.settings import QueueModel, RunSettings

UNSEEN: Final = math.inf  # the level of an order has not been shown since it joined: nobody knows who is before it


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
        limit = order.limit_ticks
        if limit is None or not order.can_rest:
            return True
        price, size = self.other(order.sign)
        return size > 0 and price * order.sign <= limit * order.sign

    def join(self, order: Order) -> None:
        """Let an order take its place: behind what is shown at its price, before everybody at a better one; at a worse
        one behind what its level shows when it is shown."""
        price, size = self.own(order.sign)
        limit = order.limit_ticks
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        order.joined = True
        if not size or limit * order.sign > price * order.sign:
            order.ahead = 0.0
        else:
            order.ahead = float(size) if price == limit else UNSEEN


def share_out(order: Order, settings: RunSettings, away: float, level: float, size: int) -> None:
    """Move an order up by what left its level without being traded.

    `away` left, of `level` that was there behind the trades; `size` is what is shown now, and no fewer are before the
    order than the model of the run leaves, no more than are shown.
    """
    if order.ahead == UNSEEN:
        order.ahead = float(size)
        return
    if away > 0 and level > 0 and settings.queue_model is not QueueModel.RISK_AVERSE:
        share = min(1.0, order.ahead / level)
        if settings.queue_model is QueueModel.POWER:
            power = settings.queue_power
            ahead, behind = share**power, (1 - share) ** power
            share = ahead / (ahead + behind) if ahead + behind else 0.0
        order.ahead = max(0.0, order.ahead - away * share)
    order.ahead = min(order.ahead, float(size))


__all__ = ["UNSEEN", "QuoteBefore", "share_out"]
