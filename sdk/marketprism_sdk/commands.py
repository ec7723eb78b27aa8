"""Commands: on a work queue until somebody has done them, then gone; what cannot be done ends in the dead letters.

Delivery is at least once. The idempotency key makes the effect once: what was done is remembered for a day in the
bucket `commands_done`, by all instances. Between the effect and that record a crash repeats the command; a handler
whose effect must not be repeated checks the key in the place where the effect is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from nats.aio.msg import Msg

from marketprism_sdk.errors import CommandRejected, ConfigurationError, SdkError, StreamError
from marketprism_sdk.metrics import Metrics
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get, ensure_stream, publish_ack, stream_info
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.ports import KeyValue
from marketprism_sdk.tracing import continue_trace, trace_headers

log = structlog.get_logger()

STREAM = "COMMANDS"
DEAD_LETTERS = "COMMANDS_DLQ"
DONE = "commands_done"
DONE_S = 86_400.0
_ACK_WAIT_S = 30.0
_EXPIRES_S = 5.0
_REMEMBERED = 10_000


class Command(msgspec.Struct, frozen=True):
    """A command as it is sent."""

    name: str
    issuer: str
    key: str
    ts_sent: int
    body: Any = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A command that could not be done."""

    command: Command | None
    subject: str
    reason: str
    attempts: int
    ts_dead: int
    payload: bytes = b""


