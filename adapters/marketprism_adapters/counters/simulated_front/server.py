"""A front that several processes share: one market that goes on whoever listens, sessions that come and go.

It answers like a counter, sends each session what it subscribed, ends sessions that are silent, that subscribe faster
than allowed or that do not read, and tells everything about sessions: who was let in when, who was heard last.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from marketprism_adapters.counters.depth.messages import CTP_COLUMNS
from marketprism_adapters.counters.simulated_front.markets import Market
from marketprism_adapters.counters.simulated_front.wire import HEARTBEAT_S, SILENT_S, Frames, frame
from marketprism_application.errors import SourceError
from marketprism_domain.values import NANOS_PER_SECOND

_SLICE_S = 0.005
_SLEPT_S = 2.2 * HEARTBEAT_S
_BUFFERED = 8 << 20  # a session that lets so much pile up is cut
_LONG_NS = 60_000_000_000


@dataclass(frozen=True)
class FrontOptions:
    """`speed` times the market's own time; `per_second` subscriptions a session may send (0: any number); clocks of
    those who listen are off the venue's by `clock_off_s`, below 0 behind it."""

    host: str = "127.0.0.1"
    port: int = 0
    speed: float = 1.0
    per_second: int = 1_000
    refuse: tuple[tuple[str, int], ...] = ()  # request, error number
    clock_off_s: float = 0.0


@dataclass(eq=False)
class _Session:
    number: int
    writer: asyncio.StreamWriter
    last_seen_at: float
    side: str = ""
    user: str = ""
    login_at: int = 0
    alive: list[list[int]] = field(default_factory=list)  # stretches in which it was heard, [from, to], ns
    subscribed: set[str] = field(default_factory=set)
    asked: deque[float] = field(default_factory=deque)
    ended: str = ""


