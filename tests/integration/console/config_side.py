"""A gateway before a monitor and services that follow the central configuration, for people at browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_domain.errors import InvalidValue
from marketprism_services.settings.settings import Settings
from tests.integration.api.access_side import Gateway, gateway
from tests.integration.console.signed_side import Doors, beside
from tests.support.configured import ConfigPlace, Small

CONFIG = "/api/v1/monitor/config"
PASSWORD = "hunter2-of-the-broker"


def _veto(settings: Settings) -> None:
    if settings.trace.every == 13:
        raise InvalidValue("trace.every", "a number that brings luck", 13)


class Made(NamedTuple):
    """A gateway before a monitor and three services: two gateways of which one has a file, and a store."""

    gateway: Gateway
    place: ConfigPlace
    one: Small
    other: Small
    store: Small


@asynccontextmanager
async def _made(folder: Path) -> AsyncIterator[Made]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder / "nats", port=0))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        place = ConfigPlace(server.url, folder, stack)
        await place.begin()
        one = await place.small(file={"log": {"format": "console"}, "ctp": {"password": PASSWORD}})
        other = await place.small(veto=_veto)
        store = await place.small("storage", above={"log": {"level": "error"}})
        yield Made(await stack.enter_async_context(gateway(server.url)), place, one, other, store)


class Seat(Doors):
    """Where a test sits: at the gateway, with what is behind it."""

    def __init__(self, loop: Any, made: Made) -> None:
        super().__init__(loop, made.gateway)
        self.made = made

    def ask(self, path: str = "", **params: str) -> Any:
        async def asked() -> Any:
            key = await self.gateway.key(await self.gateway.user("operator"), limits="bulk")
            query = "&".join(f"{name}={value}" for name, value in params.items())
            return await self.gateway.ask("GET", f"{CONFIG}{path}?{query}", key)

        answer = self.run(asked())
        assert answer.status == 200, answer.body
        return answer.data

    def set(self, name: str, value: object, **more: object) -> int:
        return self.run(self.made.place.set(name, value, **more)).version

    @property
    def version(self) -> int:
        return int(self.ask()["version"])

    @property
    def values(self) -> dict[str, object]:
        return dict(self.ask()["values"])


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    with beside(_made(tmp_path_factory.mktemp("config"))) as (loop, made):
        seat = Seat(loop, made)
        seat.set("trace.every", 500, reason="as many as we can follow")
        yield seat


__all__ = ["PASSWORD", "Seat", "at"]
