"""Fills by a place in the queue: an order joins behind what is shown, and moves up by trades at its price and, by the
model of the run, by cancellations. Trades are those of a tape, or a counter's slices split by their average price."""

from __future__ import annotations

from marketprism_application.backtesting.columns import CONTINUOUS
from marketprism_application.backtesting.cursors import TickView, TradeView
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence
from marketprism_application.backtesting.quotes_before import QuoteBefore
from marketprism_application.backtesting.settings import QueueModel
from marketprism_application.backtesting.trade_fills import TradeFills
from marketprism_domain.trading.slices import Slice, split_slice


class QueueFills:
    """Matches the orders of an instrument with its place in the queue of a level."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._settings = desk, desk.settings
        self._tape = TradeFills(desk)
        self._before: dict[int, QuoteBefore] = {}

    def on_trade(self, market: Market, trade: TradeView) -> None:
        """With a tape its trades are exact: they move the queue, and fill what it reaches."""
        self._tape.on_trade(market, trade)

    def on_tick(self, market: Market, tick: TickView) -> None:
        """Move the queues up by what was traded in this slice; who was sent since the row before takes or joins."""
        before = self._before.setdefault(market.rank, QuoteBefore())
        if market.data.trades is not None:
            self._tape.on_tick(market, tick)
        elif tick.phase_code == CONTINUOUS and market.working:
            slice_ = self._slice(market, tick, before)
            for order in tuple(market.working):
                if order.ts_active > tick.ts or order.is_done:
                    continue
                if not order.joined:
                    self._tape.arrive(market, tick, before, order)
                    if before.takes(order) or order.is_done:
                        continue
                self._move_up(market, tick, before, slice_, order)
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

    def _move_up(self, market: Market, tick: TickView, before: QuoteBefore, slice_: Slice, order: Order) -> None:
        limit, sign = order.limit_ticks, order.sign
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        far, far_size = (tick.ask_ticks, tick.ask_size) if sign > 0 else (tick.bid_ticks, tick.bid_size)
        if far_size and far * sign <= limit * sign:  # the other side stands at the price: whoever was there is filled
            self._fill(market, tick, order, order.left)
            return
        own_before, size_before = before.own(sign)
        own, size = (tick.bid_ticks, tick.bid_size) if sign > 0 else (tick.ask_ticks, tick.ask_size)
        if own_before != limit:
            return
        traded = slice_.at_bid if sign > 0 else slice_.at_ask
        reached = traded - order.ahead
        order.ahead = max(0.0, order.ahead - traded)
        if reached >= 1:
            self._fill(market, tick, order, min(order.left, int(reached)))
        if not order.is_done and own == limit:
            self._cancelled(order, size_before - traded - size, size_before)

    def _cancelled(self, order: Order, away: float, level: int) -> None:
        """What left a level without being traded, as the model shares it out between before and behind."""
        model = self._settings.queue_model
        if away <= 0 or model is QueueModel.RISK_AVERSE or level <= 0:
            return
        share = min(1.0, order.ahead / level)
        if model is QueueModel.POWER:
            power = self._settings.queue_power
            ahead, behind = share**power, (1 - share) ** power
            share = ahead / (ahead + behind) if ahead + behind else 0.0
        order.ahead = max(0.0, order.ahead - away * share)

    def _fill(self, market: Market, tick: TickView, order: Order, steps: int) -> None:
        limit = order.limit_ticks
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        evidence = Evidence("tick", market.venue, market.symbol, tick.ts, tick.seq)
        self._desk.fill(order, steps, limit, tick.ts, taker=False, evidence=evidence)
