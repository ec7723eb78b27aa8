"""Fetches the trades that are missing from a tape, before the hole is named."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.contracts.venue_messages import TradeMessage
from marketprism_application.errors import SourceError
from marketprism_application.venues.feed import VenueFeed
from marketprism_application.venues.protocol import ParseRefused, Venue, read_answer
from marketprism_application.venues.trade_tape import Hole
from marketprism_sdk.resilience import Backoff
from marketprism_sdk.resilience.limiter import Priority

log = structlog.get_logger()

_LOOK_S = 0.05
_PATIENCE_S = 0.15  # the next frame may bring it
_OTHERS_S = 1.5  # so may another connection that lags
_DOUBT_NS = 1_500_000_000
_EMPTY = 3  # answers without any of them: a trade may be a moment on its way into the venue's history
_BARREN = 3  # holes in a row that were none of ours: numbers that this venue leaves out delay nothing from then on
MOST = 20_000


class TradeRefill:
    """One for each source; `merging` says whether several connections bring one tape now.

    A hole of more than `most` trades is not asked for: it is named at once.

    `filled` counts trades that were fetched, `given_up` holes that the venue could not or would not fill. One that is
    not filled in the feed's `hold_s` is named by the feed.
    """

    def __init__(
        self,
        venue: Venue,
        feed: VenueFeed,
        rest: RestClient,
        arrived: asyncio.Event,
        merging: Callable[[], bool],
        *,
        parallel: int = 4,
        most: int = MOST,
        backoff: Backoff | None = None,
    ) -> None:
        self._venue = venue
        self._feed = feed
        self._rest = rest
        self._arrived = arrived
        self._merging = merging
        self._room = asyncio.Semaphore(parallel)
        self.most = most
        self._backoff = backoff or Backoff(0.2, 2.0)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._barren: Counter[str] = Counter()
        self.filled = self.given_up = 0

    def figures(self) -> dict[str, float]:
        """Values of the metrics of fetched trades by name."""
        return {"trades_fetched_total": float(self.filled), "holes_given_up_total": float(self.given_up)}

    async def run(self) -> None:
        """Fetch missing trades, every tape by itself, until cancelled."""
        try:
            while True:
                holes = self._feed.holes()
                patience_s = _OTHERS_S if holes and self._merging() else _PATIENCE_S
                before = time.time_ns() - int(patience_s * 1_000_000_000)
                for symbol, hole in holes:
                    if symbol not in self._busy and hole.ts_recv < before:
                        self._busy[symbol] = asyncio.get_running_loop().create_task(self._fill(symbol))
                for symbol in [symbol for symbol, task in self._busy.items() if task.done()]:
                    error = self._busy.pop(symbol).exception()
                    if error is not None:  # the feed names the hole when its time is over
                        log.error("trade_refill.failed", symbol=symbol, error=repr(error)[:300])
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _fill(self, symbol: str) -> None:
        """Ask until the holes of a tape are gone; the feed gives up one that takes too long."""
        attempt = empty = 0
        while (hole := self._feed.tape(symbol).hole) is not None:
            if hole.last - hole.first >= self.most:
                # One trade whose number is wrong looks like that as well: then the next ones follow where the tape is.
                if time.time_ns() - hole.ts_recv < _DOUBT_NS:
                    await asyncio.sleep(_LOOK_S)
                else:
                    self._give_up(symbol, hole, "too many are missing")
                continue
            try:
                async with self._room:
                    found = await self._ask(symbol, hole)
            except ParseRefused as error:
                self._give_up(symbol, hole, str(error)[:200])
                continue
            except SourceError as error:
                log.warning("trade_refill.retrying", symbol=symbol, error=str(error)[:200])
            else:
                if found:
                    attempt = empty = self._barren[symbol] = 0
                    continue
                empty += 1
                if empty >= (1 if self._barren[symbol] >= _BARREN else _EMPTY):
                    attempt = empty = 0
                    self._barren[symbol] += 1
                    self._give_up(symbol, hole, "the venue does not have them")
                    continue
            attempt += 1
            await asyncio.sleep(self._backoff.pause_s(attempt))

    async def _ask(self, symbol: str, hole: Hole) -> int:
        """How many of the missing trades one answer brought."""
        request = self._venue.trades_request(symbol, hole.first, hole.last)
        if request is None:
            raise ParseRefused("refused", f"{self._venue.market}: its trades cannot be had by their ids")
        body = await self._rest.get(request, Priority.HIGH)  # ticks wait for it
        answer = read_answer(self._venue, request, body, time.time_ns(), self._feed.parser)
        trades = _of_the_hole(answer.items, hole)
        for trade, derived in sorted(trades, key=lambda found: found[0].seq):
            self._feed.on_missing(trade, derived)
        self.filled += len(trades)
        if trades:
            self._arrived.set()
            log.info("trade_refill.completed", symbol=symbol, trades=len(trades), first=hole.first, last=hole.last)
        return len(trades)

    def _give_up(self, symbol: str, hole: Hole, why: str) -> None:
        self.given_up += 1
        log.warning("trade_refill.abandoned", symbol=symbol, first=hole.first, last=hole.last, reason=why)
        self._feed.give_up(symbol)
        self._arrived.set()


def _of_the_hole(items: Sequence[Any], hole: Hole) -> list[tuple[Any, list[Any]]]:
    """The trades that are missing, each with what is derived of it (Deribit's liquidations)."""
    found: list[tuple[Any, list[Any]]] = []
    inside = False
    for item in items:
        if type(item) is TradeMessage:
            inside = hole.first <= item.seq <= hole.last
            if inside:
                found.append((item, []))
        elif inside:
            found[-1][1].append(item)
    return found
