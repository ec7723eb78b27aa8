"""The simulated venue as a server: one port on loopback for web sockets and REST."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import Self

import msgspec
import structlog
from aiohttp import WSMsgType, web

from marketprism_adapters.venues.kit.dialect import (
    Alike,
    ByUrl,
    Clocked,
    Dialect,
    Reply,
    Variants,
    cannot_show,
)
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair
from marketprism_adapters.venues.kit.simulated_past import PastDialect
from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.history_server import answer_about_the_past
from marketprism_adapters.venues.simulator.injection import Injection
from marketprism_adapters.venues.simulator.session import Session
from marketprism_application.errors import SourceError

log = structlog.get_logger()

BOOKS = ("depth", "books", "orderbook", "get_order_book")
_SENSELESS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # what a client said or asked
_POLICY = 1008
# What the market itself answers, though its past could: the list of its instruments, and trades by their numbers.
_LIVE = (*BOOKS, "exchangeInfo", "instruments", "instruments-info", "aggTrades", "history-trades", "by_instrument")


class SimulatedVenueServer:
    """`async with SimulatedVenueServer(dialect) as venue`: `venue.ws_url`, `venue.rest_url`.

    Every `1 / rate` seconds each instrument takes a step, all of them `together` or spaced evenly over that time;
    `turns` counts those of all instruments, the time of whoever must not judge by the clock of a busy machine. `books`
    are the truth, with every trade that was made; `skew_s`: how far the venue's clock is ahead. `past` answers what is
    asked about times before. `faults`, in the order of their times and without an end if need be, are timed from the
    first connection on.

    Raises (on entering):
        SourceError: the port is not free.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        seed: int = 7,
        rate: float = 10.0,
        changes: int = 3,
        levels: int = 100,
        trades_per_step: float = 0.5,
        quotes: bool = True,
        faults: Iterable[Fault] = (),
        port: int = 0,
        skew_s: float = 0.0,
        past: PastDialect | None = None,
        together: bool = True,
    ) -> None:
        self.dialect = dialect
        self._past = past
        self._skew_s = skew_s
        opened = self.now_ms()
        self.books = {
            pair.symbol: SimulatedBook(pair, f"{seed}/{pair.symbol}", levels, changes, ts_ms=opened)
            for pair in dialect.pairs
        }
        self._chance = random.Random(seed)
        self._pairs = {pair.symbol: pair for pair in dialect.pairs}
        self._variants = dialect if isinstance(dialect, Variants) else None
        self._rate = rate
        self._together = together
        self._trades_per_step = trades_per_step
        self._quotes = quotes
        self._port = port
        self.sessions: set[Session] = set()
        self._joined = asyncio.Event()
        self.sent = self.turns = 0
        self.faults = Injection(self.sessions, self._chance, faults, dialect.notice, self._unseen())
        self._armed = self.faults.armed
        self._held: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.paused = False
        if isinstance(dialect, Clocked):
            dialect.now_ms = self.now_ms

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise SourceError(f"port: expected one that is free on 127.0.0.1, was {self._port}: {why}") from error
        self.port = self._runner.addresses[0][1]
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.ensure_future(self._market()), asyncio.ensure_future(self._inject())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.faults.end()
        for session in list(self.sessions):
            session.abort()
        await self._runner.cleanup()

    @property
    def ws_url(self) -> str:
        """Where web sockets are."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def now_ms(self) -> int:
        """The clock of the simulated venue, in milliseconds UTC, its skew included."""
        return time.time_ns() // 1_000_000 + int(self._skew_s * 1_000)

    @property
    def injected(self) -> Sequence[Fault]:
        """The faults that did something."""
        return self.faults.done

    def do(self, fault: Fault) -> None:
        """Cause one fault now."""
        self.faults.do(fault)

    def do_soon(self, fault: Fault) -> None:
        """The same from another thread."""
        self._loop.call_soon_threadsafe(self.do, fault)

    def _unseen(self) -> Mapping[str, str]:
        return cannot_show(self.dialect)

    async def _inject(self) -> None:
        await self._joined.wait()
        await self.faults.run()

    # -- clients -----------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if time.monotonic() < self.faults.down_until:
            return web.json_response({"code": 1, "msg": "maintenance"}, status=503)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._client(request)
        if self._armed.take("rate_limit"):
            return web.json_response(
                {"code": -1003, "msg": "Too many requests."}, status=429, headers={"Retry-After": "0.3"}
            )
        old = request.path.endswith(BOOKS) and self._armed.take("stale_snapshot")
        try:
            reply = self._answered(request.path, request.query, old=old)
        except _SENSELESS as error:
            problem = f"{request.path}: expected parameters that make sense, was {dict(request.query)}: {error!r}"
            reply = Reply(400, {"code": 400, "msg": problem})
        return web.Response(
            body=msgspec.json.encode(reply.body),
            status=reply.status,
            content_type="application/json",
            headers={"Date": formatdate(time.time() + self._skew_s, usegmt=True)},
        )

    def _answered(self, path: str, query: Mapping[str, str], *, old: bool) -> Reply:
        if not path.endswith(_LIVE):
            found = answer_about_the_past(self._past, path, query)
            if found is not None:
                return found
        return self.dialect.get(path, query, self.books, old=old)

    async def _client(self, request: web.Request) -> web.StreamResponse:
        dialect = self.dialect
        connection = dialect.opened(request.path, request.query) if isinstance(dialect, ByUrl) else Alike(dialect)
        if connection is None:
            return web.json_response({"code": 404, "msg": f"no such path: {request.path}"}, status=404)
        socket = web.WebSocketResponse(autoping=True, compress=False, max_msg_size=1 << 22)
        await socket.prepare(request)
        session = Session(socket, connection)
        self.sessions.add(session)
        self._joined.set()
        self._subscribe(session, connection.streams)
        writing = asyncio.ensure_future(session.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._on_text(session, message.data)
        finally:
            self.sessions.discard(session)
            writing.cancel()
        return socket

    def _on_text(self, session: Session, text: str) -> None:
        try:
            replies = session.connection.on_message(text)
        except _SENSELESS:
            self.faults.close(session, _POLICY)
            return
        for answer in replies.answers:
            session.send(answer)
        session.streams.difference_update(replies.removed)
        self._subscribe(session, replies.added)

    def _subscribe(self, session: Session, added: Sequence[str]) -> None:
        if added and self._armed.take("mute"):
            session.mute = True
        if session.mute:
            return
        for stream in added:
            self._begin(session, stream)
        session.streams.update(added)

    def _begin(self, session: Session, stream: str) -> None:
        for symbol, pair in self._pairs.items():
            begun = self.dialect.begins(pair, self.books[symbol], stream)
            if begun is not None:
                session.push(begun)

    # -- the market --------------------------------------------------------------------------------------------------

    async def _market(self) -> None:
        symbols = list(self.books)
        groups = [symbols] if self._together else [[symbol] for symbol in symbols]
        every = 1.0 / self._rate / len(groups)
        due = time.monotonic()
        while True:
            for group in groups:
                due += every
                wait = due - time.monotonic()
                if wait < -1.0:
                    due = time.monotonic()  # too much is asked of this machine: no burst afterwards
                # Steps that are late are made up for one by one: a client has its turn between any two.
                await asyncio.sleep(max(wait, 0.0))
                if not self.paused:
                    self._turn(group)
            self.turns += not self.paused

    def _turn(self, symbols: Sequence[str]) -> None:
        now = self.now_ms()
        for symbol in symbols:
            book, pair = self.books[symbol], self._pairs[symbol]
            self._step(pair, book, now)
            count = self._trades_per_step
            trades = int(count) + (self._chance.random() < count % 1)
            for _ in range(trades):
                self._trade(pair, book, now)
            if self._quotes:
                for stream, frame in self.dialect.others(pair, book, now):
                    self._send(stream, frame)

    def _step(self, pair: SimulatedPair, book: SimulatedBook, now: int) -> None:
        made = book.step(now)
        stream, frame = self.dialect.book(pair, made, wrong_checksum=False)
        if self._is_wanted(stream) and self._armed.take("checksum"):
            stream, frame = self.dialect.book(pair, made, wrong_checksum=True)
        self._book(stream, frame)
        if self._variants is not None:
            for variant in self._variants.books(pair, book, made):
                self._book(*variant)

    def _trade(self, pair: SimulatedPair, book: SimulatedBook, now: int) -> None:
        made = book.trade(now)
        frames = [self.dialect.trade(pair, made)]
        if self._variants is not None:
            frames += self._variants.trades(pair, made)
        if not (any(self._is_wanted(stream) for stream, _ in frames) and self._armed.take("trade_gap")):
            for stream, frame in frames:
                self._send(stream, frame)

    def _is_wanted(self, stream: str) -> bool:
        """Whether anybody would miss it."""
        return any(stream in session.streams for session in self.sessions)

    def _book(self, stream: str, frame: str) -> None:
        if not self._is_wanted(stream):
            self._held.pop(stream, None)
            return
        if self._armed.take("gap"):
            return
        held = self._held.pop(stream, None)
        if held is None and self._armed.take("reorder"):
            self._held[stream] = frame
            return
        self._send(stream, frame)
        if held is not None:
            self._send(stream, held)
        if self._armed.take("duplicate"):
            self._send(stream, frame)

    def _send(self, stream: str, frame: str) -> None:
        for session in self.sessions:
            if stream in session.streams:
                session.push(frame)
                self.sent += 1
