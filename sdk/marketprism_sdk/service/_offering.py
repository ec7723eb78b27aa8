"""What a service offers, made of its marked handlers, and the calls by which others learn and use it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, get_type_hints

import msgspec

from marketprism_sdk.errors import ConfigurationError, RemoteError
from marketprism_sdk.messaging import (
    HTTP_PREFIX,
    Command,
    CommandCheck,
    CommandInterface,
    CommandPolicy,
    HttpCall,
    HttpInterface,
    JobInterface,
    JsonSchema,
    ServiceInterface,
)
from marketprism_sdk.service._bodies import WRONG_BODY, body_type, decoded

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MOST_REQUESTS = 64
_PATH = re.compile(r"(?:/(?:[a-z0-9][a-z0-9_.-]*|\{[a-z_]+\}))*")
_LONGEST_S = 300.0
_SUMMARY = 300

Handler: TypeAlias = Callable[..., Awaitable[object]]


@dataclass(frozen=True, slots=True)
class HttpMark:
    """What `@http` says of a handler; `path` begins behind the service's own prefix."""

    method: str
    path: str
    scope: str
    weight: int
    timeout_s: float
    status: int = 200
    content_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigurationError(f"http: expected a method of {', '.join(METHODS)}, was {self.method!r}")
        if not _PATH.fullmatch(self.path):
            raise ConfigurationError(f"http: expected a path of words and of names in braces, was {self.path!r}")
        if self.status not in (200, 201, 202):
            raise ConfigurationError(f"http {self.path}: expected status 200, 201 or 202, was {self.status}")
        if not self.scope or self.weight < 1 or not 0 < self.timeout_s <= _LONGEST_S:
            raise ConfigurationError(
                f"http {self.path}: expected a scope, weight >= 1 and 0 < timeout_s <= {_LONGEST_S:g}, was {self}"
            )


class Offering:
    """The interface of one instance, and its answers to `interface`, `check_command`, `check_job` and `http`.

    Raises:
        ConfigurationError: two handlers of one request, too many of them, or one that cannot be understood.
    """

    def __init__(
        self,
        service: str,
        version: str,
        commands: Mapping[str, tuple[Handler, CommandPolicy]],
        requests: Iterable[tuple[Handler, HttpMark]],
        jobs: Mapping[str, Handler] = MappingProxyType({}),
        *,
        http_name: str | None = None,
    ) -> None:
        self._service = service
        if http_name not in (None, service, f"{service}s"):
            raise ConfigurationError(f"{service}: expected its paths behind its name or its plural, was {http_name}")
        self._jobs = dict(jobs)
        self._job_bodies = {name: body_type(handler) for name, handler in jobs.items()}
        self._bodies = {name: _body_of_command(handler) for name, (handler, _) in commands.items()}
        self._requests: dict[tuple[str, str], Handler] = {}
        declared = []
        for handler, mark in requests:
            path = f"{HTTP_PREFIX}{http_name or service}{mark.path}"
            if (mark.method, path) in self._requests:
                raise ConfigurationError(f"{service}: expected one handler of {mark.method} {path}, were two")
            self._requests[mark.method, path] = handler
            declared.append(_request(path, mark, handler))
        if len(declared) > MOST_REQUESTS:
            raise ConfigurationError(f"{service}: expected at most {MOST_REQUESTS} HTTP requests, was {len(declared)}")
        self.interface = ServiceInterface(
            service,
            version,
            tuple(_command(name, *commands[name], self._bodies[name]) for name in sorted(commands)),
            tuple(sorted(declared, key=lambda each: (each.path, each.method))),
        )

    async def answer_interface(self, _: object) -> ServiceInterface:
        """All that this instance offers."""
        return self.interface

    async def check_command(self, asked: object) -> None:
        """Nothing where the command could be done.

        Raises:
            RemoteError: UNKNOWN_COMMAND, or INVALID_PARAMETER with the path of the field that is wrong.
        """
        _check(decoded(asked, CommandCheck, "command"), "command", self._bodies, "it takes no commands")

    async def answer_jobs(self, _: object) -> list[JobInterface]:
        """The jobs that this instance does."""
        bodies = self._job_bodies
        return [JobInterface(name, _summary(self._jobs[name]), _schema(bodies[name])) for name in sorted(bodies)]

    async def check_job(self, asked: object) -> None:
        """Nothing where a job could be done.

        Raises:
            RemoteError: UNKNOWN_JOB, or INVALID_PARAMETER with the path of the field that is wrong.
        """
        _check(decoded(asked, CommandCheck, "job"), "job", self._job_bodies, "it does no jobs")

    async def answer_http(self, asked: object) -> object:
        """What the handler of a request returns.

        Raises:
            RemoteError: UNKNOWN_REQUEST, INVALID_PARAMETER with the path of the value. What the handler raises.
        """
        call = decoded(asked, HttpCall, "http")
        handler = self._requests.get((call.method, call.path))
        if handler is None:
            text = f"request: expected one that this version of {self._service} has, was {call.method} {call.path[:80]}"
            raise RemoteError("UNKNOWN_REQUEST", text, retryable=True)
        wanted = body_type(handler)
        given: object = call.values
        if wanted is not None:
            _refuse_others(call.values, wanted)
            given = decoded(call.values, wanted, "request", strict=False)
        with_caller = len(inspect.signature(handler).parameters) > 1
        return await (handler(given, call.caller) if with_caller else handler(given))


