"""The NATS layer, stages and services on a real server, with real processes killed."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.errors import DeadlineExceeded, Fenced, NoResponders, NotConnected, StreamError, StreamMissing
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last, ensure_stream, leader_get_last, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.streams import Output, Stage, raise_fence
from tests.integration.sdk.stage_process import PARTITIONS, Sums, settings

PROCESS = Path(__file__).with_name("stage_process.py")


async def make_streams(connection: NatsConnection, name: str) -> None:
    common = {"storage": "file", "allow_direct": True}
    await ensure_stream(connection, {"name": f"{name}-in", "subjects": [f"{name}.in.>"], **common})
    out = {"name": f"{name}-out", "subjects": [f"{name}.out.>", f"stage.{name}.>"], "allow_atomic": True, **common}
    await ensure_stream(connection, out)
    await ensure_stream(connection, {"name": f"{name}-side", "subjects": [f"{name}.side"], **common})


async def messages_of(connection: NatsConnection, stream: str, subject: str) -> list[bytes]:
    """Everything on a subject, up to the last message that is there now."""
    last = await leader_get_last(connection, stream, subject)
    if last is None:
        return []
    consumer = PullConsumer(connection, stream, [subject])
    await consumer.open()
    found: list[bytes] = []
    reached = 0
    async with asyncio.timeout(30):
        while reached < last.seq:
            for message in await consumer.fetch(1_000, 1.0):
                found.append(message.data)
                reached = message.seq
    await consumer.close()
    return found


@pytest.mark.long
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
    late = Stage(connection, settings(unique), lambda p, _: Sums(unique, p), "late")
    with pytest.raises(Fenced, match="expected a checkpoint below epoch 1, was 2 of new"):
        await late.own(0, 1)
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
    old = WindowPublisher(connection, headers=first.headers)
    await old.open()
    await old.publish(f"{unique}.x", b"1")
    await old.flush()
    second = await raise_fence(connection, unique, f"{unique}.fence", "two", 2)
    new = WindowPublisher(connection, headers=second.headers)
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


async def test_a_message_with_more_outputs_than_a_batch_holds_is_committed_to_its_end(
    connection: NatsConnection, unique: str
) -> None:
    class Many(Sums):
        def process(self, seq: int, payload: bytes) -> Sequence[Output]:
            del seq
            return [Output(f"{unique}.out.0", b"%d" % n) for n in range(int(payload))]

    await make_streams(connection, unique)
    await publish_ack(connection, f"{unique}.in.0", b"2150")
    stage = Stage(connection, settings(unique), lambda p, _: Many(unique, p), "one")
    await stage.own(0, 1)
    running = asyncio.create_task(stage.run())
    found: list[bytes] = []
    for _ in range(150):
        await asyncio.sleep(0.1)
        found = await messages_of(connection, f"{unique}-out", f"{unique}.out.0")
        if len(found) == 2150:
            break
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert found == [b"%d" % n for n in range(2150)]


async def test_a_stream_that_is_electing_its_leader_is_asked_again_and_one_that_stays_silent_is_an_error(
    connection: NatsConnection, unique: str
) -> None:
    class Electing(NatsConnection):
        """The real server behind it, which does not answer the first questions."""

        silent = 3

        async def request(
            self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, **_: Any
        ) -> Msg:
            if self.silent:
                self.silent -= 1
                raise DeadlineExceeded(f"no answer on {subject} within {timeout_s:g} s")
            return await connection.request(subject, payload, timeout_s=timeout_s, headers=headers)

    config = {"name": f"{unique}-elects", "subjects": [f"{unique}.elects"], "storage": "file"}
    electing = Electing(connection.nc, connection.url)
    assert (await ensure_stream(electing, config))["config"]["name"] == config["name"]
    electing.silent = 3
    assert (await stream_info(electing, config["name"]))["config"]["name"] == config["name"]
    electing.silent = 3
    consumer = PullConsumer(electing, config["name"], [f"{unique}.elects"])
    await consumer.open()
    await consumer.close()
    electing.silent = 1_000
    with pytest.raises(DeadlineExceeded, match=f"STREAM.INFO.{unique}-elects"):
        await ensure_stream(electing, config, within_s=0.4)


async def test_a_bucket_that_was_made_a_moment_ago_is_asked_again_and_one_that_is_not_there_is_an_error(
    connection: NatsConnection, unique: str
) -> None:
    class Young(NatsConnection):
        """The real server behind it, whose replicas do not answer direct gets at first."""

        deaf = 3

        async def request(
            self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, **_: Any
        ) -> Msg:
            if "DIRECT.GET" in subject and self.deaf:
                self.deaf -= 1
                raise NoResponders(subject)
            return await connection.request(subject, payload, timeout_s=timeout_s, headers=headers)

    young = Young(connection.nc, connection.url)
    bucket = await NatsKeyValue.open(young, f"{unique}-young")
    assert await bucket.get("one") is None
    assert young.deaf == 0
    with pytest.raises(StreamError, match="expected a stream with direct get, there is none"):
        await NatsKeyValue(young, f"{unique}-none").get("one")


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.001, 0.002, 0.004, 0.008])
async def test_a_reader_interrupted_while_it_opens_is_closed_as_any_other(
    connection: NatsConnection, unique: str, after: float
) -> None:
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.x"], "storage": "memory"})
    consumer = PullConsumer(connection, unique, [f"{unique}.x"])

    async def read() -> None:
        try:
            await consumer.open()
            await consumer.fetch(1, 60.0)
        finally:
            await consumer.close()

    reading = asyncio.create_task(read())
    await asyncio.sleep(after)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_reader_of_a_stream_that_is_not_there_says_so_and_is_closed(connection: NatsConnection) -> None:
    consumer = PullConsumer(connection, "nowhere", ["x"])
    with pytest.raises(StreamMissing):
        await consumer.open()
    await consumer.close()
    publisher = WindowPublisher(connection)
    await publisher.close()


async def test_who_has_left_does_not_come_back_though_its_cancellation_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="test")
    await server.stop()
    async with asyncio.timeout(10):
        while not (attempts := [each for each in asyncio.all_tasks() if "_attempt_reconnect" in repr(each)]):
            await asyncio.sleep(0.01)
    monkeypatch.setattr(connection.nc, "_reconnection_task", _Uncancelled(attempts[0]))
    await connection.close()
    done, _ = await asyncio.wait(attempts, timeout=5)
    assert done


class _Uncancelled:
    """A task whose cancellation is lost, as where what it waits for ends at that very moment."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task

    def cancel(self) -> None:
        return

    def done(self) -> bool:
        return self.task.done()


