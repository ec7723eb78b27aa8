"""Calls, events and balancing on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotActive, RemoteError
from marketprism_sdk.messaging import TTL_S, Balancer, Discovery, EjectionSettings, Event, LeaderClient, wire_error
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ServiceSettings, SingleActiveService, event, leader_only, rpc
from marketprism_sdk.testing import ManualClock


@wire_error("OUT_OF_STOCK")
class OutOfStock(Exception):
    """An error of one's own."""

    retryable = True

    def __init__(self, item: str, left: int) -> None:
        super().__init__(f"{item}: {left} left")
        self.item = item
        self.left = left


@dataclass
class Sold:
    item: str
    price: str


class Shop(Service):
    """Everything a handler can do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cancelled = asyncio.Event()
        self.failing = False
        self.served = 0

    @rpc("buy")
    async def buy(self, request: Any) -> None:
        raise OutOfStock(request, 0)

    @rpc("wait")
    async def wait(self, _: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    @rpc("nested")
    async def nested(self, _: Any) -> Any:
        return await self.calls.call(self.name, "wait", timeout_s=60)

    @rpc("huge")
    async def huge(self, _: Any) -> bytes:
        return bytes(9_000_000)

    @rpc("work")
    async def work_once(self, _: Any) -> str:
        if self.failing:
            raise RemoteError("BROKEN", "not today", retryable=True)
        self.served += 1
        return self.instance


Start = Callable[[Service], Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[tuple[asyncio.Event, asyncio.Task[int]]] = []

    async def begin(service: Service) -> None:
        stop = asyncio.Event()
        running.append((stop, asyncio.create_task(service.run(stop))))
        while not service.http.ready:
            assert not running[-1][1].done()
            await asyncio.sleep(0.01)

    yield begin
    for stop, _ in running:
        stop.set()
    assert [await task for _, task in running] == [0] * len(running)


async def test_an_error_of_ones_own_arrives_as_its_class(start: Start, connection: NatsConnection, unique: str) -> None:
    shop = Shop(unique, connection)
    await start(shop)
    with pytest.raises(OutOfStock, match="tea: 0 left") as caught:
        await shop.calls.call(unique, "buy", "tea")
    assert (caught.value.item, caught.value.left) == ("tea", 0)
    with pytest.raises(ValueError, match="a code of its own"):
        wire_error("OUT_OF_STOCK")(KeyError)


async def test_deadlines_travel_through_nested_calls(start: Start, connection: NatsConnection, unique: str) -> None:
    shop = Shop(unique, connection)
    await start(shop)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(DeadlineExceeded):
        await shop.calls.call(unique, "nested", timeout_s=0.3)
    async with asyncio.timeout(5):
        await shop.cancelled.wait()
    assert loop.time() - started < 5


async def test_a_caller_that_gives_up_cancels_the_handler(
    start: Start, connection: NatsConnection, unique: str
) -> None:
    shop = Shop(unique, connection)
    await start(shop)
    call = asyncio.create_task(shop.calls.call(unique, "wait", timeout_s=60))
    await asyncio.sleep(0.2)
    call.cancel()
    async with asyncio.timeout(5):
        await shop.cancelled.wait()
    assert shop.metrics.total("rpc_cancelled_total") == 1


async def test_what_is_too_large_is_said_so(start: Start, connection: NatsConnection, unique: str) -> None:
    shop = Shop(unique, connection)
    await start(shop)
    with pytest.raises(RemoteError, match="expected at most 1048576 bytes, was 2000000"):
        await shop.calls.call_raw(unique, "work", bytes(2_000_000))
    with pytest.raises(Exception, match="expected at most 8388608 bytes") as caught:
        await shop.calls.call(unique, "huge")
    assert type(caught.value).__name__ == "PayloadTooLarge"
    with pytest.raises(Exception, match="expected at most 8388608 bytes"):
        await shop.calls.call_raw(unique, "work", bytes(9_000_000))
    assert await shop.calls.call(unique, "work") == shop.instance


async def test_events_are_broadcast_to_all_or_competed_for(
    start: Start, connection: NatsConnection, unique: str
) -> None:
    heard: list[tuple[str, str, Any]] = []

    class Listener(Service):
        @event(unique, "Sold", mode="compete")
        async def one_of_us(self, happened: Event) -> None:
            heard.append(("one", self.instance, happened.body))

        @event(unique, "*")
        async def each_of_us(self, happened: Event) -> None:
            heard.append(("each", self.instance, happened.name))
            if happened.body["item"] == "poison":
                raise ValueError("no")

    shop, listeners = Shop(unique, connection), [Listener(f"{unique}-l", connection) for _ in range(3)]
    for service in (shop, *listeners):
        await start(service)
    for _ in range(4):
        await shop.events.publish(Sold("tea", "1.5"))
    await shop.events.publish(Sold("poison", "0"))
    await connection.publish(f"event.{unique}.Sold", b"\xc1 not messagepack")
    await shop.events.publish(Sold("tea", "2"))
    end = asyncio.get_running_loop().time() + 10
    while len(heard) < 6 + 18 and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)
    assert len([h for h in heard if h[0] == "one"]) == 6
    assert len([h for h in heard if h[0] == "each"]) == 18
    assert heard[-1] is not None
    assert sum(li.metrics.total("event_failures_total") for li in listeners) == 3
    assert sum(li.metrics.total("events_malformed_total") for li in listeners) == 4


async def test_an_instance_that_fails_is_left_out_and_comes_back(
    start: Start, connection: NatsConnection, unique: str
) -> None:
    shops = [Shop(unique, connection) for _ in range(3)]
    for shop in shops:
        await start(shop)
    discovery = Discovery(await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S))
    await discovery.start()
    ejected: list[str] = []
    balancer = Balancer(
        shops[0].calls,
        discovery,
        unique,
        settings=EjectionSettings(failures=2, first_s=0.5),
        on_eject=lambda instance, _: ejected.append(instance),
        clock=(clock := ManualClock()),
    )
    assert {await balancer.call("work") for _ in range(6)} == {shop.instance for shop in shops}
    shops[1].failing = shops[2].failing = True
    for _ in range(12):
        with contextlib.suppress(RemoteError):
            await balancer.call("work")
    # Two of three fail; half of them may be left out, so one is.
    assert len(ejected) == 1
    assert balancer.ejected() == set(ejected)
    shops[1].failing = shops[2].failing = False
    await clock.advance(0.6)
    assert {await balancer.call("work") for _ in range(6)} == {shop.instance for shop in shops}
    with pytest.raises(NoResponders, match="expected an instance in the registry"):
        await Balancer(shops[0].calls, discovery, "nobody").call("work")
    await discovery.stop()


async def test_the_client_of_a_leader_follows_it(start: Start, connection: NatsConnection, unique: str) -> None:
    class Single(SingleActiveService):
        @rpc("who")
        @leader_only
        async def who(self, _: Any) -> str:
            return self.instance

    one, two = Single(unique, connection), Single(unique, connection)
    await start(one)
    client = LeaderClient(one.calls, unique)
    assert await client.call("who") == one.instance
    await start(two)
    for _ in range(20):
        assert await client.call("who") == one.instance
    one.election.surrender("for the test")
    seen = {await client.call("who") for _ in range(50)}
    assert seen <= {one.instance, two.instance}
    with pytest.raises((NotActive, NoResponders)):
        await LeaderClient(one.calls, "nobody").call("who", timeout_s=0.3)


async def test_a_service_waits_for_what_it_needs(start: Start, connection: NatsConnection, unique: str) -> None:
    late = Shop(f"{unique}-late", connection, settings=ServiceSettings(needs=(unique,), needs_s=20))
    starting = asyncio.create_task(start(late))
    await asyncio.sleep(0.5)
    assert not late.http.ready
    await start(Shop(unique, connection))
    await starting
    hopeless = Shop(f"{unique}-h", connection, settings=ServiceSettings(needs=("nobody",), needs_s=0.2))
    with pytest.raises(DeadlineExceeded, match="expected an active nobody"):
        await hopeless.run(asyncio.Event())


async def test_leaderships_are_told_as_events_and_measured(
    start: Start, connection: NatsConnection, unique: str
) -> None:
    heard: list[str] = []

    class Watcher(Service):
        @event(unique, "*")
        async def hear(self, happened: Event) -> None:
            heard.append(happened.name)

    await start(Watcher(f"{unique}-w", connection))
    one = SingleActiveService(unique, connection)
    await start(one)
    while not one.election.is_active():
        await asyncio.sleep(0.02)
    await one.election.release()
    end = asyncio.get_running_loop().time() + 5
    while heard != ["LeaseAcquired", "LeaseReleased"] and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.02)
    assert heard == ["LeaseAcquired", "LeaseReleased"]
    text = one.metrics.text().decode()
    assert "leases_acquired_total 1.0" in text
    assert "lease_epoch" in text


async def test_a_handler_that_blocks_the_loop_is_named(start: Start, connection: NatsConnection, unique: str) -> None:
    class Blocking(Service):
        @rpc("block")
        async def block(self, _: Any) -> str:
            end = time.perf_counter() + 0.7
            while time.perf_counter() < end:
                pass
            return "done"

    service = Blocking(unique, connection)
    stalls: list[list[str]] = []
    service._watch._on_stall = lambda _, where: stalls.append(where)
    await start(service)
    assert await service.calls.call(unique, "block") == "done"
    await asyncio.sleep(0.2)
    assert service.metrics.total("event_loop_stalls_total") >= 1
    assert stalls[0][0].endswith(" block")
    assert await service.calls.call(unique, "block", timeout_s=10) == "done"
