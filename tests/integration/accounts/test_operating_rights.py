"""Operators' work through the door with the rights that the gateway and the services really have at NATS."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_sdk.nats.access import NatsAccess
from marketprism_services.api.operate.stored import BUCKETS, STREAMS
from tests.integration.accounts.test_rights import Platform, platform, served
from tests.integration.api.access_side import gateway
from tests.integration.api.operated import jobs_of
from tests.integration.api.stream_side import Reader
from tests.integration.api.test_operating import until
from tests.support.services import running

__all__ = ["platform", "served"]

pytestmark = pytest.mark.timeout(120)


async def test_the_door_may_do_what_operators_ask_and_is_refused_nothing(platform: Platform) -> None:
    connection = await platform.connect("monitor")
    service = jobs_of(connection, "monitor")
    as_api = NatsAccess.of_user(platform.users, "api")
    async with running(service), gateway(platform.server.url, as_api) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        async with asyncio.timeout(20):
            while (await api.ask("GET", "/api/v1/monitor/jobs", key)).status != 200:
                await asyncio.sleep(0.05)
        path = "/api/v1/commands/monitor/Start"
        done = await api.ask("POST", path, key, {"name": "a"}, {"Idempotency-Key": "1"})
        assert (done.status, done.data["status"]) == (200, "done"), done.body
        for name in ("bad", "bad"):
            assert (await api.ask("POST", path, key, {"name": name})).code == "COMMAND_REFUSED"
        letters = (await api.ask("GET", "/api/v1/dead-letters?service=monitor", key)).data["letters"]
        one, other = (f"/api/v1/dead-letters/{each['seq']}" for each in letters)
        assert (await api.ask("POST", f"{one}/requeue", key)).status == 200
        assert (await api.ask("DELETE", other, key)).status == 200
        assert (await api.ask("POST", "/api/v1/monitor/jobs/b", key, {"count": 3})).data == 2
        assert (await api.ask("GET", "/api/v1/events", key)).data["events"] == []
        whole = (await api.ask("GET", "/api/v1/system", key)).data
        assert whole["missing"] == {}
        assert {each["stream"] for each in whole["streams"]} >= {"MARKET_TICKS", "COMMANDS", "COMMANDS_DLQ", "AUDIT"}
        assert {each["health"] for each in whole["instances"] if each["service"] == "monitor"} == {"healthy"}
        for name in STREAMS:
            assert (await api.ask("GET", f"/api/v1/system/streams/{name}", key)).status == 200, name
            assert (await api.ask("GET", f"/api/v1/system/streams/{name}/messages", key)).status == 200, name
        assert (await api.ask("GET", "/api/v1/system/streams/AUDIT", key)).status == 200
        buckets = (await api.ask("GET", "/api/v1/system/buckets", key)).data
        assert "service_instances" in {each["bucket"] for each in buckets}
        for name in BUCKETS:
            assert (await api.ask("GET", f"/api/v1/system/buckets/{name}", key)).status in (200, 404), name
        shown = f"/api/v1/system/instances/monitor/{service.instance}"
        await until(api, shown, key, lambda each: each.status == 200 and not each.data["missing"])
        await until(api, f"{shown}/logs", key, lambda each: each.status == 200)
        await until(api, "/api/v1/logs", key, lambda each: not each.data["silent"])
        reader = Reader(await api.session.ws_connect(f"{api.base}/ws/v1/stream", headers={"X-API-Key": key}))
        assert (await reader.next())["type"] == "hello"
        for channel in ("system.leaders", "system.events"):
            (answer,) = await reader.subscribe(channel)
            assert answer["type"] == "subscribed"
        await reader.close()
        assert api.service.connection.not_permitted == 0
    assert connection.not_permitted == 0
