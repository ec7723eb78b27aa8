"""When a gateway is to be connected: by the trading calendar, unless an operator says otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from marketprism_application.gateway.orders import SubscriptionOrder
from marketprism_domain.sessions.connection_hours import ConnectionHours
from marketprism_domain.values import TimeWindow

_LOOK_S = 5.0  # a clock that is set, or a suspended machine, is noticed within so long


class ConnectionSchedule:
    """Whether the connection is wanted now. Without `hours` it always is."""

    def __init__(self, hours: ConnectionHours | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._hours = hours
        self._now_ns = now_ns
        self._changed = asyncio.Event()
        self._known = TimeWindow(0, 0)
        self.order = SubscriptionOrder()

    def follow(self, order: SubscriptionOrder) -> None:
        """From now on as operators have ordered."""
        self.order = order
        self._changed.set()

    def wanted(self) -> bool:
        """Whether to be connected at this moment."""
        if self.order.connected is not None or self._hours is None:
            return self.order.connected is not False
        now = self._now_ns()
        if not self._known.contains(now):
            self._known = self._hours.at(now)
        return self._known.contains(now)

    def next_ns(self) -> int | None:
        """When it will be wanted by the calendar; None when that is not for the calendar to say."""
        if self._hours is None or self.order.connected is not None:
            return None
        return self._hours.at(self._now_ns()).ts_from

    async def next_order(self) -> None:
        """Wait for the next order of an operator."""
        self._changed.clear()
        await self._changed.wait()

    async def until_wanted(self) -> None:
        """Wait for the calendar, or for an operator."""
        while not self.wanted():
            self._changed.clear()
            until = self.next_ns()
            wait_s = _LOOK_S if until is None else min(_LOOK_S, max(0.001, (until - self._now_ns()) / 1e9))
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue


__all__ = ["ConnectionSchedule"]
