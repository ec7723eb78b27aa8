"""Services on a real server: calls, commands, health, leaders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from marketprism_sdk.election import Election, LeaseSettings
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import dead_letters, redrive, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.service import Service, SingleActiveService, command, leader_only, rpc
from marketprism_sdk.testing import FaultyProxy
from tests.support.services import running


class Calculator(Service):
    """Methods and commands for the tests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.done: list[Any] = []

    @rpc("add")
    async def add(self, request: Any) -> int:
        return int(request["a"]) + int(request["b"])

    @rpc("fail")
    async def fail(self, _: Any) -> None:
        raise ValueError("no")

    @rpc("hang")
    async def hang(self, _: Any) -> None:
        await asyncio.sleep(60)

    @command("Work")
    async def work_on(self, given: Any) -> None:
        self.done.append(given.body)
        if given.body == "poison":
            raise ValueError("cannot")


@pytest.fixture
async def calculator(connection: NatsConnection, unique: str) -> AsyncIterator[Calculator]:
    service = Calculator(unique, connection)
    async with running(service):
        yield service


async def test_calls_are_answered_and_errors_survive_the_wire(calculator: Calculator, unique: str) -> None:
    calls = calculator.calls
    assert await calls.call(unique, "add", {"a": 1, "b": 2}) == 3
    assert await calls.call(unique, "add", {"a": 1, "b": 2}, instance=calculator.instance) == 3
    for method, request, code in (("nope", None, "UNKNOWN_METHOD"), ("fail", None, "INTERNAL"), ("add", 5, "INTERNAL")):
        with pytest.raises(RemoteError) as caught:
            await calls.call(unique, method, request)
        assert caught.value.code == code
    with pytest.raises(RemoteError) as caught:
        await calls.call_raw(unique, "add", b"\xc1")
    assert caught.value.code == "MALFORMED_REQUEST"
    with pytest.raises(Exception, match=r"DEADLINE|within|longer"):
        await calls.call(unique, "hang", timeout_s=0.3)
    assert await calls.call(unique, "add", {"a": 2, "b": 2}) == 4
    assert calculator.metrics.total("rpc_errors_total") >= 4


async def test_commands_are_done_once_and_what_cannot_be_done_is_kept(
    calculator: Calculator, connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    await send_command(connection, unique, "Work", "a", issuer="operator", key=f"{unique}-k")
    await send_command(connection, unique, "Work", "a", issuer="operator", key=f"{unique}-k")
    await eventually(lambda: calculator.done == ["a"])
    await send_command(connection, unique, "Unknown", None, issuer="operator")
    await send_command(connection, unique, "Work", "poison", issuer="operator")
    await eventually(lambda: calculator.metrics.total("dead_letters_total") == 2, 40)
    letters = {
        letter.command.name: (seq, letter)
        for seq, letter in await dead_letters(connection)
        if letter.subject.startswith(f"cmd.{unique}.") and letter.command
    }
    assert letters["Unknown"][1].reason.startswith("command: expected one of Work")
    assert (letters["Work"][1].attempts, calculator.done.count("poison")) == (5, 5)
    calculator.done.clear()
    await redrive(connection, letters["Work"][0])
    await eventually(lambda: "poison" in calculator.done)


async def test_health_metrics_and_the_registry_tell_of_a_service(
    calculator: Calculator, connection: NatsConnection
) -> None:
    import aiohttp  # noqa: PLC0415

    async with aiohttp.ClientSession(f"http://127.0.0.1:{calculator.http.port}") as http:
        async with http.get("/health") as answer:
            body = await answer.json()
            assert (answer.status, body["status"], body["dependencies"]) == (
                200,
                "healthy",
                {"nats": "healthy", "log": "healthy"},
            )
            assert {"timestamp", "uptime_seconds", "version"} <= set(body)
        async with http.get("/metrics") as answer:
            text = await answer.text()
            assert "process_resident_memory_bytes" in text
        async with http.get("/health/ready") as answer:
            assert answer.status == 200
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=5.0)
    entry = await registry.get(f"{calculator.name}.{calculator.instance}")
    assert entry is not None


