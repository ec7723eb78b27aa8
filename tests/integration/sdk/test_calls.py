"""Calls: whose clock a deadline is measured on, who answers for a service with leaders, what an error says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from marketprism_sdk.clock import SystemClock
from marketprism_sdk.errors import (
    ConfigurationError,
    DeadlineExceeded,
    InvalidSubject,
    NoResponders,
    NotActive,
    NotConnected,
    RemoteError,
)
from marketprism_sdk.messaging import (
    CALL_HEADER,
    DEADLINE_HEADER,
    TIME_LEFT_HEADER,
    TTL_S,
    Balancer,
    Discovery,
    LeaderClient,
    NatsBus,
    RpcClient,
    RpcServer,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import Service, SingleActiveService, leader_only, rpc
from tests.support.services import running

HOUR_NS = 3_600 * 10**9


class SkewedClock(SystemClock):
    """A machine whose wall clock is off."""

    def __init__(self, off_ns: int) -> None:
        self._off_ns = off_ns

    def now_ns(self) -> int:
        return super().now_ns() + self._off_ns


@pytest.fixture
async def server_of(connection: NatsConnection, unique: str) -> AsyncIterator[Callable[..., Any]]:
    servers: list[RpcServer] = []

    async def start(off_ns: int, name: str = "a") -> RpcServer:
        clock, bus = SkewedClock(off_ns), NatsBus(connection)
        server = RpcServer(bus, f"{unique}-{name}", name, Metrics(unique), clock)
        calls = RpcClient(bus, clock)

        async def hang(_: Any) -> None:
            await asyncio.sleep(60)

        async def nested(request: Any) -> Any:
            return await calls.call(request, "hang", timeout_s=60)

        async def add(request: Any) -> int:
            return sum(request)

        for method, handler in (("hang", hang), ("nested", nested), ("add", add)):
            server.add(method, handler)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.mark.parametrize("off_ns", [-HOUR_NS, -25 * 10**9, HOUR_NS])
async def test_a_server_whose_clock_is_off_answers_within_the_callers_time(
    server_of: Callable[..., Any], connection: NatsConnection, unique: str, off_ns: int
) -> None:
    await server_of(off_ns)
    await server_of(-off_ns, "b")
    calls = RpcClient(NatsBus(connection))
    assert await calls.call(f"{unique}-a", "add", [1, 2]) == 3
    loop = asyncio.get_running_loop()
    for method, request in (("hang", None), ("nested", f"{unique}-b")):
        started = loop.time()
        with pytest.raises(DeadlineExceeded):
            await calls.call(f"{unique}-a", method, request, timeout_s=0.3)
        assert loop.time() - started < 30  # and not the hour by which the clocks differ, nor the minute it hangs


async def test_the_servers_of_a_caller_that_is_gone_stop_in_its_time_whatever_their_clocks_say(
    server_of: Callable[..., Any], connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    outer = await server_of(-HOUR_NS)
    inner = await server_of(HOUR_NS, "b")
    headers = {TIME_LEFT_HEADER: "300", CALL_HEADER: "x"}
    inbox = connection.inbox()
    await connection.publish(f"rpc.{unique}-a.nested", msgspec.msgpack.encode(f"{unique}-b"), headers, inbox)
    await eventually(lambda: inner._running, 10)
    await eventually(lambda: not outer._running and not inner._running, 30)


async def test_an_instant_counts_only_where_there_is_no_time_left(
    server_of: Callable[..., Any], connection: NatsConnection, unique: str
) -> None:
    await server_of(0)
    bus, past = NatsBus(connection), str(time.time_ns() - HOUR_NS)
    body = msgspec.msgpack.encode([1])
    both = {TIME_LEFT_HEADER: "5000", DEADLINE_HEADER: past}
    assert (await bus.request(f"rpc.{unique}-a.add", body, timeout_s=5, headers=both)).data == b"\x01"
    older = {DEADLINE_HEADER: str(time.time_ns() + HOUR_NS)}
    assert (await bus.request(f"rpc.{unique}-a.add", body, timeout_s=5, headers=older)).data == b"\x01"
    refused = await bus.request(f"rpc.{unique}-a.add", body, timeout_s=5, headers={DEADLINE_HEADER: past})
    assert b"DEADLINE_EXCEEDED" in refused.data
    for nonsense in ("soon", "-5", "9" * 30):
        headers = {TIME_LEFT_HEADER: nonsense}
        assert (await bus.request(f"rpc.{unique}-a.add", body, timeout_s=5, headers=headers)).data == b"\x01"


class Led(SingleActiveService):
    """Works only where it leads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.begun = 0

    @rpc("who")
    @leader_only
    async def who(self, _: Any) -> str:
        return self.instance

    @rpc("slow")
    @leader_only
    async def slow(self, _: Any) -> str:
        self.begun += 1
        if self.begun == 1 and self.election.epoch == 1:
            await asyncio.sleep(60)
        return self.instance