class FrontServer:
    """`start`, and it listens; the market begins with the first subscription. `say` hears of sessions and the end."""

    def __init__(self, market: Market, options: FrontOptions, say: Callable[[dict[str, Any]], None]) -> None:
        self._market = market
        self._options = options
        self._refused = dict(options.refuse)
        self._tell = say
        self._sessions: dict[int, _Session] = {}
        self._last: dict[str, bytes] = {}
        self._known = {str(item["InstrumentID"]) for item in market.instruments}
        self._count = 0
        self._clock = next((ts for ts, _ in market.rows()), 0)
        self._begun = asyncio.Event()
        self._server: asyncio.Server
        self._tasks: list[asyncio.Task[None]] = []
        self.sent = 0
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            SourceError: the port is taken.
        """
        options = self._options
        try:
            self._server = await asyncio.start_server(self._serve, options.host, options.port)
        except OSError as error:
            raise SourceError(f"front: expected a free port {options.port}: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = [asyncio.create_task(self._play()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        """Close every session and stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()
        for session in list(self._sessions.values()):
            session.writer.close()

    # -- sessions ---------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        session = self._sessions[self._count] = _Session(self._count, writer, time.monotonic())
        frames = Frames()
        reason = "left"
        try:
            while piece := await reader.read(65_536):
                self._touch(session)
                for name, *parts in frames.feed(piece):
                    await self._hear(session, name, parts)
        except OSError as error:
            reason = f"connection lost: {error.strerror or type(error).__name__}"
        except (SourceError, ValueError, TypeError, KeyError) as error:
            reason = f"malformed: {error}"
        finally:
            self._sessions.pop(session.number, None)
            writer.close()
            if session.login_at:
                self._tell(
                    {
                        "event": "left",
                        "session": session.number,
                        "side": session.side,
                        "user": session.user,
                        "t": time.time_ns(),
                        "login": session.login_at,
                        "alive": session.alive,
                        "reason": session.ended or reason,
                    }
                )

    @staticmethod
    def _touch(session: _Session) -> None:
        """A frozen process is not heard: what it says when it wakes begins another stretch."""
        now = time.monotonic()
        if not session.alive or now - session.last_seen_at > _SLEPT_S:
            session.alive.append([time.time_ns(), 0])
        session.alive[-1][1] = time.time_ns()
        session.last_seen_at = now

    async def _hear(self, session: _Session, name: str, parts: list[Any]) -> None:
        if name == "beat":
            return
        if name == "hello":
            session.side = parts[0]
        elif name == "subscribe":
            self._subscribe(session, parts[0])
        elif name == "unsubscribe":
            session.subscribed.discard(parts[0])
        elif name == "instruments":
            await self._list(session, parts[1])
        else:
            self._answer(session, name, *parts)

    def _answer(self, session: _Session, name: str, words: dict[str, Any], reqid: int) -> None:
        number = self._refused.get(name, 0)
        error = {"ErrorID": number, "ErrorMsg": "CTP:拒绝" if number else ""}
        if name == "login" and not number:
            session.user, session.login_at = str(words.get("UserID", "")), time.time_ns()
            others = [
                other.number
                for other in self._sessions.values()
                if other.login_at and other is not session and (other.side, other.user) == (session.side, session.user)
            ]
            self._tell(
                {
                    "event": "login",
                    "session": session.number,
                    "side": session.side,
                    "user": session.user,
                    "t": session.login_at,
                    "others": others,
                }
            )
        self._send(session, frame(name, self._stamp, words, error, reqid, True))

    async def _list(self, session: _Session, reqid: int) -> None:
        listed = self._market.instruments
        for number, instrument in enumerate(listed, 1):
            self._send(session, frame("instrument", self._stamp, instrument, {}, reqid, number == len(listed)))
            if number % 500 == 0:
                await session.writer.drain()

    def _subscribe(self, session: _Session, symbol: str) -> None:
        now = time.monotonic()
        session.asked.append(now)
        while session.asked[0] < now - 1.0:
            session.asked.popleft()
        allowed = self._options.per_second
        if allowed and len(session.asked) > allowed * 1.1:
            self._cut(session, f"subscribed {len(session.asked)} instruments within a second")
            return
        known = symbol in self._known
        error = {} if known else {"ErrorID": 16, "ErrorMsg": "CTP:找不到合约"}
        self._send(session, frame("subscribed", self._stamp, {"InstrumentID": symbol}, error, 0, True))
        if known:
            session.subscribed.add(symbol)
            if symbol in self._last:  # the last snapshot, however old
                self._send(session, self._last[symbol])
            self._begun.set()

    @property
    def _stamp(self) -> int:
        """The time by the clocks of those who listen."""
        return self._clock + round(self._options.clock_off_s * NANOS_PER_SECOND)

    def _send(self, session: _Session, data: bytes) -> None:
        if session.ended or session.writer.is_closing():
            return
        session.writer.write(data)
        if session.writer.transport.get_write_buffer_size() > _BUFFERED:
            self._cut(session, "does not read")

    def announce(self, name: str, data: object, ts: int = 0) -> None:
        """Send every trader session what nobody asked for, at a time of the market (0: now): a product's phase
        (`status`, its fields), or that the front was not heard for so many seconds (`late`)."""
        self._clock = max(self._clock, ts)
        for session in self._sessions.values():
            if session.side == "td":
                self._send(session, frame(name, self._stamp, data))

    def _cut(self, session: _Session, why: str) -> None:
        session.ended = why
        session.writer.transport.abort()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            now = time.monotonic()
            for session in list(self._sessions.values()):
                if now - session.last_seen_at > SILENT_S:
                    self._cut(session, "silent")
                else:
                    self._send(session, frame("beat", self._stamp))

    # -- the market -------------------------------------------------------------------------------------------------

    async def _play(self) -> None:
        await self._begun.wait()
        speed = self._options.speed
        origin, started, skipped = 0, time.monotonic(), 0
        before = 0
        self._tell({"event": "begun", "t": time.time_ns()})
        for ts, data in self._market.rows():
            origin = origin or ts
            if before and ts - before > _LONG_NS:  # a break or a night
                skipped += ts - before
            before = ts
            due = started + (ts - origin - skipped) / 1e9 / speed
            ahead = due - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(max(ahead, _SLICE_S))
            self._clock = max(self._clock, ts)
            symbol = str(data["InstrumentID"])
            encoded = self._last[symbol] = frame("depth", self._stamp, [data[name] for name in CTP_COLUMNS])
            for session in self._sessions.values():
                if symbol in session.subscribed:
                    self._send(session, encoded)
            self.sent += 1
            if self.sent % 200 == 0:
                await asyncio.sleep(0)
        self._tell({"event": "end", "t": time.time_ns(), "rows": self.sent})
        for session in list(self._sessions.values()):
            if session.side == "md":
                self._send(session, frame("end", self._stamp))
