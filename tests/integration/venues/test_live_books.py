"""Who is asked for a live book: the gateway that had it last, and all of them when it has it no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from marketprism_application.access.principal import LOCAL
from marketprism_application.contracts.book_view import BookView
from marketprism_client._books import book_now
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_sdk.messaging import TTL_S, Discovery, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, rpc
from marketprism_services.api.endpoint import PRINCIPAL
from marketprism_services.api.read.books import BookApi
from marketprism_services.query.live_books import BookFinder

pytestmark = pytest.mark.timeout(60)


class Gateway(Service):
    """Keeps the books of one venue."""

    def __init__(self, connection: NatsConnection, venue: str) -> None:
        super().__init__("gateway", connection)
        self.venue = venue
        self.asked = 0

    @rpc("orderbook")
    async def orderbook(self, asked: Any) -> BookView | None:
        self.asked += 1
        if asked[0] != self.venue:
            return None
        return BookView(self.venue, asked[1], True, 7, 1, 2, [("1", "2")], [], None, "9")


@pytest.fixture
async def running(connection: NatsConnection) -> AsyncIterator[tuple[dict[str, Gateway], BookFinder]]:
    gateways = {venue: Gateway(connection, venue) for venue in ("binance", "okx")}
    stop = asyncio.Event()
    tasks = [asyncio.create_task(gateway.run(stop)) for gateway in gateways.values()]
    finder = BookFinder(gateways["okx"].calls)
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S)
    finder.discovery = Discovery(registry, refresh_s=0.2)
    await finder.discovery.start()
    while sum(each.status == "active" for each in finder.discovery.instances("gateway")) < len(gateways):
        await asyncio.sleep(0.05)
    yield gateways, finder
    await finder.discovery.stop()
    stop.set()
    await asyncio.gather(*tasks)


async def test_the_gateway_that_keeps_a_book_is_remembered_until_it_does_not(
    running: tuple[dict[str, Gateway], BookFinder],
) -> None:
    gateways, finder = running
    async with AsyncExitStack() as stack:

        @web.middleware
        async def known(request: web.Request, handler: Any) -> Any:
            request[PRINCIPAL] = LOCAL
            return await handler(request)

        app = web.Application(middlewares=[known])
        books = BookApi(finder.find)
        app.add_routes([web.route(each.method, each.path, each.handler) for each in books.endpoints()])
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/orderbook"

        async def ask(path: str) -> tuple[int, Any]:
            async with session.get(f"{base}/{path}") as answer:
                return answer.status, await answer.json()

        for _ in range(5):
            status, body = await ask("binance/BTC-USDT")
            assert (status, body["data"]["venue"]) == (200, "binance")
        assert (gateways["binance"].asked, gateways["okx"].asked) == (5, 1)
        gateways["binance"].venue, gateways["okx"].venue = "okx", "binance"  # they change places
        assert (await ask("binance/BTC-USDT"))[0] == 200
        assert (await ask("binance/BTC-USDT"))[0] == 200
        assert (gateways["binance"].asked, gateways["okx"].asked) == (7, 3)
        status, body = await ask("kraken/BTC-USD")
        assert status == 404
        assert "expected an instrument whose book is kept, was kraken.BTC-USD" in str(body)
        for wrong in ("tick/BTC-USDT", f"binance/{'X' * 65}"):
            status, body = await ask(wrong)
            assert (status, body["error"]["code"]) == (400, "INVALID_PARAMETER"), wrong
        status, body = await ask("binance/BTC-USDT?depth=many")
        assert status == 400


class Query(Service):
    """Knows one book."""

    def __init__(self, connection: NatsConnection) -> None:
        super().__init__("query", connection)

    @rpc("orderbook")
    async def orderbook(self, asked: Any) -> dict[str, Any]:
        if asked != ["okx", "BTC-USDT", 0]:
            raise RemoteError("UNKNOWN_SYMBOL" if asked[0] == "okx" else "UNAVAILABLE", f"was {asked}")
        return {
            "venue": "okx",
            "symbol": "BTC-USDT",
            "valid": True,
            "seq": 7,
            "ts_event": 1,
            "ts_recv": 2,
            "bids": [["1", "2"]],
            "asks": [],
            "bid_floor": None,
            "ask_ceiling": None,
        }


async def test_a_book_that_nobody_keeps_is_none_and_one_that_nobody_answers_for_an_error(
    connection: NatsConnection,
) -> None:
    calls = RpcClient(NatsBus(connection))
    with pytest.raises(NoResponders):
        await book_now(calls, "okx", "BTC-USDT")
    query, stop = Query(connection), asyncio.Event()
    running = asyncio.create_task(query.run(stop))
    try:
        async with asyncio.timeout(20):
            book = None
            while book is None:
                await asyncio.sleep(0.05)
                with contextlib.suppress(NoResponders):
                    book = await book_now(calls, "okx", "BTC-USDT")
        assert book.seq == 7
        assert await book_now(calls, "okx", "NOPE") is None
        with pytest.raises(RemoteError, match="was"):
            await book_now(calls, "deribit", "BTC-USD-PERP")
    finally:
        stop.set()
        await running
