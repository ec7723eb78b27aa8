"""Data: every instance takes requests and does tasks; the one that leads puts tasks onto the queue and ends jobs."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from marketprism_adapters.nats.data_jobs import NatsDataJobStore, NatsDocumentStore, data_jobs_bucket
from marketprism_adapters.nats.data_tasks import DataTaskQueue
from marketprism_adapters.nats.download_journal import NatsDownloadJournal
from marketprism_adapters.nats.downloaded_ranges import NatsDownloadedRanges
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.data_jobs.planning import Planner
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work
from marketprism_services.data.actions import Actions
from marketprism_services.data.desk import DataDesk
from marketprism_services.data.file_operations import FileOperations
from marketprism_services.data.files import FileActions, FilePlaces
from marketprism_services.data.leader import DataLeader
from marketprism_services.data.lookups import LookupOperations
from marketprism_services.data.operations import DataOperations
from marketprism_services.data.overview import Overview
from marketprism_services.data.stored import Stored
from marketprism_services.data.venues import VenueHistories
from marketprism_services.data.workers import Workers

log = structlog.get_logger()

_DAY_NS = 86_400 * 10**9


class DataService(SingleActiveService):
    """Answers `rpc.data.*` and `/api/v1/data/*`. `workers` tasks are done at once; finished jobs stay `keep_days`."""

    jobs_by_any = True
    http_name = "data"

    def __init__(
        self,
        connection: NatsConnection,
        calendar: Callable[[], MarketCalendar],
        venues: VenueHistories,
        *,
        places: FilePlaces | None = None,
        workers: int = 2,
        keep_days: int = 30,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("data", connection, lease=lease, version=version, settings=settings)
        self._calendar, self._venues = calendar, venues
        self._places = places or FilePlaces(None, None)
        self._slots, self._keep_ns = workers, keep_days * _DAY_NS
        self._queue = DataTaskQueue(connection)
        self._events = EventPublisher(connection, "data", self.metrics)
        self._store: NatsDataJobStore
        self._workers: Workers
        self._working: Work | None = None
        self._leader: DataLeader | None = None
        self._leading: Work | None = None

    async def on_start(self) -> None:
        """Bucket and queue, workers, then the election."""
        replicas = self.settings.replicas
        bucket = await data_jobs_bucket(self.connection, replicas)
        await self._queue.open(replicas)
        self._store = NatsDataJobStore(bucket)
        stored = Stored(self.connection, self.calls, self._calendar(), replicas)
        actions = Actions(
            stored,
            self._venues,
            NatsDocumentStore(bucket),
            NatsDownloadJournal(bucket),
            NatsDownloadedRanges(bucket),
            FileActions(stored, self._places),
            lambda action, kind, rows: self.metrics.count("data_rows_total", rows, job=action, kind=kind),
        )
        markets = {name: row.make("", "").name for name, row in MARKETS.items()}
        planner = Planner(
            stored.names,
            stored.holder,
            markets,
            self._venues.history,
            self._venues.listed,
            stored.bar_series,
            time.time_ns,
        )
        desk = DataDesk(self._store, self._queue, planner, actions)
        self.mount(DataOperations(desk, Overview(stored)))
        self.mount(FileOperations(desk, self._places))
        self.mount(LookupOperations(stored))
        self._workers = Workers(self._store, self._queue, actions, self.instance, replicas, self._count_task)
        self.metrics.watch("data_tasks_running", lambda: float(self._workers.running))
        self.metrics.watch("data_jobs_open", lambda: float(self._leader.open) if self._leader is not None else 0.0)
        self.http.status(self._status)
        self._working = self.spawn(self._workers.run(self._slots), "tasks")
        await super().on_start()

    def _count_task(self, action: str, result: str) -> None:
        self.metrics.count("data_tasks_total", job=action, result=result)

    def _status(self) -> dict[str, object]:
        return {
            "jobs": self._leader.open if self._leader is not None else 0,
            "tasks_running": self._workers.running,
        }

    async def on_activate(self, epoch: int) -> None:  # noqa: ARG002 (records are compared and swapped)
        """Follow jobs from what is written down."""
        self._leader = DataLeader(self._store, self._queue, self._keep_ns, self._events.publish_once, self._count_task)
        self._leading = self.spawn(self._leader.run(), "jobs")

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Follow jobs no more; tasks go on."""
        leading, self._leading, self._leader = self._leading, None, None
        if leading is not None:
            await leading.cancel()

    async def on_stop(self) -> None:
        """Tasks are given back, connections closed."""
        if self._working is not None:
            await self._working.cancel()
        await self._venues.close()
        await super().on_stop()


__all__ = ["DataService"]
