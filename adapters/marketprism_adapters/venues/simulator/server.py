"""The simulated venue as a server: one port on loopback for web sockets and REST."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import Self

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from marketprism_adapters.venues.simulator.dialect import Dialect, Reply
from marketprism_adapters.venues.simulator.faults import CLOSE_CODES, Fault
from marketprism_adapters.venues.simulator.market import SimulatedBook

log = structlog.get_logger()

_GARBAGE: tuple[bytes | str, ...] = (
    "{", "[]", "null", '{"stream":"x@y","data":', '{"e":"depthUpdate"}', '{"arg":{"channel":"books"},"data":[{}]}',
    '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.X.100ms","data":{"bids":1}}}', "\u0000" * 40,
    '{"a":' * 200, b"\xff\xfe\xfd", b"\x00\x01\x02" * 100,
)  # fmt: skip


class Session:
    """One connected client."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.streams: set[str] = set()
        self.outgoing: deque[str | bytes] = deque()
        self.filled = asyncio.Event()
        self.mute = False  # takes subscriptions, sends nothing of them
        self.silent_until = self.slow_until = 0.0
        self.pause_s = 0.15  # while it is slow, before each burst

    def send(self, frame: str | bytes) -> None:
        """Behind what waits already."""
        self.outgoing.append(frame)
        self.filled.set()

    async def write(self) -> None:
        """Until the connection ends."""
        while not self.socket.closed:
            await self.filled.wait()
            self.filled.clear()
            if time.monotonic() < self.slow_until:
                await asyncio.sleep(self.pause_s)
            while self.outgoing and not self.socket.closed:
                frame = self.outgoing.popleft()
                if time.monotonic() < self.silent_until:
                    continue
                try:
                    if isinstance(frame, str):
                        await self.socket.send_str(frame)
                    else:
                        await self.socket.send_bytes(frame)
                except (ConnectionError, RuntimeError):
                    return


