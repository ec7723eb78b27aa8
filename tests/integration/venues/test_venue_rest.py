"""Requests to a venue over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.venues.protocol import RestRequest, VenueLimits
from marketprism_sdk.resilience import Priority

pytestmark = pytest.mark.timeout(30)
PIECE = b"x" * 100_000


@asynccontextmanager
async def asking(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], limits: VenueLimits
) -> AsyncIterator[RestClient]:
    """A client of a server that answers so."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with RestClient(f"http://127.0.0.1:{runner.addresses[0][1]}", limits) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_an_answer_that_comes_in_pieces_is_read_to_its_end() -> None:
    """Instrument lists have megabytes, deep books hundreds of kilobytes."""

    async def in_pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(20):
            await answer.write(PIECE)
            await asyncio.sleep(0.005)
        await answer.write_eof()
        return answer

    async with asking(in_pieces, VenueLimits()) as client:
        assert len(await client.get(RestRequest("/exchangeInfo"))) == 20 * len(PIECE)


@pytest.mark.parametrize(
    ("used", "bulk_waits", "live_waits"),
    [("1200", False, False), ("2000", True, False), ("2300", True, True), ("", False, False), ("many", False, False)],
)
async def test_near_what_the_venue_allows_in_a_minute_nobody_asks_before_the_next(
    used: str, *, bulk_waits: bool, live_waits: bool
) -> None:
    """The venue counts by address: another program of the same address may have used it up. What is live may use what
    bulk work leaves."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="{}", headers={"X-MBX-USED-WEIGHT-1M": used} if used else {})

    async with asking(answer, VenueLimits(used_header=("X-MBX-USED-WEIGHT-1M", 2400.0))) as client:
        await client.get(RestRequest("/time"))
        assert (client.waits_s > 0) is bulk_waits
        assert client.waits_s <= 60
        asked = asyncio.create_task(client.get(RestRequest("/time"), Priority.LOW))
        await asyncio.wait([asked], timeout=5 if not live_waits else 0.3)
        assert asked.done() is not live_waits
        asked.cancel()
