"""A work queue of JetStream: one message a task, taken by one worker at a time, again where that one dies.

Whoever has taken a message says so while it works (`in_progress`), and takes it off when what it did is stored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from marketprism_sdk.errors import StreamError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get_last, ensure_stream, leader_get_last, publish_ack
from marketprism_sdk.nats.stream_config import identity

AGAIN_S = 30.0  # after which a task that nobody speaks of is another worker's
_EXPIRES_S = 5.0
T = TypeVar("T")


class TaskMessage(NamedTuple):
    """A task as the queue has it: the words of its subject, its data, and what two messages of one attempt have in
    common; a message with that `id` is taken once within two minutes."""

    subject: str
    data: bytes
    id: str


class _Message(Protocol):
    """What comes for a question for the next task."""

    @property
    def data(self) -> bytes: ...
    @property
    def reply(self) -> str: ...
    @property
    def headers(self) -> dict[str, str] | None: ...


@dataclass(frozen=True)
class Taken:
    """A message that this worker has, for the `delivered`th time that anybody has."""

    data: bytes
    delivered: int
    reply: str


class WorkQueue(Generic[T]):
    """The stream `name` with subjects `<prefix>.<words of the task>`, and the one consumer that all workers share. A
    task that nobody speaks of for `again_s` is given to another worker. `message_of` says how a task travels."""

    def __init__(
        self,
        connection: NatsConnection,
        name: str,
        prefix: str,
        message_of: Callable[[T], TaskMessage],
        *,
        consumer: str = "",
        again_s: float = AGAIN_S,
    ) -> None:
        self._connection, self._message_of = connection, message_of
        self._name, self._prefix, self._again_s = name, prefix, again_s
        self._consumer = consumer or f"{name.lower()}_workers"

    @property
    def consumer(self) -> str:
        """The consumer's name, which rights are given for."""
        return self._consumer

    async def open(self, replicas: int = 1) -> None:
        """Make the stream and the consumer where they are not there. Raises what JetStream raises."""
        subjects = f"{self._prefix}.>"
        await ensure_stream(
            self._connection,
            {
                "name": self._name,
                "subjects": [subjects],
                "retention": "workqueue",
                "storage": "file",
                "num_replicas": replicas,
                "allow_direct": True,
                "metadata": identity(),
            },
        )
        config = {
            "durable_name": self._consumer,
            "name": self._consumer,
            "ack_policy": "explicit",
            "ack_wait": int(self._again_s * 1e9),
            "filter_subject": subjects,
            "max_ack_pending": 10_000,
        }
        body = {"stream_name": self._name, "config": config}
        await api(self._connection, f"CONSUMER.CREATE.{self._name}.{self._consumer}.{subjects}", body)

    async def put(self, task: T) -> None:
        """Put a task onto the queue; the same attempt is not put there twice within two minutes.

        Raises:
            StreamMissing, StreamError, DeadlineExceeded, NotConnected: it is not known to be there.
        """
        message = self._message_of(task)
        headers = {"Nats-Msg-Id": message.id}
        await publish_ack(self._connection, f"{self._prefix}.{message.subject}", message.data, headers)

    async def holds(self, task: T) -> bool:
        """Whether a task is on the queue, or with a worker that has not taken it off.

        Raises:
            StreamError, DeadlineExceeded, NotConnected: nobody knows. That it is not there only the leader says.
        """
        subject = f"{self._prefix}.{self._message_of(task).subject}"
        if await direct_get_last(self._connection, self._name, subject) is not None:
            return True
        return await leader_get_last(self._connection, self._name, subject) is not None

    async def take(self) -> Taken | None:
        """The next task, None where none comes within some seconds.

        Raises:
            StreamMissing: the queue or its consumer is gone. NotConnected.
        """
        arrived: asyncio.Future[_Message] = asyncio.get_running_loop().create_future()
        inbox = self._connection.inbox()
        stop = await self._connection.subscribe(inbox, lambda m: None if arrived.done() else arrived.set_result(m))
        try:
            body = json.dumps({"batch": 1, "expires": int(_EXPIRES_S * 1e9)}).encode()
            await self._connection.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._name}.{self._consumer}", body, None, inbox
            )
            async with asyncio.timeout(_EXPIRES_S + 1):
                message = await arrived
        except TimeoutError:
            return None
        finally:
            await stop()
        if message.reply.startswith("$JS.ACK."):
            return Taken(message.data, int(message.reply.split(".")[-5]), message.reply)
        if (message.headers or {}).get("Status") == "503":
            raise StreamMissing(f"{self._name}: expected its consumer, there is none", 0)
        return None

    async def in_progress(self, taken: Taken) -> None:
        """Say that it is being worked at."""
        await self._connection.publish(taken.reply, b"+WPI")

    async def done(self, taken: Taken) -> None:
        """Take it off the queue, and wait until it is. Where that is not known it comes again."""
        try:
            await self._connection.request(taken.reply, b"+ACK", timeout_s=2.0)
        except StreamError:
            return

    async def again(self, taken: Taken, delay_s: float = 0.0) -> None:
        """Give it back, for another worker or another time."""
        more = f' {{"delay": {int(delay_s * 1e9)}}}' if delay_s else ""
        await self._connection.publish(taken.reply, f"-NAK{more}".encode())


__all__ = ["AGAIN_S", "Taken", "TaskMessage", "WorkQueue"]