CommandHandler = Callable[[Command], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """A handler that raises is tried again after `pause_s`, doubled each time, up to `attempts`.

    CommandRejected ends at once. A handler that runs longer than `timeout_s` is cancelled, which is a failure.
    """

    attempts: int = 5
    pause_s: float = 0.2
    timeout_s: float = 25.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.pause_s <= 0 or not 0 < self.timeout_s < _ACK_WAIT_S:
            raise ConfigurationError(
                f"command: expected attempts >= 1, pause_s > 0 and 0 < timeout_s < {_ACK_WAIT_S:g}, was {self}"
            )


async def ensure_command_streams(connection: NatsConnection, replicas: int = 1) -> None:
    """The work queue and the dead letters."""
    common = {"storage": "file", "num_replicas": replicas, "allow_direct": True, "metadata": identity()}
    await ensure_stream(connection, {"name": STREAM, "subjects": ["cmd.>"], "retention": "workqueue", **common})
    month_ns = 30 * 86_400 * 1_000_000_000
    await ensure_stream(connection, {"name": DEAD_LETTERS, "subjects": ["dlq.>"], "max_age": month_ns, **common})


async def send_command(
    connection: NatsConnection, service: str, name: str, body: Any, *, issuer: str, key: str | None = None
) -> str:
    """Put a command on the queue; returns its idempotency key once the stream has it."""
    command = Command(name, issuer, key or secrets.token_hex(12), time.time_ns(), body)
    headers = {"Nats-Msg-Id": command.key, **trace_headers()}
    await publish_ack(connection, f"cmd.{service}.{name}", msgspec.msgpack.encode(command), headers)
    return command.key


async def dead_letters(connection: NatsConnection) -> list[tuple[int, DeadLetter]]:
    """(sequence, letter) of everything in the dead letters."""
    state = (await stream_info(connection, DEAD_LETTERS))["state"]
    found = []
    for seq in range(max(1, state["first_seq"]), state["last_seq"] + 1):
        message = await direct_get(connection, DEAD_LETTERS, seq)
        if message is not None:
            found.append((seq, msgspec.msgpack.decode(message.data, type=DeadLetter)))
    return found


async def redrive(connection: NatsConnection, seq: int) -> None:
    """Put a dead command back on its queue, under a key of its own, and take it from the dead letters.

    Raises:
        StreamError: there is no such letter, or it holds no command.
    """
    message = await direct_get(connection, DEAD_LETTERS, seq)
    letter = msgspec.msgpack.decode(message.data, type=DeadLetter) if message is not None else None
    if letter is None or letter.command is None:
        raise StreamError(f"dead letter {seq}: expected a command, there is none")
    command = msgspec.structs.replace(letter.command, key=secrets.token_hex(12))
    await publish_ack(connection, letter.subject, msgspec.msgpack.encode(command), {"Nats-Msg-Id": command.key})
    await api(connection, f"STREAM.MSG.DELETE.{DEAD_LETTERS}", {"seq": seq})


class CommandReceiver:
    """Does the commands of one service; `parallel` of them at once over all instances, in order where it is 1."""

    def __init__(
        self, connection: NatsConnection, service: str, metrics: Metrics, *, done: KeyValue, parallel: int = 1
    ) -> None:
        self._connection = connection
        self._service = service
        self._metrics = metrics
        self._remembered = done
        self._parallel = parallel
        self._handlers: dict[str, tuple[CommandHandler, CommandPolicy]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str, handler: CommandHandler, policy: CommandPolicy | None = None) -> None:
        """Do commands of this name with `handler`."""
        self._handlers[name] = (handler, policy or CommandPolicy())

    async def run(self) -> None:
        """Take commands until cancelled."""
        consumer = f"commands-{self._service}"
        while True:
            try:
                await self._ensure_consumer(consumer)
                while True:
                    await self._next(consumer)
            except SdkError as error:
                log.warning("commands cannot be read, trying again", service=self._service, error=str(error))
                await asyncio.sleep(0.5)

    async def _ensure_consumer(self, name: str) -> None:
        config = {
            "durable_name": name,
            "name": name,
            "ack_policy": "explicit",
            "ack_wait": int(_ACK_WAIT_S * 1e9),
            "filter_subject": f"cmd.{self._service}.*",
            "max_ack_pending": self._parallel,
        }
        body = {"stream_name": STREAM, "config": config}
        await api(self._connection, f"CONSUMER.CREATE.{STREAM}.{name}.cmd.{self._service}.*", body)

    async def _next(self, consumer: str) -> None:
        """Ask for one command and do it. A delivery keeps its own subject, so it needs an inbox of its own."""
        arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        inbox = self._connection.inbox()
        stop = await self._connection.subscribe(inbox, lambda m: None if arrived.done() else arrived.set_result(m))
        try:
            body = json.dumps({"batch": 1, "expires": int(_EXPIRES_S * 1e9)}).encode()
            await self._connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}", body, None, inbox)
            async with asyncio.timeout(_EXPIRES_S + 1):
                message = await arrived
        except TimeoutError:
            return
        finally:
            await stop()
        if not message.reply.startswith("$JS.ACK."):
            if (message.headers or {}).get("Status") == "503":
                raise StreamError("the command consumer is gone", retryable=True)
            return
        attempts = int(message.reply.split(".")[-5])
        with continue_trace(message.headers or {}):
            verdict = await self._do(message.subject, message.data, attempts)
        await self._connection.publish(message.reply, verdict)

    async def _do(self, subject: str, data: bytes, attempts: int) -> bytes:
        """Outcome for JetStream: done, again later, or never."""
        command: Command | None = None
        policy = CommandPolicy()
        try:
            command = msgspec.msgpack.decode(data, type=Command)
            if await self._was_done(command.key):
                return b"+ACK"
            found = self._handlers.get(command.name)
            if found is None:
                raise CommandRejected(f"command: expected one of {', '.join(self._handlers)}, was {command.name!r}")
            handler, policy = found
            async with asyncio.timeout(policy.timeout_s):
                await handler(command)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, CommandRejected) as error:
            log.warning("command refused", subject=subject, reason=str(error))
            await self._bury(command, subject, str(error), attempts, data)
            return b"+TERM"
        except Exception as error:
            self._metrics.count("command_failures_total", command=command.name if command is not None else "unknown")
            log.exception("command failed", subject=subject, attempt=attempts)
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, TimeoutError):
                reason = f"took longer than {policy.timeout_s:g} s"
            if attempts >= policy.attempts:
                await self._bury(command, subject, reason, attempts, data)
                return b"+TERM"
            delay_ns = int(policy.pause_s * 2 ** (attempts - 1) * 1e9)
            return b"-NAK " + json.dumps({"delay": delay_ns}).encode()
        await self._remember(command.key)
        self._metrics.count("commands_total", command=command.name)
        return b"+ACK"

    async def _was_done(self, key: str) -> bool:
        return key in self._done or await self._remembered.get(_token(key)) is not None

    async def _remember(self, key: str) -> None:
        self._done[key] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        try:
            await self._remembered.put(_token(key), b"")
        except SdkError as error:
            log.warning("what was done is remembered here only", key=key, error=str(error))

    async def _bury(self, command: Command | None, subject: str, reason: str, attempts: int, data: bytes) -> None:
        letter = DeadLetter(command, subject, reason, attempts, time.time_ns(), b"" if command else data[:65_536])
        await publish_ack(self._connection, f"dlq.{subject.removeprefix('cmd.')}", msgspec.msgpack.encode(letter))
        self._metrics.count("dead_letters_total")


def _token(key: str) -> str:
    """A key that a bucket can hold, whatever the sender chose."""
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
