"""The live stream in a plain application, beside a real nats-server, and a client that reads it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from marketprism_application.access.entitlements import Entitlements
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.observability import Metrics
from marketprism_services.api.endpoint import PRINCIPAL
from marketprism_services.api.stream.api import StreamApi
from marketprism_services.api.stream.joining import BookFinder
from marketprism_services.api.stream.settings import ConnectionLimits, StreamSettings

STREAMS = {
    "MARKET_TICKS": ["market.tick.>"],
    "MARKET_BARS": ["market.bar.>"],
    "MARKET_EVENTS": ["market.gap.>", "market.quality.>", "market.event.>"],
    "MARKET_DATA": ["market.okx.>", "market.binance.>"],
}
ROOMY = StreamSettings(limits={"viewer": ConnectionLimits(1_000, 1_000, 1_000)})
KEYS = {"good": replace(LOCAL, kind="key", name="k1", credential="k1")}


async def make_streams(connection: NatsConnection) -> None:
    """The public streams, small."""
    for name, subjects in STREAMS.items():
        await ensure_stream(
            connection, {"name": name, "subjects": subjects, "storage": "file", "allow_direct": True, "max_msgs": -1}
        )


def bounded(*entitlements: Any, name: str = "viewer") -> Principal:
    """A principal that may see only so much."""
    return replace(LOCAL, name=name, entitlements=Entitlements(entitlements))


def message(seq: int, symbol: str = "rb2605", venue: str = "shfe", **more: Any) -> bytes:
    """A payload."""
    return msgspec.msgpack.encode({"v": 1, "venue": venue, "symbol": symbol, "seq": seq, **more})


class Side:
    """Instances of the live stream; `url` is that of the first."""

    def __init__(self, connection: NatsConnection) -> None:
        self.connection = connection
        self.principal: Principal | None = LOCAL
        self.apis: list[StreamApi] = []
        self.metrics: list[Metrics] = []
        self.urls: list[str] = []
        self.session = aiohttp.ClientSession()
        self._runners: list[web.AppRunner] = []

    async def serve(
        self,
        settings: StreamSettings = ROOMY,
        books: BookFinder | None = None,
        system: Callable[[], Awaitable[Mapping[str, object]]] | None = None,
    ) -> str:
        """One more instance."""

        async def authenticate(token: str, *, address: str) -> Principal | None:
            return KEYS.get(token)

        @web.middleware
        async def identify(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if self.principal is not None:
                request[PRINCIPAL] = self.principal
            return await handler(request)

        metrics = Metrics("api")
        made = StreamApi(
            self.connection, metrics, settings, authenticate, instance="api-1", version="0", books=books, system=system
        )
        await made.start()
        app = web.Application(middlewares=[identify])
        for route in made.endpoints():
            app.router.add_route(route.method, route.path, route.handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.apis.append(made)
        self.metrics.append(metrics)
        self._runners.append(runner)
        self.urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        return self.urls[-1]

    async def close(self) -> None:
        await self.session.close()
        for api in self.apis:
            await api.close()
        for runner in self._runners:
            await runner.cleanup()

    async def connect(self, *, at: int = 0, protocols: tuple[str, ...] = ()) -> Reader:
        """A WebSocket whose hello has come."""
        ws = await self.session.ws_connect(f"{self.urls[at]}/ws/v1/stream", protocols=protocols, max_msg_size=0)
        reader = Reader(ws)
        if self.principal is not None:
            assert (await reader.next())["type"] == "hello"
        return reader

    def metric(self, name: str, at: int = 0) -> float:
        """The value of a metric without labels."""
        lines = self.metrics[at].text().decode().splitlines()
        return next(float(line.split(" ")[1]) for line in lines if line.startswith(f"{name} "))

    async def publish(self, subject: str, data: bytes) -> int:
        """The sequence of a message that its stream has."""
        return (await publish_ack(self.connection, subject, data)).seq

    async def publish_all(self, messages: list[tuple[str, bytes]], at_once: int = 1_000_000) -> None:
        """Many messages; a moment passes after so many."""
        publisher = WindowPublisher(self.connection, window=1_000)
        await publisher.open()
        for number, (subject, data) in enumerate(messages, 1):
            await publisher.publish(subject, data)
            if number % at_once == 0:
                await asyncio.sleep(0.002)
        await publisher.flush()
        await publisher.close()


class Reader:
    """A client's side of a WebSocket."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, **request: Any) -> None:
        await self.ws.send_str(json.dumps(request))

    async def subscribe(self, *channels: Any, **more: Any) -> list[dict[str, Any]]:
        """What each channel is answered: subscribed, or an error."""
        asked = [each if isinstance(each, dict) else {"ch": each} for each in channels]
        await self.send(op="subscribe", channels=asked, **more)
        return [await self.answer() for _ in channels]

    async def answer(self) -> Any:
        """The next message that is no data and no heartbeat."""
        return await self.until(lambda found: found.get("type") not in (None, "heartbeat"))

    async def data(self) -> Any:
        """The next data."""
        return await self.until(lambda found: "type" not in found)

    async def until(self, fits: Callable[[Any], bool]) -> Any:
        """The next message that fits; the others are passed over."""
        while True:
            found = await self.next()
            if fits(found):
                return found

    async def next(self) -> Any:
        """The next message; the close as `{"closed": code}`."""
        async with asyncio.timeout(20):
            found = await self.ws.receive()
        if found.type is aiohttp.WSMsgType.TEXT:
            return json.loads(found.data)
        if found.type is aiohttp.WSMsgType.BINARY:
            return msgspec.msgpack.decode(found.data)
        return {"closed": self.ws.close_code}

    async def closed(self) -> int:
        """The code that the server closes with."""
        return int((await self.until(lambda found: isinstance(found, dict) and "closed" in found))["closed"])

    def cut(self) -> None:
        """Go without a word."""
        found = self.ws.get_extra_info("socket")
        assert found is not None
        found.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        await self.ws.close()


@contextlib.asynccontextmanager
async def side_of(url: str) -> AsyncIterator[Side]:
    """Streams at a server, and a side without an instance yet."""
    connection = await NatsConnection.open(url)
    try:
        await make_streams(connection)
        side = Side(connection)
        try:
            yield side
        finally:
            await side.close()
    finally:
        await connection.close()
