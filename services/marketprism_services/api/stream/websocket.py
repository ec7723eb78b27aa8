"""`/ws/v1/stream`: the handshake, what a client may send, and the end."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from marketprism_application.access.entitlements import Entitlements
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.frames import (
    BAD_TEXT,
    CLOSE,
    FLOOD,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    frame,
)
from marketprism_services.api.stream.hub import CROWDED, LOST, RESTART, Hub
from marketprism_services.api.stream.messages import (
    PROTOCOL,
    Auth,
    Authenticated,
    Error,
    Hello,
    Id,
    MalformedRequest,
    Request,
    request_of,
)
from marketprism_services.api.stream.requests import answer
from marketprism_services.api.stream.settings import Budget
from marketprism_services.api.stream.wires import JsonWire, MsgpackWire

log = structlog.get_logger()

Authenticate = Callable[[str], Awaitable[Principal | None]]

JSON, MSGPACK = "marketprism.v1.json", "marketprism.v1.msgpack"
UNAUTHENTICATED, FORBIDDEN = 4001, 4003
_KEY_WORD = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_NOBODY = Principal("local", "", frozenset(), Entitlements(()))
_FAREWELL_S = 2.0  # that the other side has to close, before the connection is cut
_WAITING = 16  # requests that may come while it is found out who asks
_NORMAL, _NO_CODE = 1000, 1005


class HandshakeError(ValueError):
    """A request that asks for no WebSocket of version 13."""


def handshake(request: web.Request) -> dict[str, str]:
    """The headers that accept an upgrade; the first protocol of ours that is offered is chosen.

    Raises:
        HandshakeError: it is no upgrade to a WebSocket.
    """
    headers = request.headers
    if (
        headers.get("Upgrade", "").strip().lower() != "websocket"
        or "upgrade" not in headers.get("Connection", "").lower()
    ):
        raise HandshakeError("Upgrade: expected websocket, and Connection: Upgrade")
    if headers.get("Sec-WebSocket-Version", "").strip() != "13":
        raise HandshakeError("Sec-WebSocket-Version: expected 13")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise HandshakeError("Sec-WebSocket-Key: expected 16 bytes in base64")
    accepted = base64.b64encode(hashlib.sha1(key.encode() + _KEY_WORD, usedforsecurity=False).digest()).decode()
    answered = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted}
    offered = [each.strip() for each in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    chosen = next((each for each in offered if each in (JSON, MSGPACK)), None)
    return answered | ({"Sec-WebSocket-Protocol": chosen} if chosen else {})


class WebSocketConnection:
    """One connection: what aiohttp gives it bytes of, in the place of its own reader."""

    def __init__(
        self,
        hub: Hub,
        transport: asyncio.Transport,
        authenticate: Authenticate,
        hello: Callable[[Principal], Hello],
        *,
        is_msgpack: bool,
    ) -> None:
        self._hub = hub
        self._settings = hub.settings
        self._transport = transport
        self._authenticate = authenticate
        self._hello = hello
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(self._settings.message_bytes)
        self._controls = Budget(self._settings.control_per_s)
        self._messages = self._budget("viewer")
        self._waiting: list[Request] = []
        self._is_known = False
        self._asking: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.gone: asyncio.Future[None] = self._loop.create_future()
        wire = MsgpackWire() if is_msgpack else JsonWire()
        self.client = Client(hub.outlet, self._settings, transport, wire, _NOBODY, self._closing)

    def _budget(self, limits: str) -> Budget:
        per_s = self._settings.limits_of(limits).messages_per_s
        return Budget(per_s, 2 * per_s)

    def open(self, principal: Principal | None) -> None:
        """Begin: with a hello, or with the seconds in which whoever asks has to say who it is."""
        if principal is not None:
            self._enter(principal)
            return
        text = f"auth: expected within {self._settings.auth_s:g} s, did not come"
        late = self._loop.call_later(self._settings.auth_s, self._fail, UNAUTHENTICATED, "UNAUTHENTICATED", text)
        self._timers.append(late)

    def _enter(self, principal: Principal) -> None:
        for timer in self._timers:
            timer.cancel()
        self.client.principal = principal
        if not principal.may(Scope.STREAM):
            self._fail(FORBIDDEN, "FORBIDDEN", f"principal: expected one with the scope {Scope.STREAM}")
            return
        if self._hub.is_draining:
            self.client.close(RESTART, "this instance ends; connect again")
            return
        if not self._hub.has_place(principal):
            most = self._settings.limits_of(principal.limits).connections
            self._fail(CROWDED, "TOO_MANY_AT_ONCE", f"connections: expected at most {most} at once, were more")
            return
        self._is_known = True
        self._messages = self._budget(principal.limits)
        self._hub.enter(self.client)
        self.client.send(self._hello(principal))

    def _fail(self, code: int, name: str, text: str, request: Id = None) -> None:
        """Say what is wrong and close."""
        self.client.send(Error(id=request, code=name, fatal=True, message=text))
        self.client.close(code, text)

    # -- what aiohttp calls ------------------------------------------------------------------------------------------

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes of the client."""
        try:
            for each in self._reader.feed(data):
                self._take(each)
        except FrameError as error:
            log.debug("stream_client.refused", principal=self.client.principal.id, error=str(error))
            self.client.close(error.code, str(error))
        if self.client.close_code:
            self._reader = FrameReader(self._settings.message_bytes)
        return False, b""

    def feed_eof(self) -> None:
        """The connection is lost."""
        if not self.gone.done():
            self.gone.set_result(None)

    # -- frames ------------------------------------------------------------------------------------------------------

    def _take(self, found: Frame) -> None:
        if self.client.close_code:  # it ends; only the other side's close is waited for
            if found.opcode == CLOSE:
                self._transport.close()
            return
        if found.opcode >= CLOSE:
            self._take_control(found)
            return
        if not self._messages.take(self._loop.time()):
            self._fail(FLOOD, "TOO_MANY_REQUESTS", "messages: expected fewer a second, were too many")
            return
        try:
            request = request_of(found.payload, is_text=found.opcode == TEXT, depth=self._settings.json_depth)
        except MalformedRequest as error:
            if error.fatal:
                self._fail(BAD_TEXT, "MALFORMED", str(error))
            else:
                self.client.refuse("MALFORMED", str(error))
            return
        self._take_request(request)

    def _take_control(self, found: Frame) -> None:
        if not self._controls.take(self._loop.time()):
            self.client.close(FLOOD, "control frames: expected fewer a second, were too many")
        elif found.opcode == PING:
            self._transport.write(frame(PONG, found.payload))
        elif found.opcode == CLOSE:
            code = int.from_bytes(found.payload[:2], "big") if len(found.payload) >= 2 else _NO_CODE
            self.client.close(code if code == _NORMAL or 3_000 <= code <= 4_999 else _NORMAL, "")
            self._transport.close()

    def _take_request(self, request: Request) -> None:
        if self._is_known:
            answer(self._hub, self.client, request)
        elif self._asking is not None:
            if len(self._waiting) >= _WAITING:
                self._fail(FLOOD, "TOO_MANY_REQUESTS", "messages: expected fewer before it is known who asks")
                return
            self._waiting.append(request)
        elif isinstance(request, Auth):
            self._asking = self._loop.create_task(self._find_out(request))
        else:
            self._fail(UNAUTHENTICATED, "UNAUTHENTICATED", "auth: expected as the first message", request.id)

    async def _find_out(self, request: Auth) -> None:
        try:
            principal = await self._authenticate(request.token)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is not known who asks)
            log.warning("stream_client.not_authenticated", error=type(error).__name__)
            principal = None
        self._asking = None
        if self.client.is_closed:
            return
        if principal is None:
            self._fail(UNAUTHENTICATED, "UNAUTHENTICATED", "token: expected one that is valid, was not", request.id)
            return
        self._enter(principal)
        if not self.client.is_closed:
            self.client.send(Authenticated(id=request.id, principal=principal.id))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not self.client.is_closed:
                answer(self._hub, self.client, each)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _closing(self) -> None:
        """The last bytes were written: the other side has a moment to close."""
        if self.client.is_blocked:  # they lie behind what it does not take
            self._transport.close()
            self._timers.append(self._loop.call_later(self._settings.reader_stall_s, self._transport.abort))
        else:
            self._timers.append(self._loop.call_later(_FAREWELL_S, self._transport.abort))

    def end(self) -> None:
        """Nothing is left to be done for it."""
        if self._asking is not None:
            self._asking.cancel()
        for timer in self._timers:
            timer.cancel()
        if not self.client.close_code:
            self.client.close_code = LOST
            self._hub.outlet.count_close(LOST)
        self._hub.leave(self.client)
        self.client.release()


async def serve_websocket(
    request: web.Request,
    hub: Hub,
    principal: Principal | None,
    authenticate: Authenticate,
    hello: Callable[[Principal], Hello],
    headers: dict[str, str],
) -> web.StreamResponse:
    """Accept an upgrade and serve the connection until it ends."""
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        return response
    is_msgpack = headers.get("Sec-WebSocket-Protocol") == MSGPACK
    connection = WebSocketConnection(hub, transport, authenticate, hello, is_msgpack=is_msgpack)
    connection.open(principal)
    request.protocol.set_parser(connection)  # type: ignore[arg-type]
    try:
        await connection.gone
    finally:
        connection.end()
    return response


def hello_of(hub: Hub, version: str, instance: str, principal: Principal) -> Hello:
    """The first message of a connection."""
    limits = hub.settings.limits_of(principal.limits)
    return Hello(
        protocol=PROTOCOL,
        server=version,
        instance=instance,
        heartbeat_s=hub.settings.beat_s,
        limits={
            "channels": limits.channels,
            "in_per_s": limits.messages_per_s,
            "message_bytes": hub.settings.message_bytes,
        },
        ts=time.time_ns(),
    )
