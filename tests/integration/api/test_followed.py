"""Answers that are followed: each change is an event, in order, to its end; by whoever may see it, as long as they may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from marketprism_application.contracts.access_records import User
from marketprism_sdk import Caller
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import HTTP_EVENTS, HttpState
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, http
from tests.integration.api.access_side import Gateway, gateway
from tests.support.services import running

pytestmark = pytest.mark.timeout(60)


class Asked(msgspec.Struct):
    """Which one."""

    name: str


class Works(Service):
    """Something that goes on; `steps` is how far, `shut` are callers who may no longer see it."""

    steps: int
    last: int
    shut: set[str]
    is_away: bool

    @http("GET", "/{name}/events", scope="sys:read", content_types=(HTTP_EVENTS,))
    async def follow(self, asked: Asked, caller: Caller) -> HttpState:
        """How far it is."""
        if self.is_away:
            raise RemoteError("UNAVAILABLE", "works: expected a store, was none", retryable=True)
        if asked.name != "one" or caller.id in self.shut:
            raise RemoteError("NOT_FOUND", f"name: expected one, was {asked.name}")
        return HttpState({"step": self.steps, "by": caller.id}, self.steps >= self.last)


class Listener:
    """Reads events one after the other."""

    def __init__(self, lines: AsyncIterator[bytes]) -> None:
        self._lines = lines

    async def next(self) -> dict[str, str] | None:
        """The next event, None when the connection is closed."""
        fields: dict[str, str] = {}
        async for raw in self._lines:
            line = raw.decode().rstrip("\n")
            if line and not line.startswith((":", "retry")):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and fields:
                return fields
        return None


@asynccontextmanager
async def _listening(api: Gateway, path: str, key: str, last_id: str = "") -> AsyncIterator[Listener]:
    headers = {"X-API-Key": key, **({"Last-Event-ID": last_id} if last_id else {})}
    async with api.session.get(f"{api.base}/api/v1{path}", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, HTTP_EVENTS), await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
        yield Listener(aiter(answer.content))


@asynccontextmanager
async def _works(nats_url: str, unique: str) -> AsyncIterator[tuple[Gateway, Works, str]]:
    connection = await NatsConnection.open(nats_url, name="works")
    works = Works(unique, connection)
    works.steps, works.last, works.shut, works.is_away = 0, 3, set(), False
    try:
        async with running(works), gateway(nats_url) as api:
            key = await api.key(await api.user("viewer"))
            async with asyncio.timeout(30):
                while (await api.ask("GET", f"/api/v1/{unique}/none/events", key)).code != "NOT_FOUND":
                    await asyncio.sleep(0.05)
                while not api.service.published.table.requests():
                    await asyncio.sleep(0.05)
            yield api, works, key
    finally:
        await connection.close()


def _step(event: dict[str, str] | None) -> int:
    assert event is not None
    assert event["event"] == "state"
    return int(msgspec.json.decode(event["data"])["step"])


async def test_each_change_is_an_event_and_the_end_is_told(nats_url: str, unique: str) -> None:
    async with _works(nats_url, unique) as (api, works, key):
        path = f"/{unique}/one/events"
        async with _listening(api, path, key) as seen:
            first = await seen.next()
            assert _step(first) == 0
            works.steps = 1
            second = await seen.next()
            assert _step(second) == 1
            works.is_away = True  # which passes
            await asyncio.sleep(1.2)
            works.steps, works.is_away = 2, False
            assert _step(await seen.next()) == 2
        assert second is not None
        # Whoever comes again gets the whole state, or nothing where it is the one that is known.
        async with _listening(api, path, key, second["id"]) as again:
            third = await again.next()
            assert _step(third) == 2
        assert third is not None
        async with _listening(api, path, key, third["id"]) as again:
            works.steps = 3
            last = await again.next()
            assert _step(last) == 3
            assert (await again.next() or {})["event"] == "end"
            assert await again.next() is None
        assert last is not None
        async with _listening(api, path, key, last["id"]) as over:
            assert (await over.next() or {})["event"] == "end"


async def test_who_may_not_see_it_is_refused_at_once_and_later(nats_url: str, unique: str) -> None:
    async with _works(nats_url, unique) as (api, works, key):
        path = f"/{unique}/one/events"
        assert (await api.ask("GET", f"/api/v1/{unique}/two/events", key)).code == "NOT_FOUND"
        assert (await api.ask("GET", f"/api/v1{path}")).code == "UNAUTHENTICATED"
        async with _listening(api, path, key) as seen:
            first = await seen.next()
            assert first is not None
            works.shut.add(msgspec.json.decode(first["data"])["by"])
            refused = await seen.next()
            assert refused is not None
            assert (refused["event"], msgspec.json.decode(refused["data"])["code"]) == ("refused", "NOT_FOUND")
            assert await seen.next() is None


async def test_a_revoked_user_hears_nothing_more(nats_url: str, unique: str) -> None:
    async with _works(nats_url, unique) as (api, _, _key):
        user = await api.user("viewer")
        key = await api.key(user)
        async with _listening(api, f"/{unique}/one/events", key) as seen:
            assert _step(await seen.next()) == 0
            await api.store.remove(User, user.id)
            assert await seen.next() is None


async def test_a_caller_follows_only_so_much_at_once(nats_url: str, unique: str) -> None:
    async with _works(nats_url, unique) as (api, _, key):
        path = f"/{unique}/one/events"
        sessions = [_listening(api, path, key) for _ in range(4)]  # of the class viewer
        for each in sessions:
            await (await each.__aenter__()).next()
        assert (await api.ask("GET", f"/api/v1{path}", key)).code == "TOO_MANY_REQUESTS"
        for each in sessions:
            await each.__aexit__(None, None, None)
