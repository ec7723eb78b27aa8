"""One connection that is always there: made again after a loss, renewed before the venue cuts it.

A renewal is a second socket that subscribes to everything; when it flows, the first one unsubscribes, and is closed
when the venue has answered that: the answer stands behind everything that was on its way. What both bring meanwhile is
told apart further on by its sequence.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from marketprism_adapters.venues.live.socket import Socket, open_socket
from marketprism_application.errors import SourceError
from marketprism_application.venues.protocol import StreamKey, Venue
from marketprism_sdk.resilience import Backoff, RateLimiter

log = structlog.get_logger()

_RENEW_AT = 0.95  # of the venue's lifetime, less up to a twentieth by chance: not all at once
_FLOWS_S = 15.0
_DRAINED_S = 15.0  # a venue that does not answer that it stops is left all the same
_LOOK_S = 0.25
_numbers = itertools.count(1)


class ConnectionEvents(Protocol):
    """Who hears of a connection."""

    def on_frame(self, frame: bytes, path: str) -> None: ...

    def on_up(self, connection: Connection) -> None: ...

    def on_down(self, connection: Connection, reason: str, retry_s: float) -> None: ...

    def on_closed(self, path: str) -> None: ...

    def on_asked(self, keys: Iterable[StreamKey]) -> None: ...


class _Wire:
    """One socket of a connection."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket: Socket | None = None
        self.opened_at = self.heard_at = time.monotonic()
        self.frames = self.answers = 0
        self.leave = False
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def alive_at(self) -> float:  # when anything came last, a ping included
        return max(self.heard_at, self.socket.pinged_at if self.socket is not None else 0.0)

    def close(self, reason: str) -> None:
        if self.socket is not None:
            self.socket.close(reason)
        if not self.ended.done():
            self.ended.set_result(reason)


class _Quiet:
    """For how long nothing has come while it could have been heard.

    A process that had no processor for a while finds everything silent, and all of it waiting to be read: of the time
    between two looks no more counts than two looks take.
    """

    def __init__(self) -> None:
        self._alive_at = self._seconds = 0.0
        self._looked_at = time.monotonic()

    def seconds(self, alive_at: float, now: float) -> float:
        passed, self._looked_at = min(now - self._looked_at, 2 * _LOOK_S), now
        if alive_at == self._alive_at:
            self._seconds += passed
        else:
            self._alive_at, self._seconds = alive_at, min(passed, now - alive_at)
        return self._seconds


