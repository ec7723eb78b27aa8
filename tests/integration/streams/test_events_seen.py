"""Every event of the registry is raised by services as they run, and comes by on its subject.

Each scene provokes events on a nats-server of its own and names those that it waits for; together they are the registry.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.counters.simulated_front.markets import Recorded
from marketprism_adapters.counters.simulated_front.server import FrontOptions, FrontServer
from marketprism_adapters.nats import streams
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.contracts.subjects import raw_subject
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import MarketSource
from marketprism_application.storage.writer import WriterSettings
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.events.registry import EVENTS
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.election import encode_lease
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient, send_command
from marketprism_sdk.nats.jetstream import api, delete_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.partitions import OWNER_PREFIX, OwnerRecord
from marketprism_sdk.urls import Secret
from marketprism_services.aggregator.service import AggregatorService
from marketprism_services.gateway.service import GatewayService
from marketprism_services.storage.service import StorageService
from marketprism_services.validator.service import ValidatorService
from marketprism_services.wiring.store import EmbeddedEngines, ServerEngines
from tests.fakes.ticks import at, tick
from tests.integration.venues.venue_side import venue
from tests.support import watcher_scenes  # noqa: F401 (its scenes)
from tests.support.event_scene import PARTITION, SCENES, SECOND, START, EventScene, event_scene, raises, ticks

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("events")]

AP = "ctp/ticks/AP101_20200804.csv.gz"


def test_the_scenes_provoke_every_event_of_the_registry() -> None:
    provoked = {name for scene in SCENES.values() for name in scene.raises}
    assert provoked == set(EVENTS)


@pytest.mark.parametrize("name", SCENES)
async def test_what_a_scene_provokes_is_seen(name: str, calendar: object, fixtures: Path, tmp_path: Path) -> None:
    play, expected, server = SCENES[name]
    async with event_scene(tmp_path, calendar, **server) as scene:  # type: ignore[arg-type]
        await play(scene, fixtures)
        await scene.until(*expected)
        for event in scene.events:
            assert set(event.data) == set(EVENTS[event.name].__slots__) - {"venue", "symbol"}


# -- gateways -----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def front(scene: EventScene, fixtures: Path, **options: object):  # type: ignore[no-untyped-def]
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", scene.calendar)
    server = FrontServer(market, FrontOptions(**options), lambda _: None)
    await server.start()
    try:
        yield server
    finally:
        await scene.close()
        await server.stop()


def counter(scene: EventScene, port: int, **changed: object) -> CtpSource:
    address = f"sim://127.0.0.1:{port}"
    given = {"answer_s": 5.0, "auth_code": Secret("0"), "td_fronts": (address,), **changed}
    settings = CounterSettings((address,), "9999", "user", Secret("secret"), **given)  # type: ignore[arg-type]
    return CtpSource(
        Counter("ctp", settings, scene.folder / "flow"), scene.calendar, lambda spec: simulated(spec, scene.calendar)
    )


async def gateway(scene: EventScene, source: MarketSource, *, trace_every: int = 0) -> GatewayService:
    made = GatewayService(
        await scene.connect(),
        source,
        lambda: TickPacker(scene.calendar, lambda _: 0),
        scene.calendar,
        group="ctp",
        retry=RetryPolicy(0.1, 0.2, 3),
        trace_every=trace_every,
    )
    scene.run(made)
    return made


async def order(scene: EventScene, name: str, **body: object) -> None:
    await send_command(scene.connection, "gateway", name, {"gateway": "ctp", **body}, issuer="operator")


@raises(
    "GatewayInitialized",
    "MarketSourceConnected",
    "GatewayAuthenticationSucceeded",
    "ContractDataRequested",
    "ContractDataReceived",
    "InstrumentsLoaded",
    "SubscriptionRequested",
    "AllInstrumentsSubscribed",
    "MarketOpeningSequenceCompleted",
    "MarketTickReceived",
    "HeartbeatReceived",
    "HolidaysNotAnnounced",
    "InstrumentSubscribed",
    "SubscriptionUpdated",
    "MarketClosingSequenceCompleted",
    "MarketSourceDisconnected",
)
async def a_connection_from_its_login_to_its_logout(scene: EventScene, fixtures: Path) -> None:
    async with front(scene, fixtures, speed=60.0) as server:
        await gateway(scene, counter(scene, server.port, instruments=("nothing*",)), trace_every=1)
        await scene.until("SubscriptionRequested")
        await order(scene, "UpdateSubscriptionList", instruments=["czce.AP101"])
        await scene.until("InstrumentSubscribed", "MarketTickReceived", "HeartbeatReceived")
        await order(scene, "DisconnectFromMarketSource")
        await scene.until("MarketClosingSequenceCompleted")


@raises("SubscriptionFailed")
async def an_instrument_that_the_counter_does_not_have(scene: EventScene, fixtures: Path) -> None:
    async with front(scene, fixtures, speed=60.0) as server:
        await gateway(scene, counter(scene, server.port, td_fronts=(), instruments=("AP101", "nope9")))
        await scene.until("SubscriptionFailed")


@raises("GatewayAuthenticationFailed")
async def a_login_that_is_refused(scene: EventScene, fixtures: Path) -> None:
    async with front(scene, fixtures, refuse=(("login", 3),)) as server:
        await gateway(scene, counter(scene, server.port))
        await scene.until("GatewayAuthenticationFailed")


@raises("ConnectionRetryScheduled", "ConnectionRetryExhausted", "DisasterRecoveryActivated")
async def a_front_that_is_away_behind_a_leader_that_died(scene: EventScene, _: Path) -> None:
    leaders = await NatsKeyValue.open(scene.connection, "service_leaders")
    await leaders.put("gateway.ctp", encode_lease("dead-1", 7, "held", ""))
    await gateway(scene, counter(scene, 1, answer_s=0.3))


@raises("GatewayInitializationFailed")
async def a_recording_that_is_not_there(scene: EventScene, _: Path) -> None:
    await gateway(scene, ReplaySource([scene.folder / "none.csv"], scene.calendar))


@raises(
    "PreMarketOpened",
    "TradingSessionOpened",
    "TradingSessionPaused",
    "TradingSessionResumed",
    "TradingSessionClosed",
)
async def two_trading_days(scene: EventScene, _: Path) -> None:
    source = make_source(parse_source("sim:days=2,instruments=rb2505,rate=0.1"), scene.calendar, speed=None)
    await gateway(scene, source)


@raises("MarketStatusReceived", "MarketHalted", "AfterHoursOpened", "TradingHoursOverruled", "NetworkLatencyExceeded")
async def a_venue_that_speaks_of_its_phases(scene: EventScene, fixtures: Path) -> None:
    async with front(scene, fixtures) as server:
        await gateway(scene, counter(scene, server.port))
        await scene.until("MarketOpeningSequenceCompleted")
        for code, entered in (("2", "09:20:00"), ("1", "09:30:00"), ("1", "15:00:00"), ("2", "16:00:00")):
            status = {"ExchangeID": "CZCE", "InstrumentID": "AP", "InstrumentStatus": code, "EnterTime": entered}
            server.announce("status", status, at(f"2020-08-04 {entered}"))
        server.announce("late", 12)
        await scene.until("MarketHalted", "AfterHoursOpened", "NetworkLatencyExceeded")


@raises("FrameRefused")
async def a_frame_that_is_none(scene: EventScene, _: Path) -> None:
    async with venue("binance") as (server, source):
        made = await gateway(scene, source)
        await scene.until("MarketOpeningSequenceCompleted")
        for session in server.sessions:
            session.send('{"stream":"btcusdt@aggTrade","data":{"T":"soon"}}')
        await scene.until("FrameRefused")
        await scene.stop(made)


# -- the pipeline -------------------------------------------------------------------------------------------------------


async def validator(scene: EventScene) -> ValidatorService:
    rules = ValidationRules(quality_window_s=5.0)
    made = ValidatorService(await scene.connect(), scene.calendar, rules)
    scene.run(made)
    return made


@raises(
    "TickDataValidated",
    "TickPublishedToPubSub",
    "TickProcessingPipelineCompleted",
    "MarketBarGenerated",
    "BarDataAggregated",
    "BarsStoredToClickHouse",
    "WatermarkRebuilt",
)
async def ticks_on_their_whole_way(scene: EventScene, _: Path) -> None:
    await validator(scene)
    scene.run(AggregatorService(await scene.connect(), scene.calendar, BarSettings(("1m", "3m"))))
    engines = EmbeddedEngines(scene.folder / "db")
    storage = StorageService(await scene.connect(), engines, WriterSettings(batch_ms=50))
    scene.run(storage)
    await scene.put(*ticks(0, 400), sampled=True)
    await scene.until("TickProcessingPipelineCompleted", "BarsStoredToClickHouse", "BarDataAggregated")
    leader = LeaderClient(RpcClient(NatsBus(scene.connection)), "storage")
    await leader.call("rebuild_store")
    await scene.until("WatermarkRebuilt")


@raises("StorageRetryScheduled")
async def a_store_that_is_away(scene: EventScene, _: Path) -> None:
    engines = ServerEngines("http://127.0.0.1:1")
    scene.run(StorageService(await scene.connect(), engines, WriterSettings(batch_ms=50)))


@raises("DisasterRecoveryActivated")
async def a_partition_whose_member_died(scene: EventScene, _: Path) -> None:
    owners = await NatsKeyValue.open(scene.connection, streams.VALIDATOR_SHARDS)
    await owners.put(f"{OWNER_PREFIX}{PARTITION}", msgspec.msgpack.encode(OwnerRecord("dead-2", 5)))
    await validator(scene)
    await scene.until("DisasterRecoveryActivated")
    assert [event.data for event in scene.events if event.source == "validator"] == [
        {"service": "validator", "reason": "dead-2 is gone"}
    ]


@raises("StoreReplaced")
async def another_store_than_before(scene: EventScene, _: Path) -> None:
    await validator(scene)
    for name in ("one", "two"):
        storage = StorageService(
            await scene.connect(), EmbeddedEngines(scene.folder / name), WriterSettings(batch_ms=50)
        )
        scene.run(storage)
        await scene.put(*ticks(0 if name == "one" else 10, 10), sampled=True)
        while scene.names["TickProcessingPipelineCompleted"] < (1 if name == "one" else 2):
            await asyncio.sleep(0.05)
        await scene.stop(storage)


@raises(
    "InvalidDataDetected",
    "DuplicateDataDetected",
    "RejectionsSummarized",
    "AbnormalPriceDetected",
    "StaleDataDetected",
    "DataGapDetected",
    "DataQualityDegraded",
    "DataQualityRestored",
    "ValidationRulesUpdated",
    "ClockOff",
)
async def ticks_that_are_not_as_they_should_be(scene: EventScene, _: Path) -> None:
    made = await validator(scene)
    good = ticks(0, 200)
    await scene.put(*good)
    await scene.put(good[-1]._replace(source_seq=200))
    await scene.put(*(tick(START + n * SECOND, 3_000, -5, seq=n) for n in range(201, 231)))
    await scene.put(tick(START + 231 * SECOND, 3_200, 400, seq=231))  # a jump
    await scene.put(tick(START + 232 * SECOND, 3_200, 401, seq=232, ts_recv=START + 300 * SECOND))
    await scene.put(*(tick(START + n * SECOND, 3_200, 200 + n, seq=n) for n in range(400, 430)))  # behind a silence
    off = [
        tick(START + n * SECOND, 9, n, seq=n, symbol="rb2510", ts_recv=START + (n + 4) * SECOND)
        for n in range(430, 470)
    ]
    await scene.put(*off)
    await scene.ready(made)
    await send_command(
        scene.connection, "validator", "AdjustValidationRules", {"changes": {"stale_s": 4.0}}, issuer="operator"
    )


@raises("MessagesOutOfChain", "SessionJoined")
async def a_message_of_a_gateway_that_is_lost(scene: EventScene, _: Path) -> None:
    await validator(scene)
    for n in range(120):
        if n != 10:
            await scene.put(*ticks(n, 1), chain=n, ts_pub=START + n * SECOND)


@raises("StreamMadeAnew", "StreamReplaced")
async def a_stream_that_is_deleted(scene: EventScene, _: Path) -> None:
    await validator(scene)
    scene.run(AggregatorService(await scene.connect(), scene.calendar, BarSettings(("1m", "3m"))))
    await scene.put(*ticks(0, 200))
    await scene.until("MarketBarGenerated")
    await delete_stream(scene.connection, streams.TICKS)
    await scene.until("StreamMadeAnew")
    await scene.put(*ticks(200, 5))


@raises("StreamTruncated")
async def a_raw_log_that_is_cut(scene: EventScene, _: Path) -> None:
    first = await validator(scene)
    await scene.put(*ticks(0, 10), sampled=True)
    await scene.until("TickDataValidated")
    await scene.stop(first)
    for n in range(10, 20):
        await scene.put(*ticks(n, 1))
    await api(scene.connection, f"STREAM.PURGE.{streams.RAW}", {"filter": raw_subject(PARTITION), "seq": 8})
    await validator(scene)
    await scene.until("StreamTruncated")
