"""The jobs that are planned: read from where they are defined, with the instants at which each is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import structlog

from marketprism_adapters.nats.job_store import JobStore, Stored
from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_application.scheduling.catalogue import DefinedJob, admitted, defined_jobs
from marketprism_application.scheduling.due_times import due_times_of
from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.due_times import DueTimes
from marketprism_domain.scheduling.jobs import Job
from marketprism_domain.sessions.calendar import MarketCalendar

log = structlog.get_logger()


class PlannedJob(NamedTuple):
    """A job, when it is due, and whether it is paused."""

    job: Job
    times: DueTimes
    paused: bool


class JobsInForce:
    """Definitions of the bucket, over those of the file, over those built in. `refused` says why some are not planned.

    Methods raise what the bucket raises.
    """

    def __init__(
        self,
        store: JobStore,
        calendar: Callable[[], MarketCalendar],
        built_in: Mapping[str, JobDocument],
        file: Mapping[str, JobDocument],
        funding_hours: Mapping[str, int],
    ) -> None:
        self._funding_hours = funding_hours
        self._store = store
        self._calendar = calendar
        self._built_in = built_in
        self._file = file
        self._known: dict[str, tuple[Job, bool]] = {}
        self._revisions: dict[str, int] | None = None  # what was written when it was read last
        self.refused: dict[str, str] = {}
        self.seen: dict[str, DefinedJob] = {}  # all that were defined when it was read last

    async def defined(self, without: str = "") -> dict[str, DefinedJob]:
        """All that are defined, as they are written now, by name; or would be `without` what is written of one."""
        written = await self._store.definitions()
        return self._over({name: each for name, each in written.items() if name != without})

    def _over(self, written: Mapping[str, Stored]) -> dict[str, DefinedJob]:
        return defined_jobs(self._built_in, self._file, written)

    async def read(self, now: int) -> dict[str, PlannedJob]:
        """All jobs that can be planned."""
        self._known, self._revisions = {}, None
        planned, _ = await self.changes(now)
        return planned

    async def changes(self, now: int) -> tuple[dict[str, PlannedJob], list[str]]:
        """The jobs that are new or another since the last reading, and those that are there no more."""
        written = await self._store.definitions()
        if self._is_behind(written):  # runs of a job that is there no more are ended
            written = await self._store.definitions(latest=True)
        revisions = {name: each.revision for name, each in written.items()}
        if revisions == self._revisions:
            return {}, []
        defined = self.seen = self._over(written)
        jobs, refused = admitted(defined)
        wanted = {name: (job, defined[name].paused) for name, job in jobs.items()}
        removed = [name for name in self._known if name not in wanted]
        changed = {name: each for name, each in wanted.items() if self._known.get(name) != each}
        times = await self.times_of([job for job, _ in changed.values()], now)
        planned = {}
        for name, (job, paused) in changed.items():
            found = times[name]
            if isinstance(found, InvalidValue):
                refused[name] = str(found)
            else:
                planned[name] = PlannedJob(job, found, paused)
        # One whose trigger cannot be computed is as one that is not there, until it is defined anew.
        removed += [name for name in changed if name in refused and name in self._known]
        for name, reason in refused.items():
            if self.refused.get(name) != reason:
                log.warning("job.not_planned", job=name, reason=reason)
        self.refused = {**{n: r for n, r in self.refused.items() if n in wanted and n not in changed}, **refused}
        self._known, self._revisions = wanted, revisions
        return planned, removed

    def _is_behind(self, written: Mapping[str, Stored]) -> bool:
        """Whether it may be what a replica has that lags: nothing was read before, or there is less than there was."""
        if self._revisions is None:
            return True
        return any(name not in written or written[name].revision < at for name, at in self._revisions.items())

    async def times_of(self, jobs: list[Job], now: int) -> dict[str, DueTimes | InvalidValue]:
        """When each job is due, or why that cannot be said."""

        def compute() -> dict[str, DueTimes | InvalidValue]:
            calendar = self._calendar()
            found: dict[str, DueTimes | InvalidValue] = {}
            for job in jobs:
                try:
                    found[job.name] = due_times_of(job.trigger, calendar, self._funding_hours, now)
                except InvalidValue as error:
                    found[job.name] = error
            return found

        return await asyncio.to_thread(compute) if jobs else {}  # zones are files


__all__ = ["JobsInForce", "PlannedJob"]
