"""Where jobs of the data service are written down, and how their tasks reach workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from marketprism_application.contracts.data_jobs import DataJob, TaskRecord


class DataJobConflict(Exception):
    """Somebody else wrote the record in the meantime."""


class RecordChange(NamedTuple):
    """A record of a job that was written, or of one of its tasks, by `number`; None for one that was taken out."""

    job: str
    number: int | None
    record: DataJob | TaskRecord | None
    revision: int


class DataJobStore(Protocol):
    """Jobs and their tasks, durably. Every write of a record is a compare-and-swap; revision 0 makes
    one that is not there.

    Raises (everywhere):
        StoreError: away or unreadable. DataJobConflict (from writes): another revision stands.
    """

    async def jobs(self) -> Sequence[tuple[DataJob, int]]:
        """Every job with its revision, the newest first."""
        ...

    async def job(self, job_id: str) -> tuple[DataJob, int] | None:
        """One job and its revision, None where the newest copy has none."""
        ...

    async def write_job(self, job: DataJob, revision: int) -> int:
        """Write a job over that revision of it; the new one."""
        ...

    async def tasks(self, job_id: str, least: int = 0) -> Sequence[tuple[TaskRecord, int]]:
        """Tasks of a job by number, each with its revision. A copy that is behind may lack some; who knows that they
        are `least` is given what the newest copy has."""
        ...

    async def write_task(self, task: TaskRecord, revision: int) -> int:
        """Write a task over that revision of it; the new one."""
        ...

    async def forget(self, job_id: str) -> None:
        """Take a job out, with its tasks and documents."""
        ...


class DocumentStore(Protocol):
    """Documents of any size by name, compressed and cut here.

    Raises (everywhere):
        StoreError: away or unreadable.
    """

    async def put(self, name: str, data: bytes) -> None:
        """Write a document in the place of what has the name: whole, or as before."""
        ...

    async def get(self, name: str) -> bytes | None:
        """A document, None where there is none."""
        ...


__all__ = ["DataJobConflict", "DataJobStore", "DocumentStore", "RecordChange"]
