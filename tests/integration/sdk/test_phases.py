"""The phases of a stop, in their order; tasks that end sooner than their service; handlers that are mounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from marketprism_sdk.errors import ConfigurationError, RemoteError
from marketprism_sdk.messaging import TTL_S, Command, RpcClient, dead_letters, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ShardedService, SingleActiveService, Work, command, rpc
from marketprism_sdk.streams import Processor
from tests.integration.sdk.stage_process import Sums, settings
from tests.integration.sdk.test_nats import make_streams

pytestmark = pytest.mark.timeout(60)


class Noting(Service):
    """Notes each phase, and what works in it."""

    def __init__(self, *args: Any, fails: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phases: list[str] = []
        self._fails = fails
        self.ticking: Work

    async def on_start(self) -> None:
        self.ticking = self.spawn(asyncio.sleep(3600), "ticking")

    async def _note(self, phase: str) -> None:
        answers = "answers" if self.http.ready else "silent"
        works = "over" if self.ticking.done else "works"
        there = "there" if self.connection.connected else "away"
        self.phases.append(f"{phase}: {answers}, {works}, {there}")
        if phase == self._fails:
            raise ValueError(phase)

    async def on_drain(self) -> None:
        if self.http.ready:
            assert await self.calls.call(self.name, "ping", instance=self.instance) == self.instance
        await self._note("drain")

    async def on_stop(self) -> None:
        await self._note("stop")


async def _started(service: Service) -> tuple[asyncio.Event, asyncio.Task[int]]:
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    while not service.http.ready:
        assert not running.done(), await running
        await asyncio.sleep(0.01)
    return stop, running


async def _registered(connection: NatsConnection, service: Service) -> bool:
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=TTL_S)
    return await registry.get(f"{service.name}.{service.instance}") is not None


async def _ends_in_order(connection: NatsConnection, service: Noting) -> None:
    stop, running = await _started(service)
    stop.set()
    assert await running == 0
    assert service.phases == ["drain: answers, works, there", "stop: silent, over, there"]
    assert not await _registered(connection, service)


async def test_a_service_drains_while_all_works_and_stops_when_nothing_does(
    connection: NatsConnection, unique: str
) -> None:
    await _ends_in_order(connection, Noting(unique, connection))


class SlowToAnnounce(Noting):
    """Is ready, and its entry in the registry does not say so yet."""

    async def announce(self, status: str) -> None:
        if status == "active":
            await asyncio.sleep(3600)
        await super().announce(status)


async def test_a_service_that_was_ready_ends_in_order_before_its_start_is_over(
    connection: NatsConnection, unique: str
) -> None:
    await _ends_in_order(connection, SlowToAnnounce(unique, connection))


@pytest.mark.parametrize("fails", ["drain", "stop"])
async def test_a_phase_that_fails_is_told_and_keeps_no_other_from_being_gone_through(
    connection: NatsConnection, unique: str, fails: str
) -> None:
    service = Noting(unique, connection, fails=fails)
    stop, running = await _started(service)
    stop.set()
    with pytest.raises(ValueError, match=fails):
        await running
    assert [phase.partition(":")[0] for phase in service.phases] == ["drain", "stop"]
    assert service.ticking.cancelled
    assert not await _registered(connection, service)


async def test_work_that_is_cancelled_ends_in_order_once_and_the_service_goes_on(
    connection: NatsConnection, unique: str
) -> None:
    ended: list[str] = []

    async def work(error: Exception | None = None) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            ended.append("in order")
            if error is not None:
                raise error

    service = Service(unique, connection)
    stop, running = await _started(service)
    for error in (None, ValueError("while it ends")):
        spawned = service.spawn(work(error), "work")
        await asyncio.sleep(0)
        spawned.request_cancel()
        await asyncio.gather(spawned.cancel(), spawned.cancel())
        assert spawned.done
        assert not spawned.failed
    assert ended == ["in order"] * 2
    await asyncio.sleep(0.05)
    assert not running.done()
    stop.set()
    assert await running == 0


async def test_work_that_fails_by_itself_ends_the_service_with_1(connection: NatsConnection, unique: str) -> None:
    async def work() -> None:
        raise ValueError("no")

    service = Noting(unique, connection)
    _, running = await _started(service)
    spawned = service.spawn(work(), "work")
    assert await running == 1
    assert spawned.failed
    assert len(service.phases) == 2


class Led(SingleActiveService):
    """Notes its phases."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phases: list[str] = []
        self.leading: Work | None = None

    async def on_activate(self, epoch: int) -> None:
        self.leading = self.spawn(asyncio.sleep(3600), f"leading-{epoch}")

    async def on_deactivate(self, reason: str) -> None:
        assert self.leading is not None
        assert not self.leading.done
        self.phases.append(f"deactivated, {'answers' if self.http.ready else 'silent'}")
        await self.leading.cancel()

    async def on_stop(self) -> None:
        self.phases.append(f"stopped as {self.election.role.value}, {'answers' if self.http.ready else 'silent'}")
        await super().on_stop()


