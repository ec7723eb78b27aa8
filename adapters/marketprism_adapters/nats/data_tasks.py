"""The queue of the data service: one message a task, taken by one worker at a time, again where that one dies.

Whoever has taken a message says so while it works (`in_progress`), and takes it off when what it did is stored.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import msgspec

from marketprism_application.contracts.data_jobs import TaskRecord
from marketprism_application.contracts.subjects import escape
from marketprism_sdk.errors import StreamError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import api, ensure_stream, publish_ack
from marketprism_sdk.nats.stream_config import identity

DATA_TASKS = "DATA_TASKS"
PREFIX = "data_tasks"
CONSUMER = "data_workers"
AGAIN_S = 30.0
_EXPIRES_S = 5.0


@dataclass(frozen=True)
class Taken:
    """A message that this worker has, for the `delivered`th time that anybody has."""

    data: bytes
    delivered: int
    reply: str


class DataTaskQueue:
    """The stream `DATA_TASKS` with subjects `data_tasks.<venue>.<task>`, and the one consumer that all workers share. A
    task that nobody speaks of for `again_s` is given to another worker."""

    def __init__(self, connection: NatsConnection, *, again_s: float = AGAIN_S) -> None:
        self._connection, self._again_s = connection, again_s
        self._name, self._prefix, self._consumer = DATA_TASKS, PREFIX, CONSUMER

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

    async def put(self, task: TaskRecord) -> None:
        """Put a task onto the queue; the same attempt is not put there twice within two minutes.

        Raises:
            StreamMissing, StreamError, DeadlineExceeded, NotConnected: it is not known to be there.
        """
        data = msgspec.msgpack.encode([task.job, task.number])
        headers = {"Nats-Msg-Id": f"{task.id}.{task.attempts}"}
        await publish_ack(self._connection, self._subject(task), data, headers)

    async def held(self) -> set[str]:
        """Ids of the tasks that are on the queue, or with a worker that has not taken them off.

        Raises:
            StreamError, DeadlineExceeded, NotConnected: nobody knows.
        """
        subjects = await last_of_each(self._connection, self._name, [f"{self._prefix}.>"])
        return {subject.split(".", 2)[2] for subject in subjects}

    def _subject(self, task: TaskRecord) -> str:
        return f"{self._prefix}.{escape(task.venue) or 'none'}.{task.id}"

    async def take(self) -> Taken | None:
        """The next task, None where none comes within some seconds.

        Raises:
            StreamMissing: the queue or its consumer is gone. NotConnected.
        """
        arrived = asyncio.get_running_loop().create_future()
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


__all__ = ["AGAIN_S", "CONSUMER", "DATA_TASKS", "PREFIX", "DataTaskQueue", "Taken"]
