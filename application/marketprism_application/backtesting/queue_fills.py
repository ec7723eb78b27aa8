"""Fills by a place in the queue: an order joins behind what is shown, and moves up by trades at its price and, by the
model of the run, by cancellations. Trades are those of a tape, or a counter's slices split by their average price."""

from __future__ import annotations

from marketprism_application.backtesting.columns import AUCTION, CONTINUOUS
from marketprism_application.backtesting.cursors import TickView, TradeView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence
from marketprism_application.backtesting.quote_fills import QuoteFills
from marketprism_application.backtesting.quotes_before import UNSEEN, QuoteBefore, share_out
from marketprism_application.backtesting.trade_fills import TradeFills
from marketprism_domain.trading.slices import Slice, split_slice

_MET_NOTHING = -1


class QueueFills:
    """Matches the orders of an instrument with its place in the queue of a level."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._settings = desk, desk.settings
        self._tape, self._quotes = TradeFills(desk), QuoteFills(desk)
        self._before: dict[int, QuoteBefore] = {}

    def on_trade(self, market: Market, trade: TradeView) -> None:
        """With a tape its trades are exact: they move the queue, and fill what it reaches."""
        self._tape.on_trade(market, trade)

    def on_tick(self, market: Market, tick: TickView) -> None:
        """Move the queues up by what was traded in this slice; who was sent since the row before takes or joins."""
        if market.data.trades is not None:
            self._tape.on_tick(market, tick)
            return
        before = self._before.setdefault(market.rank, QuoteBefore())
        if market.working and tick.phase_code == CONTINUOUS:
            slice_ = self._slice(market, tick, before)
            used = {1: 0, -1: 0}  # lots of the slice that filled the run's own orders, by their side
            for order in tuple(market.working):
                if order.ts_active > tick.ts or order.is_done:
                    continue
                if not order.joined:
                    self._tape.arrive(market, tick, before, order)
                    if before.takes(order) or order.is_done:
                        continue
                used[order.sign] += self._move_up(market, tick, before, slice_, order, used[order.sign])
            self._quotes.trail(market, tick.last_ticks)
        elif market.working and tick.phase_code == AUCTION:
            self._quotes.on_tick(market, tick)
        before.follow(tick, market.day)

    @staticmethod
    def _slice(market: Market, tick: TickView, before: QuoteBefore) -> Slice:
        """Who traded where since the row before, in steps of one side."""
        lots = tick.volume_steps / market.sides
        if not lots or not before.bid_size or not before.ask_size or before.day != market.day:
            return Slice(0.0, 0.0, through=False)
        average = tick.turnover_units / tick.volume_steps
        if before.ask <= before.bid:
            return Slice(0.0, 0.0, through=False)
        return split_slice(lots, average, float(before.bid), float(before.ask))

    def _move_up(
        self, market: Market, tick: TickView, before: QuoteBefore, slice_: Slice, order: Order, used: int
    ) -> int:
        """Move an order up, and fill what is reached; returns how many lots of the slice that took."""
        limit, sign = order.limit_ticks, order.sign
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        far, far_size = (tick.ask_ticks, tick.ask_size) if sign > 0 else (tick.bid_ticks, tick.bid_size)
        if far_size and far * sign <= limit * sign:
            self._meet(market, tick, order, far, far_size)
            return 0
        order.met = _MET_NOTHING
        own_before, size_before = before.own(sign)
        own, size = (tick.bid_ticks, tick.bid_size) if sign > 0 else (tick.ask_ticks, tick.ask_size)
        if order.ahead == UNSEEN or own_before != limit:
            if order.ahead == UNSEEN and own == limit and size:
                order.ahead = float(size)
            return 0
        traded = slice_.at_bid if sign > 0 else slice_.at_ask
        reached = traded - used - order.ahead
        order.ahead = max(0.0, order.ahead - traded)
        filled = min(order.left, int(reached)) if reached >= 1 else 0
        if filled:
            self._fill(market, tick, order, filled)
        if not order.is_done and own == limit:
            share_out(order, self._settings, size_before - traded - size, size_before - traded, size)
        return filled

    def _meet(self, market: Market, tick: TickView, order: Order, far: int, far_size: int) -> None:
        """The other side stands at an order's price: whoever was there is filled; of a level that it took from itself
        only who has come since fills it."""
        room = order.left
        if order.met > _MET_NOTHING and far == order.limit_ticks:
            room, order.met = max(0, far_size - order.met), far_size
        if room:
            self._fill(market, tick, order, min(order.left, room))

    def _fill(self, market: Market, tick: TickView, order: Order, steps: int) -> None:
        limit = order.limit_ticks
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        steps -= steps % market.order_step
        if steps:
            evidence = Evidence("tick", market.venue, market.symbol, tick.ts, tick.seq)
            self._desk.fill(order, steps, limit, tick.ts, taker=False, evidence=evidence)
