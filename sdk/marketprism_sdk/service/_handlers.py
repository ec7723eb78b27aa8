"""Marks on methods that say what they handle, and what is handed to them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from marketprism_sdk.errors import CommandRejected, RemoteError
from marketprism_sdk.messaging import Command, CommandPolicy, JobRun, Mode
from marketprism_sdk.service._bodies import body_type, decoded
from marketprism_sdk.service._offering import HttpMark

F = TypeVar("F", bound=Callable[..., Any])


def rpc(method: str, *, raw: bool = False) -> Callable[[F], F]:
    """Serve `rpc.<service>.<method>` with this method, on every instance. `raw`: bytes in, bytes out.

    The request is decoded into the type of its argument; what does not fit is answered INVALID_PARAMETER with the path
    of the field. Without a type, or with `Any`, it gets the request as MessagePack has it. What it returns is encoded.
    """
    return _mark("__rpc__", (method, raw))


def command(name: str, policy: CommandPolicy | None = None) -> Callable[[F], F]:
    """Do commands `cmd.<service>.<name>` with this method, tried again as the policy says.

    The body is decoded into the type of its first argument; one that does not fit is never tried again, and its reason
    in the dead letters is INVALID_PARAMETER with the path of the field. A second argument gets the `Command`, with
    issuer and key. A method whose only argument has no type, `Any` or `Command` gets the `Command`.
    """
    return _mark("__command__", (name, policy or CommandPolicy()))


def job(name: str) -> Callable[[F], F]:
    """Do runs of jobs `<service>.<name>` with this method, each begun once, several beside one another.

    The body is decoded into the type of its first argument, as that of a command is; a second one gets the `JobRun`,
    with its key and the instant that it is for. What it returns is kept as the output of the run. It may take as long
    as its job's timeout, is cancelled when that is over or the run is given up, and is not tried again where it raises
    CommandRejected. JobFailed is a failure with an output.
    """
    return _mark("__job__", (name, None))


def event(service: str, name: str, *, mode: Mode = "broadcast") -> Callable[[F], F]:
    """Handle events `event.<service>.<name>` with this method, on every instance or on one of them."""
    return _mark("__event__", (service, name, mode))


def http(
    method: str,
    path: str,
    *,
    scope: str,
    weight: int = 1,
    timeout_s: float = 25.0,
    status: int = 200,
    content_types: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Answer `<method> /api/v1/<service><path>` at every API gateway with this method, on some instance.

    A service whose `http_name` is its plural has its paths behind that.

    Its first argument is a record of all values: of the path (`{id}`), the query and the body, which is a JSON object.
    A second one gets the `Caller`. What it returns is the `data` of the answer. A gateway lets in who has `scope`, and
    takes `weight` of the caller's rate; what of the data the caller may see is the handler's to hold to. It is answered
    with `status` (200, 201, 202); one that has `content_types` may return an `HttpFile` of one of them.

    Raises:
        ConfigurationError: no such method or path, no scope, or a weight or time out of bounds.
    """
    return _mark("__http__", HttpMark(method, path, scope, weight, timeout_s, status, content_types))


def _mark(attribute: str, value: object) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, attribute, value)
        return function

    return mark


def marked(owner: object, attribute: str) -> Iterator[tuple[Any, Any]]:
    """(bound method, its mark) of every method that has the mark."""
    for name in dir(type(owner)):
        mark = getattr(getattr(type(owner), name, None), attribute, None)
        if mark is not None:
            yield getattr(owner, name), mark


def rpc_handler(method: str, handler: Callable[..., Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """A handler of raw requests that decodes them for `handler`.

    Raises:
        ConfigurationError: the handler cannot be understood.
    """
    wanted = body_type(handler)
    if wanted is None:
        return handler

    async def decoding(request: Any) -> Any:
        return await handler(decoded(request, wanted, method))

    return decoding


def job_handler(name: str, handler: Callable[..., Awaitable[object]]) -> Callable[[JobRun], Awaitable[object]]:
    """A handler of runs that decodes their bodies for `handler`. Raises as `rpc_handler` does."""
    wanted = body_type(handler)
    with_run = len(inspect.signature(handler).parameters) > 1

    async def decoding(run: JobRun) -> object:
        try:
            body = run.body if wanted is None else decoded(run.body, wanted, f"job {name}")
        except RemoteError as error:
            raise CommandRejected(str(error)) from error
        return await (handler(body, run) if with_run else handler(body))

    return decoding


def command_handler(name: str, handler: Callable[..., Awaitable[None]]) -> Callable[[Command], Awaitable[None]]:
    """A handler of commands that decodes their bodies for `handler`. Raises as `rpc_handler` does."""
    wanted = body_type(handler)
    with_command = len(inspect.signature(handler).parameters) > 1
    if not with_command and wanted in (None, Command):
        return handler

    async def decoding(given: Command) -> None:
        try:
            body = given.body if wanted is None else decoded(given.body, wanted, f"command {name}")
        except RemoteError as error:
            raise CommandRejected(str(error)) from error
        await (handler(body, given) if with_command else handler(body))

    return decoding
