"""A gateway whose callers have to show who they are, and users and keys of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from marketprism_adapters.identity.passwords import Passwords
from marketprism_adapters.identity.shown_once import new_api_key
from marketprism_application.contracts.access_records import ApiKey, User
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import ServiceSettings
from marketprism_services.api.service import ApiService
from marketprism_services.settings.api import ApiSettings

PASSWORD = "correct horse battery"
_RUNNING: set[str] = set()  # instances of this process


class Answer(NamedTuple):
    status: int
    body: Any
    headers: CIMultiDict[str]

    @property
    def code(self) -> str:
        return "" if self.body["success"] else str(self.body["error"]["code"])

    @property
    def data(self) -> Any:
        return self.body["data"]


class Gateway:
    """One instance, and whoever asks it."""

    def __init__(self, service: ApiService) -> None:
        self.service = service
        self.store = service.access.store
        self.base = f"http://127.0.0.1:{service.http.port}"
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def user(self, *roles: str, **more: Any) -> User:
        """A new user, whose password is PASSWORD."""
        passwords = Passwords()
        digest = "" if more.get("is_service") else await passwords.digest(PASSWORD)
        passwords.close()
        user = User(id=f"u{secrets.token_hex(4)}", roles=roles, password=digest, **more)
        await self.store.write(user, 0)
        return user

    async def key(self, owner: User | str, **more: Any) -> str:
        """A new key of a user, in full."""
        secret = new_api_key()
        name = owner if isinstance(owner, str) else owner.id
        await self.store.write(ApiKey(id=secret.id, owner=name, digest=secret.digest, **more), 0)
        return secret.text

    async def ask(
        self, method: str, path: str, key: str = "", json: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {**({"X-API-Key": key} if key else {}), **(headers or {})}
        url = URL(self.base + path, encoded=True)
        async with self.session.request(method, url, json=json, headers=sent) as answer:
            data = await answer.read()
            body = await answer.json(content_type=None) if data[:1] == b"{" else {"success": True, "data": data}
            return Answer(answer.status, body, answer.headers.copy())

    async def login(self, user: User, password: str = PASSWORD) -> Answer:
        return await self.ask("POST", "/api/v1/auth/login", json={"user": user.id, "password": password})


def cookie_in(answer: Answer) -> str:
    """The session's cookie, as a browser sends it back."""
    return answer.headers["Set-Cookie"].partition(";")[0]


async def _without_dead(service: ApiService) -> None:
    """Wait until gateways that an earlier test has killed are forgotten: a caller's limit is shared among all."""

    def others() -> dict[str, int]:
        found = service.discovery.instances("api")
        return {each.instance: each.ts_heartbeat for each in found if each.instance not in _RUNNING}

    first = others()
    async with asyncio.timeout(30):
        while any(first.get(instance) == ts for instance, ts in others().items()):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def gateway(
    nats_url: str, access: NatsAccess | None = None, *, http_port: int = 0, **settings: Any
) -> AsyncIterator[Gateway]:
    connection = await NatsConnection.open(nats_url, name="access", access=access)
    api = ApiSettings(**{"auth": "on", "access_log": "off", **settings})
    service = ApiService(connection, ("1m",), api, settings=ServiceSettings(http_port=http_port))
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    async with asyncio.timeout(30):
        while not service.http.ready:
            assert not running.done()
            await asyncio.sleep(0.01)
    made = Gateway(service)
    _RUNNING.add(service.instance)
    try:
        await _without_dead(service)
        yield made
    finally:
        _RUNNING.discard(service.instance)
        await made.session.close()
        stop.set()
        await running
        await connection.close()
