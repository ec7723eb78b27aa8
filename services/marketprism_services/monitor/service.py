"""Monitor: lag, memory, health of everything that runs, and whether all that was put in came out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.broker_load import server_loads
from marketprism_adapters.nats.config_log import ConfigLog
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.leader_watch import leaders_of
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_adapters.nats.service_settings import layout_of
from marketprism_adapters.nats.stream_budget import StreamBudgets, StreamFill
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.contracts.rules_records import TRY_RULES, RulesTrialRequest
from marketprism_application.monitoring.reconciliation import Problem
from marketprism_domain.events.configuration import ConfigurationChanged
from marketprism_domain.events.pipeline import PipelineRecovered, PipelineStalled
from marketprism_domain.events.registry import MemoryThresholdExceeded, ProcessingBacklogDetected, SystemResourcesNormal
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.messaging import REGISTRY, Discovery, LeaderClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import rss_bytes
from marketprism_sdk.service import Service, ServiceSettings, rpc
from marketprism_services.monitor.absences import Absences
from marketprism_services.monitor.configuration.desk import CONFIRM_S, ConfigDesk
from marketprism_services.monitor.configuration.instances import FollowingInstances
from marketprism_services.monitor.configuration.operations import ConfigOperations
from marketprism_services.monitor.jobs.all_jobs import jobs_of
from marketprism_services.monitor.jobs.health_sweep import Views
from marketprism_services.monitor.measures import MonitorMeasures
from marketprism_services.monitor.pipeline_audit import PipelineAudit
from marketprism_services.monitor.rules_trials import RulesTrials
from marketprism_services.monitor.targets import ScrapeTargets

log = structlog.get_logger()

_LOOK_S = 3.0
_SELDOM_S = 9.0  # between looks at what changes slowly
_SERVERS_S = 5.0
_BLIND_S = 10.0  # for so long nothing may be readable before that is a fault of its own


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What is told beyond: messages that a stage is behind its input, megabytes that this process holds."""

    backlog: int = 5_000
    memory_mb: float = 1_000.0