def _check(check: CommandCheck, what: str, bodies: Mapping[str, type[object] | None], none: str) -> None:
    """Nothing where a command or a job, `what`, could be done.

    Raises:
        RemoteError: UNKNOWN_COMMAND or UNKNOWN_JOB; INVALID_PARAMETER with the path of the field that is wrong.
    """
    if check.name not in bodies:
        known = ", ".join(sorted(bodies)) or f"none: {none}"
        raise RemoteError(f"UNKNOWN_{what.upper()}", f"{what}: expected one of {known}, was {check.name[:80]!r}")
    wanted = bodies[check.name]
    if wanted is not None:
        _refuse_others(check.body, wanted)
        decoded(check.body, wanted, f"{what} {check.name}")


def _refuse_others(body: object, wanted: object) -> None:
    """A name that nothing is made of is a mistake: whoever writes `symbols` for `symbol` must hear of it.

    Raises:
        RemoteError: INVALID_PARAMETER.
    """
    fields = _fields_of(wanted)
    if fields is None or not isinstance(body, dict):
        return
    for name in body:
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise RemoteError(
                WRONG_BODY, f"{str(name)[:80]}: expected a field of {known}, was another", {"field": str(name)[:80]}
            )


def _fields_of(wanted: object) -> tuple[str, ...] | None:
    if not isinstance(wanted, type):
        return None
    if issubclass(wanted, msgspec.Struct):
        return None if wanted.__struct_config__.array_like else wanted.__struct_encode_fields__
    return tuple(getattr(wanted, "__dataclass_fields__", ())) if hasattr(wanted, "__dataclass_fields__") else None


def _body_of_command(handler: Handler) -> type[object] | None:
    wanted: type[object] | None = body_type(handler)
    return None if wanted is Command else wanted


def _command(name: str, handler: Handler, policy: CommandPolicy, wanted: object) -> CommandInterface:
    return CommandInterface(name, _summary(handler), _schema(wanted), policy.attempts, policy.timeout_s)


def _request(path: str, mark: HttpMark, handler: Handler) -> HttpInterface:
    answer = get_type_hints(handler).get("return")
    return HttpInterface(
        mark.method,
        path,
        mark.scope,
        mark.weight,
        _summary(handler),
        _schema(body_type(handler)),
        _schema(answer),
        mark.timeout_s,
        mark.status,
        mark.content_types,
    )


def _summary(handler: Handler) -> str:
    return (inspect.getdoc(handler) or "").partition("\n\n")[0].replace("\n", " ")[:_SUMMARY]


def _schema(kind: object) -> JsonSchema:
    """Empty, which is anything, where a type has none."""
    if kind is None or kind is object:
        return {}
    try:
        return msgspec.json.schema(kind, schema_hook=_anything)
    except TypeError:
        return {}


def _anything(kind: type[object]) -> JsonSchema:
    """The schema of what may be any value. Raises NotImplementedError for types that have none."""
    if kind is object:
        return {"description": "any value"}  # an empty one counts as none
    raise NotImplementedError


__all__ = ["METHODS", "HttpMark", "Offering"]
