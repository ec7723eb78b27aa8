"""Scenes of services that watch others, and of the scheduler."""

from __future__ import annotations

from pathlib import Path

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.downloads.histories import budgets_of_market
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_adapters.nats.data_jobs import NatsDataJobStore, data_jobs_bucket
from marketprism_adapters.nats.schedule_log import ScheduleLog, ensure_schedule
from marketprism_adapters.nats.service_settings import MarketServiceSettings
from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.backtesting.options import DEFAULTS
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunQuestion, RunState
from marketprism_application.contracts.data_jobs import DailyRequest, DataJob, JobStage, TaskRecord
from marketprism_application.contracts.schedule_records import JobDocument, JobState
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.resilience import retry
from marketprism_sdk.streams import Checkpoint
from marketprism_services.backtest.service import BacktestService
from marketprism_services.data.service import DataService
from marketprism_services.data.venues import VenueHistories
from marketprism_services.monitor.service import MonitorService, ResourceLimits
from marketprism_services.scheduler.service import SchedulerService
from marketprism_services.settings.backtest import BacktestSettings
from tests.support.event_scene import PARTITION, EventScene, raises, ticks

MB = 1_000_000


async def checkpoint(scene: EventScene, in_seq: int, taken: int) -> None:
    record = Checkpoint(1, 1, "validator-1", in_seq, 0, 0, 0, {}, since=0, taken=taken)
    await publish_ack(scene.connection, f"stage.validator.{PARTITION}.ck", msgspec.msgpack.encode(record))


@raises(
    "ProcessingBacklogDetected",
    "MemoryThresholdExceeded",
    "SystemResourcesNormal",
    "PipelineStalled",
    "PipelineRecovered",
)
async def a_stage_that_is_behind(scene: EventScene, _: Path) -> None:
    for n in range(20):
        await scene.put(*ticks(n, 1))
    await checkpoint(scene, 1, 1)
    scene.run(MonitorService(await scene.connect(), limits=ResourceLimits(backlog=5, memory_mb=1.0)))
    await scene.until("MemoryThresholdExceeded", "ProcessingBacklogDetected", "PipelineStalled")
    await checkpoint(scene, 20, 20)


@raises("StreamFillingUp", "StorageFillingUp", max_store_gb=0.064)
async def streams_that_fill_up(scene: EventScene, _: Path) -> None:
    layout = StreamLayout(1, 64 * MB)
    await streams.ensure_streams(scene.connection, layout)
    await ensure_stream(scene.connection, {"name": "OTHER", "subjects": ["other.>"], "storage": "file"})
    for subject, messages in (("market.raw.0", 5), ("other.x", 55)):
        for _n in range(messages):
            await publish_ack(scene.connection, subject, b"." * MB)
    settings = MarketServiceSettings(layout=layout)
    scene.run(MonitorService(await scene.connect(), settings=settings))


@raises("JobRunFailed", "JobRunsMissed")
async def jobs_that_fail_and_are_missed(scene: EventScene, _: Path) -> None:
    await streams.ensure_streams(scene.connection)
    await ensure_schedule(scene.connection)
    log = await ScheduleLog.open(scene.connection, "before", 0)
    await log.write([JobState("missed", 1, trigger="every 1h")], [])
    jobs = {
        "missed": JobDocument("every 1h", "nobody.there", catch_up="none"),
        "failed": JobDocument("every 1s", "nobody.there", begin_within="1s"),
    }
    connection = await scene.connect()
    scene.run(SchedulerService(connection, chinese_calendar_of_markets, built_in=jobs, file={}, funding_hours={}))


@raises("BacktestEnded")
async def a_backtest_of_rows_that_nobody_has(scene: EventScene, folder: Path) -> None:
    await streams.ensure_streams(scene.connection)
    connection = await scene.connect()
    service = BacktestService(
        connection, chinese_calendar_of_markets, BacktestSettings(), folder / "backtest", FileTables.read
    )
    scene.run(service)
    await scene.ready(service)
    question = RunQuestion(
        strategy="examples.double_average:DoubleAverage",
        code="",
        params={},
        instruments=(),
        venue="",
        interval="1m",
        ts_from=None,
        ts_to=None,
        options=dict(DEFAULTS),
    )
    store = await BacktestStore.open(connection)
    await store.create(
        BacktestRecord(
            id="0123456789abcdef",
            kind=Kind.RUN,
            state=RunState.QUEUED,
            user="user:ann",
            key="k",
            question=question,
            created_at=1,
        )
    )


@raises("DataJobEnded", "DefectsFound", "BarsReplaced")
async def a_daily_check_that_has_repaired(scene: EventScene, _: Path) -> None:
    await streams.ensure_streams(scene.connection)
    store = NatsDataJobStore(await data_jobs_bucket(scene.connection))
    result: dict[str, object] = {"defects": 3, "revisions": 1, "inserted": 2, "after": {"defects": 1}}
    await store.write_task(TaskRecord(job="daily-1", number=0, stage=JobStage.DONE, ended_at=1, result=result), 0)
    await store.write_job(DataJob(id="daily-1", request=DailyRequest(), created_at=1, tasks=1), 0)
    connection = await scene.connect()
    venues = VenueHistories({}, "", lambda market: SharedBudget(connection, "scene", market, budgets_of_market(market)))
    scene.run(DataService(connection, chinese_calendar_of_markets, venues))


@raises("ConfigurationChanged")
async def a_setting_that_is_changed(scene: EventScene, _: Path) -> None:
    await streams.ensure_streams(scene.connection)
    connection = await scene.connect()
    scene.run(MonitorService(connection))
    order = {"changes": {"log.level": "debug"}, "reason": "to see more", "who": "ann"}
    await retry(lambda: RpcClient(NatsBus(connection)).call("monitor", "config_set", order), attempts=100)
