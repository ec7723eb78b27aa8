"""The records of jobs that have not ended, in memory: read once, then followed by their changes.

A change that is missed, as while NATS was away, is found when all are read again; a write over an old revision is
refused, and the job is read anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from marketprism_application.contracts.data_jobs import DataJob, TaskRecord
from marketprism_application.ports.data_jobs import DataJobStore, RecordChange

Known = tuple[TaskRecord, int]


class JobMirror:
    """Jobs with their tasks. `changed` are jobs of which a record has changed since they were taken."""

    def __init__(self, store: DataJobStore) -> None:
        self._store = store
        self._jobs: dict[str, tuple[DataJob, int]] = {}
        self._tasks: dict[str, dict[int, Known]] = {}
        self._absent: set[str] = set()  # jobs that are known, and were not there when all were read last
        self.changed: set[str] = set()

    @property
    def open(self) -> Sequence[DataJob]:
        """Jobs that have not ended, the oldest first."""
        found = [job for job, _ in self._jobs.values() if not job.stage.is_final]
        return sorted(found, key=lambda job: (job.created_at, job.id))

    @property
    def jobs(self) -> Sequence[DataJob]:
        """All jobs, the newest first."""
        found = [job for job, _ in self._jobs.values()]
        return sorted(found, key=lambda job: (job.created_at, job.id), reverse=True)

    def receive(self, change: RecordChange) -> None:
        """A record that was written; of jobs that are new their tasks are read when they are asked for."""
        if change.record is None:
            if change.number is None:
                self._jobs.pop(change.job, None)
                self._tasks.pop(change.job, None)
            return
        if isinstance(change.record, DataJob):
            self._put_job(change.record, change.revision)
        else:
            known = self._tasks.get(change.job)
            if known is None:
                return
            _put(known, change.record, change.revision)
        self.changed.add(change.job)

    async def read(self) -> None:
        """Every job, and the tasks of those that are open. Raises StoreError."""
        found = await self._store.jobs()
        absent = self._jobs.keys() - {job.id for job, _ in found}
        for gone in absent & self._absent:  # at two looks: a replica that is behind may lack one
            del self._jobs[gone]
            self._tasks.pop(gone, None)
        self._absent = absent - self._absent
        for job, revision in found:
            self._put_job(job, revision)
        for job in self.open:
            await self._read_tasks(job)
            self.changed.add(job.id)

    async def read_job(self, job_id: str) -> None:
        """One job and its tasks anew. Raises StoreError."""
        found = await self._store.job(job_id)
        if found is not None:
            self._put_job(*found)
            await self._read_tasks(found[0])
            self.changed.add(job_id)

    async def _read_tasks(self, job: DataJob) -> None:
        known = self._tasks.setdefault(job.id, {})
        for task, revision in await self._store.tasks(job.id, job.tasks):
            _put(known, task, revision)

    def _put_job(self, job: DataJob, revision: int) -> None:
        before = self._jobs.get(job.id)
        if before is None or revision > before[1]:
            self._jobs[job.id] = job, revision
        if self._jobs[job.id][0].stage.is_final:
            self._tasks.pop(job.id, None)

    async def followed(self, job_id: str) -> tuple[DataJob, int, dict[int, Known]] | None:
        """A job that is open, with its revision and every task of it; None for another. Raises StoreError.

        One of which tasks are not found is looked at again: by those that are there it would be said to have ended.
        """
        found = self._jobs.get(job_id)
        if found is None or found[0].stage.is_final:
            return None
        if len(self._tasks.get(job_id, ())) < found[0].tasks:
            await self._read_tasks(found[0])
            if len(self._tasks[job_id]) < found[0].tasks:
                self.changed.add(job_id)
                return None
        return *found, self._tasks.setdefault(job_id, {})

    def wrote_job(self, job: DataJob, revision: int) -> None:
        """This process has written a job."""
        self._put_job(job, revision)

    def wrote_task(self, task: TaskRecord, revision: int) -> None:
        """This process has written a task."""
        _put(self._tasks.setdefault(task.job, {}), task, revision)

    def take_changed(self) -> Iterable[str]:
        """The jobs that have changed, once."""
        changed, self.changed = self.changed, set()
        return sorted(changed)


def _put(known: dict[int, Known], task: TaskRecord, revision: int) -> None:
    before = known.get(task.number)
    if before is None or revision > before[1]:
        known[task.number] = task, revision


__all__ = ["JobMirror", "Known"]