async def test_a_lease_is_given_back_before_anything_else_of_its_leader_ends(
    connection: NatsConnection, unique: str, eventually: Callable[..., Awaitable[object]]
) -> None:
    leader = Led(unique, connection)
    stop, running = await _started(leader)
    await eventually(lambda: leader.election.is_active() and leader.leading is not None)
    standby = Led(unique, connection)
    stop_standby, standing = await _started(standby)
    stop.set()
    await eventually(standby.election.is_active)
    assert await running == 0
    assert leader.phases == ["deactivated, answers", "stopped as standby, silent"]
    stop_standby.set()
    assert await standing == 0


class Sharded(ShardedService):
    """Sums what comes, and notes what is left when a phase begins."""

    def __init__(self, name: str, connection: NatsConnection) -> None:
        super().__init__(
            name,
            connection,
            settings(name),
            partitions=2,
            shards_bucket=f"{name}-shards",
            latest_bucket=f"{name}-latest",
        )
        self.phases: list[str] = []

    def processor(self, partition: int, epoch: int) -> Processor:
        del epoch
        return Sums(self.name, partition)

    async def on_drain(self) -> None:
        self.latest["last"] = b"word"
        self.phases.append(f"drain: {sorted(self.stage.parts)}")
        await super().on_drain()
        self.phases.append(f"drained: {sorted(self.stage.parts)}, ready {self.http.ready}")

    async def on_stop(self) -> None:
        self.phases.append(f"stop: ready {self.http.ready}")
        await super().on_stop()


async def test_partitions_are_handed_over_and_the_last_values_written_while_the_stage_runs(
    connection: NatsConnection, unique: str, eventually: Callable[..., Awaitable[object]]
) -> None:
    await make_streams(connection, unique)
    service = Sharded(unique, connection)
    stop, running = await _started(service)
    await eventually(lambda: len(service.stage.parts) == 2)
    stop.set()
    assert await running == 0
    assert service.phases == ["drain: [0, 1]", "drained: [], ready True", "stop: ready False"]
    latest = await NatsKeyValue(connection, f"{unique}-latest").get("last")
    assert latest is not None
    assert latest.value == b"word"
    assert await NatsKeyValue(connection, f"{unique}-shards").entries("sess.") == []


class Item(msgspec.Struct, frozen=True):
    name: str
    count: int = 1


class Desk:
    """Handlers of their own, without a service to inherit from."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    @rpc("price")
    async def price(self, item: Item) -> Item:
        return Item(item.name, item.count * 2)

    @command("Order")
    async def order(self, item: Item, given: Command) -> None:
        self.done.append((item.name, given.issuer))


@pytest.fixture
async def desk(connection: NatsConnection, unique: str) -> AsyncIterator[Desk]:
    service, mounted = Service(unique, connection), Desk()
    service.mount(mounted)
    stop, running = await _started(service)
    with pytest.raises(ConfigurationError, match="before it answers"):
        service.mount(Desk())
    yield mounted
    stop.set()
    assert await running == 0


async def test_mounted_handlers_get_their_types_and_what_does_not_fit_is_refused_alike(
    desk: Desk, connection: NatsConnection, unique: str, eventually: Callable[..., Awaitable[object]]
) -> None:
    service = Service(f"{unique}-caller", connection)
    calls: RpcClient = service.calls
    assert await calls.call(unique, "price", {"name": "a", "count": 2}) == {"name": "a", "count": 4}
    for body, text in (({"name": 5}, "price: name: expected str, was int"), (None, "price: name: expected a value")):
        with pytest.raises(RemoteError) as caught:
            await calls.call(unique, "price", body)
        assert (caught.value.code, caught.value.details) == ("INVALID_PARAMETER", {"field": "name"})
        assert caught.value.message.startswith(text)
    await send_command(connection, unique, "Order", {"name": "a"}, issuer="operator")
    await eventually(lambda: desk.done == [("a", "operator")])
    await send_command(connection, unique, "Order", {"count": "x"}, issuer="operator")
    letters: list[Any] = []
    for _ in range(400):
        letters = [of for _, of in await dead_letters(connection) if of.subject == f"cmd.{unique}.Order"]
        if letters:
            break
        await asyncio.sleep(0.02)
    assert [(of.reason.partition(":")[0], of.attempts) for of in letters] == [("INVALID_PARAMETER", 1)]
    assert "command Order: " in letters[0].reason


async def test_two_handlers_of_one_name_are_refused(connection: NatsConnection, unique: str) -> None:
    service = Service(unique, connection)
    service.mount(Desk())
    service.mount(Desk())
    with pytest.raises(ConfigurationError, match="expected one handler of rpc price"):
        await service.run(asyncio.Event())
