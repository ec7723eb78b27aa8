"""A gateway for operators: services that take commands behind it, people with roles before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import pytest
from playwright.sync_api import Browser

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.access_records import User
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import EVENT
from marketprism_domain.commands import ConnectToMarketSource, DisconnectFromMarketSource, SubscribeInstrument
from marketprism_domain.events.registry import to_record
from marketprism_sdk.errors import CommandRejected
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.service import Service, command
from tests.integration.api.access_side import PASSWORD, Gateway, gateway
from tests.integration.console.signed_side import beside
from tests.support.console import Viewer, viewer
from tests.support.services import running

T = TypeVar("T")


class Job(msgspec.Struct):
    """A piece of work."""

    name: Annotated[str, msgspec.Meta(min_length=2, max_length=20)]
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    fast: bool = False
    labels: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if self.name == "odd":
            raise ValueError(f"name: expected one that is not odd, was {self.name}")


class Jobs(Service):
    """Does what it is asked, unless it is bad; `refuses` says whether it is."""

    refuses: bool
    done: list[Job]

    @command("Start")
    async def start(self, job: Job) -> None:
        """Start a job."""
        if self.refuses:
            raise CommandRejected(f"Start: expected a job that there is, was {job.name}")
        self.done.append(job)


class Source(Service):
    """Takes the commands of a gateway."""

    done: list[object]

    @command("ConnectToMarketSource")
    async def connect(self, order: ConnectToMarketSource) -> None:
        """Connect."""
        self.done.append(order)

    @command("DisconnectFromMarketSource")
    async def disconnect(self, order: DisconnectFromMarketSource) -> None:
        """Disconnect."""
        self.done.append(order)

    @command("SubscribeInstrument")
    async def subscribe(self, order: SubscribeInstrument) -> None:
        """Subscribe."""
        self.done.append(order)


class Desk:
    """The gateway and its services, in a loop of their own: the browser is driven from this thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, made: Gateway, connection: NatsConnection, jobs: Jobs, source: Source
    ) -> None:
        self._loop = loop
        self._gateway = made
        self._connection = connection
        self.jobs = jobs
        self.source = source
        self.base = made.base
        self._users: dict[str, User] = {}
        self._said = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives that runs where the gateway does."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def user(self, role: str) -> User:
        """Somebody with a role."""
        if role not in self._users:
            self._users[role] = self.run(self._gateway.user(role))
        return self._users[role]

    def ask(self, method: str, path: str, role: str = "admin", json: object = None) -> Any:
        """The answer to somebody with a role, asked with a key."""

        async def asked(owner: User) -> Any:
            return await self._gateway.ask(method, path, await self._gateway.key(owner, limits="bulk"), json)

        return self.run(asked(self.user(role)))

    def say(self, *events: object, source: str = "gateway") -> None:
        """Publish domain events."""

        async def published() -> None:
            for event in events:
                self._said += 1
                row = to_record(event, event_id=f"e{self._said}", source=source, ts_event=time.time_ns())
                await publish_ack(self._connection, f"market.event.{row.name}", encode(EVENT, row))

        self.run(published())

    def say_aloud(self, service: str, name: str, event: object) -> None:
        """Publish what services tell one another."""
        self.run(self._connection.publish(f"event.{service}.{name}", msgspec.msgpack.encode(event)))

    def until(self, holds: Any) -> None:
        """Wait until something holds."""
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.05)


@asynccontextmanager
async def _desk(folder: Path) -> AsyncIterator[Desk]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="desk")
    try:
        await streams.ensure_streams(connection)
        jobs = Jobs("jobs", connection, version="1")
        source = Source("gateway", connection, version="1")
        jobs.refuses, jobs.done, source.done = False, [], []
        async with gateway(server.url) as made, running(jobs), running(source):
            yield Desk(asyncio.get_running_loop(), made, connection, jobs, source)
    finally:
        await connection.close()
        await server.stop()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A gateway, its NATS and two services."""
    with beside(_desk(tmp_path_factory.mktemp("desk"))) as (_, made):
        made.until(lambda: len(made.ask("GET", "/api/v1/commands").data) == 4)
        yield made


@contextmanager
def at_desk(
    browser: Browser,
    desk: Desk,
    path: str,
    role: str = "operator",
    *,
    language: str = "en",
    theme: str = "dark",
    width: int = 1440,
) -> Iterator[Viewer]:
    """Somebody with a role at a browser of their own, signed in."""
    with viewer(browser, desk.base, language=language, theme=theme, width=width) as seen:
        login = {"user": desk.user(role).id, "password": PASSWORD}
        answer = seen.page.context.request.post(f"{desk.base}/api/v1/auth/login", data=login)
        assert answer.ok, answer.text()
        seen.open(path)
        yield seen


__all__ = ["Desk", "at_desk", "desk"]
