"""`system.…` on the live stream: what is, then what becomes of it; for who may see the system, in bounds, and nothing
while nobody watches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from marketprism_application.access.principal import LOCAL
from marketprism_application.access.scopes import ROLES
from marketprism_sdk.election import LEASES, LeaseSettings, decode_lease
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service import SingleActiveService
from marketprism_sdk.testing import Child
from marketprism_services.api.stream.system_channels import SYSTEM_CHANNELS
from tests.integration.api.access_side import Gateway, gateway
from tests.integration.api.stream_side import Reader, Side
from tests.integration.api.test_stream_resume import NARROW, SlowReader

pytestmark = pytest.mark.timeout(120)
EVENTS = "system.events"
STATES = [name for name, each in SYSTEM_CHANNELS.items() if each.part]


@asynccontextmanager
async def socket_of(api: Gateway, key: str) -> AsyncIterator[Reader]:
    """A WebSocket of the gateway, behind its hello."""
    ws = await api.session.ws_connect(f"{api.base}/ws/v1/stream", headers={"X-API-Key": key})
    reader = Reader(ws)
    try:
        hello = await reader.next()
        assert hello["type"] in ("hello", "error"), hello
        yield reader
    finally:
        await ws.close()


async def data_of(reader: Reader, channel: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
    return await reader.until(lambda found: found.get("ch") == channel and "d" in found and fits(found))


@pytest.mark.long
async def test_operators_get_what_is_and_then_what_becomes_of_it(nats_url: str, unique: str) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        async with socket_of(api, key) as reader:
            answers = await reader.subscribe(*STATES)
            assert {(each["type"], each["mode"]) for each in answers} == {("subscribed", "latest")}
        async with socket_of(api, key) as reader:
            await reader.subscribe("system.health")
            first = await data_of(reader, "system.health")
            assert first["snapshot"] is True
            assert {each["service"] for each in first["d"]["instances"]} >= {"api"}
            child = Child(
                [sys.executable, "-m", "tests.integration.api.operated", nats_url, unique, "1"], lambda _c, _l: None
            )
            await child.start()

            def health(found: Any) -> str:
                rows = found["d"]["instances"]
                return next((each["health"] for each in rows if each["service"] == unique), "")

            later = await data_of(reader, "system.health", lambda each: health(each) == "healthy")
            assert later["n"] > first["n"]
            child.freeze()
            await data_of(reader, "system.health", lambda each: health(each) == "no answer")
            child.kill()
            await child.end()
            await data_of(reader, "system.health", lambda each: not health(each))


async def test_a_leader_that_changes_is_seen_at_once_with_its_events(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    def service() -> SingleActiveService:
        return SingleActiveService(unique, connection, lease=LeaseSettings(lease_s=1.0, heartbeat_s=0.2))

    services = [service(), service()]
    stops = [asyncio.Event(), asyncio.Event()]
    running = [asyncio.create_task(each.run(stop)) for each, stop in zip(services, stops, strict=True)]
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        async with socket_of(api, key) as reader:
            await reader.subscribe({"ch": EVENTS, "snapshot": 10})
            await reader.subscribe("system.leaders")

            def holder(found: Any) -> str:
                rows = found["d"].get("leaders", [])
                return next(
                    (each["holder"] for each in rows if each["service"] == unique and each["state"] == "held"), ""
                )

            first = await data_of(reader, "system.leaders", lambda each: bool(holder(each)))
            led = next(n for n, each in enumerate(services) if each.instance == holder(first))
            stops[led].set()
            other = services[1 - led].instance
            events, leaders = set(), ""
            while leaders != other or "LeaseAcquired" not in events:
                found = await reader.data()
                if found["ch"] == EVENTS:
                    if found["d"]["service"] == unique:
                        events.add(found["d"]["name"])
                else:
                    leaders = holder(found)
    stops[1 - led].set()
    await asyncio.gather(*running)


async def test_a_leader_that_is_killed_is_followed_by_the_next_as_soon_as_its_lease_is_written(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    command = [sys.executable, "-m", "tests.integration.api.leading", nats_url, unique]
    children = [Child(command, lambda _c, _l: None) for _ in range(2)]
    await asyncio.gather(*(each.start() for each in children))
    written: dict[int, float] = {}  # epoch: when its first write was heard here

    def hear(entry: KvEntry) -> None:
        if (lease := decode_lease(entry)) is not None and lease.state == "held":
            written.setdefault(lease.epoch, time.monotonic())

    def row_of(found: Any) -> Any:
        return next((each for each in found["d"]["leaders"] if each["service"] == unique), None)

    def is_held(found: Any) -> bool:
        return (row := row_of(found)) is not None and row["state"] == "held"

    async with gateway(nats_url) as api:
        stop = await NatsKeyValue.existing(connection, LEASES).watch(f"{unique}.", hear)
        key = await api.key(await api.user("viewer"), limits="bulk")

        async def instances() -> dict[str, Any]:
            answer = await api.ask("GET", "/api/v1/system/instances", key)
            while answer.code == "UNAVAILABLE":  # of a machine that is busy: the next answer has it
                answer = await api.ask("GET", "/api/v1/system/instances", key)
            rows = answer.data
            return {each["instance"]: each for each in rows if each["service"] == unique}

        async with socket_of(api, key) as reader:
            await reader.subscribe("system.leaders")
            first = row_of(await data_of(reader, "system.leaders", is_held))
            while len(known := await instances()) < 2 or not known[first["holder"]]["is_leader"]:
                await asyncio.sleep(0.05)
            shown = {name: (each["is_leader"], each["epoch"]) for name, each in known.items()}
            standby = next(name for name in known if name != first["holder"])
            assert shown == {first["holder"]: (True, first["epoch"]), standby: (False, None)}
            assert {each["pid"] for each in known.values()} == {each.pid for each in children}
            assert all(each["host"] for each in known.values())
            next(each for each in children if each.pid == known[first["holder"]]["pid"]).kill()
            seen = await data_of(
                reader, "system.leaders", lambda each: is_held(each) and row_of(each)["holder"] == standby
            )
            shown_at, row = time.monotonic(), row_of(seen)
            while row["epoch"] not in written:  # the socket may have it before the watch of this test
                await asyncio.sleep(0.01)
            after_s = shown_at - written[row["epoch"]]
            assert row.keys() == {"service", "group", "holder", "epoch", "state", "age_s", "problem"}
            assert (row["group"], row["state"], row["epoch"] > first["epoch"]) == ("main", "held", True)
            assert after_s < 1.0, "of what is written of a lease"
            with contextlib.suppress(TimeoutError):  # what was read before must not be shown behind it
                async with asyncio.timeout(1.5):
                    while True:
                        later = row_of(await data_of(reader, "system.leaders"))
                        assert later["holder"] == standby, later
            known = await instances()
            assert (known[standby]["is_leader"], known[standby]["epoch"]) == (True, row["epoch"])
        await stop()
    for each in children:
        each.kill()
        await each.end()


async def test_they_are_for_who_may_see_the_system_by_websocket_and_by_events(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        streaming = await api.key(await api.user("viewer"), limits="bulk", scopes=("md:read", "md:stream"))
        async with socket_of(api, streaming) as reader:
            for answer in await reader.subscribe(*SYSTEM_CHANNELS):
                assert (answer["type"], answer["code"]) == ("error", "FORBIDDEN"), answer
        for name in SYSTEM_CHANNELS:
            assert (await api.ask("GET", f"/api/v1/stream?ch={name}", streaming)).code == "FORBIDDEN"
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        async with socket_of(api, viewer) as reader:
            assert {each["type"] for each in await reader.subscribe(*SYSTEM_CHANNELS)} == {"subscribed"}
        operator = await api.key(await api.user("operator"), limits="bulk")
        async with socket_of(api, operator) as reader:
            for name in ("system.nothing", "system.>", "system.*", "system", "system.health.x"):
                (answer,) = await reader.subscribe(name)
                assert (answer["type"], answer["code"]) == ("error", "UNKNOWN_CHANNEL"), answer


async def test_the_same_comes_as_server_sent_events(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        url = f"{api.base}/api/v1/stream?ch=system.alerts"
        async with api.session.get(url, headers={"X-API-Key": key}) as answer, asyncio.timeout(20):
            assert answer.status == 200
            async for line in answer.content:
                if line.startswith(b"data:") and b'"alerts"' in line:
                    break
            found = json.loads(line.removeprefix(b"data:"))
            assert found["snapshot"] is True
            assert any(each["what"] == "storage" for each in found["d"]["alerts"])


async def test_events_go_on_behind_a_token_and_what_was_not_heard_is_a_gap(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    async def tell(number: int) -> None:
        await connection.publish(f"event.{unique}.Told", msgspec.msgpack.encode({"n": number}))
        await connection.flush()

    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")

        def own(found: Any) -> bool:
            return bool(found["d"].get("service") == unique)

        async with socket_of(api, key) as keeper:  # as long as anybody listens, events are held
            await keeper.subscribe(EVENTS)
            async with socket_of(api, key) as reader:
                (answer,) = await reader.subscribe(EVENTS)
                assert answer["mode"] == "all"
                await tell(1)
                seen = await data_of(reader, EVENTS, own)
            token = f"{answer['at'].rpartition('/')[0]}/{seen['n']}"
            for number in (2, 3):
                await tell(number)
            await data_of(keeper, EVENTS, lambda each: own(each) and each["d"]["event"]["n"] == 3)
            async with socket_of(api, key) as reader:
                await reader.subscribe({"ch": EVENTS, "after": token})
                await tell(4)
                found = [(await data_of(reader, EVENTS, own))["d"]["event"]["n"] for _ in range(3)]
                assert found == [2, 3, 4]
            assert 0 < seen["d"]["ts"] <= time.time_ns()
            async with socket_of(api, key) as reader:
                await reader.subscribe({"ch": EVENTS, "snapshot": 500})
                shown = [(await data_of(reader, EVENTS, own)) for _ in range(4)]
                assert [(each["snapshot"], each["d"]["event"]["n"]) for each in shown] == [
                    (True, n) for n in (1, 2, 3, 4)
                ]
            await connection.publish(f"event.{unique}.Broken", b"\xc1")
            await connection.publish(f"event.{unique}.Huge", msgspec.msgpack.encode("x" * 100_000))
            await connection.publish("event.x", b"\x80")
            await tell(5)
            after = await data_of(keeper, EVENTS, lambda each: own(each) and each["d"]["event"] != {"n": 4})
            assert after["d"]["event"] == {"n": 5}
        async with socket_of(api, key) as reader:  # nobody listened meanwhile
            (_,) = await reader.subscribe({"ch": EVENTS, "after": token})
            gap = await reader.until(lambda each: each.get("type") == "gap")
            assert (gap["ch"], gap["reason"]) == (EVENTS, "aged_out")
        other = "SYSTEM/1/5"
        async with socket_of(api, key) as reader:
            await reader.subscribe({"ch": EVENTS, "after": other})
            assert (await reader.until(lambda each: each.get("type") == "gap"))["reason"] == "other_stream"


async def test_nothing_is_read_while_nobody_watches(nats_url: str, eventually: Callable[..., Any]) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")

        def looking() -> bool:
            return any(each.get_name() == "system channels" for each in asyncio.all_tasks())

        assert not looking()
        async with socket_of(api, key) as one, socket_of(api, key) as other:
            await one.subscribe("system.lags")
            await other.subscribe("system.lags", "system.health")
            assert looking()
        await eventually(lambda: not looking())


async def test_a_slow_reader_of_events_costs_bounded_memory_and_hears_of_its_gap(side: Side) -> None:
    side.principal = replace(LOCAL, scopes=ROLES["operator"])

    async def system() -> Mapping[str, object]:
        return {"alerts": []}

    url = await side.serve(NARROW, system=system)
    slow = SlowReader(int(url.rpartition(":")[2]))
    await slow.open(EVENTS)
    quick = await side.connect(at=len(side.urls) - 1)
    await quick.subscribe(EVENTS)
    count, most = 6_000, 0.0
    for number in range(count):
        await side.connection.publish("event.flood.Told", msgspec.msgpack.encode({"n": number, "pad": "x" * 800}))
        if number % 100 == 99:
            await side.connection.flush()
            while (await quick.data())["d"]["event"]["n"] != number:
                pass
            most = max(most, side.metric("stream_waiting_bytes", len(side.metrics) - 1))
    assert most < 2 * NARROW.waiting_bytes
    seen, types = [], []
    while not seen or seen[-1] != count - 1:
        found = await slow.next()
        if "d" in found:
            seen.append(found["d"]["event"]["n"])
        else:
            types.append(found["type"])
    slow.close()
    assert seen == sorted(set(seen))
    assert {"lagging", "gap"} <= set(types)


async def test_an_instance_that_reads_no_system_says_so(side: Side) -> None:
    side.principal = replace(LOCAL, scopes=ROLES["operator"])
    reader = await side.connect()
    (answer,) = await reader.subscribe("system.health")
    assert (answer["type"], answer["code"]) == ("error", "UNAVAILABLE")


async def test_revoked_operators_lose_their_channels(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        root = await api.key(await api.user("admin"), limits="bulk")
        owner = await api.user("operator")
        key = await api.key(owner, limits="bulk")
        async with socket_of(api, key) as reader:
            await reader.subscribe("system.health")
            changed = await api.ask("PATCH", f"/api/v1/admin/users/{owner.id}", root, {"roles": ["viewer"]})
            assert changed.status == 200
            assert await reader.closed() == 4010


def test_each_is_in_the_asyncapi_with_its_scope() -> None:
    from marketprism_services.api.asyncapi import api_document  # noqa: PLC0415 (loads pyarrow)

    document = api_document("1")
    shown = {each["address"]: each for each in document["channels"].values() if "x-scope" in each}
    assert {name: each["x-scope"] for name, each in shown.items()} == {
        name: each.scope for name, each in SYSTEM_CHANNELS.items()
    }
