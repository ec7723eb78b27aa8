"""Request/reply with typed errors, deadlines that travel, and cancellation.

`rpc.<service>.<method>` reaches any instance, `rpc.<service>.<instance>.<method>` one. Bodies are MessagePack. An error
answer carries the header `Rpc-Error` and a map {code, message, details, retryable} (`wire_errors.py`). `Time-Left-Ms`
holds how long the caller still waits: each side measures it on its own monotonic clock, so hosts whose wall clocks
differ understand one another. A handler that runs longer is cancelled, and calls that it makes inherit what is left.
A caller that is cancelled says so on `rpc-cancel.<service>` with its `Call-Id`.

A standby that gets a call for whoever leads names the leader, and the call goes there: nothing was done at the standby.
`rpc.<service>.<instance>.ping` is answered by every instance: "no responders" means that it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import (
    DeadlineExceeded,
    NoResponders,
    NotActive,
    PayloadTooLarge,
    RemoteError,
    SdkError,
    reason_of,
)
from marketprism_sdk.messaging._bus import BusMessage, MessageBus
from marketprism_sdk.messaging._wire_errors import decode_error, encode_error
from marketprism_sdk.observability import continue_trace, trace_headers
from marketprism_sdk.ports import Stop

if TYPE_CHECKING:
    from marketprism_sdk.observability import Metrics

ERROR_HEADER = "Rpc-Error"
TIME_LEFT_HEADER = "Time-Left-Ms"
DEADLINE_HEADER = "Deadline"  # an instant by the caller's wall clock: read only where there is no time left
CALL_HEADER = "Call-Id"
_DEFAULT_TIMEOUT_S = 10.0
_LONGEST_S = 300.0
_PARALLEL = 16
_WAITING = 1_000
MAX_REQUEST = 1_048_576
PING = "ping"
RPC = "rpc"  # the first token of the subjects of calls
HEALTH = "health"  # what every service answers: the body of its /health

RpcHandler = Callable[[Any], Awaitable[Any]]
RawHandler = Callable[[bytes], Awaitable[bytes]]

# When the call that is being answered ends, on the own monotonic clock.
_deadline_s: ContextVar[float | None] = ContextVar("deadline_s", default=None)


def until_s(clock: Clock, timeout_s: float) -> float:
    """When a call that may take `timeout_s` ends on the clock: not after the call that is being answered here."""
    end_s, inherited = clock.monotonic_s() + timeout_s, _deadline_s.get()
    return end_s if inherited is None else min(end_s, inherited)


class RpcServer:
    """Answers calls for one instance of one service: `_PARALLEL` at once, `_WAITING` wait, the rest is told so."""

    def __init__(
        self,
        bus: MessageBus,
        service: str,
        instance: str,
        metrics: Metrics,
        clock: Clock | None = None,
        *,
        root: str = RPC,
    ) -> None:
        self._bus = bus
        self._root = root
        self._clock = clock or SystemClock()
        self._service = service
        self._instance = instance
        self._metrics = metrics
        self._handlers: dict[str, RpcHandler] = {}
        self._raw: dict[str, RawHandler] = {}
        self._stops: list[Stop] = []
        self._running: dict[str, asyncio.Task[bytes]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._being_answered = 0
        if root == RPC:
            metrics.watch("rpc_requests_running", lambda: float(self._being_answered))

    def add(self, method: str, handler: RpcHandler) -> None:
        """Serve a method whose request and answer are MessagePack values."""
        self._handlers[method] = handler

    def add_raw(self, method: str, handler: RawHandler) -> None:
        """Serve a method whose request and answer are bytes of their own."""
        self._raw[method] = handler

    async def start(self, *, shared: bool = True) -> None:
        """Begin to answer, on the own subject, and where calls for any instance are answered on that of all."""
        root = f"{self._root}.{self._service}"
        subjects = [(f"{root}.*", "rpc")] if shared else []
        for subject, queue in (*subjects, (f"{root}.{self._instance}.*", "")):
            self._stops.append(
                await self._bus.subscribe(
                    subject, self._serve, queue=queue, parallel=_PARALLEL, capacity=_WAITING, on_drop=self._overloaded
                )
            )
        self._stops.append(await self._bus.subscribe(f"{self._root}-cancel.{self._service}", self._cancel))

    async def stop(self) -> None:
        """Unsubscribe all methods: calls are not answered any more."""
        stops, self._stops = self._stops, []
        await asyncio.gather(*(stop() for stop in stops))  # each may wait for a handler: at once, not in turn

    def _overloaded(self, message: BusMessage) -> None:
        error = RemoteError("OVERLOADED", f"expected at most {_WAITING} waiting calls", retryable=True)
        task = asyncio.get_running_loop().create_task(self._refuse(message, error))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _refuse(self, message: BusMessage, error: Exception) -> None:
        method = message.subject.rsplit(".", 1)[1]
        body, code = encode_error(error, method)
        self._metrics.count("rpc_errors_total", method=self._known(method), code=code)
        if message.reply:
            with contextlib.suppress(SdkError):
                await self._bus.publish(message.reply, body, {ERROR_HEADER: "1"})

    def _known(self, method: str) -> str:
        """Name for a metric: what callers invent must not become labels."""
        return method if method in self._handlers or method in self._raw else "unknown"

    async def _cancel(self, message: BusMessage) -> None:
        task = self._running.get(message.data.decode("ascii", "replace"))
        if task is not None:
            self._metrics.count("rpc_cancelled_total")
            task.cancel()

    async def _serve(self, message: BusMessage) -> None:
        method = message.subject.rsplit(".", 1)[1]
        with self._measured(method), continue_trace(message.headers, f"rpc {method}"):
            try:
                answer = await self._run(method, message)
            except Exception as error:  # noqa: BLE001 (whatever a handler raises is answered)
                await self._refuse(message, error)
            else:
                if message.reply:
                    await self._reply(message, answer)

    @contextlib.contextmanager
    def _measured(self, method: str) -> Iterator[None]:
        started = time.perf_counter()
        self._being_answered += 1
        try:
            yield
        finally:
            self._being_answered -= 1
            self._metrics.observe("rpc_seconds", time.perf_counter() - started, method=self._known(method))

    async def _reply(self, message: BusMessage, answer: bytes) -> None:
        try:
            await self._bus.publish(message.reply, answer)
        except PayloadTooLarge as error:
            method, sizes = message.subject.rsplit(".", 1)[1], reason_of(error).partition(": ")[2]
            text = f"answer of {self._service}.{method}: {sizes}: ask for less, or raise max_payload of the NATS server"
            await self._refuse(message, PayloadTooLarge(text))

    async def _run(self, method: str, message: BusMessage) -> bytes:
        remaining_s = self._remaining_s(message)
        if remaining_s <= 0:
            raise DeadlineExceeded(f"{method}: its deadline had passed before it began")
        if len(message.data) > MAX_REQUEST:
            raise RemoteError(
                "REQUEST_TOO_LARGE", f"request: expected at most {MAX_REQUEST} bytes, was {len(message.data)}"
            )
        token = _deadline_s.set(self._clock.monotonic_s() + remaining_s)
        try:
            task = asyncio.get_running_loop().create_task(self._answer(method, message))
        finally:
            _deadline_s.reset(token)
        if call := message.headers.get(CALL_HEADER, ""):
            self._running[call] = task
        try:
            done, _ = await asyncio.wait([task], timeout=remaining_s)
            if not done:
                raise DeadlineExceeded(f"{method} took longer than the {remaining_s:.3g} s it had")
            if task.cancelled():
                raise RemoteError("CANCELLED", f"{method}: the caller gave up")
            return task.result()
        finally:
            self._running.pop(call, None)
            task.cancel()

    async def _answer(self, method: str, message: BusMessage) -> bytes:
        raw = self._raw.get(method)
        if raw is not None:
            return await raw(message.data)
        handler = self._handlers.get(method)
        if handler is None and method == PING:
            return msgspec.msgpack.encode(self._instance)
        if handler is None:
            known = ", ".join(sorted({*self._handlers, *self._raw}))
            raise RemoteError("UNKNOWN_METHOD", f"method: expected one of {known}, was {method!r}")
        try:
            request = msgspec.msgpack.decode(message.data) if message.data else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise RemoteError("MALFORMED_REQUEST", f"request: expected MessagePack: {reason_of(error)}") from error
        return msgspec.msgpack.encode(await handler(request))

    def _remaining_s(self, message: BusMessage) -> float:
        """How long the caller still waits; what the message has lain here is taken off."""
        waited_s = max(0.0, time.monotonic() - message.arrived_s)
        left_ms = _digits(message.headers.get(TIME_LEFT_HEADER, ""))
        if left_ms is not None:
            return min(_LONGEST_S, left_ms / 1e3 - waited_s)
        deadline_ns = _digits(message.headers.get(DEADLINE_HEADER, ""))
        if deadline_ns is None:
            return _DEFAULT_TIMEOUT_S - waited_s
        return min(_LONGEST_S, (deadline_ns - self._clock.now_ns()) / 1e9)


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def decode_reply(data: bytes, what: str) -> Any:
    """The value of an answer. Raises RemoteError (MALFORMED_REPLY)."""
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        text = f"{what}: expected a MessagePack answer: {reason_of(error)}"
        raise RemoteError("MALFORMED_REPLY", text) from error


class RpcClient:
    """Calls methods of services, by the subjects under `root`."""

    def __init__(self, bus: MessageBus, clock: Clock | None = None, *, root: str = RPC) -> None:
        self._bus = bus
        self._root = root
        self._clock = clock or SystemClock()
        self._id = secrets.token_hex(6)
        self._count = itertools.count()

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

        Inside a handler no call outlives the handler's own deadline. An idempotent call is tried once more when nobody
        answered. A call to any instance that a standby refuses goes to the leader that it names.

        Raises:
            The error the other side raised, as its class where that is known here, else RemoteError.
            NoResponders, DeadlineExceeded, NotConnected, PayloadTooLarge.
        """
        data = await self.call_raw(
            service,
            method,
            msgspec.msgpack.encode(request),
            timeout_s=timeout_s,
            instance=instance,
            idempotent=idempotent,
        )
        return decode_reply(data, f"{service}.{method}")

    async def call_raw(
        self,
        service: str,
        method: str,
        data: bytes,
        *,
        timeout_s: float = 5.0,
        instance: str | None = None,
        idempotent: bool = False,
        follow: bool = True,
    ) -> bytes:
        """Bytes in, bytes out; raises as `call` does. Without `follow` a standby's NotActive is raised as it is."""
        end_s = until_s(self._clock, timeout_s)
        attempts = 2 if idempotent else 1
        to, redirected = instance, False
        attempt = 0
        while True:
            attempt += 1
            remaining_s = max(0.001, end_s - self._clock.monotonic_s())
            try:
                return await self._once(service, method, data, to, remaining_s / max(1, attempts - attempt + 1))
            except NotActive as error:
                # Refused before anything was done, so it may be asked elsewhere, but not round in circles.
                if not follow or instance is not None or redirected or not error.leader:
                    raise
                to, redirected = str(error.leader), True
                attempt -= 1
            except (NoResponders, DeadlineExceeded):
                if attempt >= attempts:
                    raise
                to = instance
                await asyncio.sleep(min(0.05, remaining_s / 10))

    async def _once(self, service: str, method: str, data: bytes, instance: str | None, timeout_s: float) -> bytes:
        root = f"{self._root}.{service}"
        subject = f"{root}.{instance}.{method}" if instance else f"{root}.{method}"
        call = f"{self._id}-{next(self._count)}"
        left, until = max(1, int(timeout_s * 1e3)), self._clock.now_ns() + int(timeout_s * 1e9)
        headers = {TIME_LEFT_HEADER: str(left), DEADLINE_HEADER: str(until), CALL_HEADER: call, **trace_headers()}
        try:
            reply = await self._bus.request(subject, data, timeout_s=timeout_s, headers=headers)
        except NoResponders as error:
            raise NoResponders(f"nobody answers on {subject}: no {service} is running") from error
        except asyncio.CancelledError:
            with contextlib.suppress(SdkError):
                await self._bus.publish(f"{self._root}-cancel.{service}", call.encode())
            raise
        if ERROR_HEADER in reply.headers:
            raise decode_error(reply.data)
        return reply.data
