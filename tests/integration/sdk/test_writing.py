"""When what is published leaves: with the loop's next round, or at once where somebody asks for it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.publisher import WindowPublisher


async def test_what_is_published_leaves_with_the_next_round_or_at_once(connection: NatsConnection, unique: str) -> None:
    for _ in range(3):
        await connection.publish(unique, b"x" * 100)
    assert connection.traffic.unsent_bytes > 300
    connection.push()
    assert connection.traffic.unsent_bytes == 0
    connection.push()
    await connection.publish(unique, b"y")
    assert connection.traffic.unsent_bytes > 0
    await asyncio.sleep(0)
    assert connection.traffic.unsent_bytes == 0


async def test_more_than_a_socket_takes_comes_whole_and_in_order(unique: str, tmp_path: Path) -> None:
    """What the socket has not taken waits with the client, whose own task waits for the socket."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="test")
    other = await connection.another("reader")
    came: list[int] = []
    done = asyncio.Event()

    def take(data: bytes) -> None:
        came.append(int(data[:8]))
        if len(came) == 400:
            done.set()

    await other.subscribe(unique, lambda message: take(message.data))
    await other.flush()
    numbers = iter(range(400))
    server.process.send_signal(signal.SIGSTOP)  # it takes nothing, so that what the sockets take is soon full
    while not connection.traffic.unsent_bytes:
        await connection.publish(unique, b"%08d" % next(numbers) + b"x" * 100_000)
        connection.push()
    server.process.send_signal(signal.SIGCONT)
    for number in numbers:
        await connection.publish(unique, b"%08d" % number + b"x" * 100_000)
        connection.push()
    async with asyncio.timeout(20):
        await done.wait()
    assert came == [*range(400)]
    await other.close()
    await connection.close()
    await server.stop()


async def test_a_flush_waits_for_what_was_sent_before_it_only(connection: NatsConnection, unique: str) -> None:
    """Whoever saves how far it is does so beside others that go on sending."""
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], "storage": "memory"})
    publisher = WindowPublisher(connection)
    await publisher.open()
    await publisher.publish(f"{unique}.a", b"1")
    flushing = asyncio.create_task(publisher.flush())
    more = outstanding = 0
    async with asyncio.timeout(20):
        while not flushing.done():
            await publisher.publish(f"{unique}.a", b"2")
            more += 1
            await asyncio.sleep(0)
            outstanding = 1 + more - publisher.acknowledged
    await flushing
    assert outstanding > 0, "others were still on their way"
    await publisher.flush()
    assert publisher.acknowledged == 1 + more
    await publisher.close()
