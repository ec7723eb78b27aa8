"""The door: what every request goes through before it is answered, and every answer before it leaves.

A request gets an id, its path is looked at as it was sent, it is refused early when there are too many, and it joins
the trace that its caller began. Who asks, and whether that is allowed, is decided for each endpoint in `guarded`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from marketprism_adapters.http.envelope import REQUEST_ID, Stamp, failed
from marketprism_application.access.principal import Principal
from marketprism_application.access.row_quotas import RowQuotas
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import SdkError
from marketprism_sdk.observability import Metrics, continue_trace
from marketprism_sdk.service import is_loopback
from marketprism_services.api.access.limits import CallerLimits, name_limits
from marketprism_services.api.caller_address import address_of, find_caller
from marketprism_services.api.endpoint import PRINCIPAL, Endpoint, Handler
from marketprism_services.api.row_counts import count_for
from marketprism_services.api.versions import lifecycle_headers, lifecycle_of
from marketprism_services.settings.api import ApiSettings

log = structlog.get_logger()

Authenticate = Callable[[web.Request], Awaitable[Principal | None]]

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_TRAVERSAL = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)|//|\\|%5c|[\x00-\x1f\x7f]", re.IGNORECASE)
_LIFECYCLE = web.RequestKey("lifecycle", dict[str, str])  # headers of an endpoint that will go
_OPEN = ("/health", "/health/live", "/health/ready")
# What every service shows, and this one to those outside only who may see it.
_WATCHED = {"/": Scope.SYSTEM, "/metrics": Scope.METRICS, "/status": Scope.SYSTEM}
_COMPRESSED = ("application/json", "text/csv", "application/x-ndjson", "text/html", "text/css", "text/javascript")
_BODY_S = 30.0
_LEAST = 1_024  # bytes worth compressing
_SHOWN = 200
_GONE = 499  # whoever asked went away: nobody's fault here, and named as nginx does
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
# What is said again of an answer whose body is not sent again. A browser puts the headers of a 304 in the place of what
# it has kept: a page without its own policy would be under that of the API, which forbids everything.
_OF_THE_SAME = ("ETag", "Cache-Control", "Vary", "Content-Security-Policy", "Permissions-Policy")


class Refused(ApplicationError):
    """Not let in."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.code = code


