"""What callers are answered while the services behind a gateway, or NATS, are killed, frozen or slow: in bounded time."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.testing import FaultyProxy
from tests.contract.test_codec import SAMPLES
from tests.integration.attacks.place import ME, Answer, Process, asked, keys_at, request

pytestmark = pytest.mark.timeout(120)

SYMBOL = "rb2505"
BARS = f"/api/v1/bars/{SYMBOL}/latest?interval=1m"
BACKEND = {"timeout_s": 2, "hedge_s": 0.2, "breaker_failures": 3, "breaker_rest_s": 0.5}
_BOUND_S = 5.0  # twice what the answer of a backend is waited for, and a busy machine


class Pipeline:
    """A nats-server, two query services, of which `slow` is reached over a proxy, and a gateway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[Process] = []

    async def start(self, *, with_slow: bool) -> None:
        self._options = EmbeddedOptions(self._folder / "nats", port=choose_port(0))
        self.server = await EmbeddedServer.start(self._options)
        self.proxy = FaultyProxy("127.0.0.1", self.server.port)
        await self.proxy.start()
        self.connection = await NatsConnection.open(self.server.url, name="outages")
        await streams.ensure_streams(self.connection)
        bar = SAMPLES["bar"]._replace(venue="shfe", symbol=SYMBOL, interval="1m")
        await publish_ack(self.connection, f"market.bar.1m.{SYMBOL}", encode(BAR, bar))
        self.api = self.begin("api", backend=BACKEND, access_log="off")
        self.one = self.begin("query")
        if with_slow:
            self.slow = self.begin("query", self.proxy.url)
        (self.key,) = await keys_at(self.server.url, quant="bulk")
        for each in self.processes:
            await asyncio.to_thread(each.wait)
        await self.until(lambda found: found.status == 200)

    def begin(self, name: str, url: str = "", **settings: object) -> Process:
        log = self._folder / f"log{len(self.processes)}"
        self.processes.append(Process(name, url or self.server.url, log, **settings))
        return self.processes[-1]

    async def ask(self, path: str = BARS) -> Answer:
        """An answer, which is there in bounded time whatever it is."""
        started = time.monotonic()
        found = await asked(self.api.port, request(path, self.key))
        assert time.monotonic() - started < _BOUND_S, found
        if found.status == 503:
            assert int(found.headers["retry-after"]) >= 1
            assert found.code == "UNAVAILABLE"
        return found

    async def until(self, fits: Callable[[Answer], bool], path: str = BARS) -> list[int]:
        """Ask until the answer fits; the statuses until then."""
        found: list[int] = []
        async with asyncio.timeout(30):
            while not fits(answer := await self.ask(path)):
                assert answer.status in (200, 404, 503), answer
                found.append(answer.status)
                await asyncio.sleep(0.05)
        return found

    async def circuit(self) -> str:
        """closed, half-open or open."""
        found = await asked(self.api.port, request("/status"))
        state: str = json.loads(found.body)["circuits"]["query"]
        return state

    async def stop(self) -> None:
        for each in self.processes:
            each.kill()
            each.end()
        await self.connection.close()
        await self.proxy.stop()
        await self.server.stop()


@pytest.fixture
async def pipeline(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Pipeline]:
    found = Pipeline(tmp_path)
    await found.start(with_slow="query" in request.node.name)
    yield found
    await found.stop()


async def _all_good(pipeline: Pipeline, count: int = 10) -> None:
    assert [(await pipeline.ask()).status for _ in range(count)] == [200] * count


