"""A stage for services: a nats-server of one's own, and a record of the events that come by on it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.subjects import raw_subject
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays, china_date
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.observability import Sampler
from marketprism_sdk.service import Service
from tests.fakes.ticks import at, tick

PARTITION = 3
SECOND = 10**9
START = at("2025-03-03 09:00:00")


class EventScene:
    """`events` are those of `market.event.>` so far; services that run here end with it."""

    def __init__(self, url: str, connection: NatsConnection, calendar: MarketCalendar, folder: Path) -> None:
        self.url, self.connection, self.calendar, self.folder = url, connection, calendar, folder
        self.events: list[EventRecord] = []
        self._running: list[tuple[Service, asyncio.Event, asyncio.Task[int]]] = []
        self._connections: list[NatsConnection] = []
        self._chain = 0

    @property
    def names(self) -> Counter[str]:
        """How often each event came."""
        return Counter(event.name for event in self.events)

    async def connect(self) -> NatsConnection:
        """A connection for a service."""
        self._connections.append(await NatsConnection.open(self.url, name="scene"))
        return self._connections[-1]

    def run(self, service: Service) -> None:
        """Start a service."""
        stop = asyncio.Event()
        self._running.append((service, stop, asyncio.create_task(service.run(stop))))

    async def stop(self, service: Service) -> None:
        """End it in order."""
        (entry,) = [entry for entry in self._running if entry[0] is service]
        self._running.remove(entry)
        entry[1].set()
        async with asyncio.timeout(20):
            await entry[2]

    async def ready(self, service: Service) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(30):
            while not service.http.ready:
                await asyncio.sleep(0.05)

    async def until(self, *names: str, deadline_s: float = 40.0) -> None:
        """Wait until each of the events has come; an AssertionError names those that did not."""
        end = time.monotonic() + deadline_s
        while missing := sorted(set(names) - set(self.names)):
            for service, _, task in self._running:
                assert not task.done(), f"{service.name} ended: {task.exception() or task.result()}"
            assert time.monotonic() < end, f"expected {', '.join(missing)}, came {self.events}"
            await asyncio.sleep(0.05)

    async def put(self, *ticks: Tick, sampled: bool = False, chain: int | None = None, ts_pub: int = 0) -> None:
        """One raw message of a gateway's session."""
        at = self._chain if chain is None else chain
        self._chain = at + 1
        packed = Packed(PACKED_VERSION, "test", 1, ts_pub, ticks, session="s", chain=at)
        trace = Sampler(1).take() if sampled else None
        headers = trace.headers() if trace is not None else None
        await publish_ack(self.connection, raw_subject(PARTITION), encode_packed(packed), headers)

    async def close(self) -> None:
        """End what runs."""
        for service in [service for service, _, _ in self._running][::-1]:
            await self.stop(service)
        for connection in self._connections:
            await connection.close()


@contextlib.asynccontextmanager
async def event_scene(folder: Path, calendar: MarketCalendar, **options: Any) -> AsyncIterator[EventScene]:
    """A scene with the market's streams; `options` are the server's."""
    server = await EmbeddedServer.start(EmbeddedOptions(folder / "nats", port=0, **options))
    connection = await NatsConnection.open(server.url, name="scene")
    # What is known of holidays ends today: a gateway says so.
    ending = TradingDays(calendar.days.holidays, china_date(time.time_ns()))
    scene = EventScene(server.url, connection, MarketCalendar(ending), folder)
    await streams.ensure_streams(connection)
    await connection.subscribe("market.event.>", lambda message: scene.events.append(decode(EVENT, message.data)))
    try:
        yield scene
        await scene.close()
    finally:
        await connection.close()
        await server.stop()


class Scene(NamedTuple):
    """What is done, and the events that come of it."""

    play: Callable[[EventScene, Path], Awaitable[None]]
    raises: tuple[str, ...]
    server: dict[str, float]


SCENES: dict[str, Scene] = {}
Play = Callable[[EventScene, Path], Awaitable[None]]


def raises(*names: str, **server: float) -> Callable[[Play], Play]:
    """The scene waits for these events; `server` are options of its nats-server."""

    def enter(play: Play) -> Play:
        SCENES[play.__name__] = Scene(play, names, server)
        return play

    return enter


def ticks(first: int, count: int, **more: object) -> list[Tick]:
    """One a second."""
    return [
        tick(START + n * SECOND, 3_000 + n % 3, n + 1, seq=n, **more)  # type: ignore[arg-type]
        for n in range(first, first + count)
    ]
