"""Fills by quotes: the next row at or after an order's activation gives its best price, and no more than it shows."""

from __future__ import annotations

from marketprism_application.backtesting.columns import AUCTION, CONTINUOUS, NO_PRICE
from marketprism_application.backtesting.cursors import TickView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence, OrderKind, OrderState, TimeInForce
from marketprism_application.backtesting.slippage import SlippageOf

_MOST_LEVELS = 100  # that an order reaches by its impact in one row


class _Shown:
    """What is left of a side's best level: it can be taken once for each update of it."""

    __slots__ = ("level", "taken")

    def __init__(self) -> None:
        self.level, self.taken = (0, 0), 0

    def room(self, price: int, size: int) -> int:
        """Steps that are left of a level."""
        if (price, size) != self.level:
            self.level, self.taken = (price, size), 0
        return size - self.taken


class QuoteFills:
    """Matches the orders of an instrument with its snapshots, one after another."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._settings, self._slippage = desk, desk.settings, SlippageOf(desk.settings)
        self._shown: dict[tuple[int, int], _Shown] = {}
        self._matched: dict[tuple[int, int], _Shown] = {}  # of the auctions

    def on_tick(self, market: Market, tick: TickView) -> None:
        """Fill what a row fills: in the auction at its match price, continuously at bid and ask, else nothing."""
        phase = tick.phase_code
        if phase == CONTINUOUS:
            match = self.match
        elif phase == AUCTION and tick.volume_steps and tick.last_ticks != NO_PRICE:
            match = self._match_auction
        else:
            return
        for order in tuple(market.working):
            if order.ts_active <= tick.ts and not order.is_done:
                match(market, tick, order)
        self.trail(market, tick.last_ticks)

    def match(self, market: Market, tick: TickView, order: Order) -> None:
        """Fill an order at the other side of a quote, as far as it crosses."""
        sign = order.sign
        price, size = (tick.ask_ticks, tick.ask_size) if sign > 0 else (tick.bid_ticks, tick.bid_size)
        if order.kind is OrderKind.STOP and not order.triggered:
            stop = order.stop_ticks
            if stop is None or tick.last_ticks == NO_PRICE or tick.last_ticks * sign < stop * sign:
                return
            order.triggered = True
        limit = order.limit_ticks
        if not size:
            self._without_other_side(order, limit)
            return
        if order.state is OrderState.QUEUED_AT_LIMIT:
            order.state = OrderState.WORKING
        if limit is None or price * sign <= limit * sign:
            spread = tick.ask_ticks - tick.bid_ticks if tick.ask_size and tick.bid_size else 0
            evidence = Evidence("tick", market.venue, market.symbol, tick.ts, tick.seq)
            for at, steps in self._parts(market, order, price, size):
                paid = at if limit is not None else self._slippage.price(market, sign, at, spread, steps)
                self._desk.fill(order, steps, paid, tick.ts, taker=True, evidence=evidence, row_price=at)
        if order.tif in (TimeInForce.FAK, TimeInForce.FOK) and not order.is_done:
            self._desk.end(order, OrderState.CANCELLED, "NOT_FILLED_AT_ONCE")

    def _without_other_side(self, order: Order, limit: int | None) -> None:
        """Nobody stands on the other side: market orders are refused, others wait behind the queue at the limit."""
        if order.tif in (TimeInForce.FAK, TimeInForce.FOK):
            self._desk.end(order, OrderState.CANCELLED, "NOT_FILLED_AT_ONCE")
        elif limit is None and not order.forced:
            self._desk.end(order, OrderState.REJECTED, "NO_COUNTERPARTY")
        else:
            order.state = OrderState.QUEUED_AT_LIMIT

    def _parts(self, market: Market, order: Order, price: int, size: int) -> list[tuple[int, int]]:
        """Prices and quantities that a row fills: what it shows, and where the run assumes an impact as much again at
        each further level, so many ticks worse, as far as limits allow."""
        impact, sign = self._settings.impact * market.tick_units, order.sign
        if not impact or not self._settings.limit_size:
            steps = self._steps(market, order, price, size)
            return [(price, steps)] if steps else []
        bounds = [order.limit_ticks, market.limit_up if sign > 0 else market.limit_down]
        worst = min((each * sign for each in bounds if each is not None and each != NO_PRICE), default=None)
        most = 1 + (_MOST_LEVELS if worst is None else min(_MOST_LEVELS, (worst - price * sign) // impact))
        room, found = order.left, list[tuple[int, int]]()
        first = self._shown.setdefault((market.rank, sign), _Shown())
        for level in range(most):
            steps = min(room, first.room(price, size) if not level else size)
            steps -= steps % market.order_step
            if steps:
                found.append((price + sign * level * impact, steps))
                room -= steps
            if not room:
                break
        if room and order.tif is TimeInForce.FOK:
            return []
        first.taken += found[0][1] if found and found[0][0] == price else 0
        return found

    def _steps(self, market: Market, order: Order, price: int, size: int) -> int:
        if not self._settings.limit_size:
            return order.left
        shown = self._shown.setdefault((market.rank, order.sign), _Shown())
        steps = min(order.left, shown.room(price, size))
        steps -= steps % market.order_step
        if order.tif is TimeInForce.FOK and steps < order.left:
            return 0
        shown.taken += steps
        return steps

    def _match_auction(self, market: Market, tick: TickView, order: Order) -> None:
        """The auction's match: whoever's price is at or beyond it is filled at it."""
        price, limit = tick.last_ticks, order.limit_ticks
        if order.kind is OrderKind.STOP or (limit is not None and price * order.sign > limit * order.sign):
            return
        steps = order.left
        if self._settings.limit_size:
            shown = self._matched.setdefault((market.rank, order.sign), _Shown())
            steps = min(steps, shown.room(tick.ts, tick.volume_steps // market.sides))
            steps -= steps % market.order_step
            shown.taken += steps
        if steps:
            evidence = Evidence("tick", market.venue, market.symbol, tick.ts, tick.seq)
            self._desk.fill(order, steps, price, tick.ts, taker=True, evidence=evidence)

    @staticmethod
    def trail(market: Market, last: int) -> None:
        """Let trailing stops follow the last price."""
        if last == NO_PRICE:
            return
        for order in market.working:
            if order.trail_ticks is None:
                continue
            before = order.extreme
            if before is None or last * order.sign < before * order.sign:
                order.extreme = last
                order.stop_ticks = last + order.sign * order.trail_ticks
