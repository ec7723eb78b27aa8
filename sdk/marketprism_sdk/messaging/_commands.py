"""Commands: on a work queue until somebody has done them, then gone; what cannot be done ends in the dead letters.

Delivery is at least once. The idempotency key makes the effect once: what became of a command is remembered for a day
in the bucket `commands_done`, by all instances (`outcomes.py`). Between the effect and that record a crash repeats the
command; a handler whose effect must not be repeated checks the key in the place where the effect is. Which queue a
command is put on, and who reads it, is in `command_queues.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from marketprism_sdk.errors import CommandRejected, ConfigurationError, SdkError, StreamError, reason_of
from marketprism_sdk.messaging._command_queues import DEFAULT_GROUP, STREAM, TOKEN, Command, CommandQueue
from marketprism_sdk.messaging._dead_letters import DEAD_LETTERS, DeadLetter, dead_letters, redrive
from marketprism_sdk.messaging._outcomes import CommandOutcome, outcome_key
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.observability import continue_trace, trace_headers
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.ports import KeyValue
from marketprism_sdk.resilience import is_retryable

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from marketprism_sdk.observability import Metrics

log = get_logger(__name__)

DEAD_LETTERS_S = 30 * 86_400.0
_ACK_WAIT_S = 30.0
_EXPIRES_S = 5.0
_REMEMBERED = 10_000
_AGAIN = b"-NAK " + json.dumps({"delay": 1_000_000_000}).encode()


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
    age_ns = int(DEAD_LETTERS_S * 1e9)
    await ensure_stream(connection, {"name": DEAD_LETTERS, "subjects": ["dlq.>"], "max_age": age_ns, **common})


async def send_command(
    connection: NatsConnection,
    service: str,
    name: str,
    body: Any,
    *,
    issuer: str,
    key: str | None = None,
    group: str = DEFAULT_GROUP,
) -> str:
    """Put a command on the queue of a service's group; returns its idempotency key once the stream has it.

    For the default group, and for one whose queue nobody has read yet, that is the service's own queue: whoever reads
    it hands the command on, or says in the dead letters that there is no such group.

    Raises:
        InvalidSubject: a service, group or command that is no name. StreamError, NotConnected: not taken.
    """
    queue = CommandQueue(service)
    if group != DEFAULT_GROUP and await (own := CommandQueue(service, group)).is_read(connection):
        queue = own
    command = Command(name, issuer, key or secrets.token_hex(12), time.time_ns(), body)
    headers = {"Nats-Msg-Id": command.key, **trace_headers()}
    await publish_ack(connection, queue.subject(name), msgspec.msgpack.encode(command), headers)
    return command.key


class CommandReceiver:
    """Does the commands of one service, or of one `group` of it; `parallel` of a queue at once over all instances, in
    order where it is 1, and one at a time here.

    `meant_for` names the group that a command on the shared queue is for, None where it does not say.
    """

    def __init__(
        self,
        connection: NatsConnection,
        service: str,
        metrics: Metrics,
        *,
        done: KeyValue,
        parallel: int = 1,
        group: str | None = None,
        meant_for: Callable[[Command], str | None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._service = service
        self._group = group
        self._meant_for = meant_for
        own = [] if group is None else [CommandQueue(service, group)]
        self._queues = (CommandQueue(service), *own)
        self._turn = asyncio.Lock()
        self._metrics = metrics
        self._remembered = done
        self._parallel = parallel
        self._handlers: dict[str, tuple[CommandHandler, CommandPolicy]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str, handler: CommandHandler, policy: CommandPolicy | None = None) -> None:
        """Do commands of this name with `handler`."""
        self._handlers[name] = (handler, policy or CommandPolicy())

    async def open(self) -> None:
        """Make the queues. What is sent from now on goes to the group's own queue, so that it keeps its order.

        Raises:
            StreamError, NotConnected: they could not be made; `run` tries that again.
        """
        for queue in self._queues:
            await queue.open(self._connection, _ACK_WAIT_S, self._parallel)

    async def run(self) -> None:
        """Take commands until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for queue in self._queues:
                tasks.create_task(self._read(queue))

    async def _read(self, queue: CommandQueue) -> None:
        while True:
            try:
                await queue.open(self._connection, _ACK_WAIT_S, self._parallel)
                while True:
                    await self._next(queue.consumer)
            except SdkError as error:
                log.warning("commands.not_readable", queue=queue.consumer, error=reason_of(error))
                await asyncio.sleep(0.5)

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
        if self._turn.locked():
            async with self._turn:  # the server counts from now, not from when this had to wait
                await self._connection.publish(message.reply, b"+WPI")
                await self._answer(message, attempts)
            return
        async with self._turn:
            await self._answer(message, attempts)

    async def _answer(self, message: Msg, attempts: int) -> None:
        with continue_trace(message.headers or {}, "command"):
            verdict = await self._do(message.subject, message.data, attempts)
        await self._connection.publish(message.reply, verdict)

    async def _do(self, subject: str, data: bytes, attempts: int) -> bytes:
        """Outcome for JetStream: done, again later, or never."""
        command: Command | None = None
        policy = CommandPolicy()
        try:
            command = msgspec.msgpack.decode(data, type=Command)
            try:
                was_done = await self._was_done(command.key, attempts)
            except SdkError as error:
                if not is_retryable(error):
                    raise
                log.warning("command.outcome_not_readable", key=command.key, error=reason_of(error))
                return _AGAIN  # no attempt of the handler's: it must not end in the dead letters for that
            if was_done or await self._handed_on(command, subject):
                return b"+ACK"
            found = self._handlers.get(command.name)
            if found is None:
                raise CommandRejected(f"command: expected one of {', '.join(self._handlers)}, was {command.name!r}")
            handler, policy = found
            started = time.perf_counter()
            try:
                async with asyncio.timeout(policy.timeout_s):
                    await handler(command)
            finally:
                self._metrics.observe("command_seconds", time.perf_counter() - started, command=command.name)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, CommandRejected) as error:
            log.warning("command.refused", subject=subject, reason=reason_of(error))
            await self._bury(command, subject, reason_of(error), attempts, data, status="refused")
            return b"+TERM"
        except Exception as error:
            self._metrics.count("command_failures_total", command=self._known(command.name if command else ""))
            log.exception("command.failed", subject=subject, attempt=attempts)
            reason = f"{type(error).__name__}: {error}" if str(error) else reason_of(error)
            if isinstance(error, TimeoutError):
                reason = f"took longer than {policy.timeout_s:g} s"
            if attempts >= policy.attempts:
                await self._bury(command, subject, reason, attempts, data, status="failed")
                return b"+TERM"
            delay_ns = int(policy.pause_s * 2 ** (attempts - 1) * 1e9)
            return b"-NAK " + json.dumps({"delay": delay_ns}).encode()
        await self._remember(command.key, CommandOutcome("done", time.time_ns()))
        self._metrics.count("commands_total", command=command.name)
        return b"+ACK"

    async def _handed_on(self, command: Command, subject: str) -> bool:
        """A command on the shared queue for another group goes to that group, if there is one that reads its queue."""
        if self._group is None or subject != f"cmd.{self._service}.{command.name}":
            return False
        target = self._meant_for(command) or DEFAULT_GROUP
        if target == self._group or not TOKEN.fullmatch(target):
            return False
        queue = CommandQueue(self._service, target)
        if not await queue.is_read(self._connection):
            return False  # the handler says what it makes of that
        # An id of its own: the stream knows the command's already, from when it was put on the shared queue.
        headers = {"Nats-Msg-Id": f"{command.key}@{target}", **trace_headers()}
        await publish_ack(self._connection, queue.subject(command.name), msgspec.msgpack.encode(command), headers)
        self._metrics.count("commands_handed_on_total", command=self._known(command.name))
        return True

    def _known(self, name: str) -> str:
        """Name for a metric: what senders invent must not become labels."""
        return name if name in self._handlers else "unknown"

    async def _was_done(self, key: str, attempts: int) -> bool:
        """Whether it has an outcome. Of what is delivered again the leader of the bucket is asked: whoever had it first
        may have done it a moment ago, which a replica may not have yet."""
        if key in self._done:
            return True
        ask = self._remembered.get if attempts == 1 else self._remembered.get_latest
        return await ask(outcome_key(key)) is not None

    async def _remember(self, key: str, outcome: CommandOutcome) -> None:
        self._done[key] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        try:
            await self._remembered.put(outcome_key(key), msgspec.msgpack.encode(outcome))
        except SdkError as error:
            log.warning(
                "command.result_not_stored", key=key, error=reason_of(error), detail="it is known to this process only"
            )

    async def _bury(
        self,
        command: Command | None,
        subject: str,
        reason: str,
        attempts: int,
        data: bytes,
        *,
        status: Literal["refused", "failed"],
    ) -> None:
        now = time.time_ns()
        letter = DeadLetter(command, subject, reason, attempts, now, b"" if command else data[:65_536])
        ack = await publish_ack(self._connection, f"dlq.{subject.removeprefix('cmd.')}", msgspec.msgpack.encode(letter))
        self._metrics.count("dead_letters_total")
        if command is not None:
            await self._remember(command.key, CommandOutcome(status, now, reason, ack.seq))


__all__ = [
    "Command",
    "CommandPolicy",
    "CommandReceiver",
    "DeadLetter",
    "dead_letters",
    "ensure_command_streams",
    "redrive",
    "send_command",
]
