"""The one that leads: puts tasks onto the queue, also again where their message is lost, ends jobs, tells of it, and
forgets them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from marketprism_adapters.nats.data_jobs import NatsDataJobStore
from marketprism_adapters.nats.data_tasks import DataTaskQueue
from marketprism_application.contracts.data_jobs import DataJob, JobStage, TaskRecord
from marketprism_application.data_jobs.endings import JobEvent, event_id, events_of
from marketprism_application.data_jobs.states import followed, forgotten
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.data_jobs import DataJobConflict
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_services.data.mirror import JobMirror

log = structlog.get_logger()

_TURN_S = 1.0
_LOOK_S = 10.0  # whether the messages of tasks are still there
_READ_S = 30.0  # every record again: a change may have been missed
_TIDY_S = 60.0
_AT_ONCE = 100


class DataLeader:
    """Follows jobs until cancelled; whoever leads next goes on by the records alone. `publish` sends an event under an
    id, before the job is written as ended: who leads next may send it again. `on_end` is called with the action and the
    last stage of each task that is ended here."""

    def __init__(
        self,
        store: NatsDataJobStore,
        queue: DataTaskQueue,
        keep_ns: int,
        publish: Callable[[JobEvent, str], Awaitable[object]],
        on_end: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._store, self._queue, self._keep_ns = store, queue, keep_ns
        self._publish, self._on_end = publish, on_end
        self._mirror = JobMirror(store)
        self._put: set[str] = set()  # tasks that were put onto the queue, or seen there
        self._changed = asyncio.Event()
        self._read = self._looked = self._tidied = -_TIDY_S
        self.open = 0

    async def run(self) -> None:
        """Follow every job, turn after turn, until cancelled."""
        stop = await self._store.watch(self._mirror.receive, self._changed.set)
        try:
            while True:
                self._changed.clear()
                try:
                    await self._turn()
                except (SdkError, ApplicationError) as error:
                    log.warning("data.not_planned", error=reason_of(error))
                    self._read = -_READ_S
                try:
                    async with asyncio.timeout(_TURN_S):
                        await self._changed.wait()
                    await asyncio.sleep(0.1)  # several changes are one turn
                except TimeoutError:
                    pass
        finally:
            await stop()

    async def _turn(self) -> None:
        now = time.monotonic()
        if now - self._read > _READ_S:
            await self._mirror.read()
            self._read = now
        for job_id in self._mirror.take_changed():
            try:
                await self._follow(job_id)
            except DataJobConflict:
                log.debug("data.record_changed")
                await self._mirror.read_job(job_id)
            except (SdkError, ApplicationError):
                self._mirror.changed.add(job_id)
                raise
        self.open = len(self._mirror.open)
        if now - self._looked > _LOOK_S:
            await self._look()
            self._looked = now
        if now - self._tidied > _TIDY_S:
            self._tidied = now
            for job in forgotten(self._mirror.jobs, time.time_ns(), self._keep_ns):
                log.info("data.job_forgotten", job=job.id)
                await self._store.forget(job.id)

    async def _follow(self, job_id: str) -> None:
        found = await self._mirror.followed(job_id)
        if found is None:
            return
        job, revision, known = found
        if job.cancel:
            for task, at in list(known.values()):
                if task.stage is JobStage.PLANNED:
                    await self._cancel(job, task, at)
        elif any(task.id not in self._put for task, _ in known.values() if not task.stage.is_final):
            self._looked = -_LOOK_S  # at the end of this turn
        tasks = [known[number][0] for number in sorted(known)]
        now = followed(job, tasks, time.time_ns())
        if now == job:
            return
        if now.stage.is_final:
            for event in events_of(now, tasks):
                await self._publish(event, event_id(now.id, event))
        self._mirror.wrote_job(now, await self._store.write_job(now, revision))
        if now.stage.is_final:
            self._put.difference_update(task.id for task in tasks)
            log.info("data.job_ended", job=job.id, stage=now.stage.value, tasks=len(tasks), error=now.error)

    async def _cancel(self, job: DataJob, task: TaskRecord, revision: int) -> None:
        ended = msgspec.structs.replace(task, stage=JobStage.CANCELLED, ended_at=time.time_ns())
        self._mirror.wrote_task(ended, await self._store.write_task(ended, revision))
        self._on_end(str(job.request.__struct_config__.tag), ended.stage.value)

    async def _look(self) -> None:
        """Put tasks there that are not, and again those whose message is lost."""
        waiting: list[TaskRecord] = []
        for job in self._mirror.open:
            found = await self._mirror.followed(job.id)
            if found is not None and not job.cancel:
                waiting += [task for task, _ in found[2].values() if not task.stage.is_final]
        if not waiting:
            return
        held = await self._queue.held()
        absent = [task for task in waiting if task.id not in held]
        for start in range(0, len(absent), _AT_ONCE):
            await self._put_some(absent[start : start + _AT_ONCE])
        self._put.update(task.id for task in waiting)

    async def _put_some(self, tasks: Sequence[TaskRecord]) -> None:
        for task in tasks:
            if task.id in self._put:
                log.warning("data.task_put_again", task=task.id, attempts=task.attempts)
        done = await asyncio.gather(*(self._queue.put(task) for task in tasks), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                raise each


__all__ = ["DataLeader"]
