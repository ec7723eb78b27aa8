"""Slots of an instance: each takes a task off the queue, does it, writes down what came of it, and takes it off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from marketprism_adapters.nats.data_jobs import NatsDataJobStore
from marketprism_adapters.nats.data_tasks import DataTaskQueue, Taken
from marketprism_application.contracts.data_jobs import DataJob, JobStage, TaskProgress, TaskRecord
from marketprism_application.data_jobs.states import MOST_ATTEMPTS, may_begin
from marketprism_application.errors import ApplicationError, SourceError
from marketprism_application.ports.data_jobs import DataJobConflict
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_services.data.actions import Actions, Doing, Unproved

log = structlog.get_logger()

_LOOK_S = 0.5
_SAY_S = 10.0
_PAUSE_S = 0.5
_SOURCE_TRIES = 8
_LONGEST_PAUSE_S = 30.0


@dataclass
class _Held:
    """A task that is done here, its revision, and how far it is. `lost`: another worker has it."""

    task: TaskRecord
    revision: int
    waits_s: float = 0.0
    lost: bool = False
    cancelled: bool = False

    def progressed(self, progress: TaskProgress, waits_s: float) -> None:
        """So far it is."""
        self.waits_s = waits_s
        # Workers that end count against a task that stands still, not against one that goes on.
        goes_on = progress.parts_done > self.task.progress.parts_done
        attempts = 1 if goes_on else self.task.attempts
        self.task = msgspec.structs.replace(self.task, progress=progress, attempts=attempts)


class Workers:
    """`slots` tasks at once. `instance` names this process in the records of tasks. `on_end` is called with the action
    and the last stage of each."""

    def __init__(
        self,
        store: NatsDataJobStore,
        queue: DataTaskQueue,
        actions: Actions,
        instance: str,
        replicas: int = 1,
        on_end: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._store, self._queue, self._actions = store, queue, actions
        self._instance, self._replicas, self._on_end = instance, replicas, on_end
        self.running = 0

    async def run(self, slots: int) -> None:
        """Take tasks and do them until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(slots):
                group.create_task(self._slot())

    async def _slot(self) -> None:
        while True:
            try:
                taken = await self._queue.take()
                if taken is not None:
                    await self._take(taken)
            except (SdkError, ApplicationError, DataJobConflict) as error:
                log.warning("data.queue_not_readable", error=reason_of(error))
                await asyncio.sleep(_PAUSE_S)
                with contextlib.suppress(SdkError):
                    await self._queue.open(self._replicas)

    async def _take(self, taken: Taken) -> None:
        try:
            job_id, number = msgspec.msgpack.decode(taken.data, type=tuple[str, int])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("data.task_unreadable", error=reason_of(error))
            await self._queue.done(taken)
            return
        job, task = await self._store.job(job_id), await self._store.task(job_id, number)
        if job is None or task is None or task[0].stage.is_final:
            await self._queue.done(taken)
            return
        record, revision = task
        if job[0].cancel or not may_begin(record):
            ended = msgspec.structs.replace(
                record,
                stage=JobStage.CANCELLED if job[0].cancel else JobStage.FAILED,
                ended_at=time.time_ns(),
                error="" if job[0].cancel else f"{MOST_ATTEMPTS} workers ended while they did it",
            )
            await self._store.write_task(ended, revision)
            self._on_end(str(job[0].request.__struct_config__.tag), ended.stage.value)
            await self._queue.done(taken)
            return
        begun = msgspec.structs.replace(
            record,
            stage=JobStage.RUNNING,
            worker=self._instance,
            attempts=record.attempts + 1,
            begun_at=record.begun_at or time.time_ns(),
            error="",
        )
        held = _Held(begun, await self._store.write_task(begun, revision))
        self.running += 1
        try:
            await self._work(taken, job[0], held)
        finally:
            self.running -= 1

    async def _work(self, taken: Taken, job: DataJob, held: _Held) -> None:
        doing = asyncio.create_task(self._tried(job, held))
        saying = asyncio.create_task(self._say(taken, held, doing))
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError:  # this service stops: another one goes on
            doing.cancel()
            await asyncio.wait({doing}, timeout=2.0)
            saying.cancel()
            with contextlib.suppress(SdkError, ApplicationError, DataJobConflict):
                back = msgspec.structs.replace(held.task, stage=JobStage.PLANNED, attempts=held.task.attempts - 1)
                await self._store.write_task(back, held.revision)
                await self._queue.again(taken)
            raise
        saying.cancel()
        await asyncio.wait({saying})
        if held.lost:
            return
        await self._finish(taken, held, doing, str(job.request.__struct_config__.tag))

    async def _finish(self, taken: Taken, held: _Held, doing: asyncio.Task[dict[str, object]], action: str) -> None:
        error = None if doing.cancelled() else doing.exception()
        stage, text, result = JobStage.DONE, "", dict[str, object]()
        if doing.cancelled():
            stage = JobStage.CANCELLED
        elif error is not None:
            stage, text = JobStage.FAILED, f"{reason_of(error)}"[:500]
            result = error.facts if isinstance(error, Unproved) else result
            if not isinstance(error, ApplicationError | SdkError):
                log.error("data.task_broken", task=held.task.id, exc_info=error)
        else:
            result = doing.result()
        ended = msgspec.structs.replace(
            held.task, stage=stage, error=text, result=result, ended_at=time.time_ns(), worker=self._instance
        )
        while True:
            try:
                await self._store.write_task(ended, held.revision)
                break
            except DataJobConflict:  # ours, of which the receipt was lost, or another worker's
                now = await self._store.task(ended.job, ended.number)
                if now is None or now[0].stage.is_final or now[0].worker != self._instance:
                    return
                held.revision = now[1]
            except ApplicationError as failure:
                log.warning("data.result_not_written", task=ended.id, error=reason_of(failure))
                await asyncio.sleep(_PAUSE_S)
        self._on_end(action, stage.value)
        await self._queue.done(taken)
        log.info("data.task_ended", task=ended.id, stage=stage.value, attempts=ended.attempts, error=text)

    async def _tried(self, job: DataJob, held: _Held) -> dict[str, object]:
        """Do it; what passes is tried again: a venue some times, the platform's own parts as long as it takes."""
        tries, pause_s = 0, 1.0
        while True:
            try:
                return await self._actions.do(Doing(job, held.task, held.progressed, self._instance))
            except (ApplicationError, SdkError) as error:
                if not error.retryable:
                    raise
                tries += isinstance(error, SourceError)
                if tries >= _SOURCE_TRIES:
                    raise
                log.info("data.task_tried_again", task=held.task.id, error=reason_of(error), after_s=pause_s)
                held.waits_s = pause_s if isinstance(error, SourceError) else 0.0
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _say(self, taken: Taken, held: _Held, doing: asyncio.Task[dict[str, object]]) -> None:
        """Say that it is done here and how far it is, and look whether somebody wants it ended."""
        said, written = time.monotonic(), held.task
        while True:
            await asyncio.sleep(_LOOK_S)
            stage = JobStage.WAITING if held.waits_s > 1.0 else JobStage.RUNNING
            held.task = msgspec.structs.replace(held.task, stage=stage)
            try:
                if time.monotonic() - said >= _SAY_S:
                    await self._queue.in_progress(taken)
                    said = time.monotonic()
                if held.task != written:
                    written = held.task
                    held.revision = await self._store.write_task(written, held.revision)
                job = await self._store.job(held.task.job)
                if job is None or job[0].cancel:
                    held.cancelled = True
                    doing.cancel()
            except DataJobConflict:
                now = await self._store.task(held.task.job, held.task.number)
                if now is not None and not now[0].stage.is_final and now[0].worker == self._instance:
                    held.revision = now[1]  # ours, of which the receipt was lost
                    continue
                held.lost = True
                doing.cancel()
                return
            except (SdkError, ApplicationError) as error:
                log.debug("data.progress_not_written", task=held.task.id, error=reason_of(error))


__all__ = ["Workers"]
