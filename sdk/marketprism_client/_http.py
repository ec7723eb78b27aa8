"""HTTP/1.1 as a client of the API gateway needs it: requests with short bodies over connections that are used again.

The standard library's streams and nothing else: whoever asks for data installs no HTTP framework.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_HEAD = 65_536  # bytes of a status line and its headers at most
_IDLE = 8  # connections that are kept for the next request
_IDLE_S = 15.0  # no longer: a server lets go of them as well, and a request that meets that is lost
_NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class HttpError(ConnectionError):
    """What came is no answer of an HTTP server, or ended before it was whole."""


class Place(NamedTuple):
    """Where a server is: what a URL says of it."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ValueError: it names no host, or a port that is none."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError(f"url: expected http://host:port or https://host, was {url[:80]!r}")
        tls = parts.scheme in ("https", "wss")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"


class Head(NamedTuple):
    """A status and its headers, by their names in small letters."""

    status: int
    headers: Mapping[str, str]


class Reply(NamedTuple):
    """An answer, whole."""

    status: int
    body: bytes


class Wire:
    """One connection: what is written to it, and the answers that come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, place: Place, context: ssl.SSLContext | None) -> Wire:
        """Raises OSError: nobody is there, or its certificate is not trusted."""
        reader, writer = await asyncio.open_connection(
            place.host, place.port, ssl=context if place.tls else None, limit=_HEAD
        )
        return cls(reader, writer)

    @property
    def usable(self) -> bool:
        """Whether another request can go over it, as far as is known here."""
        return not self._writer.is_closing() and not self.reader.at_eof()

    async def send(self, data: bytes) -> None:
        """Write; waits where the other side does not read. Raises OSError."""
        self._writer.write(data)
        await self._writer.drain()

    async def head(self) -> Head:
        """The next status line and its headers. Raises HttpError, OSError."""
        try:
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError as error:
            raise HttpError("the connection ended before an answer came") from error
        except asyncio.LimitOverrunError as error:
            raise HttpError(f"expected headers of at most {_HEAD} bytes, were more") from error
        version, _, rest = lines[0].partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdecimal()):
            raise HttpError(f"expected a status of HTTP/1.1, was {lines[0][:60]!r}")
        fields = (line.partition(":") for line in lines[1:] if line)
        return Head(int(status), {name.strip().lower(): value.strip() for name, _, value in fields})

    async def body(self, head: Head, method: str) -> bytes:
        """What follows a head. Raises HttpError, OSError."""
        if method == "HEAD" or head.status in _NO_BODY:
            return b""
        try:
            if "chunked" in head.headers.get("transfer-encoding", "").lower():
                found = await self._chunks()
            elif (length := head.headers.get("content-length")) is not None:
                found = await self.reader.readexactly(_size(length, 10))
            else:
                found = await self.reader.read()
                self.close()
        except asyncio.IncompleteReadError as error:
            raise HttpError("the connection ended within an answer") from error
        except asyncio.LimitOverrunError as error:
            raise HttpError("expected the size of a part of a body, was none") from error
        if head.headers.get("content-encoding", "").lower() in ("gzip", "deflate"):
            try:
                return zlib.decompress(found, 32 + zlib.MAX_WBITS)  # either, as its first bytes say
            except zlib.error as error:
                raise HttpError(f"expected a compressed body: {error}") from error
        return found

    async def _chunks(self) -> bytes:
        parts = []
        while size := _size((await self.reader.readuntil(b"\r\n")).decode("latin-1").partition(";")[0], 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        while (await self.reader.readuntil(b"\r\n")) != b"\r\n":
            pass  # headers behind the body say nothing that is wanted here
        return b"".join(parts)

    def close(self) -> None:
        """Leave without waiting for the other side."""
        self._writer.close()

    async def closed(self) -> None:
        """Leave; it is gone when this returns."""
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


def _size(text: str, base: int) -> int:
    try:
        size = int(text.strip(), base)
    except ValueError:
        size = -1
    if size < 0:
        raise HttpError(f"expected the size of a body, was {text[:40]!r}")
    return size


def request_bytes(method: str, place: Place, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as it is sent.

    Raises:
        ValueError: a header has a line break in it.
    """
    lines = [f"{method} {place.path}{path} HTTP/1.1", f"Host: {place.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("headers: expected no line break in them, found one")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class HttpClient:
    """Requests to one server, each over a connection of its own while it lasts."""

    def __init__(self, place: Place, headers: Mapping[str, str], context: ssl.SSLContext | None = None) -> None:
        self.place = place
        self.headers = dict(headers)
        self.context = context if context is not None or not place.tls else ssl.create_default_context()
        self._idle: list[tuple[float, Wire]] = []
        self._closed = False

    async def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """The answer, whatever its status. Nothing is asked twice.

        Raises:
            HttpError, OSError: there is none.
        """
        length = {"Content-Length": str(len(body or b""))} if body is not None or method == "POST" else {}
        given = {**self.headers, "Accept-Encoding": "gzip, deflate", **headers, **length}
        data = request_bytes(method, self.place, path, given, body or b"")
        return await self._exchange(self._reusable() or await Wire.open(self.place, self.context), method, data)

    def _reusable(self) -> Wire | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, wire = self._idle.pop()
            if wire.usable and now - since < _IDLE_S:
                return wire
            wire.close()
        return None

    async def _exchange(self, wire: Wire, method: str, data: bytes) -> Reply:
        try:
            await wire.send(data)
            head = await wire.head()
            while head.status < HTTPStatus.OK:  # what is said before the answer
                head = await wire.head()
            body = await wire.body(head, method)
        except BaseException:
            wire.close()
            raise
        stays = head.headers.get("connection", "").lower() != "close" and wire.usable
        if stays and not self._closed and len(self._idle) < _IDLE:
            self._idle.append((asyncio.get_running_loop().time(), wire))
        else:
            wire.close()
        return Reply(head.status, body)

    async def close(self) -> None:
        """Let every connection go."""
        self._closed = True
        idle, self._idle = self._idle, []
        for _, wire in idle:
            await wire.closed()
