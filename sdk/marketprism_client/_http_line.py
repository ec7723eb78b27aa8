"""The door of the API gateway: questions and calls over HTTP, subscriptions over one WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_client._http import HttpClient, Place
from marketprism_client._line import Receive, Stop
from marketprism_client._published import PUBLISHED, Route, request_of
from marketprism_client._web_stream import WebStream
from marketprism_sdk.errors import DeadlineExceeded, NotConnected, RemoteError, reason_of

_PATHS = {
    "query.latest_tick": "latest_tick",
    "query.latest_bars": "latest_bars",
    "query.orderbook": "orderbook",
    "monitor.status": "monitor",
}
_MSGPACK = "application/msgpack"
_HEADERS = {"Content-Type": _MSGPACK}


class _Error(msgspec.Struct):
    code: str = Code.INTERNAL
    message: str = ""


class _Envelope(msgspec.Struct):
    data: object = None


class _Failure(msgspec.Struct):
    error: _Error


class HttpLine:
    """Connections to a base URL, with a key in their headers; a WebSocket is opened by the first subscription."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url.rstrip("/")
        self._client = client
        self._stream = WebStream(self._url, client)

    @classmethod
    async def open(cls, url: str, key: str, ca: str | Path | None) -> HttpLine:
        """Raises NotConnected: no API gateway is there, or `ca` holds no certificates. RemoteError: the URL is none."""
        headers = {"X-API-Key": key} if key else {}
        try:
            context = ssl.create_default_context(cafile=ca) if ca is not None else None
        except (OSError, ssl.SSLError) as error:
            raise NotConnected(f"ca: expected a file of certificates, was {str(ca)!r}: {reason_of(error)}") from error
        try:
            client = HttpClient(Place.of(url), headers, context)
        except ValueError as error:
            raise RemoteError(Code.INVALID_PARAMETER, reason_of(error)) from error
        line = cls(url, client)
        try:
            await line._post("/health/live", None, 5.0, method="GET")
        except BaseException:
            await client.close()
            raise
        return line

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        return self._stream.connected

    async def ask(self, question: bytes, *, timeout_s: float, plain: bool = False) -> bytes:
        """The answer to a question, as `Line.ask` has it."""
        headers = {**_HEADERS, "Accept": _MSGPACK} if plain else _HEADERS
        return await self._post("/api/v1/client/ask", question, timeout_s, headers=headers)

    async def call(
        self,
        service: str,
        method: str,
        body: object,
        *,
        timeout_s: float,
        idempotent: bool = True,  # noqa: ARG002 (the line's form)
    ) -> object:
        """The answer of a method, as `Line.call` has it: the query service's calls, the monitor's status, and what
        services publish. Nothing is asked twice.

        Raises:
            RemoteError: INVALID_PARAMETER, the gateway lets no other call through.
        """
        route = PUBLISHED.get(service, {}).get(method)
        if route is not None:
            return await self._published(route, body, timeout_s)
        path = _PATHS.get(f"{service}.{method}")
        if path is None:
            text = f"method: expected one that the API gateway lets through, was {service}.{method}"
            raise RemoteError(Code.INVALID_PARAMETER, text)
        data = await self._post(f"/api/v1/client/{path}", msgspec.msgpack.encode(body), timeout_s)
        answer: object = msgspec.msgpack.decode(data)
        return answer

    async def _published(self, route: Route, body: object, timeout_s: float) -> object:
        """What a published request answers; bodies and answers are JSON."""
        asked = request_of(route, body)
        headers = {"Content-Type": "application/json"} if asked.body is not None else {}
        found = await self._post(asked.path, asked.body, timeout_s, method=asked.method, headers=headers)
        return msgspec.json.decode(found, type=_Envelope).data

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Receive what comes on a subject, as `Line.subscribe` has it."""
        return await self._stream.subscribe(subject, receive)

    async def publish(self, subject: str, data: bytes) -> None:
        """Raises RemoteError: nobody publishes through the gateway."""
        raise RemoteError(Code.INVALID_PARAMETER, f"subject: expected none to publish on, was {subject}: {len(data)}")

    async def close(self) -> None:
        """Leave; nothing more is received."""
        await self._stream.close()
        await self._client.close()

    async def _post(
        self,
        path: str,
        body: bytes | None,
        timeout_s: float,
        *,
        method: str = "POST",
        headers: dict[str, str] = _HEADERS,
    ) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                status, found = await self._client.request(method, path, body, headers)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self._url}{path}: no answer within {timeout_s:.3g} s") from error
        except OSError as error:
            raise NotConnected(f"{self._url}: expected an API gateway, {reason_of(error)}") from error
        if status < 400:
            return found
        raise _refusal(status, found)


def _refusal(status: int, body: bytes) -> RemoteError:
    """What the gateway answers instead; of something else that stands there, its status."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return RemoteError(Code.MALFORMED_REPLY, f"HTTP {status}: expected an answer of an API gateway, was another")
    return RemoteError(error.code, error.message, retryable=status >= 500)
