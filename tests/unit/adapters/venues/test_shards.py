"""Which connection carries which stream, when other instruments are wanted; and how often kinds are asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from marketprism_adapters.venues.live.connection import Connection
from marketprism_adapters.venues.live.connection_pool import Shards
from marketprism_adapters.venues.live.polls import Polls
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.live.stream_health import StreamHealth
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.feed import VenueFeed
from marketprism_application.venues.protocol import StreamKey, Venue
from marketprism_sdk.resilience import RateLimiter
from marketprism_sdk.service import PeriodicJobs

NOWHERE = "ws://127.0.0.1:1"


class Deaf:
    """Hears of connections, and does nothing."""

    def on_frame(self, frame: bytes, path: str) -> None: ...
    def on_up(self, connection: Connection) -> None: ...
    def on_down(self, connection: Connection, reason: str, retry_s: float) -> None: ...
    def on_closed(self, path: str) -> None: ...
    def on_asked(self, keys: Iterable[StreamKey]) -> None: ...


class Noted(PeriodicJobs):
    """Notes the periods; a job is due once a day, so that none runs here."""

    def __init__(self) -> None:
        super().__init__()
        self.periods: dict[str, float] = {}

    def every(self, name: str, period_s: float, job: Any, *, offset_s: float = 0.0) -> None:
        super().every(name, 86_400.0, job, offset_s=offset_s)
        self.periods[name] = period_s

    def cancel(self, name: str) -> None:
        super().cancel(name)
        self.periods.pop(name, None)


def keys(kinds: Iterable[str], symbols: Iterable[str]) -> list[StreamKey]:
    return [StreamKey(kind, symbol) for symbol in symbols for kind in kinds]


def perpetuals(count: int) -> list[str]:
    return [f"C{number}-USDT-PERP" for number in range(count)]


def made(venue: Venue, collectors: int = 1) -> Shards:
    connects = RateLimiter(100.0, 1.0)
    return Shards(venue, collectors, lambda url, streams: Connection(venue, url, streams, Deaf(), connects))


@pytest.fixture
async def usdm() -> AsyncIterator[Shards]:
    shards = made(MARKETS["binance-usdm"].make(NOWHERE, "http://127.0.0.1:1"))
    yield shards
    await shards.close()
    assert shards.connections == []


def carried(shards: Shards) -> Counter[str]:
    return Counter(name for connection in shards.connections for name in connection.streams)


async def test_what_is_added_fills_connections_and_no_stream_is_carried_twice(usdm: Shards) -> None:
    kinds = ("trade", "ticker", "orderbook", "quote")
    await usdm.change(keys(kinds, perpetuals(125)))  # 250 streams on each endpoint
    assert sorted(len(connection.streams) for connection in usdm.connections) == [50, 50, 200, 200]
    await usdm.change(keys(kinds, perpetuals(325)))  # 650
    assert sorted(len(connection.streams) for connection in usdm.connections) == [50, 50, 200, 200, 200, 200, 200, 200]
    assert set(carried(usdm).values()) == {1}
    assert len(carried(usdm)) == 325 * 4
    kept = {id(connection) for connection in usdm.connections}
    await usdm.change(keys(kinds, perpetuals(100)))
    assert {id(connection) for connection in usdm.connections} < kept
    assert sorted(len(connection.streams) for connection in usdm.connections) == [200, 200]
    await usdm.change([])
    assert usdm.connections == []
    await usdm.change(keys(kinds, perpetuals(1)))
    assert len(carried(usdm)) == 4


async def test_each_collector_carries_everything() -> None:
    shards = made(MARKETS["binance"].make(NOWHERE, "http://127.0.0.1:1"), collectors=2)
    try:
        await shards.change(keys(("trade",), ("BTC-USDT",)))
        await shards.change(keys(("trade",), ("BTC-USDT", "ETH-USDT")))
        assert [sorted(connection.streams) for connection in shards.connections] == [
            ["btcusdt@aggTrade", "ethusdt@aggTrade"]
        ] * 2
    finally:
        await shards.close()


async def test_a_stream_that_serves_many_instruments_ends_with_the_last() -> None:
    shards = made(MARKETS["okx"].make(NOWHERE, "http://127.0.0.1:1"))
    kinds = ("trade", "liquidation")
    try:
        await shards.change(keys(kinds, perpetuals(3)))
        of_all = [name for name in carried(shards) if "liquidation" in name]
        assert len(of_all) == 1
        await shards.change(keys(kinds, perpetuals(2)))
        assert carried(shards)[of_all[0]] == 1
        assert [name for name in carried(shards) if "C2" in name] == []
        await shards.change(keys(("trade",), perpetuals(2)))
        assert of_all[0] not in carried(shards)
    finally:
        await shards.close()


async def test_polls_take_a_share_of_the_budget_and_follow_the_instruments() -> None:
    venue = MARKETS["binance-usdm"].make(NOWHERE, "http://127.0.0.1:1")
    feed, noted, arrived = VenueFeed(venue, "src"), Noted(), asyncio.Event()
    health = StreamHealth({})
    polls = Polls(venue, feed, RestClient(venue.rest_url, venue.limits), noted, health, arrived)
    polls.change(keys(("open_interest",), perpetuals(10)))
    assert set(noted.periods.values()) == {10.0}
    polls.change(keys(("open_interest",), perpetuals(600)))
    (period_s,) = set(noted.periods.values())
    rate, _ = venue.limits.budgets["rest"]
    assert 600 / period_s <= 0.4 * rate
    assert period_s % 10 == 0
    polls.change(keys(("open_interest",), perpetuals(2)))
    assert list(noted.periods.values()) == [10.0, 10.0]
    assert len(health.table()) == 2
    polls.left()
    assert (noted.periods, health.table()) == ({}, [])
    await noted.close()
