"""The queue of the data service: `DATA_TASKS` with subjects `data_tasks.<venue>.<task>`."""

from __future__ import annotations

import msgspec

from marketprism_adapters.nats.work_queue import AGAIN_S, Taken, TaskMessage, WorkQueue
from marketprism_application.contracts.data_jobs import TaskRecord
from marketprism_application.contracts.subjects import escape
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import API_TIMEOUT_S, leader_info

DATA_TASKS = "DATA_TASKS"
PREFIX = "data_tasks"
CONSUMER = "data_workers"


def _message_of(task: TaskRecord) -> TaskMessage:
    subject = f"{escape(task.venue) or 'none'}.{task.id}"
    return TaskMessage(subject, msgspec.msgpack.encode([task.job, task.number]), f"{task.id}.{task.attempts}")


class DataTaskQueue(WorkQueue[TaskRecord]):
    """A message says which job and which number."""

    def __init__(self, connection: NatsConnection, *, again_s: float = AGAIN_S) -> None:
        super().__init__(connection, DATA_TASKS, PREFIX, _message_of, consumer=CONSUMER, again_s=again_s)

    async def held(self) -> set[str]:
        """Ids of the tasks that are on the queue, or with a worker that has not taken them off.

        A replica that is behind lacks some, and is not believed: a task that is done now would be given to another
        worker.

        Raises:
            StreamError, DeadlineExceeded, NotConnected: nobody knows.
        """
        end = int((await leader_info(self._connection, DATA_TASKS, API_TIMEOUT_S))["state"]["last_seq"])
        subjects = await last_of_each(self._connection, DATA_TASKS, [f"{PREFIX}.>"], at_least=end)
        return {subject.split(".", 2)[2] for subject in subjects}


__all__ = ["AGAIN_S", "CONSUMER", "DATA_TASKS", "PREFIX", "DataTaskQueue", "Taken"]
