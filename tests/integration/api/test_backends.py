"""The services behind the gateway: slow, frozen, gone and back; and NATS away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, rpc
from marketprism_services.api.service import ApiService
from marketprism_services.settings.api import ApiSettings, BackendSettings
from tests.fakes.ticks import at, tick

pytestmark = pytest.mark.timeout(90)

NEWEST = tick(at("2025-03-03 09:00:00"), "3000.5", 1)._replace(seq=1)


class Query(Service):
    """Answers what the newest tick is, as fast as it is told to."""

    def __init__(self, connection: NatsConnection) -> None:
        super().__init__("query", connection)
        self.asked = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    @rpc("latest_tick")
    async def latest_tick(self, symbol: Any) -> bytes | None:
        self.asked += 1
        await self.goes_on.wait()
        return encode(TICK, NEWEST) if symbol == NEWEST.symbol else None


class Place:
    """A NATS, a gateway, and queries behind it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[Service, tuple[asyncio.Event, asyncio.Task[int]]] = {}
        self._connections: list[NatsConnection] = []

    async def start(self) -> None:
        self.options = EmbeddedOptions(self._folder / "nats", port=choose_port(0))
        self.server = await EmbeddedServer.start(self.options)
        backend = BackendSettings(timeout_s=2, hedge_s=0.1, breaker_failures=3, breaker_rest_s=0.2)
        self.session = aiohttp.ClientSession()
        self.api = ApiService(await self.connection(), ("1m",), ApiSettings(backend=backend, access_log="off"))
        await self.run(self.api)

    async def connection(self) -> NatsConnection:
        self._connections.append(await NatsConnection.open(self.server.url, name="backends"))
        return self._connections[-1]

    async def query(self) -> Query:
        made = Query(await self.connection())
        await self.run(made)
        async with asyncio.timeout(20):
            while made.instance not in {each.instance for each in self.api.discovery.instances("query")}:
                await asyncio.sleep(0.01)
        return made

    async def run(self, service: Service) -> None:
        stop = asyncio.Event()
        self._running[service] = (stop, asyncio.create_task(service.run(stop)))
        async with asyncio.timeout(20):
            while not service.http.ready:
                assert not self._running[service][1].done()
                await asyncio.sleep(0.01)

    async def end(self, service: Service) -> None:
        stop, task = self._running.pop(service)
        stop.set()
        await task

    async def ask(self, path: str = "ticks/rb2505/latest") -> tuple[int, Any, dict[str, str]]:
        async with self.session.get(f"http://127.0.0.1:{self.api.http.port}/api/v1/{path}") as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def close(self) -> None:
        for service in reversed(list(self._running)):
            await self.end(service)
        for connection in self._connections:
            await connection.close()
        await self.session.close()
        await self.server.stop()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    await made.start()
    yield made
    await made.close()


async def test_a_frozen_instance_costs_nobody_an_answer_and_nobody_at_all_is_told_at_once(place: Place) -> None:
    one, two = await place.query(), await place.query()
    one.goes_on.clear()
    for _ in range(4):
        assert await place.api.query.call("latest_tick", "rb2505", lambda reply: reply) is not None
    assert two.asked == 4
    assert place.api.query.hedged >= 1
    one.goes_on.set()
    await place.end(one)
    await place.end(two)
    for _ in range(5):
        status, body, headers = await place.ask()
        assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
    assert place.api.query.state == "open"
    async with place.session.get(f"http://127.0.0.1:{place.api.http.port}/health") as answer:
        assert (await answer.json())["reasons"]["query"].startswith("no query service is active")
    three = await place.query()
    async with asyncio.timeout(20):
        while (await place.ask())[0] != 200:
            await asyncio.sleep(0.05)
    assert three.asked >= 1
    assert place.api.query.state == "closed"


async def test_the_newest_tick_of_what_is_asked_for_often_comes_from_its_subject(
    place: Place, eventually: Callable[..., Any]
) -> None:
    query = await place.query()
    speaker = await place.connection()
    for _ in range(5):
        assert (await place.ask())[1]["data"][0]["seq"] == 1
    assert query.asked == 2, "once, once more behind the subscription, and no more"
    for seq in (5, 4, 6):  # what comes again late is not newer
        await speaker.publish("market.tick.rb2505", encode(TICK, NEWEST._replace(seq=seq)))
    await speaker.publish("market.tick.rb2505", b"no tick")
    await speaker.flush()

    async def newest() -> bool:
        return bool((await place.ask())[1]["data"][0]["seq"] == 6)

    async with asyncio.timeout(10):
        while not await newest():
            await asyncio.sleep(0.01)
    assert query.asked == 2


async def test_a_wildcard_in_a_symbol_is_a_symbol_and_brings_nobody_elses_ticks(place: Place) -> None:
    query = await place.query()
    speaker = await place.connection()
    for symbol in ("*", "%3E", "rb*", "rb2505.%3E", "*.*"):
        for _ in range(4):  # what is asked for again is listened to
            status, body, _ = await place.ask(f"ticks/{symbol}/latest")
            assert status != 200, body
            await speaker.publish("market.tick.rb2505", encode(TICK, NEWEST))
            await speaker.flush()
    assert query.asked <= 20
    assert (await place.ask())[0] == 200


class Confused(Service):
    """Answers with what is no answer."""

    @rpc("latest_tick")
    async def latest_tick(self, _: Any) -> int:
        return 7

    @rpc("orderbook")
    async def orderbook(self, _: Any) -> dict[str, int]:
        return {"bids": 1}


async def test_a_reply_that_is_none_is_not_the_callers_fault(place: Place) -> None:
    confused = Confused("query", await place.connection())
    await place.run(confused)
    body = b"\xa6rb2505"
    async with asyncio.timeout(20):
        while (await place.ask())[1]["error"]["message"].startswith("query: expected an instance"):
            await asyncio.sleep(0.01)
    for path in ("ticks/rb2505/latest", "orderbook/okx/BTC-USDT"):
        status, found, _ = await place.ask(path)
        assert (status, found["error"]["code"]) == (503, "UNAVAILABLE"), found
    url = f"http://127.0.0.1:{place.api.http.port}/api/v1/client/latest_tick"
    async with place.session.post(url, data=body) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "UNAVAILABLE")


async def test_without_nats_the_answer_is_to_come_again_and_then_it_is_there(place: Place) -> None:
    await place.query()
    for _ in range(3):
        assert (await place.ask())[0] == 200
    await place.server.stop()
    async with asyncio.timeout(20):
        while place.api.connection.connected:
            await asyncio.sleep(0.01)
    status, body, headers = await place.ask()
    assert (status, body["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(headers["Retry-After"]) >= 1
    async with place.session.get(f"http://127.0.0.1:{place.api.http.port}/health/live") as answer:
        assert answer.status == 200
    place.server = await EmbeddedServer.start(place.options)
    async with asyncio.timeout(30):
        while (await place.ask())[0] != 200:
            await asyncio.sleep(0.05)
