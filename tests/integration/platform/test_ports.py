"""A port that was chosen is still there when its server comes to it."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port, hold_port, is_free
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service._http_server import HttpServer

pytestmark = pytest.mark.nats


async def test_a_held_port_is_given_to_nobody_and_its_server_listens_there_again_and_again() -> None:
    with hold_port() as held:
        port = held.getsockname()[1]
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))  # as who looks for a free port without saying that it reuses any
        for _ in range(2):
            server = HttpServer("test", "1", Metrics("test"))
            await server.start("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health/live HTTP/1.0\r\n\r\n")
            assert b" 200 " in (await reader.readline())
            writer.close()
            await server.stop()


def test_two_that_look_at_once_hold_two_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    any_other = random.randrange
    with hold_port() as first:
        port = first.getsockname()[1]
        same = iter([port])
        monkeypatch.setattr(random, "randrange", lambda start, stop: next(same, None) or any_other(start, stop))
        with hold_port() as second:
            assert second.getsockname()[1] != port


def test_a_chosen_port_is_none_that_the_kernel_gives_to_connections() -> None:
    """A connection that was given a port of its own keeps a server from it, whatever the server says about reuse."""
    range_of = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not range_of.exists() or int(range_of.read_text().split()[0]) <= 20_000:
        pytest.skip("this system gives every port to connections, or does not say which")
    assert {choose_port(0) < int(range_of.read_text().split()[0]) for _ in range(200)} == {True}


async def test_nats_servers_listen_at_held_ports(tmp_path: Path) -> None:
    with hold_port() as held:
        server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=held.getsockname()[1]))
        assert not is_free(server.port)
        await server.restart()
        await server.stop()


async def test_of_two_pipelines_that_start_at_once_each_has_a_port(tmp_path: Path) -> None:
    servers = await asyncio.gather(
        *(EmbeddedServer.start(EmbeddedOptions(tmp_path / name)) for name in ("a", "b", "c"))
    )
    ended = [server.ended for server in servers]
    await asyncio.gather(*(server.stop() for server in servers))
    assert len({server.port for server in servers}) == 3
    assert ended == [None] * 3
