"""What a source has subscribed: at the counter's pace, with an answer for each instrument."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from marketprism_adapters.counters.api.callback_queue import Callback
from marketprism_adapters.counters.api.codes import trouble
from marketprism_domain.events.registry import (
    AllInstrumentsSubscribed,
    InstrumentSubscribed,
    SubscriptionFailed,
    SubscriptionUpdated,
)
from marketprism_domain.sessions.exchange_hours import venue_of

log = structlog.get_logger()

_SLICES = 20  # of a second
_SHARE = 0.95  # of what is allowed: on the way, what went out evenly comes in bunches


class Subscriptions:
    """The instruments wanted of every connection. `events` is what became of them, for the source to pass on."""

    def __init__(self, source: str, per_second: int, skip: Callable[[str], None]) -> None:
        self._source = source
        self._per_second = per_second
        self._skip = skip
        self.wanted: list[str] = []
        self.events: list[object] = []
        self._unanswered: dict[int, int] = {}  # by connection
        self._refused: set[str] = set()
        self._added: set[str] = set()  # asked for later than the others: told one by one
        self._reported = -1

    async def send(self, api: Any, number: int, symbols: Sequence[str], up: Callable[[], bool]) -> None:
        """Evenly: too many within any second overflow the counter's buffer, and it cuts the session."""
        self._unanswered[number] = len(symbols)
        several = max(1, self._per_second // _SLICES)
        pace = self._per_second * _SHARE
        due = time.monotonic()
        for start in range(0, len(symbols), several):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic()) + several / pace  # what was late is not made up for
            for symbol in symbols[start : start + several]:
                if not up():
                    return
                if api.subscribeMarketData(symbol):
                    self._unanswered[number] -= 1
                    self._skip("subscribe_not_sent")
                    log.warning("subscription.not_sent", source=self._source, front=number, symbol=symbol)
        log.info("subscriptions.sent", source=self._source, front=number, instruments=len(symbols))

    def answered(self, callback: Callback, exchanges: dict[str, str]) -> None:
        """The counter's answer about one instrument."""
        symbol = str(callback.data.get("InstrumentID", ""))
        wrong = trouble(callback.error)
        if symbol in self._added:
            self._added.discard(symbol)
            if not wrong:
                self.events.append(InstrumentSubscribed(exchanges.get(symbol) or venue_of(symbol) or "", symbol))
        if wrong:
            self._skip("subscribe")
            log.warning("subscription.refused", source=self._source, symbol=symbol, error=wrong)
            if symbol not in self._refused:
                self._refused.add(symbol)
                venue = exchanges.get(symbol) or venue_of(symbol) or ""
                self.events.append(SubscriptionFailed(venue, symbol, wrong))
        left = self._unanswered[callback.front] = self._unanswered.get(callback.front, 0) - 1
        count = len(self.wanted) - len(self._refused)
        if left == 0 and self._reported != count:
            self._reported = count
            self.events.append(AllInstrumentsSubscribed(self._source, count))

    def change(self, symbols: Sequence[str]) -> tuple[list[str], list[str]]:
        """Another list: what is to be added, and what is to be left."""
        before, after = set(self.wanted), set(symbols)
        added, removed = sorted(after - before), sorted(before - after)
        self.wanted = sorted(after)
        self._refused -= before - after
        self._added = (self._added | after) - before
        if added or removed:
            self.events.append(SubscriptionUpdated(self._source, len(added), len(removed)))
        return added, removed
