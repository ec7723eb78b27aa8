"""What others are told of a job that has ended: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_application.contracts.data_jobs import CheckRequest, DailyRequest, DataJob, RepairRequest, TaskRecord
from marketprism_application.contracts.data_jobs import JobStage as Stage
from marketprism_domain.events.data_jobs import BarsReplaced, DataJobEnded, DefectsFound

JobEvent = DataJobEnded | DefectsFound | BarsReplaced


def events_of(job: DataJob, tasks: Sequence[TaskRecord]) -> list[JobEvent]:
    """The events of a job that is final: how it ended is the last of them."""
    action = str(job.request.__struct_config__.tag)
    found: list[JobEvent] = []
    wrong = [task for task in tasks if _number(task.result, "defects")]
    if wrong and isinstance(job.request, CheckRequest | DailyRequest):
        defects = sum(_number(task.result, "defects") for task in wrong)
        left = sum(_left(task.result) for task in wrong)
        found.append(DefectsFound(job.id, action, len(wrong), defects, left, series_text(wrong[0])))
    written = [task for task in tasks if _number(task.result, "revisions") + _number(task.result, "inserted")]
    if written and _writes(job):
        found.append(
            BarsReplaced(
                job.id,
                action,
                len(written),
                sum(_number(task.result, "revisions") for task in written),
                sum(_number(task.result, "inserted") for task in written),
                sum(task.result.get("undone") is True for task in written),
                series_text(written[0]),
            )
        )
    failed = sum(task.stage is Stage.FAILED for task in tasks)
    rows = sum(task.progress.rows for task in tasks)
    found.append(DataJobEnded(job.id, action, job.stage.value, job.by, len(tasks), failed, rows, job.error))
    return found


def event_id(job: str, event: JobEvent) -> str:
    """The same whoever tells it, and however often."""
    return f"data-{job}-{type(event).__name__}"


def series_text(task: TaskRecord) -> str:
    """A series as people name it."""
    return " ".join(part for part in (task.venue, task.symbol, task.kind, task.interval) if part)


def _writes(job: DataJob) -> bool:
    request = job.request
    return (isinstance(request, RepairRequest) and not request.dry_run) or isinstance(request, DailyRequest)


def _left(result: Mapping[str, object]) -> int:
    after = result.get("after")
    return _number(after if isinstance(after, Mapping) else result, "defects")


def _number(result: Mapping[str, object], name: str) -> int:
    value = result.get(name, 0)
    return value if isinstance(value, int) else 0


__all__ = ["JobEvent", "event_id", "events_of", "series_text"]