class Door:
    """One for a service: its `middleware` is around everything, `guarded` around each endpoint.

    `pages` answers browsers, and nobody else.
    """

    def __init__(
        self,
        settings: ApiSettings,
        metrics: Metrics,
        authenticate: Authenticate,
        instances: Callable[[], int] = lambda: 1,
        quotas: RowQuotas | None = None,
        pages: Callable[[web.Request], Awaitable[web.Response | None]] | None = None,
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._metrics = metrics
        metrics.begin("http_requests_shed_total")
        self._authenticate = authenticate
        self._limits = CallerLimits(settings, instances)
        self._quotas = quotas
        self._origins = frozenset(settings.cors_origins)
        self._inside = 0
        self._ids, self._number = f"{secrets.token_hex(5)}-", itertools.count(1)
        metrics.watch("http_requests_running", lambda: float(self._inside))

    def follow(self, settings: ApiSettings) -> None:
        """Serve by other settings from now on; who may come in stays as it was."""
        self._settings = settings
        self._limits.follow(settings)

    def install(self, app: web.Application) -> None:
        """Stand before an application that is not yet running."""
        app.middlewares.append(self.middleware)
        app.on_response_prepare.append(self._leaving)

    def guarded(self, endpoint: Endpoint) -> web.RouteDef:
        """The route of an endpoint, which only those reach who may."""
        lifecycle = lifecycle_headers(lifecycle_of(endpoint))

        async def handle(request: web.Request) -> web.StreamResponse:
            if lifecycle:
                request[_LIFECYCLE] = lifecycle
            try:
                who = await self._admitted(request, endpoint.scope)
                if request.body_exists:
                    await self._read(request)
                    who = await self._admitted(request, endpoint.scope)  # who may have been revoked meanwhile
                if who is not None:
                    request[PRINCIPAL] = who
                    if self._quotas is not None:
                        count_for(request, self._quotas, who)
                if endpoint.lasting:
                    self._limits.take(request, who, endpoint.weight)
                    self._inside -= 1
                    try:
                        return await endpoint.handler(request)
                    finally:
                        self._inside += 1
                return await self._limits.serve(request, who, lambda: endpoint.handler(request), endpoint.weight)
            except (ApplicationError, SdkError) as error:
                answer = failed(request, error, Stamp.of(request))
                return endpoint.refused(request, answer) if endpoint.refused else answer

        handle.__endpoint__ = endpoint  # type: ignore[attr-defined]
        return web.route(endpoint.method, endpoint.path, handle)

    @staticmethod
    async def _read(request: web.Request) -> None:
        """Have the body whole before anybody works for it, and not from who sends it for ever."""
        try:
            async with asyncio.timeout(_BODY_S):
                await request.read()
        except TimeoutError as error:
            raise Refused(Code.MALFORMED, f"body: expected all of it within {_BODY_S:g} s") from error

    async def _admitted(self, request: web.Request, scope: Scope | None) -> Principal | None:
        try:
            who = await self._authenticate(request)
        except ApplicationError:
            self._limits.take(request, None)  # who guesses is slowed down like anybody who has shown nothing
            raise
        if scope is None:
            return who
        if who is None:
            self._limits.take(request, None)
            raise Refused(
                Code.UNAUTHENTICATED,
                "credentials: expected an API key, a token or a session, there was none",
            )
        if not who.may(scope):
            raise Refused(Code.FORBIDDEN, f"scope: expected {scope}, which {who.id} does not have")
        return who

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every request, also of health and metrics."""
        given = request.headers.get("X-Request-Id", "")
        find_caller(request, self._settings)
        request[REQUEST_ID] = given if _ID.fullmatch(given) else f"{self._ids}{next(self._number):x}"
        started = time.perf_counter()
        status = _GONE
        self._inside += 1
        try:
            if "traceparent" in request.headers:
                with continue_trace(request.headers, f"{request.method} {route_of(request)}"):
                    response = await self._within(request, handler)
            else:
                response = await self._within(request, handler)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except Exception:
            status = 500
            raise
        finally:
            self._inside -= 1
            self._log_request(request, status, time.perf_counter() - started)

    async def _within(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if _TRAVERSAL.search(path):
            text = f"path: expected one without . or .. as a part, // and \\, was {path[:_SHOWN]!r}"
            return failed(request, Refused(Code.INVALID_PATH, text), Stamp.of(request))
        if path in _OPEN:
            return await handler(request)
        if self._pages is not None and (page := await self._pages(request)) is not None:
            return self._finished(request, page)
        if (
            (scope := _WATCHED.get(path)) is not None
            and self._settings.auth == "on"
            and not is_of_this_machine(request)
        ):
            try:
                await self._admitted(request, scope)
            except (ApplicationError, SdkError) as error:
                return failed(request, error, Stamp.of(request))
        if self._inside > self._settings.in_flight:
            self._metrics.count("http_requests_shed_total")
            text = f"requests: expected at most {self._settings.in_flight} at a time"
            return failed(request, Refused(Code.OVERLOADED, text, retryable=True), Stamp.of(request))
        if request.headers.get("Content-Encoding", "identity") != "identity":
            # What is small may be large when it is unpacked, and no request needs to be packed.
            text = "Content-Encoding: expected a body that is not compressed"
            return failed(request, Refused(Code.CONTENT_TYPE, text), Stamp.of(request))
        if request.method == "OPTIONS" and request.headers.get("Origin") in self._origins:
            return self._preflight(request)
        response = await handler(request)
        if not response.prepared:
            return self._finished(request, response)
        return response

    def _finished(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """What is not sent yet: not at all where the caller has it, and smaller where that is worth it."""
        if not isinstance(response, web.Response) or response.status != 200:
            return response
        etag = response.headers.get("ETag")
        if etag is not None and _is_known(etag, request.headers.get("If-None-Match", "")):
            same = {name: value for name in _OF_THE_SAME if (value := response.headers.get(name))}
            return web.Response(status=304, headers=same)
        body = response.body
        if isinstance(body, bytes) and len(body) >= _LEAST:
            self.compress(request, response)
        return response

    def compress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Compress what is text, for those who ask for it from another machine."""
        if not self._settings.compress or response.content_type not in _COMPRESSED:
            return
        if "Content-Encoding" in response.headers:
            return
        if "gzip" in request.headers.get("Accept-Encoding", "") and not is_of_this_machine(request):
            response.headers["Vary"] = "Accept-Encoding"
            response.enable_compression(web.ContentCoding.gzip)

    @staticmethod
    def _preflight(request: web.Request) -> web.Response:
        asked = request.headers.get("Access-Control-Request-Headers", "")
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }
        if re.fullmatch(r"[A-Za-z0-9, -]{1,200}", asked):
            headers["Access-Control-Allow-Headers"] = asked
        return web.Response(status=204, headers=headers)

    async def _leaving(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers that every answer has."""
        headers = response.headers
        headers.popall("Server", None)
        if (request_id := request.get(REQUEST_ID)) is not None:
            headers["X-Request-Id"] = request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-cache")
        name_limits(request, response)
        if (lifecycle := request.get(_LIFECYCLE)) is not None:
            headers.extend(lifecycle)
        if (origin := request.headers.get("Origin")) in self._origins and origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = (
                "Link, X-Next-After, X-Truncated, X-Cold-Units, X-Cold-Until, X-Request-Id, Retry-After, ETag, "
                "Deprecation, Sunset, RateLimit, RateLimit-Policy"
            )
            headers["Vary"] = "Origin"

    def _log_request(self, request: web.Request, status: int, took_s: float) -> None:
        route = route_of(request)
        self._metrics.count("http_requests_total", route=route, status=str(status))
        self._metrics.observe("http_request_seconds", took_s, route=route)
        setting = self._settings.access_log
        if setting == "off" or (setting == "errors" and status < 400):
            return
        who = request.get(PRINCIPAL)
        log.info(
            "http.request",
            method=request.method,
            path=request.path[:_SHOWN],
            status=status,
            ms=round(took_s * 1e3, 3),
            caller=who.id if who is not None else "",
            address=address_of(request),
            request_id=request[REQUEST_ID],
        )


def route_of(request: web.Request) -> str:
    """The route's own text: what callers invent must not become a label."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def is_of_this_machine(request: web.Request) -> bool:
    """Whether whoever asks is on this machine, and nobody asks through it."""
    local = not request.remote or is_loopback(request.remote)
    return local and not any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip"))


def _is_known(etag: str, header: str) -> bool:
    return header.strip() == "*" or etag in (part.strip() for part in header.split(","))
