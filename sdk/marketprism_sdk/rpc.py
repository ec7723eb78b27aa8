"""Request/reply with typed errors and deadlines that travel.

`rpc.<service>.<method>` reaches any instance, `rpc.<service>.<instance>.<method>` one. Bodies are MessagePack. An error
answer carries the header `Rpc-Error` and a map {code, message, details, retryable}. `Deadline` holds the instant
(nanoseconds UTC) after which nobody waits any more; a handler that runs longer is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from marketprism_sdk.bus import BusMessage, MessageBus
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotActive, RemoteError, SdkError
from marketprism_sdk.metrics import Metrics
from marketprism_sdk.ports import Stop
from marketprism_sdk.tracing import continue_trace, trace_headers

log = structlog.get_logger()

ERROR_HEADER = "Rpc-Error"
DEADLINE_HEADER = "Deadline"
_DEFAULT_TIMEOUT_S = 10.0
_PARALLEL = 16

RpcHandler = Callable[[Any], Awaitable[Any]]
RawHandler = Callable[[bytes], Awaitable[bytes]]


class RpcServer:
    """Answers calls for one instance of one service."""

    def __init__(self, bus: MessageBus, service: str, instance: str, metrics: Metrics) -> None:
        self._bus = bus
        self._service = service
        self._instance = instance
        self._metrics = metrics
        self._handlers: dict[str, RpcHandler] = {}
        self._raw: dict[str, RawHandler] = {}
        self._stops: list[Stop] = []

    def add(self, method: str, handler: RpcHandler) -> None:
        """Serve a method whose request and answer are MessagePack values."""
        self._handlers[method] = handler

    def add_raw(self, method: str, handler: RawHandler) -> None:
        """Serve a method whose request and answer are bytes of their own."""
        self._raw[method] = handler

    async def start(self) -> None:
        """Begin to answer, on the shared and on the own subject."""
        for subject, queue in ((f"rpc.{self._service}.*", "rpc"), (f"rpc.{self._service}.{self._instance}.*", "")):
            self._stops.append(await self._bus.subscribe(subject, self._serve, queue=queue, parallel=_PARALLEL))

    async def stop(self) -> None:
        """Answer no longer."""
        for stop in self._stops:
            await stop()
        self._stops = []

    async def _serve(self, message: BusMessage) -> None:
        method = message.subject.rsplit(".", 1)[1]
        started = time.perf_counter()
        headers: dict[str, str] = {}
        with continue_trace(message.headers):
            try:
                answer = await asyncio.wait_for(self._answer(method, message), _remaining(message))
            except Exception as error:  # noqa: BLE001 (whatever a handler raises is answered)
                answer, code = _error_answer(error, method)
                headers = {ERROR_HEADER: "1"}
                self._metrics.count("rpc_errors_total", method=method, code=code)
        self._metrics.observe("rpc_seconds", time.perf_counter() - started, method=method)
        if message.reply:
            await self._bus.publish(message.reply, answer, headers)

    async def _answer(self, method: str, message: BusMessage) -> bytes:
        raw = self._raw.get(method)
        if raw is not None:
            return await raw(message.data)
        handler = self._handlers.get(method)
        if handler is None:
            known = ", ".join(sorted({*self._handlers, *self._raw}))
            raise RemoteError("UNKNOWN_METHOD", f"method: expected one of {known}, was {method!r}")
        try:
            request = msgspec.msgpack.decode(message.data) if message.data else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteError("MALFORMED_REQUEST", f"request: expected MessagePack: {error}") from error
        return msgspec.msgpack.encode(await handler(request))


def _remaining(message: BusMessage) -> float:
    deadline = message.headers.get(DEADLINE_HEADER, "")
    if not deadline.isdigit():
        return _DEFAULT_TIMEOUT_S
    return max(0.001, min(300.0, (int(deadline) - time.time_ns()) / 1e9))


def _error_answer(error: Exception, method: str) -> tuple[bytes, str]:
    if isinstance(error, NotActive):
        body = {"code": "NOT_ACTIVE", "message": str(error), "details": {"leader": error.leader}, "retryable": True}
    elif isinstance(error, RemoteError):
        body = {"code": error.code, "message": error.message, "details": error.details, "retryable": error.retryable}
    elif isinstance(error, TimeoutError):
        body = {"code": "DEADLINE_EXCEEDED", "message": f"{method} took too long", "details": {}, "retryable": True}
    else:
        retryable = bool(getattr(error, "retryable", False))
        if not isinstance(error, SdkError):
            log.exception("rpc handler failed", method=method)
        body = {
            "code": "INTERNAL",
            "message": f"{type(error).__name__}: {error}",
            "details": {},
            "retryable": retryable,
        }
    return msgspec.msgpack.encode(body), str(body["code"])


class RpcClient:
    """Calls methods of services."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def call(
        self,
        service: str,
        method: str,
        request: Any = None,
        *,
        timeout_s: float = 5.0,
        instance: str | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Answer of one method.

        An idempotent call is tried once more when nobody answered.

        Raises:
            RemoteError: the error the other side answered with. NotActive: a standby answered.
            NoResponders, DeadlineExceeded, NotConnected.
        """
        data = await self.call_raw(
            service,
            method,
            msgspec.msgpack.encode(request),
            timeout_s=timeout_s,
            instance=instance,
            idempotent=idempotent,
        )
        return msgspec.msgpack.decode(data)

    async def call_raw(
        self,
        service: str,
        method: str,
        data: bytes,
        *,
        timeout_s: float = 5.0,
        instance: str | None = None,
        idempotent: bool = False,
    ) -> bytes:
        """Bytes in, bytes out; raises as `call` does."""
        subject = f"rpc.{service}.{instance}.{method}" if instance else f"rpc.{service}.{method}"
        deadline_ns = time.time_ns() + int(timeout_s * 1e9)
        attempts = 2 if idempotent else 1
        for attempt in range(attempts):
            remaining_s = max(0.001, (deadline_ns - time.time_ns()) / 1e9)
            headers = {DEADLINE_HEADER: str(deadline_ns), **trace_headers()}
            try:
                reply = await self._bus.request(
                    subject, data, timeout_s=remaining_s / (attempts - attempt), headers=headers
                )
            except (NoResponders, DeadlineExceeded):
                if attempt + 1 == attempts:
                    raise
                await asyncio.sleep(min(0.05, remaining_s / 10))
                continue
            if ERROR_HEADER in reply.headers:
                raise _error_of(reply.data)
            return reply.data
        raise AssertionError("unreachable")


def _error_of(data: bytes) -> SdkError:
    try:
        body = msgspec.msgpack.decode(data)
    except msgspec.MsgspecError:
        return RemoteError("MALFORMED_REPLY", "the error answer is not MessagePack")
    if body.get("code") == "NOT_ACTIVE":
        return NotActive(body.get("details", {}).get("leader"))
    return RemoteError(
        str(body.get("code", "INTERNAL")),
        str(body.get("message", "")),
        body.get("details") or {},
        retryable=bool(body.get("retryable")),
    )
