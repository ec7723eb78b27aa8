"""Requests that services have published: let in as all others are, and answered by an instance that has them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

import msgspec
import structlog
from aiohttp import web

from marketprism_adapters.http.envelope import REQUEST_ID, Stamp, answered
from marketprism_adapters.http.operation import Operation
from marketprism_application.access.audit import Auditing, recorded
from marketprism_application.access.principal import Principal
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import HTTP_PREFIX, Caller, HttpCall, HttpState
from marketprism_services.api.access.bodies import actor_of
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.published.following import Followers
from marketprism_services.api.published.interfaces import Interfaces
from marketprism_services.api.published.route_table import Published, RouteTable
from marketprism_services.api.published.schemas import answer_schema, body_of, definitions_of, parameters_of

log = structlog.get_logger()

Call = Callable[[Published, bytes], Awaitable[bytes]]
_FILENAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LONGEST = 1_048_576
_LEAST, _MOST = -(2**63), 2**64 - 1  # of a whole number in MessagePack
_SUMMARY = 300
_CODES = (Code.NOT_FOUND, Code.CONFLICT, Code.NOT_ENTITLED, Code.CSRF, Code.ORIGIN, Code.UNAVAILABLE)
_OF_THE_DOOR = frozenset(
    {
        Code.UNAUTHENTICATED,
        Code.TOKEN_EXPIRED,
        Code.TOKEN_INVALID,
        Code.KEY_REVOKED,
        Code.CSRF,
        Code.ORIGIN,
        Code.ADDRESS,
        Code.LOCKED_OUT,
    }
)
_NAMES: frozenset[str] = frozenset({""})


class PublishedApi:
    """One route of the door for all of them. `guard` puts the door before an endpoint, `call` asks an instance,
    `followers` are those to whom answers are sent on as they change."""

    def __init__(
        self,
        interfaces: Interfaces,
        auditing: Auditing,
        guard: Callable[[Endpoint], Callable[[web.Request], Awaitable[web.StreamResponse]]],
        call: Call,
        followers: Followers,
    ) -> None:
        self._interfaces = interfaces
        self._followers = followers
        self._auditing = auditing
        self._guard = guard
        self._call = call
        self._reserved = _NAMES
        self._told: set[tuple[str, str, str]] = set()
        self.table = RouteTable((), _NAMES)
        self._guarded: dict[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}

    def reserve(self, endpoints: list[Endpoint]) -> None:
        """What the gateway serves itself: no service may have a path there."""
        words = {each.path.removeprefix(HTTP_PREFIX).partition("/")[0] for each in endpoints}
        self._reserved = frozenset(words | {"", "client", "docs"})
        self.renew()

    def renew(self) -> None:
        """Serve what the interfaces have now."""
        self.table = RouteTable(self._interfaces.known(), self._reserved)
        self._guarded = {}
        now = {(each.service, each.request, each.why) for each in self.table.not_served}
        for service, request, why in sorted(now - self._told):
            log.warning("published_request.refused", service=service, request=request, why=why)
        self._told = now

    def routes(self) -> list[web.RouteDef]:
        """The one route that every request comes by which the gateway itself does not have."""
        return [web.route("*", f"{HTTP_PREFIX}{{service}}{{rest:(?:/.*)?}}", self._handle)]

    def endpoints(self) -> list[Endpoint]:
        """Each published request, as the documents and the list of requests have it."""
        return [self._endpoint(each) for each in self.table.requests()]

    def operations(self) -> list[Operation]:
        """What the OpenAPI document says of each."""
        return [operation_of(each) for each in self.table.requests()]

    def _endpoint(self, route: Published) -> Endpoint:
        async def handle(request: web.Request) -> web.StreamResponse:
            raw = request.raw_path.partition("?")[0].removeprefix(HTTP_PREFIX)
            parts = tuple(unquote(part) for part in raw.split("/")[1:])
            if route.is_followed:
                return await self._follow(request, route, route.values_of(parts))
            return await self._serve(request, route, route.values_of(parts))

        declared = route.declared
        return Endpoint(declared.method, declared.path, handle, route.scope, declared.weight, lasting=route.is_followed)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = request.raw_path.partition("?")[0].removeprefix(HTTP_PREFIX)
        service, *parts = (unquote(part) for part in raw.split("/"))
        route, methods = self.table.find(service, request.method, tuple(parts))
        if route is None:
            allowed = methods | await _own_methods(request)
            if allowed:
                raise web.HTTPMethodNotAllowed(request.method, allowed)
            raise web.HTTPNotFound
        key = route.declared.method, route.declared.path
        guarded = self._guarded.get(key)
        if guarded is None:
            guarded = self._guarded[key] = self._guard(self._endpoint(route))
        return await guarded(request)

    async def serve_as(
        self, request: web.Request, word: str, method: str, parts: tuple[str, ...], values: Mapping[str, object]
    ) -> web.Response:
        """Answer a request of another path as the published one behind `word`, with these values beside those in its
        path. Who asks needs the scope of the published one as well.

        Raises:
            RemoteError: UNAVAILABLE, no service has published it. Forbidden: its scope is missing.
        """
        route, _ = self.table.find(word, method, parts)
        if route is None:
            text = f"{word}: expected a service that runs and answers {'/'.join(parts)}, there is none"
            raise RemoteError(Code.UNAVAILABLE, text, retryable=True)
        who = principal_of(request)
        if not who.may(route.scope):
            raise Forbidden(f"scope: expected {route.scope}, which {who.id} does not have")
        return await self._answered(request, route, {**values, **route.values_of(parts)})

    async def _serve(self, request: web.Request, route: Published, in_path: dict[str, str]) -> web.Response:
        return await self._answered(request, route, await values_of(request, in_path))

    async def _follow(self, request: web.Request, route: Published, in_path: dict[str, str]) -> web.StreamResponse:
        who = principal_of(request)
        values = await values_of(request, in_path)
        data = msgspec.msgpack.encode(
            HttpCall(route.declared.method, route.declared.path, _caller(request, who), values)
        )

        async def ask() -> HttpState:
            answer = await self._asked(route, data)
            try:
                return msgspec.msgpack.decode(answer, type=HttpState)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise RemoteError(Code.MALFORMED_REPLY, f"{route.service}: expected a state") from error

        return await self._followers.serve(request, who, ask)

    async def _answered(self, request: web.Request, route: Published, values: dict[str, object]) -> web.Response:
        who, stamp = principal_of(request), Stamp.of(request)
        call = HttpCall(route.declared.method, route.declared.path, _caller(request, who), values)
        if route.changes_nothing:
            data = await self._asked(route, msgspec.msgpack.encode(call))
        else:
            # Not the path as it was sent: values in it may be secrets, which are masked by their names.
            target = f"{route.declared.method} {route.declared.path}"[:200]
            actor = actor_of(request, who)
            async with self._auditing.change(actor, "service.call", target, None, _Values(recorded(values))):
                data = await self._asked(route, msgspec.msgpack.encode(call))
        try:
            found = msgspec.msgpack.decode(data)
            answer = _file(found, route) or answered(found, route.service, stamp)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError) as error:
            raise RemoteError(
                Code.MALFORMED_REPLY, f"{route.service}: expected an answer that JSON can hold"
            ) from error
        answer.headers["Cache-Control"] = "no-store"
        answer.set_status(route.declared.status)
        return answer

    async def _asked(self, route: Published, data: bytes) -> bytes:
        try:
            return await self._call(route, data)
        except RemoteError as error:
            if error.code in _OF_THE_DOOR:  # a page would log its user out
                text = f"{route.service}: expected no refusal of the door's own, was {error.code}"
                raise RemoteError(Code.MALFORMED_REPLY, text) from error
            raise


class Forbidden(ApplicationError):
    """Whoever asks by an older path may not do what stands in its place."""

    code = Code.FORBIDDEN


def _file(found: object, route: Published) -> web.Response | None:
    """The answer as a file, where it is one that the request may have. A page of a service has no rights at this
    origin: no script of it runs, and it loads nothing."""
    types = route.declared.content_types
    if not types or not isinstance(found, dict) or set(found) != {"content_type", "content", "filename"}:
        return None
    content_type, content, name = (found[each] for each in ("content_type", "content", "filename"))
    if content_type not in types or not isinstance(content, bytes) or not isinstance(name, str):
        return None
    headers = {"Content-Security-Policy": _SANDBOX, "X-Content-Type-Options": "nosniff"}
    if _FILENAME.fullmatch(name):
        headers["Content-Disposition"] = (
            f'{"inline" if content_type == "text/html" else "attachment"}; filename="{name}"'
        )
    charset = "utf-8" if content_type.startswith("text/") else None
    return web.Response(body=content, content_type=content_type, charset=charset, headers=headers)


class _Values(msgspec.Struct):
    """Values of a request in the audit log, which masks secrets by their names."""

    values: dict[str, object]


async def _own_methods(request: web.Request) -> set[str]:
    """Methods that the gateway itself has at the path."""
    found: set[str] = set()
    own = request.match_info.route.resource
    for resource in request.app.router.resources():
        if resource is not own:
            _, methods = await resource.resolve(request)
            found |= methods
    return found


async def values_of(request: web.Request, in_path: dict[str, str]) -> dict[str, object]:
    """Everything that the request says by name: in its path, its query and its body.

    Raises:
        QueryError: a name comes twice, or the body is no JSON object.
    """
    values: dict[str, object] = dict(in_path)
    given: list[tuple[str, object]] = list(request.query.items())
    body = await request.read()
    if body:
        if request.content_type != "application/json":
            raise QueryError(f"Content-Type: expected application/json, was {request.content_type[:64]!r}")
        if len(body) > _LONGEST:
            raise QueryError(f"body: expected at most {_LONGEST} bytes, was {len(body)}")
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise QueryError(f"body: expected JSON: {error}"[:200]) from error
        if not isinstance(found, dict):
            raise QueryError(f"body: expected an object, was {type(found).__name__}")
        given += found.items()
    for name, value in given:
        if name in values:
            raise QueryError(f"{name[:80]}: expected once, was given in two places")
        _check_numbers(name[:80], value)
        values[name] = value
    return values


def _check_numbers(path: str, value: object) -> None:
    """Whole numbers as they travel to a service. Raises QueryError: one has more than 64 bits."""
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        raise QueryError(f"{path}: expected a whole number of 64 bits (or a text), was one of {value.bit_length()}")
    if isinstance(value, dict):
        for name, each in value.items():
            _check_numbers(f"{path}.{str(name)[:80]}"[:300], each)
    elif isinstance(value, list):
        for each in value:
            _check_numbers(path, each)


def _caller(request: web.Request, who: Principal) -> Caller:
    granted = () if who.entitlements.is_unbounded else who.entitlements.granted
    return Caller(
        who.id,
        tuple(sorted(who.scopes)),
        who.entitlements.is_unbounded,
        tuple(
            {
                "venues": each.venues,
                "symbols": each.symbols,
                "kinds": each.kinds,
                "history_days": each.history_days,
                "delay_s": each.delay_s,
                "depth": each.depth,
            }
            for each in granted
        ),
        request.remote or "",
        request.get(REQUEST_ID) or "",
    )


def operation_of(route: Published) -> Operation:
    """What the OpenAPI document says of a published request."""
    declared = route.declared
    return Operation(
        declared.path,
        declared.summary[:_SUMMARY] or f"{declared.method} of {route.service}.",
        data=answer_schema(route),
        tag=route.service,
        method=declared.method,
        body=body_of(route),
        codes=_CODES,
        status=declared.status,
        content_types=declared.content_types,
        scope=route.scope,
        listed=parameters_of(route),
        schemas=definitions_of(route),
    )


__all__ = ["Forbidden", "PublishedApi", "operation_of", "values_of"]
