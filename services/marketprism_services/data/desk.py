"""What people ask of the data service: jobs that are made, seen and ended, and what came of them."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from marketprism_adapters.nats.data_jobs import NatsDataJobStore
from marketprism_adapters.nats.data_tasks import DataTaskQueue
from marketprism_application.contracts.data_jobs import (
    CheckRequest,
    DataJob,
    DataRequest,
    JobShown,
    JobStage,
    RecheckRequest,
    RepairRequest,
    TaskRecord,
)
from marketprism_application.contracts.failures import Code
from marketprism_application.data_jobs.planning import BadRequest, Cut, Planner
from marketprism_application.data_jobs.states import shown
from marketprism_application.errors import ApplicationError
from marketprism_application.integrity.html_page import html_report
from marketprism_application.integrity.rendering import csv_report, markdown_report, plain_report
from marketprism_application.ports.data_jobs import DataJobConflict
from marketprism_application.repairing.rendering import plain_recheck
from marketprism_sdk.errors import RemoteError
from marketprism_services.data.actions import Actions
from marketprism_services.wiring.seen import Seen

MOST_LISTED = 1_000
FORMATS = ("json", "csv", "md", "text", "html")
_TRIES = 5


class DataDesk:
    """Methods raise RemoteError with NOT_FOUND, INVALID_PARAMETER or CONFLICT, and what the store raises."""

    def __init__(self, store: NatsDataJobStore, queue: DataTaskQueue, planner: Planner, actions: Actions) -> None:
        self._store, self._queue, self._planner, self._actions = store, queue, planner, actions

    async def begin(self, request: DataRequest, by: str, key: str = "", seen: Seen | None = None) -> JobShown:
        """A job of a request. One that has the same `key` (of a command that comes again) is made once."""
        try:
            cut = await self._cut(request)
            await self._actions.refuse_other(request, [task.venue for task in cut.tasks])
        except ApplicationError as error:
            raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error
        if seen is not None:
            _check_seen(cut.tasks, seen)
        action = str(request.__struct_config__.tag)
        stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        unique = hashlib.sha256(key.encode()).hexdigest()[:12] if key else f"{stamp}-{secrets.token_hex(3)}"
        job = DataJob(
            id=f"{action}-{unique}",
            request=request,
            by=by,
            created_at=time.time_ns(),
            tasks=len(cut.tasks),
            remarks=tuple(cut.remarks),
        )
        tasks = [msgspec.structs.replace(task, job=job.id) for task in cut.tasks]
        try:
            # Tasks first: a job that is there has all of its tasks.
            for task in tasks:
                await self._store.write_task(task, 0)
            await self._store.write_job(job, 0)
        except DataJobConflict:
            if not key:
                raise
            return await self.job(job.id)
        return shown(job, tasks, time.time_ns(), series=True)

    async def _cut(self, request: DataRequest) -> Cut:
        if not isinstance(request, RecheckRequest | RepairRequest):
            return await self._planner.cut(request)
        job, tasks = await self._found(request.check)
        if not isinstance(job.request, CheckRequest):
            raise BadRequest("check", "a job that is a check", request.check)
        if not job.stage.is_final:
            raise RemoteError(Code.CONFLICT, f"check: expected one that has ended, {job.id} is {job.stage}")
        done = [task for task in tasks if task.stage is JobStage.DONE]
        return Cut(
            [
                TaskRecord(
                    job="",
                    number=task.number,
                    kind=task.kind,
                    venue=task.venue,
                    symbol=task.symbol,
                    interval=task.interval,
                    ts_from=task.ts_from,
                    ts_to=task.ts_to,
                )
                for task in done
            ]
        )

    async def _found(self, job_id: str) -> tuple[DataJob, list[TaskRecord]]:
        found = await self._store.job(job_id) if _is_name(job_id) else None
        if found is None:
            raise RemoteError(Code.NOT_FOUND, f"id: expected that of a job, was {job_id[:80]!r}", {"field": "id"})
        return found[0], [task for task, _ in await self._store.tasks(job_id, found[0].tasks)]

    async def job(self, job_id: str, action: str = "") -> JobShown:
        """One job with its tasks; `action` is what it must be."""
        job, tasks = await self._found(job_id)
        if action and job.request.__struct_config__.tag != action:
            raise RemoteError(Code.NOT_FOUND, f"id: expected a {action}, was {job_id[:80]!r}", {"field": "id"})
        return shown(job, tasks, time.time_ns(), series=True)

    async def check_seen(self, job_id: str, seen: Seen) -> None:
        """Raises RemoteError, NOT_ENTITLED, where somebody may not see every series of a job."""
        _check_seen((await self._found(job_id))[1], seen)

    async def jobs(self, action: str, state: str, limit: int, seen: Seen) -> list[JobShown]:
        """The newest jobs of which every series may be seen, without their tasks."""
        if state and state not in list(JobStage):
            raise _bad(BadRequest("state", f"one of {', '.join(JobStage)}", state, list(JobStage)))
        found: list[JobShown] = []
        for job, _ in await self._store.jobs():
            if action not in ("", job.request.__struct_config__.tag) or state not in ("", job.stage):
                continue
            if len(found) >= max(1, min(limit, MOST_LISTED)):
                break
            tasks = [task for task, _ in await self._store.tasks(job.id, job.tasks)]
            if all(_allows(task, seen) for task in tasks):
                found.append(shown(job, tasks, time.time_ns(), series=False))
        return found

    async def cancel(self, job_id: str) -> JobShown:
        """Have a job end; one that has ended stays as it is."""
        await self._found(job_id)
        for _ in range(_TRIES):
            stored = await self._store.job(job_id)
            if stored is None or stored[0].stage.is_final or stored[0].cancel:
                break
            try:
                await self._store.write_job(msgspec.structs.replace(stored[0], cancel=True), stored[1])
                break
            except DataJobConflict:
                continue
        else:
            raise RemoteError(Code.CONFLICT, f"{job_id}: expected nobody else to write it, try again")
        return await self.job(job_id)

    async def report(self, check: str, number: int, form: str) -> dict[str, object]:
        """The report of a series of a check: as `plain_report` has it, or as a text of a format."""
        if form not in FORMATS:
            raise _bad(BadRequest("format", f"one of {', '.join(FORMATS)}", form, FORMATS))
        await self._found(check)
        try:
            report = await self._actions.report(check, number)
        except ApplicationError as error:
            if error.retryable:
                raise
            raise RemoteError(Code.NOT_FOUND, str(error), {"field": "number"}) from error
        if form == "json":
            return plain_report(report)
        make = {"csv": csv_report, "html": html_report}.get(form, markdown_report)
        text = await asyncio.to_thread(make, report)
        return {"format": form, "text": text}

    async def verdicts(self, check: str) -> dict[str, object]:
        """Whose the defects of a check are, as they were judged last."""
        _, tasks = await self._found(check)
        reports: list[dict[str, object]] = []
        counts: dict[str, int] = {}
        by = ""
        for task in tasks:
            found = await self._actions.recheck(check, task.number)
            if found is None:
                continue
            by, plain = found[0], plain_recheck(found[1])
            for name, count in found[1].counts.items():
                counts[name] = counts.get(name, 0) + count
            reports.append({"number": task.number, "dataset": plain["dataset"], "judged": plain["judged"]})
        return {"recheck": by, "counts": counts, "reports": reports}

    async def repair(self, job_id: str) -> dict[str, object]:
        """What a repair planned, changed and proved, by series."""
        job, tasks = await self._found(job_id)
        if not isinstance(job.request, RepairRequest):
            raise RemoteError(Code.NOT_FOUND, f"id: expected a repair, was {job_id[:80]!r}", {"field": "id"})
        series: list[dict[str, object]] = []
        for task in tasks:
            found = await self._actions.shown_repair(task) or {}
            series.append({"undone": False, **found, "number": task.number, "stage": task.stage, "error": task.error})
        return {"job": msgspec.to_builtins(await self.job(job_id)), "series": series}


def _allows(task: TaskRecord, seen: Seen) -> bool:
    return seen.allows(task.venue.partition("-")[0], task.symbol, task.kind)


def _check_seen(tasks: Sequence[TaskRecord], seen: Seen) -> None:
    for task in tasks:
        seen.check(task.venue.partition("-")[0], task.symbol, task.kind)


def _bad(error: BadRequest) -> RemoteError:
    return RemoteError(error.code, str(error), dict(error.details))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 80 and all(each.isalnum() or each in "-_" for each in text)


__all__ = ["DataDesk"]
