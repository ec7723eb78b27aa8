"""Clients of a simulated venue, for its own tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer

Client = Callable[[str], Any]


@asynccontextmanager
async def simulated(market: str = "binance", **given: Any) -> AsyncIterator[tuple[SimulatedVenueServer, Client]]:
    """A venue, and what opens a web socket at a path of it."""
    dialect = DIALECTS[market](("BTC", "ETH"))
    async with SimulatedVenueServer(dialect, **{"rate": 40.0, "levels": 30, **given}) as server, opening(server) as at:
        yield server, at


@asynccontextmanager
async def opening(server: SimulatedVenueServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield lambda path: session.ws_connect(server.ws_url + path)


async def heard(client: aiohttp.ClientWebSocketResponse, count: int, within_s: float = 10.0) -> list[Any]:
    async with asyncio.timeout(within_s):
        return [await client.receive_json() for _ in range(count)]


async def nothing(client: aiohttp.ClientWebSocketResponse, seconds: float = 0.4) -> bool:
    try:
        await client.receive(timeout=seconds)
    except TimeoutError:
        return True
    return False


async def asked(server: SimulatedVenueServer, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(server.rest_url + path) as answer:
        return answer.status, await answer.json()
