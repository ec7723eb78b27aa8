"""The live stream as a part of the API service: its routes, and what is started and ended with it."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol

from aiohttp import web

from marketprism_adapters.http.envelope import ErrorBody, FailureEnvelope, Stamp
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_services.api.caller_address import address_of
from marketprism_services.api.endpoint import PRINCIPAL, Endpoint
from marketprism_services.api.stream.hub import Hub
from marketprism_services.api.stream.joining import BookFinder
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.api.stream.sse import EventRequestError, channels_of, serve_events
from marketprism_services.api.stream.system_feed import ReadSystem
from marketprism_services.api.stream.websocket import (
    HandshakeError,
    handshake,
    hello_of,
    serve_websocket,
)


class Authenticate(Protocol):
    """Finds out who shows a token."""

    def __call__(self, token: str, /, *, address: str) -> Awaitable[Principal | None]:
        """The principal, None of a token that is not valid."""
        ...


WEBSOCKET_PATH, EVENTS_PATH = "/ws/v1/stream", "/api/v1/stream"


class StreamApi:
    """`/ws/v1/stream` and `GET /api/v1/stream` at one instance.

    `authenticate` gives the principal of the token of an `auth` message, None of one that is not valid, by the address
    that it comes from too. `books` finds live books, for what channels of order books begin with; without it they begin
    with the next update. `system` reads the system for the channels `system.…`.
    """

    def __init__(
        self,
        connection: NatsConnection,
        metrics: Metrics,
        settings: StreamSettings,
        authenticate: Authenticate,
        *,
        instance: str,
        version: str,
        books: BookFinder | None = None,
        system: ReadSystem | None = None,
    ) -> None:
        self._connection = connection
        self._metrics = metrics
        self._settings = settings
        self._authenticate = authenticate
        self._instance = instance
        self._version = version
        self._books = books
        self._system = system
        self._hub: Hub | None = None

    def endpoints(self) -> list[Endpoint]:
        """Both. Whoever opens a WebSocket may say who it is in its first message: its scope is looked at here."""
        return [
            Endpoint("GET", WEBSOCKET_PATH, self._websocket, None, lasting=True),
            Endpoint("GET", EVENTS_PATH, self._events, Scope.STREAM, lasting=True),
        ]

    async def start(self) -> None:
        """Take clients from now on; consumers are made when somebody wants their streams."""
        self._hub = Hub(self._connection, self._metrics, self._settings, self._books, self._system)
        self._hub.start()

    async def drain(self) -> None:
        """Take no more clients, and close those that are there, spread over the time of the settings."""
        if self._hub is not None:
            await self._hub.drain()

    async def close(self) -> None:
        """Close what is left."""
        if self._hub is not None:
            await self._hub.close()

    def end(self, of: str) -> int:
        """Close the connections of a credential, or of a principal, by its id; returns how many there were."""
        return self._hub.end(of) if self._hub is not None else 0

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        hub = self._hub
        if hub is None or hub.is_draining:
            return _refusal(request, 503, "DRAINING", "this instance takes no more connections")
        try:
            headers = handshake(request)
        except HandshakeError as error:
            return _refusal(request, 400, "INVALID_PARAMETER", str(error))
        return await serve_websocket(
            request,
            hub,
            request.get(PRINCIPAL),
            partial(self._authenticate, address=address_of(request)),
            lambda principal: hello_of(hub, self._version, self._instance, principal),
            headers,
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        hub, principal = self._hub, request.get(PRINCIPAL)
        if hub is None or hub.is_draining:
            return _refusal(request, 503, "DRAINING", "this instance takes no more connections")
        if principal is None:
            return _refusal(
                request, 401, "UNAUTHENTICATED", "principal: expected a key, a token or a session, was none"
            )
        if not principal.may(Scope.STREAM):
            return _refusal(request, 403, "FORBIDDEN", f"principal: expected one with the scope {Scope.STREAM}")
        if request.version < (1, 1):
            return _refusal(request, 400, "INVALID_PARAMETER", "request: expected HTTP/1.1 for events")
        try:
            channels = channels_of(request, principal)
        except EventRequestError as error:
            return _refusal(request, error.status, error.code, str(error))
        if not hub.has_place(principal):
            most = self._settings.limits_of(principal.limits).connections
            text = f"connections: expected at most {most} at once, were more"
            return _refusal(request, 429, "TOO_MANY_AT_ONCE", text)
        hello = hello_of(hub, self._version, self._instance, principal)
        return await serve_events(request, hub, principal, channels, hello)


def _refusal(request: web.Request, status: int, code: str, text: str) -> web.Response:
    body = FailureEnvelope(success=False, error=ErrorBody(code=code, message=text), **Stamp.of(request)._asdict())
    return web.json_response(body.model_dump(), status=status)
