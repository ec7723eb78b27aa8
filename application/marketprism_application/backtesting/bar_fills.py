"""Fills by bars: what was decided before a bar opens is filled at its open, or where the bar trades through a price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import Evidence, OrderKind, OrderState, TimeInForce
from marketprism_application.backtesting.slippage import SlippageOf

_WORSE_FIRST = {OrderKind.MARKET: 0, OrderKind.STOP: 1, OrderKind.LIMIT: 2}


class BarRow(NamedTuple):
    """One bar as whole numbers."""

    interval: str
    ts_open: int
    ts_close: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class BarFills:
    """Matches the orders of an instrument with its bars, one after another."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._settings, self._slippage = desk, desk.settings, SlippageOf(desk.settings)

    def on_bar(self, market: Market, bar: BarRow) -> None:
        """Fill what a bar fills; exits of an entry at its open may be filled in the same bar, the worse one first."""
        room = self._room(market, bar)
        if len(market.working) == 1 and market.working[0].bracket is None:
            order = market.working[0]
            if order.ts_active <= bar.ts_open:
                self._match(market, bar, order, room)
            if order.trail_ticks is not None:
                self._trail(market, bar)
            return
        known = 0
        while True:
            waiting = sorted(
                (each for each in market.working if each.number > known), key=lambda each: _WORSE_FIRST[each.kind]
            )
            if not waiting:
                break
            known = max(each.number for each in waiting)
            waiting = self._by_ticks(market, bar, waiting)
            for order in waiting:
                if order.is_done or order.ts_active > bar.ts_open:
                    continue
                room -= self._match(market, bar, order, room)
        self._trail(market, bar)

    def _room(self, market: Market, bar: BarRow) -> int:
        """Steps that the run may take of a bar, all orders together."""
        share = self._settings.participation
        return 1 << 62 if share is None else int(bar.volume // market.sides * share)

    def _match(self, market: Market, bar: BarRow, order: Order, room: int) -> int:
        row_price = price = self._price(market, bar, order)
        if price is None:
            steps = 0
        else:
            if order.limit_ticks is None:
                price = self._slippage.price(market, order.sign, price, steps=order.left)
            steps = min(order.left, room)
            steps -= steps % market.order_step
            if order.tif is TimeInForce.FOK and steps < order.left:
                steps = 0
        if steps and price is not None:
            # A market order is filled at the open; a stop and a limit somewhere inside the bar, unless at its open.
            at = bar.ts_open if price == bar.open or order.kind is OrderKind.MARKET else bar.ts_close
            evidence = Evidence(f"bar.{bar.interval}", market.venue, market.symbol, bar.ts_open, 0)
            taker = order.kind is not OrderKind.LIMIT or price == bar.open
            self._desk.fill(
                order,
                steps,
                price,
                min(at, bar.ts_close - 1),
                taker=taker,
                evidence=evidence,
                row_price=row_price,
            )
        if order.tif in (TimeInForce.FAK, TimeInForce.FOK) and not order.is_done:
            self._desk.end(order, OrderState.CANCELLED, "NOT_FILLED_AT_ONCE")
        return steps

    def _price(self, market: Market, bar: BarRow, order: Order) -> int | None:
        """At which price a bar fills an order before slippage, None where it does not."""
        sign = order.sign
        if self._is_locked(market, bar, sign):
            return None
        limit = order.limit_ticks
        if order.kind is OrderKind.MARKET or (order.triggered and limit is None):
            return bar.open
        if order.kind is OrderKind.STOP and not order.triggered:
            stop = order.stop_ticks
            assert stop is not None  # noqa: S101 (a stop has one)
            if (bar.high if sign > 0 else bar.low) * sign < stop * sign:
                return None
            order.triggered = True
            at = max(bar.open * sign, stop * sign) * sign
            if limit is None:
                return at
            return at if at * sign <= limit * sign else None  # from the next bar on it rests at its limit
        assert limit is not None  # noqa: S101 (a limit order has one)
        # Signs turn a seller's prices round: what is through is always below.
        through = (bar.low if sign > 0 else bar.high) * sign
        if through < limit * sign or (self._settings.touch and through == limit * sign):
            return min(bar.open * sign, limit * sign) * sign
        return None

    @staticmethod
    def _is_locked(market: Market, bar: BarRow, sign: int) -> bool:
        """Whether a whole bar stands at the price limit, where only the other side finds somebody."""
        limit = market.limit_up if sign > 0 else market.limit_down
        return limit != NO_PRICE and bar.high == bar.low == limit

    def _by_ticks(self, market: Market, bar: BarRow, waiting: list[Order]) -> list[Order]:
        """With ticks at hand, a stop and a target in one bar in the order in which they were reached."""
        ticks = market.data.ticks
        rivals = [each for each in waiting if each.rivals]
        if self._settings.detail != "tick" or ticks is None or len(rivals) < 2:
            return waiting
        first, end = np.searchsorted(ticks.ts, (bar.ts_open, bar.ts_close))
        last = ticks.last[first:end]
        last = last[last != NO_PRICE]

        def reached(order: Order) -> int:
            price = order.stop_ticks if order.kind is OrderKind.STOP else order.limit_ticks
            assert price is not None  # noqa: S101 (exits have one)
            sign = order.sign if order.kind is OrderKind.STOP else -order.sign
            hits = np.flatnonzero(last * sign >= price * sign)
            return int(hits[0]) if len(hits) else 1 << 62

        ordered = sorted(rivals, key=reached)
        self._desk.counts["DETAIL_BY_TICKS"] += 1
        return [each for each in waiting if not each.rivals] + ordered

    @staticmethod
    def _trail(market: Market, bar: BarRow) -> None:
        for order in market.working:
            if order.trail_ticks is None:
                continue
            best = bar.low if order.sign > 0 else bar.high
            before = order.extreme
            if before is None or best * order.sign < before * order.sign:
                order.extreme = best
                order.stop_ticks = best + order.sign * order.trail_ticks
