"""The client's own HTTP and WebSocket: answers in every form that servers and proxies give them, and what is none."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from marketprism_client._http import HttpClient, HttpError, Place
from marketprism_client._websocket import WebSocket

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PROTOCOL = "marketprism.v1.msgpack"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[HttpClient, list[bytes]]]:
    """A server that gives each request on a connection the next of these bytes, and closes after the last; and what was
    asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
            asked.append(head + await reader.readexactly(length))
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(Place.of(f"http://127.0.0.1:{port}/base/"), {"X-API-Key": "k"})
        try:
            yield client, asked
        finally:
            await client.close()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n1\r\nb\r\n0\r\nT: 1\r\n\r\n", 200, b"ab"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"z" * 99))
            + gzip.compress(b"z" * 99),
            200,
            b"z" * 99,
        ),
    ],
)
async def test_an_answer_is_read_in_every_form(answer: bytes, status: int, body: bytes) -> None:
    async with answering(answer) as (client, asked):
        assert await client.request("POST", "/ask", b"question", {"Accept": "x"}) == (status, body)
        assert asked[0].startswith(b"POST /base/ask HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"X-API-Key: k" in asked[0]
        assert asked[0].endswith(b"\r\n\r\nquestion")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_an_error_that_says_so(answer: bytes) -> None:
    async with answering(answer) as (client, _):
        with pytest.raises(HttpError):
            await client.request("GET", "/", None, {})


async def test_connections_are_used_again_and_not_when_they_ended() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with answering(ok, ok) as (client, asked):
        for _ in range(3):  # the third finds the first connection ended
            assert (await client.request("GET", "/", None, {})).status == 200
            await asyncio.sleep(0)
        assert len(asked) == 3


@pytest.mark.parametrize("url", ["http://", "http://:80", "http://a:99999", "https:///x"])
def test_a_url_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"url: expected|Port"):
        Place.of(url)


def test_a_place_is_named_as_the_header_wants_it() -> None:
    assert Place.of("https://[::1]/x/").authority == "[::1]"
    assert Place.of("http://a:8080").authority == "a:8080"
    assert Place.of("https://a/x/")[1:] == (443, True, "/x")


@asynccontextmanager
async def echoing(first: int = 0) -> AsyncIterator[HttpClient]:
    """A server of aiohttp's that sends back what it gets, behind a ping; `first` is a code to close with at once."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=0)
        await socket.prepare(request)
        if first:
            await socket.close(code=first)
            return socket
        async for message in socket:
            await socket.ping(b"?")
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/ws", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    client = HttpClient(Place.of(f"http://{host}:{port}"), {})
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


async def test_messages_of_every_length_come_back_and_pings_are_answered() -> None:
    async with echoing() as client:
        socket = await WebSocket.connect(client, "/ws", PROTOCOL)
        for size in (0, 1, 125, 126, 65_535, 65_536, 300_001):
            await socket.send(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
            received = await socket.receive()
            assert received is not None
            assert len(received) == size
        assert not socket.closed
        await socket.close()
        assert socket.closed
        with pytest.raises(HttpError):
            await socket.send(b"x")


async def test_the_code_of_the_other_sides_goodbye_is_known() -> None:
    async with echoing(first=4003) as client:
        socket = await WebSocket.connect(client, "/ws", PROTOCOL)
        assert await socket.receive() is None
        assert socket.close_code == 4003
        await socket.close()


async def test_who_is_no_web_socket_is_named_by_its_status() -> None:
    async with echoing() as client:
        with pytest.raises(HttpError, match="HTTP 404"):
            await WebSocket.connect(client, "/nothing", PROTOCOL)
        with pytest.raises(HttpError, match="expected the protocol other"):
            await WebSocket.connect(client, "/ws", "other")