@pytest.mark.long
async def test_of_two_query_services_one_may_be_slow_frozen_or_killed_and_without_any_callers_are_told_at_once(
    pipeline: Pipeline,
) -> None:
    pipeline.proxy.delay_s = 3.0  # of each piece, each way: longer than is waited for
    await _all_good(pipeline)
    pipeline.proxy.delay_s = 0.0
    pipeline.one.freeze()
    await _settles(pipeline)
    pipeline.slow.freeze()
    statuses = await pipeline.until(lambda found: found.status == 503)
    assert set(statuses) <= {200}
    while await pipeline.circuit() != "open":
        await pipeline.ask()
    started = time.monotonic()
    refused = [await pipeline.ask() for _ in range(5)]
    assert {each.status for each in refused} <= {503}
    assert time.monotonic() - started < _BOUND_S, "an open circuit asks nobody, or one of many"
    assert (await pipeline.ask(ME)).status == 200, "what needs no backend is answered"
    for each in (pipeline.one, pipeline.slow):
        each.thaw()
    await pipeline.until(lambda found: found.status == 200)
    while await pipeline.circuit() != "closed":
        await pipeline.ask()
    pipeline.one.kill()
    await _settles(pipeline)
    pipeline.slow.kill()
    await pipeline.until(lambda found: found.status == 503)
    again = pipeline.begin("query")
    await asyncio.to_thread(again.wait)
    await _settles(pipeline)


async def _settles(pipeline: Pipeline) -> None:
    """Soon all answers are good again; until then callers may be told to come again, in bounded time."""
    good = 0
    async with asyncio.timeout(30):
        while good < 10:
            status = (await pipeline.ask()).status
            assert status in (200, 503)
            good = good + 1 if status == 200 else 0


Outage = Callable[[EmbeddedServer], Awaitable[None]]


async def _kill(server: EmbeddedServer) -> None:
    server.process.kill()
    await asyncio.to_thread(server.process.wait)


async def _freeze(server: EmbeddedServer) -> None:
    server.process.send_signal(signal.SIGSTOP)


async def _restart(server: EmbeddedServer) -> None:
    await server.restart()


async def _thaw(server: EmbeddedServer) -> None:
    server.process.send_signal(signal.SIGCONT)


@pytest.mark.long
@pytest.mark.parametrize(("begin", "end"), [(_kill, _restart), (_freeze, _thaw)], ids=["killed", "frozen"])
async def test_while_nats_is_away_callers_are_told_to_come_again_and_listeners_go_on_where_they_were(
    pipeline: Pipeline, begin: Outage, end: Outage
) -> None:
    subject, bar = f"market.bar.1m.{SYMBOL}", SAMPLES["bar"]._replace(venue="shfe", symbol=SYMBOL, interval="1m")
    messages: list[dict[str, object]] = []

    def notices() -> list[object]:
        return [each["code"] for each in messages if each.get("type") == "notice"]

    async def listen() -> None:
        async with (
            aiohttp.ClientSession(headers={"X-API-Key": pipeline.key}) as session,
            session.ws_connect(f"{pipeline.api.url}/ws/v1/stream") as ws,
        ):
            await ws.send_json({"op": "subscribe", "channels": [{"ch": subject, "snapshot": False}]})
            async for message in ws:
                messages.append(json.loads(message.data))

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        while not any(each.get("type") == "subscribed" for each in messages):
            await asyncio.sleep(0.01)
    began_s = time.monotonic()
    await begin(pipeline.server)
    await pipeline.until(lambda found: found.status == 503, ME)
    refused_s = time.monotonic() - began_s
    assert refused_s < 5 + _BOUND_S, "a revocation cannot be heard of: nobody is let in"
    assert (await pipeline.ask()).status == 503
    assert (await asked(pipeline.api.port, request("/health/live"))).status == 200
    async with asyncio.timeout(30):
        while notices() != ["UPSTREAM_AWAY"]:
            await asyncio.sleep(0.05)
    await end(pipeline.server)
    await pipeline.until(lambda found: found.status == 200, ME)
    await pipeline.until(lambda found: found.status == 200)
    await pipeline.connection.wait_connected()
    for seq in range(2, 12):
        await publish_ack(pipeline.connection, subject, encode(BAR, bar._replace(seq=seq)))
    async with asyncio.timeout(30):
        while sum("d" in each for each in messages) < 10:
            assert not listening.done(), listening
            await asyncio.sleep(0.02)
    got = [each["d"]["seq"] for each in messages if "d" in each]  # type: ignore[index]
    assert got == list(range(2, 12))
    assert notices()[:2] == ["UPSTREAM_AWAY", "UPSTREAM_BACK"]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await asyncio.sleep(0)
