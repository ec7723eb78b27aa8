"""Gateways that are killed while their clients listen: another takes over, and no message is missed or comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_client import MarketClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from tests.contract.test_codec import SAMPLES
from tests.integration.api.stream_side import make_streams
from tests.integration.attacks.balancer import Balancer
from tests.integration.attacks.place import Process, keys_at

pytestmark = pytest.mark.timeout(120)

_KILLS, _BETWEEN = 3, 200  # messages from one kill to the next
_TICK = SAMPLES["tick"]._replace(venue="shfe")


class Gateways:
    """Two behind a balancer, of which the one that is killed is started again while the other serves."""

    def __init__(self, nats_url: str, folder: Path) -> None:
        self.nats_url, self._folder, self._number = nats_url, folder, 0
        self.processes: list[Process] = []
        self.balancer = Balancer()

    def _begin(self) -> Process:
        self._number += 1
        return Process("api", self.nats_url, self._folder / f"log{self._number}")

    async def start(self) -> None:
        self.processes = [self._begin(), self._begin()]
        for each in self.processes:
            await asyncio.to_thread(each.wait)
        self.balancer.ports = [each.port for each in self.processes]
        await self.balancer.start()

    async def kill(self, at: int) -> None:
        """kill -9, and another in its place."""
        self.processes[at].kill()
        self.processes[at].end()
        self.processes[at] = await asyncio.to_thread(self._begin().wait)
        self.balancer.ports[at] = self.processes[at].port

    async def stop(self) -> None:
        await self.balancer.stop()
        for each in self.processes:
            each.end()


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[Gateways]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    found = Gateways(server.url, tmp_path)
    await found.start()
    yield found
    await found.stop()
    await server.stop()


class Reader:
    """Reads channels by the protocol, and goes on behind the last message of each at whatever gateway is there."""

    def __init__(self, url: str, key: str, channels: tuple[str, ...]) -> None:
        self._url, self._key, self._channels = url, key, channels
        self._tokens: dict[str, str] = {}
        self.got: dict[str, list[int]] = defaultdict(list)
        self.instances: set[str] = set()
        self.others: list[object] = []

    @property
    def begun(self) -> bool:
        return len(self._tokens) == len(self._channels)

    async def read(self) -> None:
        """For ever, over connection after connection."""
        async with aiohttp.ClientSession(headers={"X-API-Key": self._key}) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    async with session.ws_connect(f"{self._url}/ws/v1/stream") as ws:
                        await ws.send_json(
                            {
                                "op": "subscribe",
                                "channels": [
                                    {"ch": each, "mode": "all", "snapshot": False}
                                    | ({"after": self._tokens[each]} if each in self._tokens else {})
                                    for each in self._channels
                                ],
                            }
                        )
                        async for message in ws:
                            self._take(json.loads(message.data))
                await asyncio.sleep(0.02)

    def _take(self, found: dict[str, object]) -> None:
        channel = str(found.get("ch"))
        if "d" in found:
            stream, _, _ = self._tokens[channel].rpartition("/")
            self._tokens[channel] = f"{stream}/{found['n']}"
            data = found["d"]
            assert isinstance(data, dict)
            self.got[channel].append(data["seq"])
        elif found["type"] == "subscribed":
            self._tokens.setdefault(channel, str(found["at"]))
        elif found["type"] == "hello":
            self.instances.add(str(found["instance"]))
        elif found["type"] != "heartbeat":
            self.others.append(found)


@pytest.mark.long
async def test_each_message_comes_once_and_in_order_while_gateways_are_killed(
    gateways: Gateways,
) -> None:
    symbols = ("rb2505", "rb2510")
    (key,) = await keys_at(gateways.nats_url, quant="bulk")
    connection = await NatsConnection.open(gateways.nats_url, name="publisher")
    await make_streams(connection)
    reader = Reader(gateways.balancer.url, key, tuple(f"market.tick.{each}" for each in symbols))
    seen: dict[str, list[int]] = defaultdict(list)

    async def listen(market: MarketClient, symbol: str) -> None:
        async for tick in market.ticks(symbol):
            seen[symbol].append(tick.seq)

    last = 0

    async def publish(count: int) -> None:
        nonlocal last
        for _ in range(count):
            last += 1
            for symbol in symbols:
                await publish_ack(
                    connection, f"market.tick.{symbol}", encode(TICK, _TICK._replace(symbol=symbol, seq=last))
                )

    async with MarketClient(gateways.balancer.url, key=key) as market:
        tasks = [asyncio.create_task(reader.read()), *(asyncio.create_task(listen(market, each)) for each in symbols)]
        async with asyncio.timeout(20):
            while not reader.begun or len(seen) < len(symbols):
                await publish(1)
                await asyncio.sleep(0.01)
        for number in range(_KILLS):
            flowing = asyncio.create_task(publish(_BETWEEN))
            await asyncio.sleep(0.05)
            await gateways.kill(number % 2)
            await flowing
        channels = {each: f"market.tick.{each}" for each in symbols}
        async with asyncio.timeout(60):
            while any(found[-1:] != [last] for each in symbols for found in (seen[each], reader.got[channels[each]])):
                assert not any(task.done() for task in tasks), tasks
                await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for each in symbols:
        for found in (seen[each], reader.got[channels[each]]):
            assert found == list(range(found[0], last + 1))
    assert len(reader.instances) > 2
    assert reader.others == []
    await connection.close()
