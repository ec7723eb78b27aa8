"""What a service offers to those who know nothing of it: its commands and its HTTP requests, with their arguments.

A service makes it of its own handlers. Its entry in the registry holds the digest alone (`interface`), since entries
are written every second; whoever has not seen a digest yet asks an instance, by `rpc.<service>.<instance>.interface`.
"""

from __future__ import annotations

import hashlib

import msgspec

INTERFACE = "interface"  # calls that every service answers: what it offers,
CHECK_COMMAND = "check_command"  # whether a command is one of its own, and its body what it takes,
CHECK_JOB = "check_job"  # the same of a job that it does,
JOB_HANDLERS = "job_handlers"  # which of those there are,
HTTP = "http"  # and a request that a gateway has let in
HTTP_EVENTS = "text/event-stream"  # the content type of a request whose answer is followed
HTTP_PREFIX = "/api/v1/"  # behind it the name of the service, or its plural: nobody offers paths of another

JsonSchema = dict[str, object]


class CommandInterface(msgspec.Struct, frozen=True):
    """A command: what it does, the JSON Schema of its body, how often it is tried and how long a try may take."""

    name: str
    summary: str = ""
    body: JsonSchema = {}
    attempts: int = 1
    timeout_s: float = 25.0


class JobInterface(msgspec.Struct, frozen=True):
    """Work that a service does when a job of it is due: what it does, and the JSON Schema of its body."""

    name: str
    summary: str = ""
    body: JsonSchema = {}


class HttpInterface(msgspec.Struct, frozen=True):
    """An HTTP request: its full path with `{name}` for what varies, the scope that it needs, what it takes of its
    caller's rate (`weight`), and JSON Schemas of its values (of the path, the query and the body) and of its answer.

    `status` is that of an answer. One that has `content_types` may be a file of one of them (`HttpFile`); a GET with
    HTTP_EVENTS alone answers states (`HttpState`), which a gateway sends on as events."""

    method: str
    path: str
    scope: str
    weight: int = 1
    summary: str = ""
    values: JsonSchema = {}
    answer: JsonSchema = {}
    timeout_s: float = 25.0
    status: int = 200
    content_types: tuple[str, ...] = ()


class HttpFile(msgspec.Struct, frozen=True):
    """An answer that is no `data` but a file: its bytes, what they are, and the name that it is saved by."""

    content_type: str
    content: bytes
    filename: str = ""


class HttpState(msgspec.Struct, frozen=True):
    """What there is to say now of something that changes; after one that `is_last` nothing more becomes of it.

    A gateway asks again for as long as somebody follows, in the name of whoever does: what may be seen is checked anew
    each time.
    """

    data: object
    is_last: bool = False


class ServiceInterface(msgspec.Struct, frozen=True):
    """Everything that one version of a service offers."""

    service: str
    version: str
    commands: tuple[CommandInterface, ...] = ()
    requests: tuple[HttpInterface, ...] = ()

    @property
    def digest(self) -> str:
        """What tells it from every other, 24 hex digits; the same wherever it is computed."""
        # As it arrives: a time-out that was declared as 60 is 60.0 for whoever decodes it.
        arrived = msgspec.msgpack.decode(msgspec.msgpack.encode(self), type=ServiceInterface)
        return hashlib.blake2b(msgspec.msgpack.encode(arrived), digest_size=12).hexdigest()


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as the gateway has found out: what may be seen is the service's to hold to.

    `id` is like `user:li`, `entitlements` maps of venues, symbols, kinds, history_days, delay_s and depth; none of them
    where every instrument may be seen (`sees_all`).
    """

    id: str
    scopes: tuple[str, ...] = ()
    sees_all: bool = False
    entitlements: tuple[dict[str, object], ...] = ()
    address: str = ""
    request_id: str = ""


class HttpCall(msgspec.Struct, frozen=True):
    """A request that was let in: which one, by the path as it was declared, and its values by name."""

    method: str
    path: str
    caller: Caller
    values: dict[str, object] = {}


class CommandCheck(msgspec.Struct, frozen=True):
    """A command that somebody is about to give."""

    name: str
    body: object = None


__all__ = [
    "CHECK_COMMAND",
    "CHECK_JOB",
    "HTTP",
    "HTTP_EVENTS",
    "HTTP_PREFIX",
    "INTERFACE",
    "JOB_HANDLERS",
    "Caller",
    "CommandCheck",
    "CommandInterface",
    "HttpCall",
    "HttpFile",
    "HttpInterface",
    "HttpState",
    "JobInterface",
    "JsonSchema",
    "ServiceInterface",
]
