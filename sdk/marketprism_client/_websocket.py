"""A WebSocket (RFC 6455) as a client of the API gateway needs it: binary messages, no extensions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import struct
from enum import IntEnum
from http import HTTPStatus
from typing import NamedTuple

from marketprism_client._http import HttpClient, HttpError, Wire, request_bytes

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of the protocol
_NORMAL = 1000
_CLOSING_S = 2.0  # how long the other side's goodbye is waited for


class Opcode(IntEnum):
    """What a frame is."""

    MORE = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class _Frame(NamedTuple):
    last: bool
    opcode: int
    payload: bytes


class WebSocket:
    """One socket, open from `connect` to `close`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.close_code: int | None = None
        self._said_goodbye = False

    @classmethod
    async def connect(cls, client: HttpClient, path: str, protocol: str) -> WebSocket:
        """Open one beside the client's other connections.

        Raises:
            HttpError, OSError: no such server is there, or it refuses; names its status.
        """
        wire = await Wire.open(client.place, client.context)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            asked = {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key,
                "Sec-WebSocket-Protocol": protocol,
            }
            await wire.send(request_bytes("GET", client.place, path, {**client.headers, **asked}))
            head = await wire.head()
            expected = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
            if head.status != HTTPStatus.SWITCHING_PROTOCOLS:
                raise HttpError(f"expected a WebSocket, was answered with HTTP {head.status}")
            if head.headers.get("sec-websocket-accept") != expected:
                raise HttpError("expected a WebSocket, was an answer to another handshake")
            if head.headers.get("sec-websocket-protocol") != protocol:
                raise HttpError(f"expected the protocol {protocol}, was another")
        except BaseException:
            wire.close()
            raise
        return cls(wire)

    @property
    def closed(self) -> bool:
        """Whether no message comes any more."""
        return self.close_code is not None or not self._wire.usable

    async def receive(self) -> bytes | None:
        """The next binary message; None where the other side ended it (`close_code`), or sent another one.

        Raises:
            HttpError, OSError: the connection is gone, or what came is no WebSocket's.
        """
        parts: list[bytes] = []
        while True:
            frame = await self._frame()
            match frame.opcode:
                case Opcode.PING:
                    await self._send(Opcode.PONG, frame.payload)
                case Opcode.PONG:
                    pass
                case Opcode.CLOSE:
                    self.close_code = struct.unpack("!H", frame.payload[:2])[0] if len(frame.payload) > 1 else _NORMAL
                    return None
                case Opcode.BINARY | Opcode.MORE:
                    if frame.last and not parts:
                        return frame.payload
                    parts.append(frame.payload)
                    if frame.last:
                        return b"".join(parts)
                case _:
                    return None

    async def send(self, data: bytes) -> None:
        """Send a binary message. Raises OSError."""
        if self.closed:
            raise HttpError("the WebSocket is closed")
        await self._send(Opcode.BINARY, data)

    async def close(self) -> None:
        """Say goodbye and leave."""
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    if self._wire.usable:
                        await self._goodbye()
        finally:
            self.close_code = self.close_code or _NORMAL
            self._wire.close()

    async def _goodbye(self) -> None:
        if not self._said_goodbye:
            self._said_goodbye = True
            await self._send(Opcode.CLOSE, struct.pack("!H", _NORMAL))
        while self.close_code is None and (frame := await self._frame()).opcode != Opcode.CLOSE:
            del frame  # what comes behind the last message that anybody waits for

    async def _frame(self) -> _Frame:
        read = self._wire.reader.readexactly
        try:
            first, second = await read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await read(8))
            if first & 0x70 or second & 0x80:
                raise HttpError("expected a frame without extensions and without a mask, was another")
            return _Frame(bool(first & 0x80), first & 0x0F, await read(length) if length else b"")
        except asyncio.IncompleteReadError as error:
            raise HttpError("the connection ended") from error

    async def _send(self, opcode: Opcode, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65_536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        await self._wire.send(head + mask + _masked(payload, mask))


def _masked(payload: bytes, mask: bytes) -> bytes:
    """Each byte with that of the mask on it, in one step: a client may send nothing else."""
    size = len(payload)
    whole = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ whole).to_bytes(size, "big")
