"""The one that leads: puts tasks onto the queue, also again where their message is lost, and ends and forgets jobs."""

from __future__ import annotations

import asyncio
import time

import msgspec
import structlog

from marketprism_adapters.nats.data_jobs import NatsDataJobStore
from marketprism_adapters.nats.data_tasks import DataTaskQueue
from marketprism_application.contracts.data_jobs import DataJob, JobStage, TaskRecord
from marketprism_application.data_jobs.states import followed, forgotten
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.data_jobs import DataJobConflict
from marketprism_sdk.errors import SdkError, reason_of

log = structlog.get_logger()

_TURN_S = 1.0
_LOOK_S = 10.0  # whether the messages of tasks are still there
_TIDY_S = 60.0


class DataLeader:
    """Follows jobs until cancelled; whoever leads next goes on by the records alone."""

    def __init__(
        self,
        store: NatsDataJobStore,
        queue: DataTaskQueue,
        keep_ns: int,
    ) -> None:
        self._store, self._queue, self._keep_ns = store, queue, keep_ns
        self._put: dict[str, float] = {}  # when a task was last known to be on the queue
        self._changed = asyncio.Event()
        self._tidied = 0.0
        self.open = 0

    async def run(self) -> None:
        """Follow every job, turn after turn, until cancelled."""
        stop = await self._store.watch(self._changed.set)
        try:
            while True:
                self._changed.clear()
                try:
                    await self._turn()
                except DataJobConflict:
                    log.debug("data.record_changed")
                except (SdkError, ApplicationError) as error:
                    log.warning("data.not_planned", error=reason_of(error))
                try:
                    async with asyncio.timeout(_TURN_S):
                        await self._changed.wait()
                    await asyncio.sleep(0.1)  # several changes are one turn
                except TimeoutError:
                    pass
        finally:
            await stop()

    async def _turn(self) -> None:
        jobs = await self._store.jobs()
        self.open = sum(not job.stage.is_final for job, _ in jobs)
        for job, revision in reversed(jobs):
            if not job.stage.is_final:
                await self._follow(job, revision)
        if time.monotonic() - self._tidied > _TIDY_S:
            self._tidied = time.monotonic()
            for job in forgotten([job for job, _ in jobs], time.time_ns(), self._keep_ns):
                log.info("data.job_forgotten", job=job.id)
                await self._store.forget(job.id)

    async def _follow(self, job: DataJob, revision: int) -> None:
        tasks: list[TaskRecord] = []
        for task, at in await self._store.tasks(job.id):
            found = task
            if job.cancel and task.stage is JobStage.PLANNED:
                found = msgspec.structs.replace(task, stage=JobStage.CANCELLED, ended_at=time.time_ns())
                await self._store.write_task(found, at)
            elif not task.stage.is_final:
                await self._on_queue(task)
            tasks.append(found)
        now = followed(job, tasks, time.time_ns())
        if now != job:
            await self._store.write_job(now, revision)
            if now.stage.is_final:
                for task in tasks:
                    self._put.pop(task.id, None)
                log.info("data.job_ended", job=job.id, stage=now.stage.value, tasks=len(tasks), error=now.error)

    async def _on_queue(self, task: TaskRecord) -> None:
        """Put a task there that is not, and again one whose message is lost."""
        seen = self._put.get(task.id)
        if seen is not None and time.monotonic() - seen < _LOOK_S:
            return
        if not await self._queue.holds(task):
            if seen is not None:
                log.warning("data.task_put_again", task=task.id, attempts=task.attempts)
            await self._queue.put(task)
        self._put[task.id] = time.monotonic()


__all__ = ["DataLeader"]
