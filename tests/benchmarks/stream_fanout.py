"""What the live stream costs: 1 000 WebSockets, 20 messages a second to each, from one process.

Beside it, in the same run and read by the same reader: aiohttp's own `send_str` to each connection, and a bare picows
server that sends to each; neither reads a stream. CPU is that of the server's process alone; a latency is from the
publish (for the peers: from the turn in which they send) to the read of one connection in the middle and the last.

    python -m tests.benchmarks.stream_fanout --connections 1000 --rate 20 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import uvloop

SUBJECT = "market.tick.bench"
PAD = "x" * 120
SERVERS = ("live stream", "live stream, entitlements", "aiohttp send_str", "picows send")
_WARM_S = 1.5
_TIME = re.compile(rb'"t": ?(\d+)}')


def _record() -> dict[str, Any]:
    return {"v": 1, "venue": "shfe", "symbol": "bench", "pad": PAD, "t": time.monotonic_ns()}


# -- servers -----------------------------------------------------------------------------------------------------------


async def _live_stream(url: str, *, is_bounded: bool) -> None:
    """The product's: a consumer of the stream, JSON and its frame once a message, access where it is bounded."""
    from aiohttp import web  # noqa: PLC0415

    from marketprism_application.access.entitlements import Entitlement, Entitlements  # noqa: PLC0415
    from marketprism_application.access.principal import LOCAL, Principal  # noqa: PLC0415
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415
    from marketprism_sdk.observability import Metrics  # noqa: PLC0415
    from marketprism_services.api.endpoint import PRINCIPAL  # noqa: PLC0415
    from marketprism_services.api.stream.api import StreamApi  # noqa: PLC0415
    from marketprism_services.api.stream.settings import ConnectionLimits, StreamSettings  # noqa: PLC0415

    bounds = Entitlements((Entitlement(venues=("shfe",), symbols=("b*",)),))
    principal = replace(LOCAL, entitlements=bounds) if is_bounded else LOCAL

    async def nobody(_: str) -> Principal | None:
        return None

    limits = StreamSettings(limits={"viewer": ConnectionLimits(100_000, 10, 10)})
    api = StreamApi(
        await NatsConnection.open(url),
        Metrics("api"),
        limits,
        nobody,
        instance="bench",
        version="0",
    )
    await api.start()

    @web.middleware
    async def identify(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[PRINCIPAL] = principal
        return await handler(request)

    app = web.Application(middlewares=[identify])
    for route in api.endpoints():
        app.router.add_route(route.method, route.path, route.handler)
    await _serve(app)


async def _aiohttp(rate: float, count: int) -> None:
    """What aiohttp's own documentation does: the text to each connection, one after the other."""
    from aiohttp import web  # noqa: PLC0415

    clients: set[web.WebSocketResponse] = set()

    async def accept(request: web.Request) -> web.WebSocketResponse:
        made = web.WebSocketResponse(compress=False)
        await made.prepare(request)
        await made.send_str('{"type":"hello"}')
        clients.add(made)
        async for _ in made:
            pass
        return made

    async def send() -> None:
        if len(clients) < count:  # who is not read yet would hold up those who connect
            return
        text = json.dumps({"ch": SUBJECT, "n": 1, "d": _record()})
        for each in list(clients):
            await each.send_str(text)

    app = web.Application()
    app.router.add_get("/ws/v1/stream", accept)
    await _serve(app, send, rate)


async def _picows(rate: float, count: int) -> None:
    """A listener a connection, and nothing else."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server  # noqa: PLC0415

    clients: set[WSTransport] = set()

    class Listener(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transport.send(WSMsgType.TEXT, b'{"type":"hello"}')
            clients.add(transport)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...

    def make(_: WSUpgradeRequest) -> Listener:
        return Listener()

    server = await ws_create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)

    async def send() -> None:
        if len(clients) < count:
            return
        text = json.dumps({"ch": SUBJECT, "n": 1, "d": _record()}).encode()
        for each in clients:
            each.send(WSMsgType.TEXT, text)

    await _repeat(send, rate)


async def _serve(app: Any, send: Callable[[], Awaitable[None]] | None = None, rate: float = 0) -> None:
    from aiohttp import web  # noqa: PLC0415

    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096).start()
    print(runner.addresses[0][1], flush=True)
    if send is None:
        await asyncio.Event().wait()
    else:
        await _repeat(send, rate)


async def _repeat(send: Callable[[], Awaitable[None]], rate: float) -> None:
    at = time.monotonic()
    while True:
        at += 1 / rate
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        await send()


def _server(name: str, url: str, rate: float, count: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    made = {
        "live stream": lambda: _live_stream(url, is_bounded=False),
        "live stream, entitlements": lambda: _live_stream(url, is_bounded=True),
        "aiohttp send_str": lambda: _aiohttp(rate, count),
        "picows send": lambda: _picows(rate, count),
    }
    uvloop.run(made[name]())


# -- the reader --------------------------------------------------------------------------------------------------------


class Readers:
    """Many connections of one thread: bytes are counted, and times looked at on two of them."""

    def __init__(self, port: int, count: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(count):
            made = self._connect(port)
            self._sockets[made.fileno()] = made
            self._poll.register(made.fileno(), select.EPOLLIN)
        numbers = list(self._sockets)
        self._probes = {numbers[count // 2]: b"", numbers[-1]: b""}
        self.latencies: list[int] = []
        self.messages = 0

    @staticmethod
    def _connect(port: int) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", port), 30)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /ws/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        made.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        asked = json.dumps(
            {"op": "subscribe", "channels": [{"ch": SUBJECT, "mode": "all", "snapshot": False}]}
        ).encode()
        made.sendall(bytes((0x81, 0x80 | len(asked))) + b"\0\0\0\0" + asked)
        received = b""
        while b"hello" not in received:
            received += made.recv(4_096)
        made.setblocking(False)
        return made

    def read(self, until_s: float) -> None:
        """Read whatever comes until then."""
        while (now := time.monotonic()) < until_s:
            for number, _ in self._poll.poll(until_s - now):
                data = self._sockets[number].recv(262_144)
                if not data:
                    raise ConnectionResetError(f"connection {number} was closed")
                self.messages += data.count(b'"pad"')
                if number in self._probes:
                    self._look(number, data)

    def _look(self, number: int, data: bytes) -> None:
        now, data, end = time.monotonic_ns(), self._probes[number] + data, 0
        for found in _TIME.finditer(data):
            self.latencies.append(now - int(found[1]))
            end = found.end()
        self._probes[number] = data[end:]

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _publish(url: str, rate: float) -> None:
    """Messages into the stream, from a process of its own: the reader's would hold it up."""
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415

    connection = await NatsConnection.open(url)

    async def send() -> None:
        await connection.publish(SUBJECT, msgspec.msgpack.encode(_record()))

    await _repeat(send, rate)


def measure_server(name: str, url: str, connections: int, rate: float, seconds: float) -> dict[str, Any]:
    """One server: CPU a delivered message, latencies, memory a connection."""
    program = [sys.executable, "-m", "tests.benchmarks.stream_fanout"]
    command = [*program, "--serve", name, "--nats", url]
    server = subprocess.Popen(
        [*command, "--rate", str(rate), "--connections", str(connections)], stdout=subprocess.PIPE, text=True
    )
    publisher = None
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before_mb = _rss_mb(server.pid)
        readers = Readers(port, connections)
        if name.startswith("live"):
            publisher = subprocess.Popen([*program, "--publish", "--nats", url, "--rate", str(rate)])
        readers.read(time.monotonic() + _WARM_S)
        readers.latencies.clear()
        readers.messages = 0
        cpu_s, began_s = _cpu_s(server.pid), time.monotonic()
        readers.read(began_s + seconds)
        cpu_s, spent_s = _cpu_s(server.pid) - cpu_s, time.monotonic() - began_s
        found = sorted(readers.latencies)
        after_mb = _rss_mb(server.pid)
        readers.close()
    finally:
        for process in (publisher, server):
            if process is not None:
                process.kill()
                process.wait()
    return {
        "delivered_per_s": round(readers.messages / spent_s),
        "cpu_us_per_message": round(1e6 * cpu_s / max(1, readers.messages), 2),
        "cpu_percent": round(100 * cpu_s / spent_s),
        "p50_ms": round(found[len(found) // 2] / 1e6, 2) if found else None,
        "p99_ms": round(found[int(0.99 * len(found))] / 1e6, 2) if found else None,
        "kb_per_connection": round((after_mb - before_mb) * 1e3 / connections, 1),
        "rss_mb": round(after_mb),
    }


def measure_fanout(
    connections: int = 1_000, rate: float = 20.0, seconds: float = 10.0, rounds: int = 2
) -> dict[str, Any]:
    """Every server in turn, as often as there are rounds; of each the round with the least CPU."""
    from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer  # noqa: PLC0415
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415
    from marketprism_sdk.nats.jetstream import ensure_stream  # noqa: PLC0415

    async def begin(folder: str) -> EmbeddedServer:
        server = await EmbeddedServer.start(EmbeddedOptions(Path(folder), port=0))
        connection = await NatsConnection.open(server.url)
        config = {"name": "MARKET_TICKS", "subjects": ["market.tick.>"], "storage": "file", "allow_direct": True}
        await ensure_stream(connection, config)
        await connection.close()
        return server

    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        server = asyncio.run(begin(folder))
        try:
            for _ in range(rounds):
                for name in SERVERS:
                    made = measure_server(name, server.url, connections, rate, seconds)
                    best = found.get(name)
                    if best is None or made["cpu_us_per_message"] < best["cpu_us_per_message"]:
                        found[name] = made
        finally:
            asyncio.run(server.stop())
    return {"connections": connections, "rate_per_s": rate, "servers": found}


def main() -> None:
    """Measure and print, or be one of the servers."""
    parser = argparse.ArgumentParser(prog="stream_fanout")
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--serve", default="")
    parser.add_argument("--nats", default="")
    parser.add_argument("--publish", action="store_true")
    arguments = parser.parse_args()
    if arguments.publish:
        uvloop.run(_publish(arguments.nats, arguments.rate))
        return
    if arguments.serve:
        _server(arguments.serve, arguments.nats, arguments.rate, arguments.connections)
        return
    found = measure_fanout(arguments.connections, arguments.rate, arguments.seconds, arguments.rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
