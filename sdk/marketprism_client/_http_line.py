"""The door of the API gateway: questions and calls over HTTP, subscriptions over one WebSocket."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_client._line import Receive, Stop
from marketprism_client._web_stream import WebStream
from marketprism_sdk.errors import DeadlineExceeded, NotConnected, RemoteError, reason_of

if TYPE_CHECKING:
    import aiohttp

_PATHS = {
    "query.latest_tick": "latest_tick",
    "query.latest_bars": "latest_bars",
    "query.orderbook": "orderbook",
    "monitor.status": "monitor",
}
_HEADERS = {"Content-Type": "application/msgpack"}
_BACKTESTS = {
    "run": ("POST", ""),
    "sweep": ("POST", "/sweeps"),
    "walk_forward": ("POST", "/walk-forwards"),
    "get": ("GET", "/{id}"),
    "list": ("GET", ""),
    "cancel": ("DELETE", "/{id}"),
    "table": ("GET", "/{id}/{part}"),
    "sweep_results": ("GET", "/sweeps/{id}/results"),
    "strategies": ("GET", "/strategies"),
}
# Services whose requests a gateway publishes, by the word of their paths: bodies and answers are JSON.
_PUBLISHED = {"order": "orders"}


class _Error(msgspec.Struct):
    code: str = Code.INTERNAL
    message: str = ""


class _Envelope(msgspec.Struct):
    data: object = None


class _Failure(msgspec.Struct):
    error: _Error


class HttpLine:
    """A session for a base URL, with a key in its headers; its WebSocket is opened by the first subscription."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._stream = WebStream(self._url, session)

    @classmethod
    async def open(cls, url: str, key: str, ca: str | Path | None) -> HttpLine:
        """Raises NotConnected: no API gateway is there, or `ca` holds no certificates."""
        import aiohttp  # noqa: PLC0415 (only who speaks HTTP)

        headers = {"X-API-Key": key} if key else {}
        try:
            context = ssl.create_default_context(cafile=ca) if ca is not None else None
        except (OSError, ssl.SSLError) as error:
            raise NotConnected(f"ca: expected a file of certificates, was {str(ca)!r}: {reason_of(error)}") from error
        connector = aiohttp.TCPConnector(ssl=context if context is not None else True)
        session = aiohttp.ClientSession(headers=headers, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        line = cls(url, session)
        try:
            await line._post("/health/live", None, 5.0, method="GET")
        except BaseException:
            await session.close()
            raise
        return line

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        return self._stream.connected

    async def ask(self, question: bytes, *, timeout_s: float) -> bytes:
        """The answer to a question, as `Line.ask` has it."""
        return await self._post("/api/v1/client/ask", question, timeout_s)

    async def call(self, service: str, method: str, body: object, *, timeout_s: float) -> object:
        """The answer of a method, as `Line.call` has it: the query service's calls, the monitor's status, and the order
        service's requests.

        Raises:
            RemoteError: INVALID_PARAMETER, the gateway lets no other call through.
        """
        if service == "backtest":
            return await self._backtest(method, body, timeout_s)
        if service in _PUBLISHED:
            return await self._published(_PUBLISHED[service], method, body, timeout_s)
        path = _PATHS.get(f"{service}.{method}")
        if path is None:
            text = f"method: expected one that the API gateway lets through, was {service}.{method}"
            raise RemoteError(Code.INVALID_PARAMETER, text)
        data = await self._post(f"/api/v1/client/{path}", msgspec.msgpack.encode(body), timeout_s)
        answer: object = msgspec.msgpack.decode(data)
        return answer

    async def _backtest(self, method: str, body: object, timeout_s: float) -> object:
        """A request of the backtest service: of the same name over NATS, of a path here."""
        if method not in _BACKTESTS or not isinstance(body, dict):
            text = f"method: expected one of {', '.join(_BACKTESTS)}, was {method}"
            raise RemoteError(Code.INVALID_PARAMETER, text)
        verb, path = _BACKTESTS[method]
        values = {name: str(value) for name, value in body.items()}
        query = urlencode({name: value for name, value in values.items() if f"{{{name}}}" not in path and value})
        named = {name: quote(value, safe="") for name, value in values.items()}
        url = f"/api/v1/backtests{path.format(**named)}"
        if verb == "POST":
            data = msgspec.json.encode(body)
            found = await self._post(url, data, timeout_s, headers={"Content-Type": "application/json"})
        else:
            found = await self._post(f"{url}?{query}" if query else url, None, timeout_s, method=verb)
        return msgspec.json.decode(found, type=_Envelope).data

    async def _published(self, word: str, method: str, body: object, timeout_s: float) -> object:
        path, data = f"/api/v1/{word}/{method}", msgspec.json.encode(body)
        if method == "tables" and isinstance(body, dict):
            path = f"{path}/{quote(str(body['venue']), safe='')}?at={body['at']}"
            found = await self._post(path, None, timeout_s, method="GET")
        else:
            found = await self._post(path, data, timeout_s, headers={"Content-Type": "application/json"})
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
        await self._session.close()

    async def _post(
        self,
        path: str,
        body: bytes | None,
        timeout_s: float,
        *,
        method: str = "POST",
        headers: dict[str, str] = _HEADERS,
    ) -> bytes:
        import aiohttp  # noqa: PLC0415 (only who speaks HTTP)

        try:
            async with self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as answer:
                found = await answer.read()
                if answer.status < 400:
                    return found
                raise _refusal(answer.status, found)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self._url}{path}: no answer within {timeout_s:.3g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NotConnected(f"{self._url}: expected an API gateway, {reason_of(error)}") from error


def _refusal(status: int, body: bytes) -> RemoteError:
    """What the gateway answers instead; of something else that stands there, its status."""
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return RemoteError(Code.MALFORMED_REPLY, f"HTTP {status}: expected an answer of an API gateway, was another")
    return RemoteError(error.code, error.message, retryable=status >= 500)
