"""What the backtest service keeps: records in `backtests`, documents in `backtest_results`, how far tasks are in
`backtest_progress`, and the queue of tasks.

Of a record (`run.<id>`) only the coordinator writes what follows its first state, of a task (`task.<id>.<n>`) the
worker that has it. `cancel.<id>` is anybody's word that a record is to end, `key.<key>` the newest record of a
question, `digest.<digest>` the record that has the results of a content.
"""

from __future__ import annotations

from collections.abc import Callable
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

BACKTESTS, RESULTS, PROGRESS = "backtests", "backtest_results", "backtest_progress"
TASKS, TASKS_PREFIX = "BACKTEST_TASKS", "backtest_tasks"
PROGRESS_S = 86_400.0
_RUN, _TASK, _CANCEL, _KEY, _DIGEST = "run.", "task.", "cancel.", "key.", "digest."


class Stored(NamedTuple):
    """A record and its revision."""

    record: BacktestRecord
    revision: int


def _message_of(task: TaskRecord) -> TaskMessage:
    name = f"{task.id}.{task.number}"
    return TaskMessage(name, msgspec.msgpack.encode(task), name)


class BacktestStore:
    """Records, tasks and documents. Methods raise what NATS raises."""

    def __init__(
        self, bucket: NatsKeyValue, progress: NatsKeyValue, documents: Documents, queue: WorkQueue[TaskRecord]
    ) -> None:
        self._bucket, self._progress = bucket, progress
        self.documents, self.queue = documents, queue

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> BacktestStore:
        """Buckets and queue, made where they are not there."""
        bucket = await NatsKeyValue.open(connection, BACKTESTS, replicas=replicas)
        progress = await NatsKeyValue.open(connection, PROGRESS, ttl_s=PROGRESS_S, replicas=replicas)
        results = await NatsKeyValue.open(connection, RESULTS, replicas=replicas)
        queue = WorkQueue(connection, TASKS, TASKS_PREFIX, _message_of)
        await queue.open(replicas)
        return cls(bucket, progress, Documents(results), queue)

    # Records

    async def create(self, record: BacktestRecord) -> None:
        """A record that is new. Raises KeyExists."""
        await self._bucket.create(f"{_RUN}{record.id}", msgspec.msgpack.encode(record))

    async def record(self, id_: str) -> Stored | None:
        """A record by its name."""
        entry = await self._bucket.get(f"{_RUN}{id_}")
        found = decode_or_none(entry, BacktestRecord)
        return Stored(found, entry.revision) if found is not None and entry is not None else None

    async def records(self) -> list[Stored]:
        """Every record, in the order of names."""
        return [
            Stored(found, entry.revision)
            for entry in await self._bucket.entries(_RUN)
            if (found := decode_or_none(entry, BacktestRecord)) is not None
        ]

    async def update(self, record: BacktestRecord, revision: int) -> int:
        """Write a record. Raises RevisionConflict: another coordinator was there."""
        return await self._bucket.update(f"{_RUN}{record.id}", msgspec.msgpack.encode(record), revision)

    async def forget(self, id_: str) -> None:
        """Take a record out, with its tasks and documents."""
        await self.documents.forget(id_)
        for entry in await self._bucket.entries(f"{_TASK}{id_}."):
            await self._bucket.delete(entry.key)
        for prefix in (_CANCEL, _RUN):
            await self._bucket.delete(f"{prefix}{id_}")

    # Which record has a question, or a content

    async def newest_of(self, key: str) -> str | None:
        """The newest record of a question."""
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

    async def result_of(self, digest: str) -> str | None:
        """The record that has the result of a content."""
        entry = await self._bucket.get(f"{_DIGEST}{digest}")
        return entry.value.decode() if entry is not None else None

    async def keep_result(self, digest: str, id_: str) -> None:
        """A record has the result of a content."""
        await self._bucket.put(f"{_DIGEST}{digest}", id_.encode())

    # Tasks

    async def task(self, id_: str, number: int) -> TaskRecord | None:
        """What is known of a task."""
        return decode_or_none(await self._bucket.get(f"{_TASK}{id_}.{number}"), TaskRecord)

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


__all__ = [
    "AGAIN_S",
    "BACKTESTS",
    "PROGRESS",
    "PROGRESS_S",
    "RESULTS",
    "TASKS",
    "TASKS_PREFIX",
    "BacktestStore",
    "Stored",
]
