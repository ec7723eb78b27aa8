"""The HTTP side of every service: who may ask, how many at a time, and what is said of what is not there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from marketprism_sdk.observability import Metrics
from marketprism_sdk.service._http_limits import Connections, host_of, may_ask
from marketprism_sdk.service._http_server import HttpServer

HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "


class Served:
    def __init__(self, server: HttpServer, session: aiohttp.ClientSession) -> None:
        self.server, self.session = server, session
        self.base = f"http://127.0.0.1:{server.port}"

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, object], dict[str, str]]:
        async with self.session.get(self.base + path, headers=headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    server = HttpServer("test", "1", Metrics("test"), ("market.example",))
    release = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await release.wait()
        return web.json_response({})

    async def status() -> dict[str, object]:
        return {"more": 1}

    server.status(status)
    server.app.add_routes([web.get("/slow", slow)])
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Served(server, session)
    release.set()
    await server.stop()


async def test_requests_behind_one_another_are_answered_in_turns_of_the_loop_each() -> None:
    """Whoever sends many at once would else have the loop alone until all of them are answered."""
    server, turns, ends = HttpServer("test", "1", Metrics("test")), [0], asyncio.Event()
    loop = asyncio.get_running_loop()

    def turn() -> None:
        turns[0] += 1
        if not ends.is_set():
            loop.call_soon(turn)

    answered: list[int] = []

    async def quick(_: web.Request) -> web.Response:
        answered.append(turns[0])
        return web.Response()

    server.app.add_routes([web.get("/quick", quick)])
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    loop.call_soon(turn)
    writer.write(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    for _ in range(100):
        await reader.readuntil(b"\r\n\r\n")
    ends.set()
    writer.close()
    await server.stop()
    assert len(set(answered)) == len(answered) == 100


async def test_a_burst_of_connections_is_accepted_over_many_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    server, loop, ends = HttpServer("test", "1", Metrics("test")), asyncio.get_running_loop(), asyncio.Event()
    accepted = [0]  # of each turn

    def accept(connections: Connections) -> asyncio.Protocol:
        accepted[-1] += 1
        return original(connections)

    def turn() -> None:
        accepted.append(0)
        if not ends.is_set():
            loop.call_soon(turn)

    original = Connections.__call__
    monkeypatch.setattr(Connections, "__call__", accept)
    await server.start("127.0.0.1", 0)
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(300)]
    loop.call_soon(turn)
    for line in lines:
        line.setblocking(False)
        await loop.sock_sendall(line, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    for line in lines:
        while await loop.sock_recv(line, 65_536):
            pass
        line.close()
    ends.set()
    await server.stop()
    assert sum(accepted) == len(lines)
    assert max(accepted) <= 64


async def test_what_is_not_there_is_said_in_the_envelope(served: Served) -> None:
    status, body, headers = await served.get("/api/v1/candles/x", **{"X-Request-Id": "r"})
    assert (status, body["success"], body["request_id"]) == (404, False, "r")
    assert body["error"] == {
        "code": "NOT_FOUND",
        "message": "path: expected one that / or /api/v1 lists, was '/api/v1/candles/x'",
        "details": {},
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    async with served.session.post(served.base + "/health") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert (await answer.json())["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_the_root_lists_what_there_is_and_status_may_be_waited_for(served: Served) -> None:
    _, body, headers = await served.get("/")
    assert isinstance(body["data"], dict)
    assert {"/", "/health", "/metrics", "/slow", "/status"} <= set(body["data"]["paths"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await served.get("/status"))[1] == {"service": "test", "version": "1", "more": 1}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9", 200),
        ("LOCALHOST.", 200),
        ("127.0.0.2", 200),
        ("[::1]:80", 200),
        ("market.example:1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("10.0.0.1", 200),
        ("10.0.0.1:8080", 200),
        ("[fe80::1]:8080", 200),
        ("10.0.0.1.evil.example", 403),
        ("167772161", 403),
        ("localhost:80@evil.example", 403),
        ("localhost:evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("[::1]evil.example", 403),
        ("", 403),
    ],
)
async def test_only_who_asks_by_a_name_of_this_machine_is_answered(served: Served, host: str, status: int) -> None:
    found, body, _ = await served.get("/health/live", Host=host)
    assert found == status
    if status == 403:
        assert "Host: expected one of localhost" in str(body["error"])


def test_a_server_for_others_is_asked_by_any_name_or_by_those_that_are_set() -> None:
    assert may_ask("any.example", "0.0.0.0", ())
    assert not may_ask("any.example", "0.0.0.0", ("my.example",))
    assert may_ask("My.Example:80", "0.0.0.0", ("my.example",))
    assert may_ask(None, "127.0.0.1", ())
    for address in ("10.1.2.3:8080", "10.1.2.3", "[2001:db8::1]:8080", "[2001:db8::1]"):  # as a kubelet asks
        assert may_ask(address, "0.0.0.0", ("my.example",))
        assert may_ask(address, "127.0.0.1", ())
    assert [host_of(each) for each in ("a:1", "[::1]:1", "::1", " a ")] == ["a", "::1", "", "a"]


class Listed:
    """A directory of descriptors, and how often it was looked at."""

    def __init__(self) -> None:
        self.times = 0
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: tuple[object, ...]) -> None:
        self.times += event == "os.listdir" and arguments == ("/proc/self/fd",)


async def test_descriptors_are_not_listed_for_each_request_and_connection() -> None:
    connections = Connections(web.Server(lambda _: web.Response()))  # type: ignore[arg-type]
    listed = Listed()
    for _ in range(6):
        one = connections()
        connections.begin(one)
        assert not connections.crowded
        connections.end(one)
    assert listed.times == 0, "so few have room in any case"
    started = asyncio.get_running_loop().time()
    for _ in range(300):
        connections.begin(connections())
        assert not connections.crowded
    assert listed.times <= 1 + (asyncio.get_running_loop().time() - started)


async def held(port: int, count: int) -> list[asyncio.StreamWriter]:
    """Connections with half a request each."""
    found = []
    for _ in range(count):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HALF)
        found.append(writer)
    return found


async def test_a_request_that_is_never_finished_is_closed() -> None:
    server = HttpServer("test", "1", Metrics("test"), idle_s=0.3)
    await server.start("127.0.0.1", 0)
    for begin in (HALF, b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(begin)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
    await server.stop()


async def test_an_answer_that_nobody_takes_is_let_go() -> None:
    metrics = Metrics("test")
    server = HttpServer("test", "1", metrics, stall_s=0.3)

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 30_000_000)

    server.app.add_routes([web.get("/large", large)])
    await server.start("127.0.0.1", 0)
    one, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_000)
    other, steady = await asyncio.open_connection("127.0.0.1", server.port)
    for each in (writer, steady):
        each.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    taken = 0
    while taken < 30_000_000:  # in a hundred times as long as one may stand still
        taken += len(await other.read(1_000_000))
        await asyncio.sleep(0.02)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20):
            assert len(await one.read()) < 30_000_000
    assert b"\nhttp_connections_cut_slow_total 1.0" in metrics.text()
    for each in (writer, steady):
        each.close()
    await server.stop()


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What other tests of this process have open stands apart.
    most = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (most + 240, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_half_open_requests_leave_descriptors_for_others_and_health_is_answered(
    served: Served, few_descriptors: None
) -> None:
    writers: list[asyncio.StreamWriter] = []
    with contextlib.suppress(OSError):
        for _ in range(12):
            writers += await held(served.server.port, 10)
            assert (await served.get("/health"))[0] == 200
            with open("/dev/null", encoding="ascii"):  # noqa: PTH123 (that a descriptor is left)
                pass
    assert len(writers) >= 60
    for writer in writers:
        writer.close()


async def test_a_request_that_is_answered_is_not_closed_to_make_room() -> None:
    made: list[RequestHandler] = []
    server = web.Server(lambda _: web.Response())  # type: ignore[arg-type]

    def factory() -> RequestHandler:
        made.append(server())
        return made[-1]

    connections = Connections(factory, most=8)
    for _ in range(8):
        connections.begin(connections())
    extra = connections()
    assert connections.closed_idle == 0
    assert len(made) == 9, "one of those for health"
    connections()
    assert connections.closed_idle == 1, "the one that asks nothing made room"
    assert extra is made[8]
    connections.begin(made[9])
    assert connections.crowded
    for each in [*made[:8], made[9]]:
        connections.end(each)
    assert not connections.crowded


async def test_whatever_is_not_healthy_says_why_and_whose_health_it_is() -> None:
    server = HttpServer("test", "1", Metrics("test"), instance="test-7")

    def answers(text: str) -> Callable[[], Awaitable[str]]:
        async def check() -> str:
            return text

        return check

    async def fails() -> str:
        raise OSError("the disk is gone")

    server.check("good", answers("healthy"))
    server.check("worse", answers("degraded: nearly full"))
    server.check("bare", answers("unhealthy"))
    server.check("odd", answers("fine"))
    server.check("broken", fails)
    report = await server.report()
    assert (report["status"], report["instance"]) == ("unhealthy", "test-7")
    assert report["reasons"] == {
        "worse": "nearly full",
        "bare": "its check gives no reason",
        "odd": "cannot be checked: expected healthy, degraded or unhealthy, was 'fine'",
        "broken": "cannot be checked: the disk is gone",
    }


async def _raw(port: int, request: bytes) -> tuple[bytes, dict[str, object]]:
    """Head and JSON body of the answer to bytes that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, json.loads(body)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health\r\n\r\n",
    ],
    ids=["TLS", "two lengths", "a long header", "a long query", "HTTP/0.9"],
)
async def test_what_is_no_http_is_answered_as_everything_else_is(served: Served, request_: bytes) -> None:
    head, body = await _raw(served.server.port, request_)
    assert b" 400 " in head.splitlines()[0]
    assert b"application/json" in head
    assert b"nosniff" in head
    error = body["error"]
    assert isinstance(error, dict)
    assert error["code"] == "BAD_REQUEST"
    assert len(error["message"]) < 300
    assert "bytearray" not in error["message"]


async def test_a_handler_that_fails_is_answered_in_the_envelope_without_its_trace() -> None:
    server = HttpServer("test", "1", Metrics("test"))

    def fails() -> dict[str, object]:
        raise KeyError("a secret")

    server.status(fails)
    await server.start("127.0.0.1", 0)
    _, body = await _raw(server.port, b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    error = body["error"]
    assert isinstance(error, dict)
    assert error["code"] == "INTERNAL"
    assert "secret" not in str(body)
    await server.stop()
