"""Scheduler: every instance answers who asks about jobs and takes what people want; the one that leads runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.job_store import JobStore
from marketprism_adapters.nats.schedule_log import ScheduleLog, ScheduleReader, ensure_schedule
from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.errors import Fenced, StreamMissing
from marketprism_sdk.messaging import REGISTRY, Discovery, JobClaims, JobRun, ensure_job_streams, submit_run
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work
from marketprism_services.scheduler.generic_jobs import GenericJobs
from marketprism_services.scheduler.job_desk import JobDesk
from marketprism_services.scheduler.jobs_in_force import JobsInForce
from marketprism_services.scheduler.leader import ScheduleLeader
from marketprism_services.scheduler.operations import JobOperations

log = structlog.get_logger()


class SchedulerService(SingleActiveService):
    """`built_in` and `file` are the jobs that are there without anybody defining them; what people write of a job of
    the same name comes before both. `most_running` runs are under way at once."""

    jobs_by_any = True  # commands and calls: whoever leads plans, and any instance may give them

    def __init__(
        self,
        connection: NatsConnection,
        calendar: Callable[[], MarketCalendar],
        *,
        built_in: Mapping[str, JobDocument],
        file: Mapping[str, JobDocument],
        funding_hours: Mapping[str, int],
        most_running: int = 64,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("scheduler", connection, lease=lease, version=version, settings=settings)
        self._calendar = calendar
        self._built_in = built_in
        self._file = file
        self._funding_hours = funding_hours
        self._most_running = most_running
        self._events = EventPublisher(connection, "scheduler", self.metrics)
        self._leader: ScheduleLeader | None = None
        self._leading: Work | None = None
        self._store: JobStore
        self._claims: JobClaims
        self._discovery: Discovery
        self._in_force: JobsInForce

    async def on_start(self) -> None:
        """Stream and buckets, then the election."""
        replicas = self.settings.replicas
        await ensure_schedule(self.connection, replicas)
        await ensure_job_streams(self.connection, replicas)
        self._store = await JobStore.open(self.connection, replicas)
        self._claims = await JobClaims.open(self.connection, replicas)
        self._discovery = Discovery(NatsKeyValue.existing(self.connection, REGISTRY))
        await self._discovery.start()
        self._in_force = self._jobs()
        reader = ScheduleReader(self.connection)
        desk = JobDesk(self._store, reader, self._jobs(), self.calls, self._discovery)
        self.mount(JobOperations(desk))
        self.mount(GenericJobs(self.connection, self.calls))
        self.http.check("jobs", self._jobs_health)
        self.http.status(self._status)
        self.metrics.watch(
            "schedule_jobs", lambda: float(len(leader.planner.names())) if (leader := self._leader) else 0.0
        )
        self.metrics.watch(
            "schedule_running", lambda: float(leader.planner.running) if (leader := self._leader) else 0.0
        )
        self.metrics.watch(
            "schedule_waiting", lambda: float(leader.planner.waiting) if (leader := self._leader) else 0.0
        )
        await super().on_start()

    def allow(self, most_running: int) -> None:
        """Other runs at once from now on."""
        self._most_running = most_running
        if self._leader is not None:
            self._leader.planner.allow(most_running, time.time_ns())

    def _jobs(self) -> JobsInForce:
        return JobsInForce(self._store, self._calendar, self._built_in, self._file, self._funding_hours)

    async def _jobs_health(self) -> str:
        if self._leader is not None and self._leader.is_stuck:
            return "unhealthy: what is planned cannot be stored, the log says why; no job runs"
        refused = self._in_force.refused
        if not refused:
            return "healthy"
        some = "; ".join(f"job {name}: {reason}" for name, reason in sorted(refused.items())[:3])
        return f"degraded: {len(refused)} cannot be planned: {some}"

    def _status(self) -> dict[str, object]:
        planner = self._leader.planner if self._leader is not None else None
        return {
            "jobs": len(planner.names()) if planner is not None else 0,
            "running": planner.running if planner is not None else 0,
            "waiting": planner.waiting if planner is not None else 0,
            "refused": dict(self._in_force.refused),
        }

    async def on_activate(self, epoch: int) -> None:
        """Raise the fence, and go on from what is stored."""
        schedule = await ScheduleLog.open(self.connection, self.instance, epoch)
        self._leader = ScheduleLeader(
            schedule,
            ScheduleReader(self.connection),
            self._store,
            self._claims,
            self._in_force,
            self._submit,
            self._events,
            self._discovery,
            self.metrics,
            epoch=epoch,
            most_running=self._most_running,
            replicas=self.settings.replicas,
        )
        self._leading = self.spawn(self._lead(self._leader), "schedule")

    async def _submit(self, service: str, run: JobRun) -> None:
        """Give a run to a service; the queue is made anew where somebody has deleted it."""
        try:
            await submit_run(self.connection, service, run)
        except StreamMissing:
            await ensure_job_streams(self.connection, self.settings.replicas)
            await submit_run(self.connection, service, run)

    async def _lead(self, leader: ScheduleLeader) -> None:
        try:
            await leader.run()
        except Fenced as error:
            self.election.surrender(str(error), error.epoch)

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Plan nothing more: what is under way goes on, and is the next leader's."""
        leading, self._leading, self._leader = self._leading, None, None
        if leading is not None:
            await leading.cancel()

    async def on_stop(self) -> None:
        """The last events are out."""
        await self._discovery.stop()
        await self._events.close()
        await super().on_stop()


__all__ = ["SchedulerService"]
