"""A server of this machine that was killed, frozen, or met a full disk works again by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from marketprism_adapters.nats import local_server
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, EmbeddedServerError
from marketprism_adapters.nats.server_facts import greeting_of
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack, stream_info
from marketprism_services.platform.local_servers import PROBE_STREAM, JetStreamProbe, ServerWatch, WatchPolicy

pytestmark = pytest.mark.timeout(120)

QUICK = WatchPolicy(probe_s=0.3, answer_s=1.0, patience_s=2.0, full_bytes=64 << 10, room_bytes=8 << 20)
STREAM = {"name": "KEPT", "subjects": ["kept"], "storage": "file", "num_replicas": 1}


class Watched:
    """A watched nats-server, a client of it, and what the watch says."""

    def __init__(self, server: EmbeddedServer, connection: NatsConnection) -> None:
        self.server = server
        self.connection = connection
        self.watch = ServerWatch(server, JetStreamProbe(connection), QUICK)
        self.kept = 0

    async def keep(self, payload: bytes = b"x") -> None:
        """Publish one message, until it is in the stream."""
        while True:
            try:
                await publish_ack(self.connection, "kept", payload, {"Nats-Msg-Id": str(self.kept)}, timeout_s=1)
            except SdkError:
                await asyncio.sleep(0.1)
                continue
            self.kept += 1
            return


@pytest.fixture
def said() -> Iterator[list[Any]]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with capture_logs() as lines:
        yield lines
    structlog.configure(**before)


async def _watched(folder: Path) -> AsyncIterator[Watched]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="test")
    watched = Watched(server, connection)
    await ensure_stream(connection, STREAM)
    await watched.watch.start()
    yield watched
    await watched.watch.stop()
    await connection.close()
    await server.stop()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async for each in _watched(tmp_path):
        yield each


@pytest.fixture
async def on_small_disk(tmp_path: Path) -> AsyncIterator[Watched]:
    def mount(*options: str) -> bool:
        return os.geteuid() == 0 and subprocess.run(["mount", *options, str(tmp_path)], check=False).returncode == 0

    if not await asyncio.to_thread(mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs"):
        pytest.skip("a small disk needs the right to mount one")
    try:
        async for each in _watched(tmp_path):
            yield each
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(tmp_path)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_a_server_that_ended_or_answers_nothing_is_started_again(
    watched: Watched, eventually: Callable[..., Any], said: list[Any], number: signal.Signals
) -> None:
    await watched.keep()
    first = watched.server.process
    os.kill(first.pid, number)
    await eventually(lambda: watched.watch.restarts == 1 and watched.connection.connected, 40)
    await watched.keep()
    assert first.returncode is not None, "reaped, no zombie"
    assert watched.server.process.pid != first.pid
    assert (await stream_info(watched.connection, "KEPT"))["state"]["messages"] == 2
    (reason,) = (line["reason"] for line in said if line["event"] == "server.restarting")
    assert reason.startswith("no answer for" if number == signal.SIGSTOP else "it ended with code")


@pytest.mark.long
async def test_a_server_that_ends_again_and_again_is_tried_at_growing_intervals(
    watched: Watched, eventually: Callable[..., Any], said: list[Any]
) -> None:
    config = watched.server.log.with_name("server.conf")
    written = await asyncio.to_thread(config.read_text)
    await asyncio.to_thread(config.write_text, "no configuration {")
    watched.server.process.kill()
    await eventually(lambda: watched.watch.restarts >= 3, 40)
    await asyncio.to_thread(config.write_text, written)
    await watched.keep()
    pauses = [line["backoff_s"] for line in said if line["event"] == "server.restarting"]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    errors = [line["error"] for line in said if line["event"] == "server.not_started"]
    assert len(errors) >= 2
    assert all(error.startswith("nats-server ended with code 1: nats-server: ") for error in errors[:2]), errors


async def test_a_stream_that_met_a_full_disk_is_written_again_once_there_is_room(
    on_small_disk: Watched, eventually: Callable[..., Any], said: list[Any]
) -> None:
    watched, payload = on_small_disk, os.urandom(100_000)
    folder = watched.server.folder
    filling = asyncio.create_task(_fill(watched, payload, 300))
    await eventually(lambda: any(line["event"] == "server.disk_full" for line in said), 60)
    (full,) = (line for line in said if line["event"] == "server.disk_full")
    assert full["folder"] == str(folder)
    assert full["free_bytes"] < QUICK.room_bytes
    assert "disk full" in full["what"]
    await asyncio.sleep(1)
    assert watched.watch.restarts == 0, "not in vain"
    assert not filling.done()
    remount = ["mount", "-o", "remount,size=100m", str(folder.parent)]
    await asyncio.to_thread(subprocess.run, remount, check=True)
    await filling
    assert watched.watch.restarts == 1
    assert (await stream_info(watched.connection, "KEPT"))["state"]["messages"] == watched.kept == 300
    await eventually(lambda: any(line["event"] == "server.disk_has_room" for line in said), 20)


async def _fill(watched: Watched, payload: bytes, messages: int) -> None:
    for _ in range(messages):
        await watched.keep(payload)


async def test_its_port_in_the_hands_of_another_is_the_reason_whatever_the_other_does(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    await server.stop()
    answer: list[bytes] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            writer.write(answer[0])
            await writer.drain()
        else:  # closed so, it resets the connection
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", server.port):
        with pytest.raises(EmbeddedServerError, match=r"ended with code 1: .*address already in use"):
            await server.restart()
        for text in (b"INFO []\r\n", b"INFO {\r\n", b"SSH-2.0\r\n", b""):
            answer[:] = [text]
            with pytest.raises(EmbeddedServerError, match=r"ended with code 1: .*address already in use"):
                await server.restart()
            with pytest.raises(ValueError, match="expected a NATS server at 127"):
                await greeting_of("127.0.0.1", server.port)


@pytest.mark.parametrize("asked", [None, 0])
async def test_a_port_that_another_takes_meanwhile_is_chosen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as another:
        taken = another.getsockname()[1]
        chosen, free = iter([taken]), local_server.choose_port
        monkeypatch.setattr(local_server, "choose_port", lambda port: next(chosen, 0) or free(port))
        server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=asked))
        assert server.port != taken
        await server.stop()


async def test_the_probe_writes_and_reads_and_makes_its_stream_again(watched: Watched) -> None:
    probe = JetStreamProbe(watched.connection)
    for _ in range(3):
        await probe()
    state = (await stream_info(watched.connection, PROBE_STREAM))["state"]
    assert state["messages"] == 1
    await watched.connection.nc.jetstream().delete_stream(PROBE_STREAM)
    await probe()
