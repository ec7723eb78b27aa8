"""The NATS layer, stages and services on a real server, with real processes killed."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from marketprism_sdk.commands import dead_letters, redrive, send_command
from marketprism_sdk.election import Election
from marketprism_sdk.errors import Fenced, NotConnected, RemoteError, StreamError
from marketprism_sdk.fence import raise_fence
from marketprism_sdk.lease import LeaseSettings
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last, ensure_stream, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.service import Service, command, rpc
from marketprism_sdk.single_active import SingleActiveService, exclusive
from marketprism_sdk.stage import Stage
from tests.integration.sdk.stage_process import PARTITIONS, Sums, settings

PROCESS = Path(__file__).with_name("stage_process.py")


async def make_streams(connection: NatsConnection, name: str) -> None:
    common = {"storage": "file", "allow_direct": True}
    await ensure_stream(connection, {"name": f"{name}-in", "subjects": [f"{name}.in.>"], **common})
    out = {"name": f"{name}-out", "subjects": [f"{name}.out.>", f"stage.{name}.>"], "allow_atomic": True, **common}
    await ensure_stream(connection, out)
    await ensure_stream(connection, {"name": f"{name}-side", "subjects": [f"{name}.side"], **common})


async def messages_of(connection: NatsConnection, stream: str, subject: str) -> list[bytes]:
    consumer = PullConsumer(connection, stream, [subject])
    await consumer.open()
    found: list[bytes] = []
    while arrived := await consumer.fetch(1_000, 1.0):
        found += [message.data for message in arrived]
    await consumer.close()
    return found


async def test_a_stage_killed_again_and_again_says_everything_once(
    connection: NatsConnection, nats_url: str, unique: str
) -> None:
    await make_streams(connection, unique)
    dice = random.Random(7)
    publisher = WindowPublisher(connection)
    await publisher.open()
    total = 6_000
    for number in range(total):
        await publisher.publish(f"{unique}.in.{number % PARTITIONS}", str(number).encode())
    await publisher.flush()
    epoch = 0
    while True:
        epoch += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROCESS),
            nats_url,
            unique,
            str(epoch),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdout is not None
        await process.stdout.readline()
        last = epoch >= 6
        await asyncio.sleep(3 if last else dice.uniform(0.02, 0.35))
        process.kill()
        await process.wait()
        done = await messages_of(connection, f"{unique}-out", f"{unique}.out.0")
        if last and len(done) == 2 * total // PARTITIONS:
            break
        assert epoch < 12, f"{len(done)} outputs after {epoch} runs"
    for partition in range(PARTITIONS):
        expected, running = [], 0
        for count, number in enumerate(range(partition, total, PARTITIONS), 1):
            running += number
            expected += [f"{count} {running}".encode()] * 2
        assert await messages_of(connection, f"{unique}-out", f"{unique}.out.{partition}") == expected
    side = await messages_of(connection, f"{unique}-side", f"{unique}.side")
    assert len(side) == len(set(side)) == PARTITIONS * (total // PARTITIONS // 50)


async def test_a_stage_that_lost_a_partition_writes_nothing_to_it(
    connection: NatsConnection, nats_url: str, unique: str
) -> None:
    await make_streams(connection, unique)
    lost: list[int] = []
    old = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "old", on_lost=lost.append)
    await old.own(0, 1)
    other = await NatsConnection.open(nats_url)
    new = Stage(other, settings(unique), lambda p, _: Sums(unique, p), "new")
    await new.own(0, 2)
    with pytest.raises(Fenced, match="expected a checkpoint below epoch 1, was 2 of new"):
        await old.own(0, 1)
    await publish_ack(connection, f"{unique}.in.0", b"5")
    running = [asyncio.create_task(stage.run()) for stage in (old, new)]
    for _ in range(100):
        await asyncio.sleep(0.05)
        if lost and len(await messages_of(connection, f"{unique}-out", f"{unique}.out.0")) == 2:
            break
    assert lost == [0]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert await messages_of(connection, f"{unique}-out", f"{unique}.out.0") == [b"1 5", b"1 5"]
    await other.close()


async def test_a_batch_is_taken_whole_or_not_at_all_and_core_subscribers_see_it_at_once(
    connection: NatsConnection, unique: str, eventually: Callable[..., object]
) -> None:
    await make_streams(connection, unique)
    live: list[bytes] = []
    stop = await connection.subscribe(f"{unique}.out.>", lambda m: live.append(m.data))
    batch = AtomicBatch(connection)
    await batch.add(f"{unique}.out.a", b"1")
    await eventually(lambda: live == [b"1"])
    assert await direct_get_last(connection, f"{unique}-out", f"{unique}.out.a") is None
    ack = await batch.commit(f"stage.{unique}.0.ck", b"ck", expected_seq=0)
    assert ack.seq == 2
    refused = AtomicBatch(connection)
    await refused.add(f"{unique}.out.b", b"2")
    with pytest.raises(Fenced):
        await refused.commit(f"stage.{unique}.0.ck", b"ck2", expected_seq=0)
    assert await direct_get_last(connection, f"{unique}-out", f"{unique}.out.b") is None
    await stop()


async def test_a_fence_of_a_later_epoch_refuses_the_writes_of_an_earlier_one(
    connection: NatsConnection, unique: str
) -> None:
    await ensure_stream(
        connection, {"name": unique, "subjects": [f"{unique}.>"], "storage": "file", "allow_direct": True}
    )
    first = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    old = WindowPublisher(connection, headers=first)
    await old.open()
    await old.publish(f"{unique}.x", b"1")
    await old.flush()
    second = await raise_fence(connection, unique, f"{unique}.fence", "two", 2)
    new = WindowPublisher(connection, headers=second)
    await new.open()
    await new.publish(f"{unique}.x", b"2")
    await new.flush()
    await old.publish(f"{unique}.x", b"late")
    with pytest.raises(Fenced):
        await old.flush()
    with pytest.raises(Fenced, match="expected a fence below epoch 2"):
        await raise_fence(connection, unique, f"{unique}.fence", "one", 2)
    assert await messages_of(connection, unique, f"{unique}.x") == [b"1", b"2"]
    await old.close()
    await new.close()


async def test_publishing_to_no_stream_is_an_error_and_the_wrong_server_too(
    connection: NatsConnection, unique: str
) -> None:
    publisher = WindowPublisher(connection)
    await publisher.open()
    await publisher.publish(f"nobody.{unique}", b"x")
    with pytest.raises(StreamError, match="expected a stream"):
        await publisher.flush()
    await publisher.close()
    with pytest.raises(StreamError):
        await stream_info(connection, f"no-{unique}")

    async def other_protocol(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(other_protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(NotConnected, match=f"127.0.0.1:{port}"):
        await NatsConnection.open(f"nats://127.0.0.1:{port}", connect_timeout_s=0.5)
    server.close()


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
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    while not service.http.ready:
        await asyncio.sleep(0.01)
    yield service
    stop.set()
    assert await task == 0


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
    with pytest.raises(Exception, match=r"DEADLINE|within"):
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
            assert (answer.status, body["status"], body["dependencies"]) == (200, "healthy", {"nats": "healthy"})
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
    @exclusive
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
        await NatsKeyValue.open(doomed, unique), "x", "one", settings=slow, prober=NatsProber(doomed, unique)
    )
    leading = asyncio.create_task(one.run())
    await eventually(one.is_leader)
    two = Election(kv, "x", "two", settings=slow, prober=NatsProber(connection, unique))
    standing = asyncio.create_task(two.run())
    await asyncio.sleep(0.5)
    assert not two.is_leader()
    leading.cancel()
    await doomed.nc._close(4)  # the socket closes, nothing is released
    await eventually(two.is_leader)
    assert two.epoch == 2
    standing.cancel()
    await asyncio.gather(leading, standing, return_exceptions=True)