async def test_a_plain_call_to_a_service_with_leaders_reaches_the_leader(
    connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    services = [Led(unique, connection) for _ in range(3)]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(service.run(stop)) for service in services]
    await eventually(lambda: all(s.http.ready for s in services) and any(s.election.is_active() for s in services))
    leader = next(s for s in services if s.election.is_active())
    await eventually(lambda: all(s.election.leader() == leader.instance for s in services))
    assert {await leader.calls.call(unique, "who") for _ in range(30)} == {leader.instance}
    standby = next(s for s in services if s is not leader)
    with pytest.raises(NotActive, match=leader.instance):
        await leader.calls.call(unique, "who", instance=standby.instance)
    discovery = Discovery(await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S))
    await discovery.refresh()
    assert (found := discovery.leader(unique)) is not None
    assert (found.instance, found.group, found.single_active) == (leader.instance, "default", True)
    assert discovery.leader(unique, "other") is None
    with pytest.raises(ConfigurationError, match="use LeaderClient"):
        await Balancer(leader.calls, discovery, unique).call("who")
    stop.set()
    assert await asyncio.gather(*tasks) == [0, 0, 0]


@pytest.mark.parametrize("known", [True, False])
async def test_a_question_to_a_leader_that_dies_while_it_works_goes_to_the_next(
    connection: NatsConnection, nats_url: str, unique: str, eventually: Callable[..., object], known: bool
) -> None:
    doomed = await NatsConnection.open(nats_url, name="doomed")
    one, two = Led(unique, doomed), Led(unique, connection)
    stop, never = asyncio.Event(), asyncio.Event()
    dying = asyncio.create_task(one.run(never))
    await eventually(lambda: one.http.ready and one.election.is_active())
    second = asyncio.create_task(two.run(stop))
    await eventually(lambda: two.http.ready)
    client = LeaderClient(two.calls, unique, look_s=0.1, known=lambda: one.instance if known else None)
    assert not known or await client.call("who") == one.instance
    asking = asyncio.create_task(client.call("slow", timeout_s=300, idempotent=True))
    await eventually(lambda: one.begun == 1)
    assert one._own is not None
    for each in (doomed, one._own):  # both connections close, nothing is released
        await each.nc._close(4)
    assert await asking == two.instance
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    stop.set()
    assert await second == 0


async def test_no_answer_of_an_instance_is_told_by_its_ping(connection: NatsConnection, unique: str) -> None:
    service = Service(unique, connection)
    async with running(service):
        assert await service.calls.call(unique, "ping", instance=service.instance) == service.instance
        with pytest.raises(NoResponders):
            await service.calls.call(unique, "ping", instance="nobody")


async def test_an_error_without_words_says_what_it_is(
    connection: NatsConnection, unique: str, server_of: Callable[..., Any]
) -> None:
    server = await server_of(0)

    async def wordless(which: Any) -> None:
        raise {"time": TimeoutError, "value": ValueError, "reset": ConnectionResetError}[which]()

    server.add("wordless", wordless)
    calls = RpcClient(NatsBus(connection))
    with pytest.raises(DeadlineExceeded, match="no answer in time"):
        await calls.call(f"{unique}-a", "wordless", "time")
    for which, said in (("value", "ValueError"), ("reset", "the other side closed the connection")):
        with pytest.raises(RemoteError, match=said):
            await calls.call(f"{unique}-a", "wordless", which)


async def test_what_would_break_into_the_protocol_is_refused(connection: NatsConnection) -> None:
    for wrong in ("", "a b", "a\r\nPUB x", "a\t", "a..b", ".a", "a.", "a\x00", "a\x7f", "a\ud800"):
        with pytest.raises(InvalidSubject, match="subject: expected"):
            await connection.publish(wrong, b"")
        with pytest.raises(InvalidSubject, match="subject: expected"):
            await connection.request(wrong, b"", timeout_s=1)
        with pytest.raises(InvalidSubject, match="subject: expected"):
            await connection.subscribe(wrong, lambda _: None)
    for name, value in (("Key", "a\r\nNats-Rollup: all"), ("Key\r\nX", "a"), ("Key: x", "a"), ("Key", "a\x00")):
        with pytest.raises(InvalidSubject, match="header: expected"):
            await connection.publish("a", b"", {name: value})
    await connection.publish("行情.rb2505", b"")
    await connection.flush()
    assert connection.connected


async def test_a_server_that_is_none_is_said_so_with_a_reason() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            pass
        writer.close()
        gone.set()

    gone = asyncio.Event()
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotConnected, match=r"expected a NATS server, no answer in time"):
            await NatsConnection.open(f"nats://127.0.0.1:{port}", connect_timeout_s=0.3)
        await gone.wait()
        await asyncio.sleep(0.05)


async def test_a_server_that_is_not_there_is_given_up_in_time_each_time() -> None:
    for _ in range(15):
        async with asyncio.timeout(20):
            with pytest.raises(NotConnected, match="expected a NATS server, Connection refused"):
                await NatsConnection.open("nats://127.0.0.1:1", connect_timeout_s=0.1)
