"""Rolls: a position moves from one contract to the next by real orders, in the window that a run chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from marketprism_application.backtesting.agenda import ROLL_RANK, Agenda
from marketprism_application.backtesting.columns import Roll, Selection
from marketprism_application.backtesting.desk import Desk, Wanted
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.market_rules import RollWindow
from marketprism_application.backtesting.orders import OrderState, TimeInForce
from marketprism_application.backtesting.settings import NANOS_PER_MINUTE


class Roller:
    """Moves positions at the rolls of a run. `called` tells the strategy, before the first order of each."""

    def __init__(
        self, desk: Desk, markets: Mapping[str, Market], agenda: Agenda, called: Callable[[Roll], None]
    ) -> None:
        self._desk, self._markets, self._agenda, self._called = desk, markets, agenda, called
        self._window = RollWindow.parse(desk.settings.roll)
        for market in markets.values():
            if market.data.leads:
                contracts = [markets[lead.symbol] for lead in market.data.leads]
                desk.families[market.rank] = list(dict.fromkeys(contracts))
                desk.fronts[market.rank] = contracts[0]

    def plan(self, selection: Selection) -> None:
        """Put every roll on the agenda."""
        for roll in selection.rolls:
            market = self._markets[roll.leaves]
            self._agenda.add(self._begin(roll, market), ROLL_RANK, market.rank, partial(self._roll, roll))

    def _begin(self, roll: Roll, market: Market) -> int:
        if self._window.rule != "close":
            return roll.ts
        sessions = market.schedule.sessions(market.schedule.trading_day_of(roll.ts))
        return max(roll.ts, sessions[-1].ts_close - self._window.minutes * NANOS_PER_MINUTE)

    def _roll(self, roll: Roll) -> None:
        """From now on orders go to the next contract; those of the one before end, and its position moves."""
        leaves, enters = self._markets[roll.leaves], self._markets[roll.enters]
        self._called(roll)
        for rank, family in self._desk.families.items():
            if enters in family:
                self._desk.fronts[rank] = enters
        for order in leaves.open_orders:
            self._desk.end(order, OrderState.CANCELLED, "ROLLED")
        if not leaves.held:
            return
        self._desk.counts["ROLLED"] += 1
        parts = self._window.minutes if self._window.rule == "twap" else 1
        self._move(leaves, enters, parts)
        for number in range(1, parts):
            work = partial(self._move, leaves, enters, parts - number)
            ts = self._desk.now + number * NANOS_PER_MINUTE
            self._agenda.add(ts, ROLL_RANK, leaves.rank, work)

    def _move(self, leaves: Market, enters: Market, parts: int) -> None:
        """Move one of so many equal parts of what is still to move: two orders, each with its fee."""
        moving = sum(order.left for order in leaves.open_orders if order.forced)
        left = abs(leaves.held) - moving
        step = leaves.order_step
        steps = left if parts == 1 else -(-left // parts // step) * step
        if steps <= 0:
            return
        sign = 1 if leaves.held > 0 else -1
        for market, way in ((leaves, -sign), (enters, sign)):
            self._desk.submit(Wanted(market, way, steps, tif=TimeInForce.GTC, tag="roll", forced=True))


__all__ = ["Roller"]
