"""Subscriptions over the gateway's WebSocket: nothing is lost or doubled when the connection is, at any instance."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_client._http import HttpClient
from marketprism_client._line import Payload, Receive, Stop
from marketprism_client._websocket import WebSocket
from marketprism_sdk.errors import DeadlineExceeded, NotConnected, RemoteError, reason_of
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.resilience import Backoff

log = get_logger(__name__)

_PROTOCOL = "marketprism.v1.msgpack"
_PATH = "/ws/v1/stream"
_ANSWER_S = 10.0
_SILENT_S = 35.0  # three heartbeats and a half
_BACKOFF = Backoff(first_s=0.05, longest_s=5.0)
_ENDING = frozenset({4001, 4003})  # whoever asks may not: trying again changes nothing


class _Control(msgspec.Struct):
    """A message of the protocol that is no data; what others hold is not needed here."""

    type: str
    id: int | None = None
    ch: str = ""
    at: str | dict[str, int] = ""
    code: str = ""
    message: str = ""
    reason: str = ""
    first: str = ""
    fatal: bool = False


_control = msgspec.msgpack.Decoder(_Control).decode
_data: Callable[[bytes], tuple[str, int, msgspec.Raw]] = msgspec.msgpack.Decoder(tuple[str, int, msgspec.Raw]).decode


@dataclass
class _Subscription:
    """A channel that is wanted: who receives it, and the last message that was received."""

    subject: str
    receivers: list[Receive] = field(default_factory=list)
    stream: str = ""  # the stream and its incarnation, once the server has named them
    seq: int = 0
    begun: asyncio.Future[None] | None = None

    @property
    def token(self) -> str:
        """Behind which it goes on; empty before it began."""
        return f"{self.stream}/{self.seq}" if self.stream else ""

    def begin(self, at: str) -> None:
        """It is on, behind a token."""
        self.stream, _, seq = at.rpartition("/")
        self.seq = int(seq) if seq.isdecimal() else 0
        if self.begun is not None and not self.begun.done():
            self.begun.set_result(None)


class WebStream:
    """The subscriptions of a client. Those that have no message in common share a WebSocket: what comes on one says of
    which subject it is, and not for which of two channels that both have it."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url
        self._client = client
        self._sockets: list[_Socket] = []

    @property
    def connected(self) -> bool:
        """Whether messages of every subscription can come now."""
        return all(each.connected for each in self._sockets)

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Receive a channel's messages from now on; returns when the server has begun to send them.

        Raises:
            RemoteError: the server refuses the channel. NotConnected: no server is there.
        """
        socket = next((each for each in self._sockets if each.has_room_for(subject)), None)
        if socket is None:
            socket = _Socket(self._url, self._client)
            self._sockets.append(socket)
        return await socket.subscribe(subject, receive)

    async def close(self) -> None:
        """Leave; nothing more is received."""
        sockets, self._sockets = self._sockets, []
        await asyncio.gather(*(each.close() for each in sockets))


class _Socket:
    """One WebSocket, opened by the first subscription and made again when it is lost."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url + _PATH
        self._client = client
        self._wanted: dict[str, _Subscription] = {}
        self._socket: WebSocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._ids = itertools.count(1)
        self._asked: dict[int, str] = {}
        self._failed: Exception | None = None

    def has_room_for(self, subject: str) -> bool:
        """Whether no other channel of it has messages in common with the subject."""
        return all(each == subject or not overlap(each, subject) for each in self._wanted)

    @property
    def connected(self) -> bool:
        """Whether the socket stands."""
        return self._socket is not None and not self._socket.closed

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Receive a channel's messages from now on; returns when the server has begun to send them.

        Raises:
            RemoteError: the server refuses the channel. NotConnected: no server is there.
        """
        if self._failed is not None:
            raise self._failed
        wanted = self._wanted.get(subject)
        if wanted is None:
            wanted = self._wanted[subject] = _Subscription(subject)
            wanted.begun = asyncio.get_running_loop().create_future()
            try:
                await self._begin(wanted)
            except BaseException:
                self._wanted.pop(subject, None)
                raise
        wanted.receivers.append(receive)

        async def stop() -> None:
            if receive in wanted.receivers:
                wanted.receivers.remove(receive)
            if not wanted.receivers and self._wanted.pop(subject, None) is not None:
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await self._send({"op": "unsubscribe", "channels": [subject]})

        return stop

    async def close(self) -> None:
        """Leave; nothing more is received."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _begin(self, wanted: _Subscription) -> None:
        async with self._opening:  # of several that begin at once the first opens it for all
            if self._task is None:
                self._socket = await self._connect()
                self._task = asyncio.create_task(self._follow(), name="web-stream")
        begun = cast("asyncio.Future[None]", wanted.begun)
        if self.connected:
            await self._ask_for(wanted)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await begun
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self._url}: no answer to {wanted.subject} within {_ANSWER_S:g} s") from error

    async def _connect(self) -> WebSocket:
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await WebSocket.connect(self._client, _PATH, _PROTOCOL)
        except OSError as error:  # TimeoutError is one
            raise NotConnected(f"{self._url}: expected an API gateway, {reason_of(error)}") from error

    async def _follow(self) -> None:
        attempt = 0
        while self._failed is None:
            socket = self._socket
            if socket is None:
                attempt += 1
                await asyncio.sleep(_BACKOFF.pause_s(attempt))
                try:
                    socket = self._socket = await self._connect()
                    for wanted in list(self._wanted.values()):
                        await self._ask_for(wanted)
                except (NotConnected, ConnectionError) as error:
                    log.debug("channel.not_connected", error=reason_of(error))
                    await self._leave()
                    continue
            if await self._receive(socket):
                attempt = 0
            self._socket = None

    async def _receive(self, socket: WebSocket) -> bool:
        """Take messages until the socket ends; whether there was one."""
        some = False
        try:
            while True:
                async with asyncio.timeout(_SILENT_S):
                    message = await socket.receive()
                if message is None:
                    break
                some = True
                self._take(message)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("channel.malformed", error=reason_of(error))
        except OSError as error:  # silent for too long, too
            log.debug("channel.silent", error=reason_of(error))
        finally:  # whoever leaves while it waits leaves no socket behind
            code = socket.close_code
            await socket.close()
        if code in _ENDING:
            self._failed = RemoteError(Code.FORBIDDEN, f"stream: expected leave to listen, was closed with {code}")
            for wanted in self._wanted.values():
                if wanted.begun is not None and not wanted.begun.done():
                    wanted.begun.set_exception(self._failed)
        return some

    def _take(self, data: bytes) -> None:
        if data[:1] == b"\x93":  # an array of three: channel, sequence, payload
            subject, seq, payload = _data(data)
            message = Payload(bytes(payload))
            for wanted in self._wanted.values():
                if seq > wanted.seq and wanted.stream and covers(wanted.subject, subject):
                    wanted.seq = seq
                    for receive in list(wanted.receivers):
                        receive(message)
            return
        self._follow_control(_control(data))

    def _follow_control(self, control: _Control) -> None:
        wanted = self._wanted.get(control.ch)
        match control.type:
            case "subscribed" if wanted is not None and isinstance(control.at, str):
                wanted.begin(control.at)
            case "heartbeat" if isinstance(control.at, dict):
                for each in self._wanted.values():
                    each.seq = max(each.seq, control.at.get(each.stream.partition("/")[0], 0)) if each.stream else 0
            case "gap" if wanted is not None:
                log.warning(
                    "channel.gap", channel=control.ch, reason=control.reason, after=wanted.token, first=control.first
                )
                wanted.stream, _, first = control.first.rpartition("/")
                wanted.seq = int(first) - 1 if first.isdecimal() else 0
            case "error":
                named = wanted or self._wanted.get(self._asked.get(control.id or 0, ""))
                if named is not None and named.begun is not None and not named.begun.done():
                    named.begun.set_exception(RemoteError(control.code, control.message))
                else:
                    log.warning("channel.refused", channel=control.ch, code=control.code, error=control.message)
            case _:
                pass

    async def _ask_for(self, wanted: _Subscription) -> None:
        number = next(self._ids)
        self._asked[number] = wanted.subject
        channel: dict[str, object] = {"ch": wanted.subject, "mode": "all", "snapshot": False}
        if wanted.token:
            channel["after"] = wanted.token
        await self._send({"op": "subscribe", "id": number, "channels": [channel]})

    async def _send(self, request: dict[str, object]) -> None:
        if self._socket is not None:
            await self._socket.send(msgspec.msgpack.encode(request))


def overlap(one: str, other: str) -> bool:
    """Whether two channels, wildcards allowed, can have a message in common."""
    first, second = one.split("."), other.split(".")
    for place in range(max(len(first), len(second))):
        left, right = (tokens[place] if place < len(tokens) else "" for tokens in (first, second))
        if ">" in (left, right):
            return bool(left and right)
        if left != right and "*" not in (left, right):
            return False
        if not (left and right):
            return False
    return True


def covers(pattern: str, subject: str) -> bool:
    """Whether a channel, wildcards allowed, has the messages of a subject."""
    if pattern == subject:
        return True
    if "*" not in pattern and ">" not in pattern:
        return False
    wanted, given = pattern.split("."), subject.split(".")
    for place, part in enumerate(wanted):
        if part == ">":
            return len(given) > place
        if place >= len(given) or part not in ("*", given[place]):
            return False
    return len(wanted) == len(given)
