"""Readers whose consumer is on a server that has gone: it is missed soon, and made again elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.msg import Msg

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_sdk.nats.direct import Held
from marketprism_sdk.nats.jetstream import api, ensure_stream, publish_ack
from marketprism_sdk.nats.pull import PullConsumer

MAKES, LOOKS = "$JS.API.CONSUMER.CREATE.", "$JS.API.CONSUMER.INFO."


class Watched(NatsConnection):
    """A connection that notes how long was waited for each answer about a consumer, and loses some of what comes."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.asked: list[tuple[str, float]] = []
        self.silent = 0  # of what is made, so many are never answered
        self.deaf = False  # what is delivered to whoever was there before is lost
        self.gone = False  # whether a consumer is there is never answered

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, again_s: float | None = None
    ) -> Msg:
        """As the connection, but for what is lost."""
        if subject.startswith((MAKES, LOOKS)):
            self.asked.append((subject.split(".")[3], timeout_s))
        if subject.startswith(MAKES) and self.silent:
            self.silent -= 1
            raise DeadlineExceeded(f"no answer on {subject} within {timeout_s:g} s")
        if subject.startswith(LOOKS) and self.gone:
            await asyncio.sleep(timeout_s)
            raise DeadlineExceeded(f"no answer on {subject} within {timeout_s:g} s")
        return await super().request(subject, payload, timeout_s=timeout_s, headers=headers, again_s=again_s)

    async def subscribe(
        self, subject: str, callback: Callable[[Msg], None], queue: str = ""
    ) -> Callable[[], Awaitable[None]]:
        """As the connection, but for what is lost; answers are not."""
        heard = subject.endswith("*") or self.deaf
        return await super().subscribe(
            subject, lambda message: callback(message) if heard or not self.deaf else None, queue
        )


async def open_watched(url: str) -> Watched:
    opened = await Watched.open(url, name="test")
    assert isinstance(opened, Watched)
    return opened


async def test_a_consumer_that_is_not_made_is_soon_asked_for_again(nats_url: str, unique: str) -> None:
    """It may be given to a server that has gone and is not missed yet; the next one is given to another."""
    connection = await open_watched(nats_url)
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.x"], "storage": "memory"})
    connection.silent = 7
    consumer = PullConsumer(connection, unique, [f"{unique}.x"])
    await consumer.open()
    assert connection.asked == [("CREATE", s) for s in (1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0)]
    await consumer.close()
    await connection.close()