async def test_a_question_that_nobody_heard_is_asked_again_without_waiting_for_its_end(
    connection: NatsConnection, unique: str
) -> None:
    heard: list[Msg] = []

    def answer_the_second(message: Msg) -> None:
        heard.append(message)
        if len(heard) == 2:
            tasks.append(asyncio.create_task(connection.publish(message.reply, b"here")))

    tasks: list[asyncio.Task[None]] = []
    await connection.subscribe(f"{unique}.ask", answer_the_second)
    reply = await connection.request(f"{unique}.ask", b"who", timeout_s=60.0, again_s=0.05)
    assert reply.data == b"here"
    assert heard[0].reply == heard[1].reply


async def test_a_server_that_takes_connections_and_says_nothing_keeps_nobody_from_the_next_one(nats_url: str) -> None:
    mute = await asyncio.start_server(lambda _, writer: hold.append(writer), "127.0.0.1", 0)
    hold: list[asyncio.StreamWriter] = []
    url = f"nats://127.0.0.1:{mute.sockets[0].getsockname()[1]},{nats_url}"
    for _ in range(3):  # whichever the client comes to first
        connection = await NatsConnection.open(url, connect_timeout_s=1.0)
        assert connection.connected
        await connection.close()
    for writer in hold:
        writer.close()
    mute.close()


async def test_the_owners_of_partitions_are_asked_again_sooner_than_a_stream_is_waited_for(
    connection: NatsConnection, unique: str
) -> None:
    waited: list[float] = []

    class Gone(NatsConnection):
        """Nobody answers what is asked of the real server behind it."""

        def __init__(self) -> None:
            super().__init__(connection.nc, connection.url)
            self.gone = False

        async def request(self, subject: str, payload: bytes, *, timeout_s: float, **_: Any) -> Msg:
            if not self.gone:
                return await connection.request(subject, payload, timeout_s=timeout_s, **_)
            waited.append(timeout_s)
            raise DeadlineExceeded(subject)

    asked = Gone()
    bucket = await NatsKeyValue.open(asked, f"{unique}-owners", answer_s=0.2)
    assert await bucket.entries() == []
    asked.gone = True
    for ask in (bucket.get("a"), bucket.put("a", b""), bucket.update("a", b"", 1)):
        with pytest.raises(DeadlineExceeded):
            await ask
    assert waited == [0.2, 0.2, 0.2]
