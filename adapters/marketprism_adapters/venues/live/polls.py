"""Kinds that have no stream: asked for again and again, at whole multiples of their period."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.live.stream_health import StreamHealth
from marketprism_application.ports.scheduling import Scheduler
from marketprism_application.venues.feed import VenueFeed
from marketprism_application.venues.protocol import Poll, StreamKey, Venue, read_answer
from marketprism_sdk.resilience.limiter import Priority

_SHARE = 0.4  # of what a budget allows: books and trades that are missing need the rest


class Polls:
    """One for each source. Where a period would take more than its share of a budget, it is made longer."""

    def __init__(
        self,
        venue: Venue,
        feed: VenueFeed,
        rest: RestClient,
        scheduler: Scheduler,
        health: StreamHealth,
        arrived: asyncio.Event,
    ) -> None:
        self._venue = venue
        self._feed = feed
        self._rest = rest
        self._scheduler = scheduler
        self._health = health
        self._arrived = arrived
        self._running: dict[StreamKey, float] = {}  # by what is asked for: its period

    def change(self, keys: Sequence[StreamKey]) -> None:
        """From now on these and no others."""
        polls = {poll.key: poll for poll in self._venue.polls(keys)}
        for key in self._running.keys() - polls.keys():
            del self._running[key]
            self._scheduler.cancel(_name(key))
            self._health.forget([key])
        stretch = self._stretch(list(polls.values()))
        for key, poll in polls.items():
            period_s = poll.period_s * stretch
            if self._running.get(key) != period_s:
                self._running[key] = period_s
                self._health.polled(key, period_s)
                self._scheduler.every(_name(key), period_s, self._asking(poll))

    def _stretch(self, polls: Sequence[Poll]) -> int:
        """How many times longer the periods have to be."""
        used: dict[str, float] = {}
        for poll in polls:
            used[poll.request.budget] = used.get(poll.request.budget, 0.0) + poll.request.weight / poll.period_s
        budgets = self._venue.limits.budgets
        return max(
            (math.ceil(each / (budgets[name][0] * _SHARE)) for name, each in used.items() if name in budgets), default=1
        )

    def _asking(self, poll: Poll) -> Callable[[], Coroutine[Any, Any, None]]:
        async def ask() -> None:
            body = await self._rest.get(poll.request, Priority.LOW)
            now = time.time_ns()
            answer = read_answer(self._venue, poll.request, body, now, self._feed.parser)
            for item in answer.items:
                self._feed.on_item(item, "poll")
            self._arrived.set()

        return ask

    def left(self) -> None:
        """Nothing is asked for any more."""
        self.change(())


def _name(key: StreamKey) -> str:
    return f"poll {key}"
