"""Halts of a run's markets: nothing is filled in one, nothing is taken, and what rests waits or ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from marketprism_application.backtesting.agenda import BEHIND_BARS_RANK, SESSION_RANK, Agenda
from marketprism_application.backtesting.columns import CLOSED, HALT
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import OrderState
from marketprism_application.backtesting.settings import FillMode
from marketprism_domain.trading.halts import CANCELLED, NO_END, Halted, halt_rule


class Halter:
    """Begins and ends halts at their times. `changed` tells the strategy that a market's phase is another."""

    def __init__(self, desk: Desk, agenda: Agenda, changed: Callable[[Market], None]) -> None:
        self._desk, self._agenda, self._changed = desk, agenda, changed
        desk.on_way = self._arrive
        settings = desk.settings
        by_bars = settings.fill is FillMode.BAR
        # A bar that ends as the halt begins was traded before it.
        self._delay, self._rank = (settings.delay_of_bars, BEHIND_BARS_RANK) if by_bars else (0, SESSION_RANK)

    def plan(self, market: Market, ts_from: int, ts_to: int) -> None:
        """Put an instrument's halts in a range on the agenda; in one that goes on at its beginning the run begins."""
        for halt in _joined(market.data.halts):
            if halt.ts_to <= ts_from or halt.ts_from > ts_to:
                continue
            if halt.ts_from <= ts_from:
                self._begin(market, halt, ts_from)
            else:
                work = partial(self._begin, market, halt, halt.ts_from)
                self._agenda.add(halt.ts_from + self._delay, self._rank, market.rank, work)
            if halt.ts_to < NO_END:
                end = partial(self._end, market, halt)
                self._agenda.add(halt.ts_to + self._delay, self._rank, market.rank, end)

    def _begin(self, market: Market, halt: Halted, ts: int) -> None:
        """Resting orders leave the matching: they wait, or end by the venue's rule."""
        market.halted_at, market.phase = ts, HALT
        market.halts += 1
        cancels = (halt.resting or halt_rule(market.venue, market.day_text).resting) == CANCELLED
        market.suspended += market.working
        market.working.clear()  # feeds hold this very list
        for order in tuple(market.suspended):
            if order.ts_active > self._desk.now:
                self._arrive(order)
            elif cancels and not order.forced:
                self._desk.end(order, OrderState.CANCELLED, "HALTED")
        self._changed(market)

    def _end(self, market: Market, halt: Halted) -> None:
        """What waited rests again, and a target that was wanted in the halt is sent."""
        market.halted_ns += halt.ts_to - market.halted_at
        market.halted_at, market.phase = 0, market.calendar_phase
        market.working += market.suspended
        market.suspended.clear()
        if market.wanted is not None and market.phase != CLOSED:
            self._desk.target(market, market.wanted)
        self._changed(market)

    def _arrive(self, order: Order) -> None:
        """An order is on its way to a market that is halted: where it still is then, it is rejected."""
        self._agenda.add(order.ts_active, self._rank, order.market.rank, partial(self._reject, order))

    def _reject(self, order: Order) -> None:
        if order in order.market.suspended and not order.forced:
            self._desk.end(order, OrderState.REJECTED, "HALTED")


def _joined(halts: tuple[Halted, ...]) -> list[Halted]:
    """Halts in order of time; those that meet are one."""
    found: list[Halted] = []
    for halt in sorted(halts):
        if found and halt.ts_from <= found[-1].ts_to:
            last = found[-1]
            found[-1] = last._replace(ts_to=max(last.ts_to, halt.ts_to), resting=last.resting or halt.resting)
        else:
            found.append(halt)
    return found


def halted_time(market: Market, now: int) -> int:
    """Nanoseconds in which a market has been halted in the run so far."""
    return market.halted_ns + (max(0, now - market.halted_at) if market.phase == HALT else 0)


__all__ = ["Halter", "halted_time"]
