"""Stored ticks once more, on subjects of their own: the way to run a strategy against yesterday."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.subjects import tick_subject
from marketprism_application.replay.pace import Pacer
from marketprism_client import MarketClient
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection

_FLUSH_EVERY = 500


@dataclass(frozen=True, slots=True)
class Replay:
    """What is sent again. `speed` None is as fast as it goes; times in nanoseconds, half open."""

    symbols: Sequence[str]
    ts_from: int | None
    ts_to: int | None
    speed: float | None
    prefix: str


async def replay(
    market: MarketClient, connection: NatsConnection, wanted: Replay, on_tick: Callable[[int], None] = lambda _: None
) -> int:
    """Publish the ticks of all symbols merged by event time, with their original times; returns their number.

    Raises:
        QueryFailed: the store could not answer. NotConnected.
    """
    pacer = Pacer(wanted.speed)
    count = 0
    async for tick in _merged([_ticks(market, symbol, wanted) for symbol in wanted.symbols]):
        wait_s = pacer.wait_s(tick.ts_event)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await connection.publish(f"{wanted.prefix}.{tick_subject(tick.symbol)}", encode(TICK, tick))
        count += 1
        if count % _FLUSH_EVERY == 0:
            await connection.flush()  # a replay that is as fast as it goes must not outrun the server
            on_tick(count)
    await connection.flush()
    on_tick(count)
    return count


async def _ticks(market: MarketClient, symbol: str, wanted: Replay) -> AsyncIterator[Tick]:
    async for page in market.tick_pages(symbol, wanted.ts_from, wanted.ts_to):
        for tick in page:
            yield tick


async def _merged(sources: Sequence[AsyncIterator[Tick]]) -> AsyncIterator[Tick]:
    """By event time, then in the order of the sources; one tick of each is held."""
    waiting: list[tuple[int, int, Tick]] = []
    for number, source in enumerate(sources):
        async for tick in source:
            waiting.append((tick.ts_event, number, tick))
            break
    heapq.heapify(waiting)
    while waiting:
        _, number, tick = heapq.heappop(waiting)
        yield tick
        async for following in sources[number]:
            heapq.heappush(waiting, (following.ts_event, number, following))
            break
