"""What the backtest service keeps of what is under way: records in `backtests`, what their tasks need in
`backtest_inputs`, how far tasks are in `backtest_progress`, and the queue of tasks.

Of a record (`run.<id>`) only the coordinator writes what follows its first state, of a task (`task.<id>.<n>`) the
worker that has it. `cancel.<id>` is anybody's word that a record is to end, `key.<key>` the record of a question. What
has ended is stored for good, and forgotten here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from marketprism_adapters.nats.documents import Documents
from marketprism_adapters.nats.work_queue import AGAIN_S, TaskMessage, WorkQueue
from marketprism_application.contracts.backtests import BacktestRecord, TaskProgress, TaskRecord
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

BACKTESTS, INPUTS, PROGRESS = "backtests", "backtest_inputs", "backtest_progress"
TASKS, TASKS_PREFIX = "BACKTEST_TASKS", "backtest_tasks"
PROGRESS_S = 86_400.0
_RUN, _TASK, _CANCEL, _KEY = "run.", "task.", "cancel.", "key."
Ended = Callable[[str], Awaitable[BacktestRecord | None]]


class Stored(NamedTuple):
    """A record and its revision."""

    record: BacktestRecord
    revision: int


def _message_of(task: TaskRecord) -> TaskMessage:
    name = f"{task.id}.{task.number}"
    return TaskMessage(name, msgspec.msgpack.encode(task), name)


class BacktestStore:
    """Records, tasks and what they need. Methods raise what NATS raises. `ended` finds a record that is not here any
    more, with what it raises."""

    def __init__(
        self, bucket: NatsKeyValue, progress: NatsKeyValue, documents: Documents, queue: WorkQueue[TaskRecord]
    ) -> None:
        self._bucket, self._progress = bucket, progress
        self.documents, self.queue = documents, queue
        self.ended: Ended | None = None

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> BacktestStore:
        """Buckets and queue, made where they are not there."""
        bucket = await NatsKeyValue.open(connection, BACKTESTS, replicas=replicas)
        progress = await NatsKeyValue.open(connection, PROGRESS, ttl_s=PROGRESS_S, replicas=replicas)
        inputs = await NatsKeyValue.open(connection, INPUTS, replicas=replicas)
        queue = WorkQueue(connection, TASKS, TASKS_PREFIX, _message_of)
        await queue.open(replicas)
        return cls(bucket, progress, Documents(inputs), queue)

    # Records

    async def create(self, record: BacktestRecord) -> None:
        """A record that is new. Raises KeyExists."""
        await self._bucket.create(f"{_RUN}{record.id}", msgspec.msgpack.encode(record))

    async def record(self, id_: str) -> Stored | None:
        """A record by its name, None where there is none; one that is stored for good has revision 0."""
        key = f"{_RUN}{id_}"
        if (found := _stored(await self._bucket.get(key))) is not None:
            return found
        ended = await self.ended(id_) if self.ended is not None else None
        # A replica that is behind may lack one that has just been made: its task would be thrown away.
        return Stored(ended, 0) if ended is not None else _stored(await self._bucket.get_latest(key))

    async def records(self) -> list[Stored]:
        """Every record that is not stored for good yet, in the order of names."""
        return [
            Stored(found, entry.revision)
            for entry in await self._bucket.entries(_RUN)
            if (found := decode_or_none(entry, BacktestRecord)) is not None
        ]

    async def update(self, record: BacktestRecord, revision: int) -> int:
        """Write a record. Raises RevisionConflict: another coordinator was there."""
        return await self._bucket.update(f"{_RUN}{record.id}", msgspec.msgpack.encode(record), revision)

    async def forget(self, record: BacktestRecord) -> None:
        """Take a record out, with its tasks and documents; itself last: who is killed before does it again."""
        await self.documents.forget(record.id)
        for entry in await self._bucket.entries(f"{_TASK}{record.id}."):
            await self._bucket.delete(entry.key)
        newest = await self._bucket.get(f"{_KEY}{record.key}")
        if newest is not None and newest.value.decode() == record.id:
            with contextlib.suppress(RevisionConflict):  # it is asked again, this moment
                await self._bucket.delete(newest.key, newest.revision)
        for prefix in (_CANCEL, _RUN):
            if await self._bucket.get(f"{prefix}{record.id}") is not None:
                await self._bucket.delete(f"{prefix}{record.id}")

    # Which record has a question

    async def newest_of(self, key: str) -> str | None:
        """The record of a question that is under way, or ended a moment ago."""
        entry = await self._bucket.get(f"{_KEY}{key}")
        return entry.value.decode() if entry is not None else None

    async def claim(self, key: str, id_: str, instead_of: str | None) -> bool:
        """Have a record be the newest of a question, in place of one; False where somebody else was first."""
        try:
            if instead_of is None:
                await self._bucket.create(f"{_KEY}{key}", id_.encode())
                return True
            entry = await self._bucket.get(f"{_KEY}{key}")
            if entry is None or entry.value.decode() != instead_of:
                return False
            await self._bucket.update(f"{_KEY}{key}", id_.encode(), entry.revision)
        except (KeyExists, RevisionConflict):
            return False
        return True

    # Tasks

    async def task(self, id_: str, number: int) -> TaskRecord | None:
        """What is known of a task."""
        return decode_or_none(await self._bucket.get(f"{_TASK}{id_}.{number}"), TaskRecord)

    async def task_latest(self, id_: str, number: int) -> TaskRecord | None:
        """The same as the newest copy has it, for who begins the task: what is done is not begun again."""
        return decode_or_none(await self._bucket.get_latest(f"{_TASK}{id_}.{number}"), TaskRecord)

    async def put_task(self, task: TaskRecord) -> None:
        """Write what is known of a task."""
        await self._bucket.put(f"{_TASK}{task.id}.{task.number}", msgspec.msgpack.encode(task))

    # Cancelling

    async def cancel(self, id_: str, who: str) -> None:
        """Have a record end."""
        await self._bucket.put(f"{_CANCEL}{id_}", who.encode())

    async def cancelled(self, id_: str) -> str | None:
        """Who has cancelled a record, None where nobody has."""
        entry = await self._bucket.get(f"{_CANCEL}{id_}")
        return entry.value.decode() if entry is not None else None

    async def watch_cancels(self, on_cancel: Callable[[str], None]) -> Stop:
        """Call with the name of each record that is cancelled; a hint, looking is what counts."""

        def receive(entry: KvEntry) -> None:
            if not entry.deleted:
                on_cancel(entry.key.removeprefix(_CANCEL))

        return await self._bucket.watch(_CANCEL, receive)

    async def watch(self, on_change: Callable[[str, str], None]) -> Stop:
        """Call with the first word of each key that was written (run, task, cancel, …) and the record that it is of."""

        def receive(entry: KvEntry) -> None:
            word, _, rest = entry.key.partition(".")
            on_change(word, rest.partition(".")[0])

        return await self._bucket.watch("", receive)

    # How far

    async def put_progress(self, id_: str, progress: TaskProgress) -> None:
        """Say how far a task is."""
        await self._progress.put(f"{id_}.{progress.number}", msgspec.msgpack.encode(progress))

    async def progress(self, id_: str) -> list[TaskProgress]:
        """How far the tasks of a record are."""
        entries = await self._progress.entries(f"{id_}.")
        return [found for entry in entries if (found := decode_or_none(entry, TaskProgress)) is not None]


def _stored(entry: KvEntry | None) -> Stored | None:
    found = decode_or_none(entry, BacktestRecord)
    return Stored(found, entry.revision) if found is not None and entry is not None else None


__all__ = [
    "AGAIN_S",
    "BACKTESTS",
    "INPUTS",
    "PROGRESS",
    "PROGRESS_S",
    "TASKS",
    "TASKS_PREFIX",
    "BacktestStore",
    "Stored",
]
