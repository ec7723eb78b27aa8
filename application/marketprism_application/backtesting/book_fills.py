"""Fills by a book of many levels and a tape: takers sweep what it shows, who rests stands behind what its level shows
and moves up by trades and, by the model of the run, by cancellations."""

from __future__ import annotations

from typing import Final, TypeAlias

from marketprism_application.backtesting.book_columns import REPLACES, UPDATES
from marketprism_application.backtesting.book_ladder import Ladder, Ladders
from marketprism_application.backtesting.columns import CONTINUOUS, NO_PRICE
from marketprism_application.backtesting.cursors import TradeView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence, OrderState, TimeInForce
from marketprism_application.backtesting.quotes_before import share_out
from marketprism_application.backtesting.slippage import SlippageOf
from marketprism_application.backtesting.trade_fills import TradeFills

_TOOK: Final = (
    0  # what `met` of an order is that took before it rested: levels that it took from fill it no second time
)


# One step of a book, a plain tuple for its speed: the venue's time, its number, the trading day, what it does (`form`),
# then prices and sizes of bids and of asks as units and steps, 0 where a level is gone.
BookStep: TypeAlias = tuple[int, int, int, int, list[int], list[int], list[int], list[int]]


class BookFills:
    """Matches the orders of instruments with their books and tapes."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._settings = desk, desk.settings
        self._tape, self._slippage = TradeFills(desk), SlippageOf(desk.settings)

    def stand_by(self, market: Market, book: Ladders) -> None:
        """Let orders of an instrument take their places by a book."""
        self._tape.stand_by(market, book)

    def on_trade(self, market: Market, trade: TradeView) -> None:
        """A trade moves the queue of its level, and fills what it reaches."""
        self._tape.on_trade(market, trade)

    def on_step(self, market: Market, book: Ladders, step: BookStep) -> None:
        """Change the book by a step; who was sent since the one before takes or joins, who rests moves up."""
        if not market.working or market.phase != CONTINUOUS:
            apply_step(book, step)
            self._tape.forget(market)
            return
        active = [order for order in market.working if order.ts_active <= step[0]]
        was_known = book.is_known
        if was_known:
            for order in active:
                if not order.joined and not book.takes(order):
                    book.join(order)
        sizes = [_shown(book, order) for order in active]
        apply_step(book, step)
        if book.is_known:
            bid, ask = book.bids.best, book.asks.best
            for order, size in zip(active, sizes, strict=True):
                if order.is_done:
                    continue
                if order.joined:
                    limit = order.limit_ticks
                    crossed = limit is not None and (ask <= limit if order.sign > 0 else bid >= limit)
                    if crossed or order.met >= _TOOK or _shown(book, order) != size:
                        self._move_up(market, book, step, order, size)
                elif was_known or book.takes(order):
                    self._arrive(market, book, step, order)
                else:
                    book.join(order)
        self._tape.forget(market)

    def _arrive(self, market: Market, book: Ladders, step: BookStep, order: Order) -> None:
        """An order takes; what is left of one with a limit goes on where that still crosses, else it rests."""
        if not self._is_touched(book, order):
            return
        before = order.filled
        self._sweep(market, book.other(order.sign), step, order)
        if order.is_done or not order.can_rest or (book.takes(order) and self._room(book, order)):
            return
        book.join(order)
        order.met = _TOOK if order.filled > before or order.met >= _TOOK else order.met

    def _is_touched(self, book: Ladders, order: Order) -> bool:
        """Whether a stop has become an order: by the tape, or where the other side stands at it."""
        if order.stop_ticks is None or order.triggered:
            return True
        best = book.other(order.sign).best
        order.triggered = best != NO_PRICE and best * order.sign >= order.stop_ticks * order.sign
        return order.triggered

    def _room(self, book: Ladders, order: Order) -> int:
        """What an order could still take of the levels that it crosses."""
        limit, total = order.limit_ticks, 0
        for price, room in book.other(order.sign).from_best(self._settings.depth):
            if limit is not None and price * order.sign > limit * order.sign:
                break
            total += room
        return total

    def _take(self, other: Ladder, order: Order) -> int:
        """What has come to an order's price since it took there: that is not met again either."""
        limit, left = order.limit_ticks, order.left
        for price, room in list(other.from_best(self._settings.depth)):
            if limit is None or price * order.sign > limit * order.sign:
                break
            steps = min(left, room)
            other.taken[price] = other.taken.get(price, 0) + steps
            left -= steps
        return order.left - left

    def _sweep(self, market: Market, other: Ladder, step: BookStep, order: Order) -> None:
        """Take what levels show, the best first, each once for every update of its own."""
        limit, sign = order.limit_ticks, order.sign
        found, wanted = list[tuple[int, int]](), order.left
        for price, room in other.from_best(self._settings.depth):
            if limit is not None and price * sign > limit * sign:
                break
            steps = min(wanted, room) if self._settings.limit_size else wanted
            steps -= steps % market.order_step
            if steps > 0:
                found.append((price, steps))
                wanted -= steps
            if not wanted:
                break
        if other.best == NO_PRICE and limit is None and not order.forced:
            self._desk.end(order, OrderState.REJECTED, "NO_COUNTERPARTY")
            return
        if order.tif is not TimeInForce.FOK or not wanted:
            evidence = Evidence("book", market.venue, market.symbol, step[0], step[1])
            for price, steps in found:
                other.taken[price] = other.taken.get(price, 0) + steps
                paid = price if limit is not None else self._slippage.price(market, sign, price, steps=steps)
                self._desk.fill(order, steps, paid, step[0], taker=True, evidence=evidence, row_price=price)
        if order.tif in (TimeInForce.FAK, TimeInForce.FOK) and not order.is_done:
            self._desk.end(order, OrderState.CANCELLED, "NOT_FILLED_AT_ONCE")

    def _move_up(self, market: Market, book: Ladders, step: BookStep, order: Order, before: int) -> None:
        """A resting order is filled where the other side stands at its price, else it moves up in its level."""
        limit, sign = order.limit_ticks, order.sign
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        other = book.other(sign)
        if other.best != NO_PRICE and other.best * sign <= limit * sign:
            steps = order.left if order.met < _TOOK else self._take(other, order)
            if steps > 0:
                evidence = Evidence("book", market.venue, market.symbol, step[0], step[1])
                self._desk.fill(order, steps, limit, step[0], taker=False, evidence=evidence)
            return
        order.met = -1
        traded = self._tape.traded(market, limit, -sign)
        size = book.own(sign).size(limit)
        share_out(order, self._settings, before - traded - size, before - traded, size)


def _shown(book: Ladders, order: Order) -> int:
    """What the level of an order shows, 0 of one without a price."""
    return 0 if order.limit_ticks is None else book.own(order.sign).size(order.limit_ticks)


def apply_step(book: Ladders, step: BookStep) -> None:
    """Change a book by a step."""
    _, _, _, form, bid_prices, bid_sizes, ask_prices, ask_sizes = step
    if form == UPDATES:
        if bid_prices:
            book.bids.change(bid_prices, bid_sizes)
        if ask_prices:
            book.asks.change(ask_prices, ask_sizes)
    elif form == REPLACES:
        book.bids.replace(bid_prices, bid_sizes)
        book.asks.replace(ask_prices, ask_sizes)
        book.is_known = True
    else:
        book.is_known = False


__all__ = ["BookFills", "BookStep", "apply_step"]
