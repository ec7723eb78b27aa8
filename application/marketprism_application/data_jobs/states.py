"""Where a job is by its tasks, how long it still takes, and what is shown of it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from marketprism_application.contracts.data_jobs import DataJob, JobShown, JobStage, TaskRecord, TaskShown
from marketprism_domain.values import NANOS_PER_SECOND

MOST_ATTEMPTS = 3
MOST_JOBS = 1_000


def followed(job: DataJob, tasks: Sequence[TaskRecord], now_ns: int) -> DataJob:
    """The job as its tasks have it. A final one stays as it is."""
    if job.stage.is_final:
        return job
    begun = min((task.begun_at for task in tasks if task.begun_at), default=0)
    job = msgspec.structs.replace(job, begun_at=job.begun_at or begun)
    if not all(task.stage.is_final for task in tasks):
        active = {task.stage for task in tasks if not task.stage.is_final} - {JobStage.PLANNED}
        if JobStage.RUNNING in active:
            stage = JobStage.RUNNING
        elif active:
            stage = JobStage.WAITING
        else:
            stage = JobStage.RUNNING if job.begun_at else JobStage.PLANNED
        return msgspec.structs.replace(job, stage=stage)
    failed = [task for task in tasks if task.stage is JobStage.FAILED]
    stage, error = JobStage.DONE, ""
    if any(task.stage is JobStage.CANCELLED for task in tasks):
        stage = JobStage.CANCELLED
    elif failed:
        stage = JobStage.FAILED
    if failed:
        error = f"{failed[0].symbol or failed[0].id}: {failed[0].error}"
        error += f"; {len(failed)} of {len(tasks)} failed" if len(failed) > 1 else ""
    return msgspec.structs.replace(job, stage=stage, error=error, ended_at=now_ns)


def may_begin(task: TaskRecord) -> bool:
    """Whether one more worker may try a task whose workers have died before."""
    return not task.stage.is_final and task.attempts < MOST_ATTEMPTS


def forgotten(jobs: Sequence[DataJob], now_ns: int, keep_ns: int, most: int = MOST_JOBS) -> list[DataJob]:
    """Finished jobs that are too old, or too many; `jobs` are the newest first."""
    ended = [job for job in jobs if job.stage.is_final]
    room = max(0, most - (len(jobs) - len(ended)))
    return [job for at, job in enumerate(ended) if at >= room or job.ended_at < now_ns - keep_ns]


def eta_s(job: DataJob, tasks: Sequence[TaskRecord], now_ns: int) -> float | None:
    """What is left at the pace so far, seconds; None where nobody knows."""
    if job.stage.is_final:
        return 0.0
    share = sum(_share(task) for task in tasks)
    elapsed = (now_ns - job.begun_at) / NANOS_PER_SECOND
    if not job.begun_at or share <= 0 or elapsed <= 0:
        return None
    return round(elapsed * (len(tasks) - share) / share, 1)


def _share(task: TaskRecord) -> float:
    if task.stage.is_final:
        return 1.0
    return task.progress.parts_done / task.progress.parts if task.progress.parts else 0.0


def shown(job: DataJob, tasks: Sequence[TaskRecord], now_ns: int, *, series: bool) -> JobShown:
    """The job for people, with its tasks or without."""
    request = msgspec.to_builtins(job.request)
    return JobShown(
        id=job.id,
        action=str(request.pop("action")),
        stage=job.stage,
        by=job.by,
        created_at=job.created_at,
        begun_at=job.begun_at,
        ended_at=job.ended_at,
        tasks=job.tasks,
        tasks_done=sum(task.stage is JobStage.DONE for task in tasks),
        tasks_failed=sum(task.stage is JobStage.FAILED for task in tasks),
        parts=sum(task.progress.parts for task in tasks),
        parts_done=sum(task.progress.parts_done for task in tasks),
        rows=sum(task.progress.rows for task in tasks),
        requests=sum(task.progress.requests for task in tasks),
        eta_s=eta_s(job, tasks, now_ns),
        error=job.error,
        remarks=tuple(job.remarks),
        request=request,
        series=tuple(_task_shown(task) for task in tasks) if series else (),
    )


def _task_shown(task: TaskRecord) -> TaskShown:
    progress = task.progress
    return TaskShown(
        number=task.number,
        kind=task.kind,
        venue=task.venue,
        symbol=task.symbol,
        interval=task.interval,
        ts_from=task.ts_from,
        ts_to=task.ts_to,
        stage=task.stage,
        worker=task.worker,
        error=task.error,
        parts=progress.parts,
        parts_done=progress.parts_done,
        rows=progress.rows,
        requests=progress.requests,
        waits_s=progress.waits_s,
        result=dict(task.result),
    )


__all__ = ["MOST_ATTEMPTS", "MOST_JOBS", "eta_s", "followed", "forgotten", "may_begin", "shown"]
