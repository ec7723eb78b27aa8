"""Fills by a tape: a resting limit is filled by trades that pass its price, and at its price by what the queue before
it leaves; whatever takes is filled by quotes, without quotes by the next trades."""

from __future__ import annotations

from marketprism_application.backtesting.columns import CONTINUOUS
from marketprism_application.backtesting.cursors import TickView, TradeView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence, OrderKind, OrderState, TimeInForce
from marketprism_application.backtesting.quote_fills import QuoteFills
from marketprism_application.backtesting.quotes_before import QuoteBefore
from marketprism_application.backtesting.slippage import SlippageOf


class TradeFills:
    """Matches the orders of an instrument with its trades; with quotes beside them, takers with those."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._quotes, self._slippage = desk, QuoteFills(desk), SlippageOf(desk.settings)
        self._before: dict[int, QuoteBefore] = {}

    def on_tick(self, market: Market, tick: TickView) -> None:
        """Takers are filled by the quote; what rests takes its place behind what was shown."""
        before = self._before.setdefault(market.rank, QuoteBefore())
        if market.working and tick.phase_code == CONTINUOUS:
            for order in tuple(market.working):
                if order.ts_active <= tick.ts and not order.is_done and not order.joined:
                    self.arrive(market, tick, before, order)
        before.follow(tick, market.day)

    def arrive(self, market: Market, tick: TickView, before: QuoteBefore, order: Order) -> None:
        """An order that was sent since the quote before: it takes by the row, or rests by that quote."""
        if before.takes(order):
            self._quotes.match(market, tick, order)
            if not order.is_done and order.kind is OrderKind.LIMIT:
                now = QuoteBefore()
                now.follow(tick, market.day)
                now.join(order)
        else:
            before.join(order)

    def on_trade(self, market: Market, trade: TradeView) -> None:
        """A trade fills who rests at a worse price than it, and at its own price what the queue leaves."""
        left = trade.quantity_steps
        before = self._before.get(market.rank)
        for order in tuple(market.working):
            if order.ts_active > trade.ts or order.is_done or left <= 0:
                continue
            if order.limit_ticks is None:
                if before is None and self._is_triggered(trade, order):
                    left -= self._fill(market, trade, order, left, taker=True)
                continue
            if not order.joined and before is not None:
                if before.takes(order):
                    continue
                before.join(order)
            left -= self._rest(market, trade, order, left)

    @staticmethod
    def _is_triggered(trade: TradeView, order: Order) -> bool:
        if order.kind is OrderKind.STOP and not order.triggered:
            stop = order.stop_ticks
            order.triggered = stop is not None and trade.price_ticks * order.sign >= stop * order.sign
            return order.triggered
        return True

    def _rest(self, market: Market, trade: TradeView, order: Order, left: int) -> int:
        assert order.limit_ticks is not None  # noqa: S101 (a resting order has one)
        beyond = (order.limit_ticks - trade.price_ticks) * order.sign
        if beyond > 0:
            return self._fill(market, trade, order, left, taker=False)
        if beyond == 0 and trade.taker != order.sign:
            ahead = min(order.ahead, float(left))
            order.ahead -= ahead
            room = int(left - ahead)
            return self._fill(market, trade, order, room, taker=False) if room else 0
        return 0

    def _fill(self, market: Market, trade: TradeView, order: Order, room: int, *, taker: bool) -> int:
        steps = min(order.left, room)
        steps -= steps % market.order_step
        if order.tif is TimeInForce.FOK and steps < order.left:
            self._desk.end(order, OrderState.CANCELLED, "NOT_FILLED_AT_ONCE")
            return 0
        if not steps:
            return 0
        limit = order.limit_ticks
        price = self._slippage.price(market, order.sign, trade.price_ticks) if limit is None else limit
        evidence = Evidence("trade", market.venue, market.symbol, trade.ts, trade.seq)
        self._desk.fill(order, steps, price, trade.ts, taker=taker, evidence=evidence)
        return steps
