"""Commands: on a work queue until somebody has done them, then gone; what cannot be done ends in the dead letters.

Delivery is at least once; the idempotency key makes the effect once: a receiver remembers the keys of what it has done.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from nats.aio.msg import Msg

from marketprism_sdk.errors import CommandRejected, SdkError, StreamError
from marketprism_sdk.metrics import Metrics
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get, ensure_stream, publish_ack, stream_info
from marketprism_sdk.tracing import continue_trace, trace_headers

log = structlog.get_logger()

STREAM = "COMMANDS"
DEAD_LETTERS = "COMMANDS_DLQ"
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


async def ensure_command_streams(connection: NatsConnection, replicas: int = 1) -> None:
    """The work queue and the dead letters."""
    common = {"storage": "file", "num_replicas": replicas, "allow_direct": True}
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
    for seq in range(state["first_seq"], state["last_seq"] + 1):
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
    """Does the commands of one service, one at a time.

    A handler that raises is tried again after a growing pause, up to `attempts`; CommandRejected ends at once.
    """

    def __init__(
        self, connection: NatsConnection, service: str, metrics: Metrics, *, attempts: int = 5, pause_s: float = 0.2
    ) -> None:
        self._connection = connection
        self._service = service
        self._metrics = metrics
        self._attempts = attempts
        self._pause_s = pause_s
        self._handlers: dict[str, CommandHandler] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str, handler: CommandHandler) -> None:
        """Do commands of this name with `handler`."""
        self._handlers[name] = handler

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
            "max_ack_pending": 1,
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
            message = await asyncio.wait_for(arrived, _EXPIRES_S + 1)
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
        try:
            command = msgspec.msgpack.decode(data, type=Command)
            if command.key in self._done:
                return b"+ACK"
            handler = self._handlers.get(command.name)
            if handler is None:
                raise CommandRejected(f"command: expected one of {', '.join(self._handlers)}, was {command.name!r}")
            await asyncio.wait_for(handler(command), _ACK_WAIT_S)
        except (msgspec.MsgspecError, CommandRejected) as error:
            log.warning("command refused", subject=subject, reason=str(error))
            await self._bury(command, subject, str(error), attempts, data)
            return b"+TERM"
        except Exception as error:
            self._metrics.count("command_failures_total", command=subject)
            log.exception("command failed", subject=subject, attempt=attempts)
            if attempts >= self._attempts:
                await self._bury(command, subject, f"{type(error).__name__}: {error}", attempts, data)
                return b"+TERM"
            delay_ns = int(self._pause_s * 2 ** (attempts - 1) * 1e9)
            return b"-NAK " + json.dumps({"delay": delay_ns}).encode()
        self._done[command.key] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        self._metrics.count("commands_total", command=command.name)
        return b"+ACK"

    async def _bury(self, command: Command | None, subject: str, reason: str, attempts: int, data: bytes) -> None:
        letter = DeadLetter(command, subject, reason, attempts, time.time_ns(), b"" if command else data[:65_536])
        await publish_ack(self._connection, f"dlq.{subject.removeprefix('cmd.')}", msgspec.msgpack.encode(letter))
        self._metrics.count("dead_letters_total")
