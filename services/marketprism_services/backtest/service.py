"""Backtest: every instance answers and works; the one that leads cuts runs and sweeps into tasks and hands them out."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.remote.backtest_results import RemoteBacktestResults
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.backtests import BacktestRecord, RunState
from marketprism_domain.events.pipeline import BacktestEnded
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.messaging import REGISTRY, Discovery, LeaderClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import ServiceSettings, SingleActiveService, Work
from marketprism_services.backtest.children import Children
from marketprism_services.backtest.coordinator import Coordinator
from marketprism_services.backtest.ended_records import EndedRecords
from marketprism_services.backtest.operations import BacktestOperations
from marketprism_services.backtest.rows import RowFiles, asking
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.submitting import Submissions
from marketprism_services.backtest.sweep_operations import SweepOperations
from marketprism_services.backtest.sweeps import Conclusions
from marketprism_services.backtest.tasks import Executor
from marketprism_services.backtest.workers import Workers
from marketprism_services.settings.backtest import BacktestSettings

_ASK_S = 20.0


class BacktestService(SingleActiveService):
    """Answers `rpc.backtest.*` and `/api/v1/backtests/*`. `folder` is this host's, for rows and uploads, in its data
    directory; `tables` reads those of orders, in a thread."""

    http_name = "backtests"
    jobs_by_any = True

    def __init__(
        self,
        connection: NatsConnection,
        calendar: Callable[[], MarketCalendar],
        backtest: BacktestSettings,
        folder: Path,
        tables: Callable[[], FileTables],
        *,
        lease: LeaseSettings | None = None,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("backtest", connection, lease=lease, version=version, settings=settings)
        self._make_calendar, self._backtest, self._folder, self._tables = calendar, backtest, folder, tables
        self._events = EventPublisher(connection, "backtest", self.metrics)
        self._calendar = b""
        self._coordinator: Coordinator | None = None
        self._leading: list[Work] = []
        self._storage = LeaderClient(self.calls, "storage")
        self._store: BacktestStore
        self._results: StoredResults
        self._ended_records: EndedRecords
        self._workers: Workers
        self._rows: RowFiles
        self._conclusions: Conclusions
        self._discovery: Discovery
        self._children: Children

    async def on_start(self) -> None:
        """Buckets, queue and workers, then the election."""
        await asyncio.to_thread(lambda: self._folder.mkdir(parents=True, exist_ok=True))
        replicas = self.settings.replicas
        self._store = await BacktestStore.open(self.connection, replicas)
        self._results = StoredResults(RemoteBacktestResults(self._ask_storage))
        self._store.ended = self._results.record
        self._discovery = Discovery(NatsKeyValue.existing(self.connection, REGISTRY))
        await self._discovery.start()
        ask = asking(self.calls)
        self._rows = RowFiles(self._folder / "rows", ask, self._tables, self._backtest.rows_mb)
        self._children = Children(self._folder)
        given = (self._store, self._results, self._rows, self._backtest)
        executor = Executor(*given, self._pickled_calendar, self._folder, self._children)
        submissions = Submissions(self._store, self._results, executor, ask, self._backtest)
        self._conclusions = Conclusions(self._store, self._results, self._folder.parent)
        self._ended_records = EndedRecords(self._store, self._results)
        self.mount(BacktestOperations(self._store, self._results, submissions, executor))
        self.mount(SweepOperations(self._store, self._results, submissions))
        self._workers = Workers(self._store, executor, self.instance, self.metrics, self._backtest.workers, replicas)
        self.metrics.watch("backtest_tasks_running", lambda: float(self._workers.doing))
        self.metrics.watch(
            "backtest_open", lambda: float(leader.waiting) if (leader := self._coordinator) is not None else 0.0
        )
        self.metrics.watch(
            "backtest_results_waiting", lambda: float(self._results.waiting + self._ended_records.waiting)
        )
        self.http.status(self._status)
        await super().on_start()
        await self.announce("standby", slots=self._backtest.workers)
        self.spawn(self._workers.run(), "workers")

    async def _pickled_calendar(self) -> bytes:
        if not self._calendar:
            self._calendar = await asyncio.to_thread(lambda: pickle.dumps(self._make_calendar()))
        return self._calendar

    def _status(self) -> dict[str, object]:
        return {
            "workers": self._backtest.workers,
            "running": self._workers.doing,
            "open": self._coordinator.waiting if self._coordinator is not None else 0,
            "row_reads": self._rows.reads,
        }

    def _slots(self) -> int:
        """Slots of all instances: those of another host are as many as here."""
        return self._backtest.workers * max(1, len(self._discovery.instances("backtest")))

    async def on_activate(self, epoch: int) -> None:
        """Go on from what is stored."""
        self._coordinator = Coordinator(
            self._store, self._slots, self._backtest.task_s, self._conclusions.of, self._record_ended
        )
        works = ((self._coordinator.run(), "backtests"), (self._ended_records.run(), "ended-backtests"))
        self._leading = [self.spawn(work, f"{name} {epoch}") for work, name in works]

    async def on_deactivate(self, reason: str) -> None:  # noqa: ARG002 (the log has it)
        """Hand out nothing more; workers go on."""
        leading, self._leading, self._coordinator = self._leading, [], None
        await asyncio.gather(*(work.cancel() for work in leading))
        self._ended_records.waiting = 0  # those of whoever leads now

    async def _ask_storage(self, data: bytes) -> bytes:
        """Only the leader has the store open; a change of the leader is waited for."""
        return await self._storage.call_raw("results", data, timeout_s=_ASK_S, idempotent=True)

    async def _record_ended(self, record: BacktestRecord) -> None:
        self._ended_records.add()
        self.metrics.count("backtests_ended_total", kind=record.kind.value, result=record.state.value)
        if record.state is not RunState.CANCELLED:
            event = BacktestEnded(
                record.id, record.kind.value, record.state.value, record.question.strategy, record.user, record.error
            )
            await self._events.publish_soon([event])

    async def on_stop(self) -> None:
        """What children were forks of is gone, and the last events are out."""
        await self._children.close()
        await self._discovery.stop()
        await self._events.close()
        await super().on_stop()


__all__ = ["BacktestService"]