class SimulatedVenueServer:
    """`async with SimulatedVenueServer(dialect) as venue`: `venue.ws_url`, `venue.rest_url`.

    Every `1 / rate` seconds each instrument takes a step. `books` are the truth, with every trade that was made;
    `skew_s`: how far the venue's clock is ahead.
    """

    def __init__(
        self, dialect: Dialect, *, seed: int = 7, rate: float = 10.0, changes: int = 3, levels: int = 100,
        trades_per_step: float = 0.5, quotes: bool = True, faults: Sequence[Fault] = (), port: int = 0,
        skew_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.dialect = dialect
        self.books = {
            pair.symbol: SimulatedBook(pair, f"{seed}/{pair.symbol}", levels, changes) for pair in dialect.pairs
        }
        self._chance = random.Random(seed)
        self._pairs = {pair.symbol: pair for pair in dialect.pairs}
        self._rate = rate
        self._trades_per_step = trades_per_step
        self._quotes = quotes
        self._faults = list(faults)
        self._port = port
        self._skew_s = skew_s
        self.sessions: set[Session] = set()
        self.sent = 0
        self.injected: list[Fault] = []
        self._left: dict[str, float] = {}  # how much of a fault is still to be done
        self._held: dict[str, str] = {}
        self._down_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.paused = False

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._tasks = [asyncio.ensure_future(self._market()), asyncio.ensure_future(self._inject())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in list(self.sessions):
            self._abort(session)
        await self._runner.cleanup()

    @property
    def ws_url(self) -> str:
        """Where web sockets are."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.port}"

    # -- clients -----------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if time.monotonic() < self._down_until:
            return web.json_response({"code": 1, "msg": "maintenance"}, status=503)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._client(request)
        if self._take("rate_limit"):
            return web.json_response(
                {"code": -1003, "msg": "Too many requests."}, status=429, headers={"Retry-After": "0.3"}
            )
        old = request.path.endswith(("depth", "books", "get_order_book")) and self._take("stale_snapshot")
        reply = self._answered(request.path, request.query, old=old)
        return web.Response(
            body=msgspec.json.encode(reply.body),
            status=reply.status,
            content_type="application/json",
            headers={"Date": formatdate(time.time() + self._skew_s, usegmt=True)},
        )

    def _answered(self, path: str, query: Mapping[str, str], *, old: bool) -> Reply:
        return self.dialect.get(path, query, self.books, old=old)

    async def _client(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True, compress=False, max_msg_size=1 << 22)
        await socket.prepare(request)
        session = Session(socket)
        self.sessions.add(session)
        writing = asyncio.ensure_future(session.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._heard(session, message.data)
        finally:
            self.sessions.discard(session)
            writing.cancel()
        return socket

    def _heard(self, session: Session, text: str) -> None:
        said = self.dialect.heard(text)
        for answer in said.answers:
            session.send(answer)
        session.streams.difference_update(said.removed)
        if self._take("mute"):
            session.mute = True
        if session.mute:
            return
        for stream in said.added:
            for symbol, pair in self._pairs.items():
                begun = self.dialect.begins(pair, self.books[symbol], stream)
                if begun is not None:
                    session.send(begun)
        session.streams.update(said.added)

    # -- the market --------------------------------------------------------------------------------------------------

    async def _market(self) -> None:
        every = 1.0 / self._rate
        due = time.monotonic()
        while True:
            due += every
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            elif wait < -1.0:
                due = time.monotonic()  # too much is asked of this machine: no burst afterwards
                await asyncio.sleep(0)
            if not self.paused:
                self._turn()

    def _turn(self) -> None:
        now = time.time_ns() // 1_000_000 + int(self._skew_s * 1_000)
        for symbol, book in self.books.items():
            pair = self._pairs[symbol]
            made = book.step(now)
            wrong = self._take("checksum")
            self._book(*self.dialect.book(pair, made, wrong_checksum=wrong))
            count = self._trades_per_step
            trades = int(count) + (self._chance.random() < count % 1)
            for _ in range(trades):
                printed = book.trade(now)
                if not self._take("trade_gap"):
                    self._send(*self.dialect.trade(pair, printed))
            if self._quotes:
                for stream, frame in self.dialect.others(pair, book, now):
                    self._send(stream, frame)

    def _book(self, stream: str, frame: str) -> None:
        if self._take("gap"):
            return
        held = self._held.pop(stream, None)
        if held is None and self._take("reorder"):
            self._held[stream] = frame
            return
        self._send(stream, frame)
        if held is not None:
            self._send(stream, held)
        if self._take("duplicate"):
            self._send(stream, frame)

    def _send(self, stream: str, frame: str) -> None:
        for session in self.sessions:
            if stream in session.streams:
                session.send(frame)
                self.sent += 1

    # -- faults ------------------------------------------------------------------------------------------------------

    def _take(self, name: str) -> bool:
        left = self._left.get(name, 0.0)
        if left < 1:
            return False
        self._left[name] = left - 1
        return True

    async def _inject(self) -> None:
        started = time.monotonic()
        for fault in self._faults:
            await asyncio.sleep(max(0.0, started + fault.at_s - time.monotonic()))
            self.do(fault)

    def do(self, fault: Fault) -> None:
        """One fault, now."""
        self.injected.append(fault)
        now = time.monotonic()
        sessions = list(self.sessions)
        one = self._chance.choice(sessions) if sessions else None
        if fault.name == "silence" and one is not None:
            one.silent_until = now + fault.amount
        elif fault.name == "slow" and one is not None:
            one.slow_until = now + fault.amount
        elif fault.name == "garbage" and one is not None:
            for _ in range(int(fault.amount)):
                one.send(self._chance.choice(_GARBAGE))
        elif fault.name == "abort" and one is not None:
            self._abort(one)
        elif fault.name == "close" and one is not None:
            self._soon(one, self._chance.choice(CLOSE_CODES))
        elif fault.name == "maintenance":
            self._down_until = now + fault.amount
            for each in sessions:
                if self.dialect.notice:
                    each.send(self.dialect.notice)
                self._soon(each, WSCloseCode.SERVICE_RESTART)
        elif fault.name == "mute":
            self._left["mute"] = 1
            if one is not None:
                self._soon(one, 1001)
        else:
            self._left[fault.name] = self._left.get(fault.name, 0.0) + max(1, int(fault.amount))

    def _soon(self, session: Session, code: int) -> None:
        task = asyncio.ensure_future(session.socket.close(code=code, message=b"simulated"))
        self._tasks.append(task)  # type: ignore[arg-type]

    @staticmethod
    def _abort(session: Session) -> None:
        transport = session.socket._req.transport if session.socket._req is not None else None
        if transport is not None:
            transport.abort()