class MonitorService(Service):
    """Reads what is durable, tells what is unusual: a backlog, too much memory, what stands still or is missing; and
    when that is over. Its health is that of the whole pipeline."""

    def __init__(
        self,
        connection: NatsConnection,
        *,
        calendar: Callable[[], MarketCalendar] = chinese_calendar_of_markets,
        limits: ResourceLimits = ResourceLimits(),
        confirm_s: float = CONFIRM_S,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("monitor", connection, version=version, settings=settings)
        self._limits = limits
        self._confirm_s = confirm_s
        self._events = EventPublisher(connection, "monitor", self.metrics)
        self._exceeded: set[str] = set()
        self._problems: dict[tuple[str, str, str], Problem] = {}
        self._seen_at = time.monotonic()
        self._budgets = StreamBudgets(layout_of(self.settings))
        self._fills: list[StreamFill] = []
        self._absences = Absences()
        self._targets = ScrapeTargets()
        self._measures = MonitorMeasures(self.metrics)
        self._trials = RulesTrials(connection, calendar, self.metrics)
        views = Views(
            lambda: list(self._discovery.instances()), lambda: list(self._problems.values()), lambda: self._fills
        )
        for each in jobs_of(connection, self.calls, views, calendar):
            self.mount(each)

    def routes(self) -> list[web.RouteDef]:
        """What is to be scraped, for Prometheus."""
        return [web.get("/sd", self._targets.answer)]

    async def on_start(self) -> None:
        """What to look at."""
        positions = NatsKeyValue.existing(self.connection, streams.SOURCE_POSITIONS)
        ranges = NatsKeyValue.existing(self.connection, streams.STORE_RANGES)
        registry = NatsKeyValue.existing(self.connection, REGISTRY)
        tally = RemoteTally(LeaderClient(self.calls, "storage"))
        self._audit = PipelineAudit(PipelineProbe(self.connection, positions, ranges), tally)
        self._discovery = Discovery(registry)
        await self._discovery.start()
        following = FollowingInstances(self.calls, self._discovery)
        config = await ConfigLog.open(self.connection, self.settings.replicas)
        self._desk = ConfigDesk(config, following, self._tell_of_change, self.metrics, confirm_s=self._confirm_s)
        self.mount(ConfigOperations(self._desk, following))
        self.http.check("pipeline", self._pipeline_health)
        self.http.check("streams", self._streams_health)
        self.http.status(self._snapshot)
        self.spawn(self._watch_servers(), "servers")

    async def _tell_of_change(self, event: ConfigurationChanged) -> None:
        await self._events.publish_soon([event])

    async def _pipeline_health(self) -> str:
        for problem in self._problems.values():
            return f"unhealthy: {problem.text}"
        blind_s = time.monotonic() - self._seen_at
        return f"unhealthy: nothing could be read for {blind_s:.0f} s" if blind_s > _BLIND_S else "healthy"

    def _snapshot(self) -> dict[str, Any]:
        progress = self._audit.progress
        return {
            "problems": [problem.text for problem in self._problems.values()],
            "verified_ticks": self._audit.verified,
            "services": [
                {
                    "service": r.service,
                    "instance": r.instance,
                    "group": r.group,
                    "status": r.status,
                    "quiet_s": round(self._discovery.quiet_s(r), 1),
                }
                for r in self._discovery.instances()
            ],
            "behind": {stage: lag for stage, lag in progress.behind.items() if lag},
            "accepted": progress.accepted,
            "rejected": progress.rejected,
            "bars": progress.bars,
        }

    @rpc("status")
    async def status(self, _: Any) -> dict[str, Any]:
        """The same as `/status` answers."""
        return self._snapshot()

    @rpc(TRY_RULES)
    async def try_rules(self, asked: RulesTrialRequest) -> dict[str, object]:
        """What other rules would have decided of the last minutes, beside those in force."""
        return await self._trials.run(asked)

    async def work(self) -> None:
        """Look at the pipeline every few seconds, measure it and publish what changed, until cancelled."""
        seldom_at = float("-inf")
        while True:
            try:
                if seldom := time.monotonic() - seldom_at >= _SELDOM_S:
                    await self._desk.finish()
                problems = await self._audit.look(wait=False) + await self._absent()
                self._seen_at = time.monotonic()
                await self._tell(problems)
                await self._judge(self._audit.progress)
                if seldom:
                    await self._look_at_streams()
                    seldom_at = time.monotonic()
            except SdkError as error:
                log.warning("pipeline.not_readable", error=reason_of(error))
            await asyncio.sleep(_LOOK_S)

    async def _absent(self) -> list[Problem]:
        instances = self._discovery.instances()
        leaders = await leaders_of(self.connection, instances)
        self._measures.instances(instances)
        self._targets.look(instances)
        self._measures.leaders(leaders)
        return self._absences.look((record.service for record in instances), leaders)

    async def _tell(self, problems: list[Problem]) -> None:
        """Each problem once when it is found, and once when it is over."""
        before, self._problems = self._problems, {(of.kind, of.stage, of.where): of for of in problems}
        for key, problem in self._problems.items():
            self.metrics.gauge("pipeline_problem", problem.amount or 1, kind=key[0], stage=key[1], where=key[2])
            if key not in before:
                log.error("pipeline.problem", problem=problem.text)
                names = ",".join(problem.instruments)
                await self._events.publish_soon([PipelineStalled(*key, problem.amount, names, problem.text)])
        for key in before.keys() - self._problems.keys():
            self.metrics.gauge("pipeline_problem", 0, kind=key[0], stage=key[1], where=key[2])
            log.info("pipeline.recovered", kind=key[0], stage=key[1], where=key[2])
            await self._events.publish_soon([PipelineRecovered(*key)])
        self.metrics.gauge("pipeline_problems", len(self._problems))
        self.metrics.gauge("pipeline_verified_ticks", self._audit.verified)

    async def _judge(self, progress: Progress) -> None:
        self._measures.progress(progress)
        lags: dict[str, int] = {}
        for stage, lag in progress.behind.items():
            name = stage.split(":", 1)[0]
            lags[name] = lags.get(name, 0) + lag
        for name, lag in lags.items():
            await self._edge(
                name, lag > self._limits.backlog, ProcessingBacklogDetected(name, lag, self._limits.backlog)
            )
        rss_mb, most_mb = rss_bytes() / 1e6, self._limits.memory_mb
        await self._edge("memory", rss_mb > most_mb, MemoryThresholdExceeded("monitor", rss_mb, most_mb))

    async def _look_at_streams(self) -> None:
        self._fills = await self._budgets.look(self.connection)
        self._measures.streams(self._fills)
        for fill in self._fills:
            await self._edge(f"stream:{fill.name}", fill.filling, fill.event)

    async def _watch_servers(self) -> None:
        """What the servers say of themselves, until cancelled."""
        while True:
            try:
                self._measures.servers(await server_loads(self.connection))
            except SdkError as error:
                log.warning("servers.not_readable", error=reason_of(error))
            await asyncio.sleep(_SERVERS_S)

    async def _streams_health(self) -> str:
        full = ", ".join(f"{fill.name} {fill.share:.0%}" for fill in self._fills if fill.filling)
        return f"degraded: nearly full, the oldest goes before its time: {full}" if full else "healthy"

    async def _edge(self, name: str, exceeded: bool, event: object) -> None:
        """Tell when a limit is passed, and once when all is well again."""
        if exceeded and name not in self._exceeded:
            self._exceeded.add(name)
            await self._events.publish_soon([event])
        elif not exceeded and name in self._exceeded:
            self._exceeded.discard(name)
            await self._events.publish_soon([SystemResourcesNormal(name)])

    async def on_stop(self) -> None:
        """End the audit and close what it reads."""
        await self._audit.close()
        await self._discovery.stop()
        await self._events.close()
