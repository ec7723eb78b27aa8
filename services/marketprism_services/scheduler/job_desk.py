"""What people see of jobs, and what they write of them. Any instance does this; the one that leads follows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import structlog

from marketprism_adapters.nats.job_store import JobStore
from marketprism_adapters.nats.schedule_log import LogPlace, ScheduleReader
from marketprism_application.contracts.schedule_records import (
    JobDefinition,
    JobDocument,
    JobRequest,
    JobState,
    RunRecord,
)
from marketprism_application.errors import DefinitionError
from marketprism_application.scheduling.catalogue import DefinedJob
from marketprism_application.scheduling.definitions import check_together, job_of, read_document
from marketprism_application.scheduling.due_times import preview
from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.due_times import DueTimes
from marketprism_domain.scheduling.jobs import Job
from marketprism_domain.scheduling.runs import DUE_STEP_NS
from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_sdk.errors import DeadlineExceeded, KeyExists, NoResponders, RemoteError, RevisionConflict, reason_of
from marketprism_sdk.messaging import CHECK_JOB, JOB_HANDLERS, Discovery, RpcClient
from marketprism_services.scheduler.jobs_in_force import JobsInForce

log = structlog.get_logger()

_TRIES = 5
_CHECK_S = 5.0
MOST_NEXT = 100
MOST_RUNS = 1_000
_LONGEST_PLACE = 40
_LATEST_NS = 4_000_000_000 * NANOS_PER_SECOND  # in 2096
MOST_BACKFILL = 1_000


def _refused(text: str) -> RemoteError:
    return RemoteError("INVALID_PARAMETER", text)


def _place(text: str) -> LogPlace:
    ts, _, seq = text.partition(".")
    if not (ts.isdecimal() and (seq or "0").isdecimal() and len(text) <= _LONGEST_PLACE):
        raise _refused(f"before: expected what an answer before has, was {text[:60]!r}")
    return LogPlace(int(ts), int(seq or 0))


class JobDesk:
    """Methods raise RemoteError with NOT_FOUND, INVALID_PARAMETER or CONFLICT, and what NATS raises."""

    def __init__(
        self, store: JobStore, reader: ScheduleReader, in_force: JobsInForce, calls: RpcClient, discovery: Discovery
    ) -> None:
        self._store = store
        self._reader = reader
        self._in_force = in_force
        self._calls = calls
        self._discovery = discovery

    # -- seeing ------------------------------------------------------------------------------------------------------

    async def jobs(self) -> list[tuple[DefinedJob, JobState | None]]:
        """Every job and where it stands, by name."""
        defined, states = await self._looked_at(), await self._reader.states()
        return [(defined[name], states.get(name)) for name in sorted(defined)]

    async def job(self, name: str) -> tuple[DefinedJob, JobState | None]:
        """A job and where it stands."""
        return await self._defined(name), await self._reader.state(name)

    async def _defined(self, name: str) -> DefinedJob:
        found = (await self._looked_at()).get(name)
        if found is None:
            raise RemoteError("NOT_FOUND", f"job: expected one that is defined, was {name[:60]!r}")
        return found

    async def _looked_at(self) -> dict[str, DefinedJob]:
        """What is defined, of which every instance finds out by itself what cannot be planned."""
        await self._in_force.changes(time.time_ns())
        return self._in_force.seen

    def refusal(self, name: str) -> str:
        """Why a job cannot be planned, empty where it can."""
        return self._in_force.refused.get(name, "")

    async def runs(self, job: str | None, limit: int, before: str) -> list[tuple[str, RunRecord]]:
        """(its place, run) of the newest runs that have ended; `before` is the place of one, or empty."""
        if job is not None:
            await self._defined(job)
        now = time.time_ns()
        end = _place(before) if before else LogPlace(now + NANOS_PER_SECOND)
        found = await self._reader.runs(job, max(1, min(limit, MOST_RUNS)), before=end, now=now)
        return [(f"{place.ts}.{place.seq}", record) for place, record in found]

    async def next_times(self, name: str, count: int, after: int = 0) -> list[int]:
        """When a job is due next, nanoseconds UTC."""
        job = self._job(await self._defined(name))
        times = await self._times(job)
        if not 0 <= after < _LATEST_NS:
            raise _refused(f"after: expected 0 to {_LATEST_NS} nanoseconds, was {after}")
        return preview(times, after or time.time_ns(), max(1, min(count, MOST_NEXT)))

    def _job(self, defined: DefinedJob) -> Job:
        try:
            return job_of(defined.name, defined.document)
        except InvalidValue as error:
            raise _refused(f"job {defined.name}: {error}") from error

    async def _times(self, job: Job) -> DueTimes:
        found = (await self._in_force.times_of([job], time.time_ns()))[job.name]
        if isinstance(found, InvalidValue):
            raise _refused(f"job {job.name}: {found}")
        return found

    async def handlers(self) -> dict[str, object]:
        """What the services that run now do as jobs, by `service.name`."""
        services = sorted({record.service for record in self._discovery.instances()})
        offered = await asyncio.gather(*map(self._handlers_of, services))
        return {f"{service}.{each['name']}": each for service, of in zip(services, offered, strict=True) for each in of}

    async def _handlers_of(self, service: str) -> list[dict[str, object]]:
        try:
            return list(await self._calls.call(service, JOB_HANDLERS, None, timeout_s=_CHECK_S))
        except (NoResponders, DeadlineExceeded, RemoteError) as error:
            # It has ended meanwhile, hangs, or is of an earlier version.
            log.warning("job.handlers_not_known", service=service, error=reason_of(error))
            return []

    # -- defining ----------------------------------------------------------------------------------------------------

    async def define(
        self,
        name: str,
        document: Mapping[str, object],
        *,
        actor: str,
        reason: str,
        dry_run: bool,
        revision: int | None,
        beside: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    ) -> tuple[JobDocument, list[int], int]:
        """Write a job. Returns its document, when it is due next and its revision, which is 0 for a dry run.

        `revision` is that of the definition that is replaced, 0 for none, None for whatever there is. A dry run takes
        what is `beside` as if it were written already.
        """
        try:
            read = read_document(name, document)
            others = {each: read_document(each, one) for each, one in beside.items()} if dry_run else {}
        except DefinitionError as error:
            raise _refused(str(error)) from error
        job = job_of(name, read)
        times = await self._times(job)
        await self._check_body(job)
        for _ in range(_TRIES):
            defined = await self._in_force.defined()
            documents = {each: one.document for each, one in defined.items()} | others | {name: read}
            self._check(documents)
            before = (await self._store.definitions()).get(name)
            there = before.revision if before is not None else 0
            if revision is not None and revision != there:
                raise RemoteError("CONFLICT", f"revision: expected {there}, the newest of {name}, was {revision}")
            due = preview(times, time.time_ns(), 5)
            if dry_run:
                return read, due, 0
            definition = JobDefinition(read, actor, reason, time.time_ns())
            if before is not None and before.definition.paused and not before.definition.removed:
                was = before.definition
                definition = msgspec.structs.replace(
                    definition, paused=True, paused_by=was.paused_by, paused_at=was.paused_at, paused_for=was.paused_for
                )
            try:
                return read, due, await self._store.write(name, definition, there)
            except (KeyExists, RevisionConflict):
                continue
        raise RemoteError("CONFLICT", f"job {name}: expected to be written, others wrote first", retryable=True)

    def _check(self, documents: Mapping[str, JobDocument]) -> None:
        try:
            check_together(documents)
        except InvalidValue as error:
            raise _refused(str(error)) from error

    async def _check_body(self, job: Job) -> None:
        """Whether the service that is to do it would: by its own types."""
        asked = {"name": job.operation, "body": dict(job.body)}
        try:
            await self._calls.call(job.service, CHECK_JOB, asked, timeout_s=_CHECK_S)
        except NoResponders as error:
            there = ", ".join(sorted({record.service for record in self._discovery.instances()}))
            raise _refused(f"command: expected a job of a service that runs ({there}), was {job.command}") from error
        except RemoteError as error:
            text = str(error).removeprefix(f"{error.code}: ")
            raise _refused(f"command {job.command}: {text}") from error

    async def remove(self, name: str, *, actor: str, reason: str) -> None:
        """Define a job no more. What others wait for is refused to go."""
        defined = await self._in_force.defined()
        await self._defined(name)
        self._check({each: one.document for each, one in defined.items() if each != name})
        await self._rewrite(name, actor, reason, removed=True)

    async def pause(self, name: str, *, actor: str, reason: str, paused: bool) -> None:
        """Plan it no more, or again."""
        await self._defined(name)
        await self._rewrite(name, actor, reason, paused=paused)

    async def reset(self, name: str, *, actor: str, reason: str) -> None:
        """Forget what is written of a job: that of the file, or the built-in one, holds again."""
        before = (await self._store.definitions()).get(name)
        self._check({each: one.document for each, one in (await self._in_force.defined(without=name)).items()})
        if before is None:
            raise RemoteError("NOT_FOUND", f"job: expected one of which something is written, was {name[:60]!r}")
        try:
            await self._store.forget(name, before.revision)
        except RevisionConflict as error:
            raise RemoteError("CONFLICT", f"job {name}: was written meanwhile", retryable=True) from error
        log.info("job.reset", job=name, actor=actor, reason=reason)

    async def _rewrite(
        self, name: str, actor: str, reason: str, *, paused: bool = False, removed: bool = False
    ) -> None:
        for _ in range(_TRIES):
            before = (await self._store.definitions()).get(name)
            document = before.definition.document if before is not None else None
            now = time.time_ns()
            definition = JobDefinition(document, actor, reason, now, paused, removed)
            if paused:
                definition = msgspec.structs.replace(definition, paused_by=actor, paused_at=now, paused_for=reason)
            try:
                await self._store.write(name, definition, before.revision if before is not None else 0)
            except (KeyExists, RevisionConflict):
                continue
            return
        raise RemoteError("CONFLICT", f"job {name}: expected to be written, others wrote first", retryable=True)

    # -- asking ------------------------------------------------------------------------------------------------------

    async def run_now(self, name: str, *, actor: str) -> tuple[int, int]:
        """A run more; its due time, and the number of the request, by which it is known."""
        await self._planned(name)
        due = time.time_ns() // DUE_STEP_NS * DUE_STEP_NS
        return due, await self._store.ask(JobRequest(name, "run", actor, due, due))

    async def _planned(self, name: str) -> Job:
        """A job that can be planned."""
        job = self._job(await self._defined(name))
        if reason := self.refusal(name):
            raise _refused(f"job {name}: expected one that can be planned: {reason}")
        return job

    async def cancel(self, name: str, due: int, *, actor: str, asked: int = 0) -> None:
        """End the run that was due then; of several the one that was asked for by that request."""
        await self._defined(name)
        state = await self._reader.state(name)
        open_runs = [run.due for run in state.open] if state is not None else []
        if due not in open_runs:
            known = ", ".join(map(str, open_runs)) or "none"
            raise RemoteError("NOT_FOUND", f"due: expected that of a run that is not done ({known}), was {due}")
        await self._store.ask(JobRequest(name, "cancel", actor, time.time_ns(), due, asked=asked))

    async def backfill(self, name: str, first: int, last: int, *, actor: str) -> list[int]:
        """Runs for the due times from `first` to `last`; which those are."""
        job = await self._planned(name)
        now = time.time_ns()
        if not 0 < first <= last <= now:
            raise _refused(f"first, last: expected 0 < first <= last <= now ({now}), was {first} and {last}")
        times, due = await self._times(job), []
        after = first - 1
        while (found := times.following(after)) is not None and found <= last:
            due.append(after := found)
            if len(due) > MOST_BACKFILL:
                raise _refused(f"last: expected at most {MOST_BACKFILL} due times from first to last, was more")
        if not due:
            raise _refused(f"first, last: expected a span in which {name} was due, was {first} to {last}")
        await self._store.ask(JobRequest(name, "backfill", actor, now, first, last))
        return due


__all__ = ["JobDesk"]