class Connection:
    """`streams` of one endpoint over one connection at a time (two while it is renewed)."""

    def __init__(
        self,
        venue: Venue,
        url: str,
        streams: Mapping[str, StreamKey],
        events: ConnectionEvents,
        connects: RateLimiter,
        *,
        backoff: Backoff | None = None,
        lifetime_s: float | None = None,
        silent_s: float | None = None,
    ) -> None:
        self.url = url
        self.streams: dict[str, StreamKey] = dict(streams)
        self._venue = venue
        self._events = events
        self._connects = connects
        self._backoff = backoff or Backoff(0.25, 30.0)
        limits = venue.limits
        self._silent_s = limits.silent_s if silent_s is None else silent_s
        life = limits.lifetime_s if lifetime_s is None else lifetime_s
        self._life_s = life * _RENEW_AT * random.uniform(0.95, 1.0) if life else 0.0
        self._messages = RateLimiter(limits.messages_per_s, 1.0)  # venues count any second: no burst
        self._requests = itertools.count(1)
        self._current: _Wire | None = None
        self._wires: list[_Wire] = []
        self._asked: dict[int, list[str]] = {}
        self._alive_at = self._up_at = 0.0
        self._subscribing: asyncio.Future[int] | None = None  # to everything, on the connection that stands
        self.connects = self.renewals = self.losses = self.alive_ns = 0  # alive_ns: until when the last one lived, UTC

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self._current is not None

    @property
    def stood_s(self) -> float:
        """For how many seconds it has been connected, renewals included; 0 when it is not."""
        return time.monotonic() - self._up_at if self.up else 0.0

    @property
    def renewing(self) -> bool:
        """Whether another socket is about to take over."""
        return len(self._wires) > 1

    async def run(self) -> None:
        """For ever: connect, subscribe, watch; again after a pause that grows, with chance in it, to a limit."""
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                wire = await self._open()
            except SourceError as error:
                reason = str(error)
            else:
                self._current, self._up_at = wire, time.monotonic()
                self._events.on_up(self)
                reason = await self._hold(wire)
                self._current = self._subscribing = None
                self.alive_ns = time.time_ns() - int((time.monotonic() - self._alive_at) * 1_000_000_000)
            attempt = 1 if time.monotonic() - began > self._backoff.longest_s else attempt + 1
            pause_s = self._backoff.pause_s(attempt)
            self.losses += 1
            self._events.on_down(self, reason, pause_s)
            await asyncio.sleep(pause_s)

    async def _open(self) -> _Wire:
        await self._connects.acquire()
        wire = _Wire(f"{next(_numbers)}")
        events, path = self._events, wire.path

        def heard(frame: bytes) -> None:
            wire.heard_at = time.monotonic()
            wire.frames += 1
            events.on_frame(frame, path)

        def ended(reason: str) -> None:
            events.on_closed(path)
            if not wire.ended.done():
                wire.ended.set_result(reason)

        wire.socket = await open_socket(self.url, heard, ended)
        self.connects += 1
        self._wires.append(wire)
        for greeting in self._venue.limits.greeting:
            wire.socket.send(greeting)
        return wire

    async def _hold(self, wire: _Wire) -> str:
        """Until the connection ends; why."""
        subscribing = self._subscribing = asyncio.ensure_future(self._subscribe(wire, list(self.streams)))
        pinging = asyncio.ensure_future(self._ping())
        quiet = _Quiet()
        try:
            while True:
                await asyncio.wait([wire.ended], timeout=_LOOK_S)
                self._alive_at = wire.alive_at
                if wire.ended.done():
                    return wire.ended.result()
                for task in (subscribing, pinging):
                    if task.done() and (error := task.exception()) is not None:
                        return f"expected to subscribe and ping, failed: {error!r}"
                now = time.monotonic()
                if quiet.seconds(wire.alive_at, now) > self._silent_s:
                    return f"nothing heard for {self._silent_s:g} s"
                if wire.leave or (self._life_s and now - wire.opened_at > self._life_s):
                    wire = await self._renew(wire)
        finally:
            subscribing.cancel()
            pinging.cancel()
            for each in self._wires:
                each.close("left")
            self._wires = []
            await asyncio.gather(subscribing, pinging, return_exceptions=True)

    async def _renew(self, old: _Wire) -> _Wire:
        """A second connection takes over; the old one stays when the new one does not come to flow."""
        try:
            new = await self._open()
        except SourceError as error:
            log.warning("connection.not_renewed", url=self.url, error=str(error))
            self._later(old)
            return old
        before, undone = old.frames, False
        asked = len(self._venue.limits.greeting) + await self._subscribe(new, list(self.streams))
        await self._until(lambda: new.answers >= asked and self._flows(new), _FLOWS_S, old, new)
        brings = new.frames > new.answers or old.frames == before
        if not old.ended.done() and not new.ended.done() and (new.answers < asked or not brings):
            log.warning("connection.not_renewed", url=self.url, error="the new one brings nothing")
            new.close("brings nothing")
        if not new.ended.done():
            asked = old.answers + await self._subscribe(old, list(self.streams), undo=True)
            await self._until(lambda: old.answers >= asked, _DRAINED_S, old, new)
            if old.answers < asked:
                log.warning(
                    "connection.closed_early", url=self.url, reason="the venue did not confirm the unsubscriptions"
                )
            undone = True
        gone = new if new.ended.done() else old
        self._wires = [each for each in self._wires if each is not gone]
        if gone is new:
            if undone and not old.ended.done():
                await self._subscribe(old, list(self.streams))
            self._later(old)
            return old
        self._current = new
        old.close("renewed")
        self.renewals += 1
        log.info("connection.renewed", url=self.url, streams=len(self.streams))
        return new

    @staticmethod
    async def _until(reached: Callable[[], bool], within_s: float, *wires: _Wire) -> None:
        """Until that is so, or a connection ends, or time is over."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not reached() and not any(wire.ended.done() for wire in wires):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    def _later(self, wire: _Wire) -> None:
        wire.leave = False
        wire.opened_at = time.monotonic() - self._life_s + self._backoff.longest_s

    def _flows(self, wire: _Wire) -> bool:
        """Whether it has brought what it takes to be sure that every subscription stands: a few frames for each."""
        return wire.frames >= 2 * len(self.streams) + 2 or time.monotonic() - wire.opened_at > _FLOWS_S

    async def _ping(self) -> None:
        limits = self._venue.limits
        while limits.ping_s:
            await asyncio.sleep(limits.ping_s)
            for wire in self._wires:
                if wire.socket is not None:
                    wire.socket.send(limits.ping)

    # -- subscriptions -----------------------------------------------------------------------------------------------

    async def _subscribe(self, wire: _Wire, names: list[str], *, undo: bool = False) -> int:
        """How many messages it took."""
        size = self._venue.limits.streams_per_message
        for start in range(0, len(names), size):
            some = names[start : start + size]
            await self._messages.acquire()
            number = next(self._requests)
            self._asked[number] = [] if undo else some
            if len(self._asked) > 1_000:
                del self._asked[next(iter(self._asked))]
            if not undo:
                self._events.on_asked(self.streams[name] for name in some if name in self.streams)
            if wire.socket is not None:
                wire.socket.send(self._venue.subscribe(some, number, undo=undo))
        return -(-len(names) // size)

    def answered(self, path: str) -> None:
        """The venue has answered a subscription of that connection."""
        for wire in self._wires:
            wire.answers += wire.path == path

    def carries(self, path: str) -> bool:
        """Whether that is one of its connections."""
        return any(wire.path == path for wire in self._wires)

    def asked_in(self, request: str) -> list[StreamKey]:
        """The streams of a subscription that the venue answers by number."""
        names = self._asked.get(int(request), []) if request.isdecimal() else []
        return [self.streams[name] for name in names if name in self.streams]

    async def again(self, names: list[str]) -> None:
        """Unsubscribe and subscribe some streams, unless all are being subscribed: their books begin anew."""
        if self._subscribing is None or not self._subscribing.done():
            return
        for wire in list(self._wires):
            await self._subscribe(wire, names, undo=True)
            await self._subscribe(wire, names)

    async def change(self, added: Mapping[str, StreamKey], removed: Iterable[str]) -> None:
        """Other streams from now on."""
        gone = [name for name in removed if self.streams.pop(name, None) is not None]
        self.streams.update(added)
        for wire in list(self._wires):
            if gone:
                await self._subscribe(wire, gone, undo=True)
            if added:
                await self._subscribe(wire, list(added))

    def renew_soon(self, path: str) -> None:
        """The venue will close this connection: do not wait for it."""
        for wire in self._wires:
            if wire.path == path:
                wire.leave = True

    def cut(self, reason: str) -> None:
        """End the connection; it is made again."""
        for wire in self._wires:
            wire.close(reason)

    def reply(self, path: str, message: bytes) -> None:
        """Answer on the connection that asked."""
        for wire in self._wires:
            if wire.path == path and wire.socket is not None:
                wire.socket.send(message)