async def test_a_reader_goes_on_directly_while_nobody_makes_its_consumer(nats_url: str, unique: str) -> None:
    connection = await open_watched(nats_url)
    config = {"name": unique, "subjects": [f"{unique}.*"], "storage": "memory", "allow_direct": True}
    await ensure_stream(connection, config)

    async def publish(*numbers: int) -> None:
        for number in numbers:
            await publish_ack(connection, f"{unique}.x", str(number).encode())
            await publish_ack(connection, f"{unique}.y", b"another's")

    async def read(count: int) -> list[int]:
        found: list[int] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                found += [int(each.data) for each in await consumer.fetch(100, 1.0)]
        return found

    connection.silent = 1_000
    await publish(*range(20))
    consumer = PullConsumer(connection, unique, [f"{unique}.x"], batch=4, directly=True)
    await consumer.open(0.05)
    assert await read(20) == [*range(20)]
    await publish(*range(20, 30))
    assert (await read(10), consumer.name) == ([*range(20, 30)], "")
    connection.silent = 0  # now it is made, from where the reader is
    async with asyncio.timeout(20):
        while not consumer.name:
            await publish(number := consumer.next_seq // 2)
            assert await read(1) == [number]
    await publish(1_000, 1_001)
    assert await read(2) == [1_000, 1_001]
    assert await consumer.fetch(10, 0.5) == []  # what came directly does not come again
    await consumer.close()
    await connection.close()


async def test_a_consumer_that_is_silent_is_looked_for_once_and_made_again(nats_url: str, unique: str) -> None:
    connection = await open_watched(nats_url)
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.x"], "storage": "memory"})
    consumer = PullConsumer(connection, unique, [f"{unique}.x"], heartbeat_s=0.2)
    await consumer.open()
    connection.deaf, first = True, consumer.name
    async with asyncio.timeout(20):
        while consumer.name == first:
            await asyncio.sleep(0.05)
    connection.deaf = False
    assert [what for what, _ in connection.asked] == ["CREATE", "INFO", "CREATE"]
    await publish_ack(connection, f"{unique}.x", b"1")
    assert [each.data for each in await consumer.fetch(10, 10.0)] == [b"1"]
    await consumer.close()
    await connection.close()


async def test_a_reader_goes_on_directly_while_its_consumer_is_looked_for(nats_url: str, unique: str) -> None:
    """Its server may have gone: the answer is waited for a second, another consumer as long again."""
    connection = await open_watched(nats_url)
    config = {"name": unique, "subjects": [f"{unique}.*"], "storage": "memory", "allow_direct": True}
    await ensure_stream(connection, config)
    consumer = PullConsumer(connection, unique, [f"{unique}.x"], heartbeat_s=0.2, directly=True)
    await consumer.open()
    connection.deaf = connection.gone = True
    await publish_ack(connection, f"{unique}.x", b"1")
    assert [each.data for each in await consumer.fetch(10, 10.0)] == [b"1"]
    assert [what for what, _ in connection.asked] == ["CREATE", "INFO"]
    connection.deaf, first = False, consumer.name
    async with asyncio.timeout(20):
        while consumer.name == first:
            await asyncio.sleep(0.05)
    await publish_ack(connection, f"{unique}.x", b"2")
    assert [each.data for each in await consumer.fetch(10, 10.0)] == [b"2"]
    assert await consumer.fetch(10, 0.5) == []
    await consumer.close()
    await connection.close()


async def test_what_came_by_the_consumer_meanwhile_is_not_taken_again(nats_url: str, unique: str) -> None:
    connection = await open_watched(nats_url)
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.x"], "storage": "memory"})
    consumer = PullConsumer(connection, unique, [f"{unique}.x"])
    await consumer.open()
    for number in range(1, 4):
        await publish_ack(connection, f"{unique}.x", str(number).encode())
    async with asyncio.timeout(20):
        while consumer.waiting < 3:
            await asyncio.sleep(0.02)
    consumer.add([Held(f"{unique}.x", seq, b"%d" % seq, 0, 4 - seq) for seq in (2, 3, 4)])
    consumer.add([Held(f"{unique}.x", 3, b"3", 0, 1)])
    assert [each.data for each in await consumer.fetch(10, 1.0)] == [b"1", b"2", b"3", b"4"]
    assert (consumer.next_seq, consumer.left) == (5, 0)
    await consumer.close()
    await connection.close()


async def test_readers_go_on_when_the_server_of_their_consumers_is_killed(tmp_path: Path) -> None:
    cluster = await LocalCluster.start(tmp_path)
    maker = await NatsConnection.open(cluster.url, name="test")
    try:
        await ensure_stream(maker, {"name": "S", "subjects": ["s.>"], "storage": "memory", "num_replicas": 3})
        await cluster.wait_current("S")
        leader = await cluster.leader_of("S")
        node = cluster.nodes[leader]
        assert node is not None
        reading = await NatsConnection.open(node.url, name="test")
        readers = [PullConsumer(reading, "S", ["s.x"]) for _ in range(6)]
        for each in readers:
            await each.open()
        found = [await api(reading, f"CONSUMER.INFO.S.{each.name}") for each in readers]
        places = {each["cluster"]["leader"] for each in found}
        lost = next(n for n in range(3) if n != leader and f"node{n}" in places)
        await cluster.kill_node(lost)
        await publish_ack(reading, "s.x", b"1", timeout_s=20.0)
        assert [[each.data for each in await reader.fetch(10, 30.0)] for reader in readers] == [[b"1"]] * 6
        for each in readers:
            await each.close()
        await reading.close()
    finally:
        await maker.close()
        await cluster.stop()


async def test_what_is_left_behind_is_soon_gone_and_there_is_room_for_it(nats_url: str, unique: str) -> None:
    """Each restart of a stage leaves a consumer for each partition; nats-server takes 1000 of a stream by itself."""
    connection = await NatsConnection.open(nats_url, name="test")
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.*"], "storage": "memory"})
    consumer = PullConsumer(connection, unique, [f"{unique}.x"])
    await consumer.open()
    config = (await api(connection, f"{LOOKS[8:]}{unique}.{consumer.name}"))["config"]
    assert config["inactive_threshold"] == 15_000_000_000
    left = {name: config[name] for name in ("ack_policy", "inactive_threshold", "mem_storage", "num_replicas")}
    for _ in range(1_000):
        await api(connection, f"{MAKES[8:]}{unique}", {"stream_name": unique, "config": left})
    another = PullConsumer(connection, unique, [f"{unique}.x"])
    await another.open()
    assert another.name
    for each in (consumer, another):
        await each.close()
    await connection.close()
