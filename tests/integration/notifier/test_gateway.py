"""Alerts are listed, taken care of and tried through the API gateway, a process of its own, with the roles of people."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from marketprism_adapters.nats.local_server import choose_port
from marketprism_sdk.testing import Child
from tests.e2e.program import ENVIRONMENT
from tests.integration.api.access_side import gateway
from tests.integration.notifier.test_notifier import Make, chat, hook, leads, make, post, posted, texts, until
from tests.support.notification_places import HttpPlace
from tests.support.services import running

__all__ = ["chat", "hook", "make"]
pytestmark = pytest.mark.timeout(120)


class Door:
    """The gateway's process, as somebody asks it."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1/notifier"
        self._session = session

    async def ask(self, method: str, path: str, key: str, json: object = None) -> tuple[int, Any]:
        """The status, and the data or the code of the error; 0 while nobody listens."""
        try:
            headers = {"X-API-Key": key} if key else {}
            async with self._session.request(method, self._base + path, json=json, headers=headers) as answer:
                body = await answer.json()
        except aiohttp.ClientConnectionError:
            return 0, ""
        return answer.status, body["data"] if answer.status < 400 else body["error"]["code"]


@contextlib.asynccontextmanager
async def gateway_process(nats_url: str, folder: Path) -> AsyncIterator[Door]:
    """`marketprism run api`, until the block is left."""
    port = choose_port(0)
    command = [sys.executable, "-m", "marketprism_services", "run", "api", "--nats-url", nats_url]
    environment = {**ENVIRONMENT, "MARKETPRISM_HTTP__API": str(port), "MARKETPRISM_API__AUTH": "on"}
    child = Child([*command, "--data-dir", str(folder)], lambda _child, _line: None, env=environment)
    await child.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Door(port, session)
    finally:
        child.kill()
        await child.end()


async def test_people_see_acknowledge_and_try_through_a_gateway_of_its_own_process(
    make: Make, chat: HttpPlace, nats_url: str, tmp_path: Path
) -> None:
    async with gateway(nats_url) as people:  # for its store alone: users, and their keys
        viewer = await people.key(await people.user("viewer"))
        operator = await people.key(await people.user("operator"))
    notifier = make()
    async with running(notifier), gateway_process(nats_url, tmp_path) as door:
        await leads(notifier)
        async with asyncio.timeout(60):
            while (await door.ask("GET", "/alerts", viewer))[0] != 200:
                await asyncio.sleep(0.1)
        assert await door.ask("GET", "/alerts", viewer) == (200, [])
        await post(notifier, posted("BarsMissing", "StoreDown"))
        status, listed = await door.ask("GET", "/alerts?open=true&limit=10", viewer)
        assert (status, {each["name"] for each in listed}) == (200, {"BarsMissing", "StoreDown"})
        known = next(each["id"] for each in listed if each["name"] == "BarsMissing")

        path = f"/alerts/{known}/acknowledge"
        assert await door.ask("POST", path, "") == (401, "UNAUTHENTICATED")
        assert await door.ask("POST", path, viewer) == (403, "FORBIDDEN")
        status, taken = await door.ask("POST", path, operator)
        assert (status, taken["acknowledged_by"].startswith("key:")) == (200, True), taken
        _, listed = await door.ask("GET", "/alerts", viewer)
        by = {each["name"]: each["acknowledged_by"] for each in listed}
        assert by == {"BarsMissing": taken["acknowledged_by"], "StoreDown": ""}
        assert (await door.ask("POST", f"/alerts/{'f' * 24}/acknowledge", operator))[1] == "NOT_FOUND"
        assert (await door.ask("GET", "/alerts?nope=1", viewer))[1] == "INVALID_PARAMETER"

        await until(lambda: "StoreDown" in texts(chat))
        assert await door.ask("POST", "/test", viewer) == (403, "FORBIDDEN")
        assert await door.ask("POST", "/test", operator) == (200, {"dingtalk": "", "webhook": ""})
        chat.mode = "busy"
        status, tried = await door.ask("POST", "/test", operator)
        assert (status, "130101" in tried["dingtalk"], tried["webhook"]) == (200, True, "")
        chat.mode = ""

        await post(notifier, posted("BarsMissing", status="resolved"))
        _, lasting = await door.ask("GET", "/alerts?open=true", viewer)
        assert [each["name"] for each in lasting] == ["StoreDown"]
