"""What nobody decided is asked again: a server that stops, a stream without quorum, a stream that is not there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_cluster import LocalCluster
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_sdk.errors import SdkError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.streams import fenced_publisher, raise_fence

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ends_leaves_only_errors_that_can_be_retried(
    tmp_path: Path, ending: signal.Signals
) -> None:
    options = EmbeddedOptions(tmp_path / "nats", port=choose_port(0))
    server = await EmbeddedServer.start(options)
    connection = await NatsConnection.open(server.url, name="test")
    await ensure_stream(connection, {"name": "S", "subjects": ["s.>"], "storage": "file", "allow_direct": True})
    bucket = await NatsKeyValue.open(connection, "b")
    errors: list[SdkError] = []
    taken: Counter[str] = Counter()
    ended = asyncio.Event()

    async def go_on(what: str) -> None:
        publisher = WindowPublisher(connection)
        if what == "window":
            await publisher.open()
        while not ended.is_set():
            try:
                if what == "publish":
                    await publish_ack(connection, "s.x", b"")
                elif what == "put":
                    await bucket.put("k", b"")
                elif what == "get":
                    await bucket.get("k")
                else:
                    await publisher.publish("s.y", b"")
                    await publisher.flush()
                taken[what] += 1
            except SdkError as error:
                errors.append(error)
                await asyncio.sleep(0.01)
                if what == "window":
                    await publisher.close()
                    publisher = WindowPublisher(connection)
                    with contextlib.suppress(SdkError):
                        await publisher.open()

    tasks = [asyncio.create_task(go_on(what)) for what in ("publish", "put", "get", "window") for _ in range(4)]
    await asyncio.sleep(0.5)
    server.process.send_signal(ending)
    await asyncio.to_thread(server.process.wait)
    await asyncio.sleep(0.3)
    await server.stop()
    before = taken.copy()
    server = await EmbeddedServer.start(options)
    async with asyncio.timeout(60):
        while any(taken[what] <= before[what] + 5 for what in ("publish", "put", "get", "window")):
            await asyncio.sleep(0.05)
    ended.set()
    await asyncio.gather(*tasks)
    assert errors
    assert [error for error in errors if not error.retryable] == []
    await connection.close()
    await server.stop()


@pytest.mark.long
async def test_a_stream_without_quorum_decides_later_and_everything_is_taken_once(tmp_path: Path) -> None:
    cluster = await LocalCluster.start(tmp_path)
    connection = await NatsConnection.open(cluster.url, name="test")
    frozen = []
    try:
        config = {"name": "S", "subjects": ["s.>"], "storage": "file", "num_replicas": 3, "allow_direct": True}
        await ensure_stream(connection, {**config, "allow_atomic": True})
        await cluster.wait_current("S")
        fenced: list[str] = []
        fence = await raise_fence(connection, "S", "s.fence", "one", 1)
        publisher = await fenced_publisher(connection, fence, fenced.append)
        leader = await cluster.leader_of("S")
        for number in range(50):
            await publisher.publish("s.data", b"%d" % number)
        await publisher.flush()
        # The other two stand still: the leader takes messages and cannot decide them.
        frozen = [node for n, node in enumerate(cluster.nodes) if node is not None and n != leader]
        for node in frozen:
            node.process.send_signal(signal.SIGSTOP)
        written, error = 50, None
        end = asyncio.get_running_loop().time() + 8
        while asyncio.get_running_loop().time() < end and error is None:
            try:
                await publisher.publish("s.data", b"%d" % written)
                written += 1
            except SdkError as raised:
                error = raised
            await asyncio.sleep(0.1)
        for node in frozen:
            node.process.send_signal(signal.SIGCONT)
        frozen = []
        assert error is None or error.retryable, error  # a leader begins again, it does not end
        await publisher.close()
        assert fenced == []
        # Whoever begins again goes on from what the stream has.
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(SdkError):
                    again = await raise_fence(connection, "S", "s.fence", "one", 2)
                    break
                await asyncio.sleep(0.2)
        stored = [int(message.data) for message in await read_stream(connection, "S", ["s.data"])]
        assert stored == list(range(len(stored)))
        assert len(stored) >= 50
        successor = await fenced_publisher(connection, again)
        for number in range(len(stored), 200):
            await successor.publish("s.data", b"%d" % number)
        await successor.flush(30)
        await successor.close()
        stored = [int(message.data) for message in await read_stream(connection, "S", ["s.data"])]
        assert stored == list(range(200))
    finally:
        for node in frozen:
            node.process.send_signal(signal.SIGCONT)
        await connection.close()
        await cluster.stop()


async def test_a_stream_that_is_not_there_is_told_from_one_that_does_not_answer(
    connection: NatsConnection, unique: str
) -> None:
    with pytest.raises(StreamMissing, match="there is none"):
        await publish_ack(connection, f"{unique}.x", b"")
    window = WindowPublisher(connection)
    await window.open()
    await window.publish(f"{unique}.x", b"")
    with pytest.raises(StreamMissing, match="there is none"):
        await window.flush()
    await window.close()
