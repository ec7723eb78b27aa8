"""What `marketprism status` says of leaders and instances that are not there any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.election import encode_lease
from marketprism_sdk.messaging import REGISTRY, TTL_S, Registration
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.service import Service, SingleActiveService
from marketprism_services.monitor.overview import overview

pytestmark = pytest.mark.nats


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    opened = await NatsConnection.open(server.url, name="test")
    yield opened
    await opened.close()
    await server.stop()


async def test_a_leader_that_was_killed_is_said_to_be_lost(
    connection: NatsConnection, eventually: Callable[..., object]
) -> None:
    doomed = await NatsConnection.open(connection.url, name="doomed")
    leader = SingleActiveService("keeper", doomed, group="a")
    dying = asyncio.create_task(leader.run(asyncio.Event()))
    await eventually(lambda: leader.http.ready and leader.election.is_active())
    seen = await overview(connection)
    assert seen.problems == []
    assert seen.leaders["keeper.a"]["state"] == "held"
    assert seen.health == {leader.instance: "healthy"}
    metadata = seen.instances[0].metadata
    assert (metadata["group"], metadata["single_active"], metadata["lease_s"]) == ("a", True, 1.0)

    assert leader._own is not None
    for each in (doomed, leader._own):  # what a kill does to its connections
        await each.nc._close(4)
    await leader.http.stop()
    seen = await overview(connection)  # its registration is still there
    assert [record.status for record in seen.instances] == ["active"]
    assert seen.health == {leader.instance: "gone"}
    assert seen.leaders["keeper.a"]["state"] == "lost"
    lost, gone = seen.problems
    assert lost.startswith(f"leader lost: keeper.a: {leader.instance} is gone, its last sign ")
    assert gone == f"instance gone: keeper {leader.instance} was active"
    assert seen.as_dict()["problems"] == [lost, gone]
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)


async def test_a_leader_that_answers_and_does_not_renew_is_lost_too(connection: NatsConnection) -> None:
    kv = await NatsKeyValue.open(connection, "service_leaders")
    prober = NatsProber(connection, "keeper.default", "frozen")
    await prober.serve(3)
    await kv.put("keeper.default", encode_lease("frozen", 3, "held", ""))
    await kv.put("gone.default", encode_lease("nobody", 1, "held", ""))
    await kv.put("idle.default", encode_lease("nobody", 1, "released", ""))
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S)
    registration = Registration(registry, "keeper", "frozen", "0")
    await registration.update(status="starting", metadata={"lease_s": 0.1, "group": "default"})
    seen = await overview(connection)
    assert [line.partition(",")[0] for line in seen.problems] == ["leader lost: gone.default: nobody is gone"]
    for _ in range(60):
        await asyncio.sleep(0.1)
        await registration.beat()
        seen = await overview(connection)
        if len(seen.problems) == 2:
            break
    assert "leader lost: keeper.default: frozen does not renew its lease of 0.1 s" in seen.problems[1]
    assert seen.leaders["idle.default"] == {"holder": "nobody", "epoch": 1, "state": "released"}
    await prober.stop()


async def test_instances_that_stand_by_while_nobody_leads_are_told(connection: NatsConnection) -> None:
    kv = await NatsKeyValue.open(connection, "service_leaders")
    await kv.put("keeper.default", encode_lease("", 1, "released", ""))
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S)
    registration = Registration(registry, "keeper", "waits", "0")
    seen = await overview(connection)
    for _ in range(100):
        await registration.update(status="starting", metadata={"group": "default", "single_active": True})
        seen = await overview(connection)
        if seen.problems:
            break
        await asyncio.sleep(0.1)
    assert seen.problems[0].startswith("no leader: keeper.default: 1 stand by, nobody leads for 5 s")


async def test_an_instance_whose_address_another_answers_is_not_taken_for_it(
    connection: NatsConnection, eventually: Callable[..., object]
) -> None:
    running = Service("keeper", connection)
    stop = asyncio.Event()
    serving = asyncio.create_task(running.run(stop))
    await eventually(lambda: running.http.ready)
    registry = await NatsKeyValue.open(connection, REGISTRY, ttl_s=TTL_S)
    at = {"http": f"http://127.0.0.1:{running.http.port}"}
    # Killed, and another was started at its port.
    await Registration(registry, "keeper", "killed", "0").update(status="active", endpoints=at)
    # On another machine, where it listens at loopback: this machine's own service answers there.
    running.http.check("log", _lossy)
    far = Service("keeper", connection, instance="far")
    far.http.check("disk", _full)
    distant = asyncio.create_task(far.run(stop))
    await eventually(lambda: far.registration is not None and far.registration.record.status == "active")
    assert far.registration is not None
    await far.registration.update(endpoints=at)
    seen = await overview(connection)
    assert seen.health == {running.instance: "degraded", "killed": "gone", "far": "unhealthy"}
    assert seen.degraded == [f"keeper {running.instance} is degraded: log: 3 lines could not be written"]
    assert sorted(seen.problems) == [
        "instance gone: keeper killed was active",
        "keeper far is unhealthy: disk: no room is left",
    ]
    stop.set()
    await asyncio.gather(serving, distant)


async def _full() -> str:
    return "unhealthy: no room is left"


async def _lossy() -> str:
    return "degraded: 3 lines could not be written"
