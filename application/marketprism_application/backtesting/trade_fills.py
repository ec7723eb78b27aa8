"""Fills by a tape: a resting limit is filled by trades that pass its price, and at its price by what the queue before
it leaves; whatever takes is filled by quotes, without quotes by the next trades."""

from __future__ import annotations

from typing import Protocol

from marketprism_application.backtesting.columns import AUCTION, CONTINUOUS
from marketprism_application.backtesting.cursors import TickView, TradeView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence, OrderKind, OrderState, TimeInForce
from marketprism_application.backtesting.quote_fills import QuoteFills
from marketprism_application.backtesting.quotes_before import UNSEEN, QuoteBefore, share_out
from marketprism_application.backtesting.slippage import SlippageOf


class Places(Protocol):
    """What knows who crosses it, and where an order stands that does not."""

    def takes(self, order: Order) -> bool:
        """Whether an order crosses it, or is of a kind that does not rest."""
        ...

    def join(self, order: Order) -> None:
        """Let an order take its place."""
        ...


class TradeFills:
    """Matches the orders of an instrument with its trades; with quotes beside them, takers with those."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._quotes, self._slippage = desk, QuoteFills(desk), SlippageOf(desk.settings)
        self._before: dict[int, QuoteBefore] = {}
        self._books: dict[int, Places] = {}
        # Since the quote before, by the instrument's rank, then by price and who took.
        self._traded: dict[int, dict[tuple[int, int], int]] = {}

    def stand_by(self, market: Market, book: Places) -> None:
        """Let orders of an instrument take their places by a book, which knows of every level."""
        self._books[market.rank] = book

    def traded(self, market: Market, price: int, taker: int) -> int:
        """What was traded at a price since the places were counted last."""
        found = self._traded.get(market.rank)
        return 0 if found is None else found.get((price, taker), 0)

    def forget(self, market: Market) -> None:
        """The places are counted: trades count from now on."""
        found = self._traded.get(market.rank)
        if found:
            found.clear()

    def on_tick(self, market: Market, tick: TickView) -> None:
        """Takers are filled by the quote; what rests takes its place behind what was shown, and moves up."""
        before = self._before.setdefault(market.rank, QuoteBefore())
        if market.working and tick.phase_code == CONTINUOUS:
            for order in tuple(market.working):
                if order.ts_active > tick.ts or order.is_done:
                    continue
                if not order.joined:
                    self.arrive(market, tick, before, order)
                else:
                    self._follow(market, tick, before, order)
            self._quotes.trail(market, tick.last_ticks)
        elif market.working and tick.phase_code == AUCTION:
            self._quotes.on_tick(market, tick)
        before.follow(tick, market.day)
        self.forget(market)

    def arrive(self, market: Market, tick: TickView, before: QuoteBefore, order: Order) -> None:
        """An order that was sent since the quote before: it takes by the row, or rests by that quote.

        What is left of one that took goes on taking where its limit still crosses. At its limit it rests before
        everybody, and the size that it has met there is not met again.
        """
        if not before.takes(order):
            before.join(order)
            return
        self._quotes.match(market, tick, order)
        limit = order.limit_ticks
        if order.is_done or limit is None or not order.can_rest:
            return
        now = QuoteBefore()
        now.follow(tick, market.day)
        price, size = now.other(order.sign)
        if size and price * order.sign < limit * order.sign:
            return
        now.join(order)
        if size and price == limit:
            order.met = size

    def _follow(self, market: Market, tick: TickView, before: QuoteBefore, order: Order) -> None:
        """A resting order moves up by what its level shows less than before, trades of the tape left out."""
        own, size = (tick.bid_ticks, tick.bid_size) if order.sign > 0 else (tick.ask_ticks, tick.ask_size)
        if own != order.limit_ticks or not size:
            return
        own_before, size_before = before.own(order.sign)
        if own_before != own:
            if order.ahead == UNSEEN:
                order.ahead = float(size)
            return
        traded = self.traded(market, own, -order.sign)
        share_out(order, self._desk.settings, size_before - traded - size, size_before - traded, size)

    def on_trade(self, market: Market, trade: TradeView) -> None:
        """A trade fills who rests at a worse price than it, and at its own price what the queue leaves."""
        left = trade.quantity_steps
        before = self._books.get(market.rank) or self._before.get(market.rank)
        if before is not None:
            traded = self._traded.setdefault(market.rank, {})
            key = trade.price_ticks, trade.taker
            traded[key] = traded.get(key, 0) + left
        self._quotes.trail(market, trade.price_ticks)
        for order in tuple(market.working):
            if order.ts_active > trade.ts or order.is_done or left <= 0:
                continue
            touched = order.triggered or order.kind is not OrderKind.STOP
            if not touched and not self._triggers(trade, order):
                continue
            if order.limit_ticks is None:
                if before is None:
                    left -= self._fill(market, trade, order, left, taker=True)
                continue
            if not touched:  # from now on it is a limit order, which this trade is before
                continue
            if not order.joined and before is not None:
                if before.takes(order):
                    continue
                before.join(order)
            left -= self._rest(market, trade, order, left)

    @staticmethod
    def _triggers(trade: TradeView, order: Order) -> bool:
        stop = order.stop_ticks
        order.triggered = stop is not None and trade.price_ticks * order.sign >= stop * order.sign
        return order.triggered

    def _rest(self, market: Market, trade: TradeView, order: Order, left: int) -> int:
        assert order.limit_ticks is not None  # noqa: S101 (a resting order has one)
        beyond = (order.limit_ticks - trade.price_ticks) * order.sign
        if beyond > 0:
            return self._fill(market, trade, order, left, taker=False)
        if beyond == 0 and trade.taker != order.sign and order.ahead != UNSEEN:
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
        at = trade.price_ticks if limit is None else limit
        price = self._slippage.price(market, order.sign, at, steps=steps) if limit is None else limit
        evidence = Evidence("trade", market.venue, market.symbol, trade.ts, trade.seq)
        self._desk.fill(order, steps, price, trade.ts, taker=taker, evidence=evidence, row_price=at)
        return steps
