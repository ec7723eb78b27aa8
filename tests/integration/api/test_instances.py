"""Single instances through the door: how they are, what they count, and what they have logged in the last minutes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from marketprism_sdk.testing import Child
from tests.integration.api.access_side import Answer, Gateway, gateway
from tests.integration.api.test_operating import until

pytestmark = pytest.mark.timeout(120)
LOGS, INSTANCES = "/api/v1/logs", "/api/v1/system/instances"


@asynccontextmanager
async def children(nats_url: str, name: str, count: int) -> AsyncIterator[list[Child]]:
    """So many instances of a service, each a process."""
    command = [sys.executable, "-m", "tests.integration.api.operated", nats_url, name, "7"]
    found = [Child(command, lambda _c, _l: None) for _ in range(count)]
    await asyncio.gather(*(each.start() for each in found))
    try:
        yield found
    finally:
        for each in found:
            each.kill()
            await each.end()


async def active(api: Gateway, key: str, service: str, count: int) -> list[Any]:
    """The rows of its instances, once so many are active."""

    def own(answer: Answer) -> list[Any]:
        if answer.code == "UNAVAILABLE":  # of a machine that is busy: the next answer has it
            return []
        return [each for each in answer.data if each["service"] == service and each["status"] == "active"]

    async with asyncio.timeout(60):  # processes that start on a busy machine
        while len(found := own(await api.ask("GET", INSTANCES, key))) != count:
            await asyncio.sleep(0.1)
    return found


async def test_an_instance_shows_how_it_is_to_who_may_see_the_system(nats_url: str, unique: str) -> None:
    async with children(nats_url, unique, 1) as (child,), gateway(nats_url) as api:
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        operator = await api.key(await api.user("operator"), limits="bulk")
        (row,) = await active(api, viewer, unique, 1)
        path = f"{INSTANCES}/{unique}/{row['instance']}"
        found = (await api.ask("GET", path, operator)).data
        assert (found["service"], found["version"], found["state"]) == (unique, "7", "active")
        assert found["status"]["instance"] == row["instance"]
        assert (found["health"]["status"], found["health"]["dependencies"]["nats"]) == ("healthy", "healthy")
        metrics = {each["name"]: each for each in found["metrics"] if not each["labels"]}
        assert metrics["process_resident_memory_bytes"]["value"] > 1e6
        assert metrics["process_cpu_seconds_total"]["kind"] == "counter"
        assert metrics["process_cpu_seconds_total"]["help"].startswith("Total user and system CPU time")
        assert not [each for each in found["metrics"] if each["name"].endswith("_bucket")]
        assert found["missing"] == {}
        seen = (await api.ask("GET", path, viewer)).data
        assert (seen["status"]["ready"], seen["metrics"]) == (True, None)
        assert seen["missing"] == {"metrics": "for who has the scope metrics:read"}

        child.freeze()
        before = time.monotonic()
        answer = await api.ask("GET", path, viewer)
        assert time.monotonic() - before < 10, "far less: of a time that is bounded"
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert "no answer within 1.5 s: frozen, overloaded or cut off" in answer.body["error"]["message"]
        child.kill()
        await child.end()
        gone = await api.ask("GET", path, viewer)
        assert gone.code in ("UNAVAILABLE", "NOT_FOUND")
        await until(api, path, viewer, lambda each: each.code == "NOT_FOUND")  # when its entry has run out


async def test_what_an_instance_has_logged_is_for_operators(nats_url: str, unique: str) -> None:
    async with children(nats_url, unique, 1), gateway(nats_url) as api:
        operator = await api.key(await api.user("operator"), limits="bulk")
        (row,) = await active(api, operator, unique, 1)
        path = f"{INSTANCES}/{unique}/{row['instance']}/logs"
        first = (await api.ask("GET", path, operator)).data
        (started,) = [each for each in first["lines"] if each["event"] == "service.started"]
        assert (started["level"], started["service"], started["instance"]) == ("info", unique, row["instance"])
        assert started["fields"]["port"] > 0
        assert (first["more"], first["missed"], first["dropped"]) == (False, False, 0)
        assert (await api.ask("GET", f"{path}?level=error", operator)).data["lines"] == []
        job = f"/api/v1/{unique}/jobs/"
        await until(api, job.removesuffix("/"), operator, lambda each: each.status == 200)
        for name in ("a", "b", "c"):
            assert (await api.ask("POST", f"{job}{name}", operator, {})).status == 200
        then = (await api.ask("GET", f"{path}?after={first['after']}&limit=2&level=error", operator)).data
        assert [each["fields"]["job"] for each in then["lines"]] == ["a", "b"]
        fields = then["lines"][0]["fields"]
        assert (fields["password"], fields["at"]) == ("***", "nats://***@host:4222/")
        assert fields["correlation_id"], "the request that it belongs to"
        assert then["more"]
        last = (await api.ask("GET", f"{path}?after={then['after']}&level=error", operator)).data
        assert ([each["fields"]["job"] for each in last["lines"]], last["more"]) == (["c"], False)
        for role in ("viewer", "quant"):
            key = await api.key(await api.user(role))
            assert (await api.ask("GET", path, key)).code == "FORBIDDEN"
            assert (await api.ask("GET", LOGS, key)).code == "FORBIDDEN"


async def test_the_logs_of_all_are_in_order_and_who_does_not_answer_is_named(nats_url: str, unique: str) -> None:
    async with children(nats_url, unique, 2) as found, gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        rows = await active(api, key, unique, 2)
        path = f"{LOGS}?service={unique}"
        whole = (await until(api, path, key, lambda each: not each.data["silent"])).data
        started = [each for each in whole["lines"] if each["event"] == "service.started"]
        assert {each["instance"] for each in started} == {each["instance"] for each in rows}
        times = [each["ts"] for each in whole["lines"]]
        assert times == sorted(times)
        newest = (await api.ask("GET", f"{path}&limit=1", key)).data
        assert (newest["lines"], newest["more"]) == (whole["lines"][-1:], True)
        since = (await api.ask("GET", f"{path}&since={times[-1]}", key)).data["lines"]
        assert since[0]["ts"] >= times[-1]
        frozen = found[0]
        frozen.freeze()
        before = time.monotonic()
        rest = (await api.ask("GET", path, key)).data
        assert time.monotonic() - before < 10, "far less: whoever is frozen is waited for a moment"
        own = next(each["instance"] for each in rows if each["pid"] == frozen.pid)
        silent = {each["instance"]: each for each in rest["silent"]}
        assert silent[own]["service"] == unique
        assert silent[own]["reason"] == "no answer within 1.5 s: frozen, overloaded or cut off"
        own_of = {each["instance"] for each in rest["lines"]}
        assert own_of == {each["instance"] for each in rows} - silent.keys()


async def test_only_what_the_registry_has_is_asked(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        for path, code in (
            (f"{INSTANCES}/nothing/x", "NOT_FOUND"),
            (f"{INSTANCES}/api/x", "NOT_FOUND"),
            (f"{INSTANCES}/api/x/logs", "NOT_FOUND"),
            (f"{LOGS}?service=nothing", "NOT_FOUND"),
            (f"{INSTANCES}/api/a.b", "INVALID_PARAMETER"),
            (f"{INSTANCES}/api/%3E/logs", "INVALID_PARAMETER"),
            (f"{INSTANCES}/*/x", "INVALID_PARAMETER"),
            (f"{LOGS}?service=*", "INVALID_PARAMETER"),
            (f"{LOGS}?level=loud", "INVALID_PARAMETER"),
            (f"{LOGS}?since=soon", "INVALID_PARAMETER"),
            (f"{LOGS}?limit=2001", "INVALID_PARAMETER"),
        ):
            answer = await api.ask("GET", path, key)
            assert answer.code == code, (path, answer.body)
        missing = await api.ask("GET", f"{INSTANCES}/nothing/x", key)
        assert "service: expected one that runs (" in missing.body["error"]["message"]
