"""The same operations through the API gateway: named errors, and who may not is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from marketprism_sdk.service import ServiceSettings
from marketprism_services.api.service import ApiService
from marketprism_services.settings.api import ApiSettings
from marketprism_services.settings.metrics import METRICS
from tests.support.configured import ConfigPlace
from tests.support.services import running

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]


@pytest.fixture(params=["off", "local"])
async def door(place: ConfigPlace, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, str]]:
    """Where a gateway answers that knows the monitor's requests, and who may come in there."""
    connection = await place.connection.another("api")
    api = ApiService(connection, ("1m",), ApiSettings(auth=request.param), settings=ServiceSettings(metrics=METRICS))
    async with running(api):
        root = f"http://127.0.0.1:{api.http.port}/api/v1/monitor/config"
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            while (await http.get(root)).status != 200:
                await asyncio.sleep(0.05)
        yield root, request.param
    await connection.close()


async def test_a_change_over_http(place: ConfigPlace, door: tuple[str, str]) -> None:
    root, auth = door
    small = await place.small()
    async with aiohttp.ClientSession() as http:
        changes = {"log.level": "debug", "trace.every": 100}
        order = {"changes": changes, "reason": "to see more", "service": "gateway"}
        answer = await http.post(f"{root}/changes", json=order)
        found = await answer.json()
        if auth == "local":  # who asks from this machine may look, and not operate
            assert (answer.status, found["error"]["code"]) == (403, "FORBIDDEN")
            assert small.levels == []
            return
        assert (answer.status, found["data"]["version"]) == (200, 1)
        assert (small.levels, small.rates) == (["debug"], [100])  # one version
        answer = await http.post(f"{root}/changes", json={**order, "changes": {"log.level": "loud"}})
        found = await answer.json()
        assert (answer.status, found["error"]["code"]) == (400, "INVALID_PARAMETER")
        assert "log.level" in found["error"]["message"] + found["error"]["details"].get("field", "")
        assert "was 'loud'" in found["error"]["message"]
        answer = await http.post(f"{root}/changes", json={**order, "expected": 9})
        assert (answer.status, (await answer.json())["error"]["code"]) == (409, "CONFLICT")
        answer = await http.post(f"{root}/changes", json={**order, "levle": 1})
        assert answer.status == 400
        rows = (await (await http.get(f"{root}/settings", params={"name": "log"})).json())["data"]["settings"]
        assert {row["name"]: row["central"] for row in rows if row["central"]} == {"log.level": {"gateway": "debug"}}
        answer = await http.post(f"{root}/rollback", json={"version": 0, "reason": "worse"})
        assert (await answer.json())["data"]["version"] == 2
        records = (await (await http.get(f"{root}/history")).json())["data"]
        assert [(each["version"], each["reason"]) for each in records] == [(2, "worse"), (1, "to see more")]
        assert {each["actor"] for each in records} != {""}
        found = (await (await http.get(f"{root}/diff", params={"first": 0, "last": 1})).json())["data"]
        assert found["changes"] == {"log.level@gateway": [None, "debug"], "trace.every@gateway": [None, 100]}
        found = (await (await http.get(f"{root}/instances")).json())["data"]
        assert [(each["service"], each["version"]) for each in found] == [("gateway", 2)]