class Single(SingleActiveService):
    """Counts its leaderships."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epochs: list[int] = []

    async def on_activate(self, epoch: int) -> None:
        self.epochs.append(epoch)

    @rpc("who")
    @leader_only
    async def who(self, _: Any) -> str:
        return self.instance


async def test_of_two_instances_one_is_active_and_hands_over(
    connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    one, two = Single(unique, connection), Single(unique, connection)
    stops = [asyncio.Event(), asyncio.Event()]
    tasks = [asyncio.create_task(s.run(stop)) for s, stop in zip((one, two), stops, strict=True)]
    await eventually(lambda: one.epochs + two.epochs == [1])
    leader, standby = (one, two) if one.epochs else (two, one)
    assert await one.calls.call(unique, "who", instance=leader.instance) == leader.instance
    with pytest.raises(Exception, match=f"the leader is {leader.instance}"):
        await one.calls.call(unique, "who", instance=standby.instance)
    stops[0 if leader is one else 1].set()
    await eventually(lambda: standby.epochs == [2])
    for stop in stops:
        stop.set()
    assert await asyncio.gather(*tasks) == [0, 0]


async def test_a_killed_leader_is_noticed_by_its_closed_connection(
    connection: NatsConnection, nats_url: str, unique: str, eventually: Callable[..., object]
) -> None:
    kv = await NatsKeyValue.open(connection, unique)
    slow = LeaseSettings(lease_s=30, heartbeat_s=5)  # only the probe can be quick enough
    doomed = await NatsConnection.open(nats_url)
    one = Election(
        await NatsKeyValue.open(doomed, unique), "x", "one", settings=slow, prober=NatsProber(doomed, unique, "one")
    )
    leading = asyncio.create_task(one.run())
    await eventually(one.is_leader)
    two = Election(kv, "x", "two", settings=slow, prober=NatsProber(connection, unique, "two"))
    standing = asyncio.create_task(two.run())
    await asyncio.sleep(0.5)
    assert not two.is_leader()
    leading.cancel()
    await doomed.nc._close(4)  # the socket closes, nothing is released
    await eventually(two.is_leader)
    assert two.epoch == 2
    standing.cancel()
    await asyncio.gather(leading, standing, return_exceptions=True)


async def test_groups_of_one_process_are_led_apart_from_one_another(
    connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    services = [Single(unique, connection, group=group) for group in ("a", "b", "a")]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(service.run(stop)) for service in services]
    await eventually(lambda: services[1].epochs == [1] and services[0].epochs + services[2].epochs == [1])
    services[1].election.surrender("for the test")
    await eventually(lambda: services[1].epochs == [1, 2])
    assert services[0].epochs + services[2].epochs == [1]
    stop.set()
    assert await asyncio.gather(*tasks) == [0, 0, 0]


async def test_a_leader_that_cannot_renew_is_unhealthy_while_a_standby_is_ready(
    connection: NatsConnection, nats_url: str, unique: str, eventually: Callable[..., object]
) -> None:
    proxy = FaultyProxy("127.0.0.1", int(nats_url.rsplit(":", 1)[1]))
    await proxy.start()
    behind = await NatsConnection.open(proxy.url)
    leader, standby = Single(unique, behind), Single(unique, connection)
    stops = [asyncio.Event(), asyncio.Event()]
    tasks = [asyncio.create_task(leader.run(stops[0]))]
    await eventually(lambda: leader.http.ready and leader.election.is_active())
    tasks.append(asyncio.create_task(standby.run(stops[1])))
    await eventually(lambda: standby.http.ready)
    assert (await standby.http.report())["status"] == "healthy"
    proxy.cut()
    await eventually(lambda: not leader.election.is_leader())
    report = await leader.http.report()
    assert (report["status"], report["dependencies"]["lease"]) == ("unhealthy", "unhealthy")
    await eventually(standby.election.is_active)
    proxy.heal()
    await eventually(lambda: leader.election.leader() == standby.instance)
    await eventually(lambda: leader.election.role.value == "standby")
    for stop in stops:
        stop.set()
    assert await asyncio.gather(*tasks) == [0, 0]
    await behind.close()
    await proxy.stop()
