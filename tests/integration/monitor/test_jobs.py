"""The monitor's jobs over a real NATS server: runs that are submitted as the scheduler does it, and what comes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.instrument_list import INSTRUMENT_LIST, InstrumentList
from marketprism_application.contracts.kinds import (
    FUNDING_RATE,
    INSTRUMENT,
    LIQUIDATION,
    OPEN_INTEREST,
    TICKER,
    DataKind,
)
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.scheduling.definitions import job_of
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays, china_date
from marketprism_sdk.messaging import ClaimStatus, JobClaim, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, rpc
from marketprism_services.gateway.instrument_answers import InstrumentAnswers
from marketprism_services.monitor.jobs.liquidations import LiquidationJob
from marketprism_services.monitor.service import MonitorService
from marketprism_services.scheduler.built_in import BUILT_IN_JOBS
from tests.integration.venues.venue_side import venue
from tests.support.services import running

pytestmark = pytest.mark.timeout(90)
SECOND = 10**9
HOUR = 3600 * SECOND
VENUE = "testex"


class Desk:
    """Whoever gives runs to the monitor of a server."""

    def __init__(self, connection: NatsConnection, claims: JobClaims) -> None:
        self.connection, self.claims = connection, claims

    async def run(
        self, handler: str, body: dict[str, Any] | None = None, due: int = 0, service: str = "monitor"
    ) -> JobClaim:
        key = f"{service}.{handler}.{time.monotonic_ns()}"
        run = JobRun(key, "a-job", handler, due or time.time_ns(), 1, body or {})
        await submit_run(self.connection, service, run)
        async with asyncio.timeout(30):
            while (found := await self.claims.get(key)) is None or not found.is_final:
                await asyncio.sleep(0.02)
        return found

    async def put(self, kind: DataKind, record: Any) -> None:
        await publish_ack(self.connection, subject_of(kind, record), encode(kind, record))


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="jobs")
    await streams.ensure_streams(connection)
    await streams.ensure_venue(connection, VENUE)
    for bucket in (streams.SOURCE_POSITIONS, streams.STORE_RANGES):
        await NatsKeyValue.open(connection, bucket)
    yield connection
    await connection.close()
    await server.stop()


@pytest.fixture
async def desk(connection: NatsConnection) -> Desk:
    return Desk(connection, await JobClaims.open(connection))


class Place:
    """Where services run until the end of a test, each with a connection of its own."""

    def __init__(self, connection: NatsConnection, stack: AsyncExitStack) -> None:
        self._connection, self._stack = connection, stack

    async def another(self) -> NatsConnection:
        opened = await self._connection.another("service")
        self._stack.push_async_callback(opened.close)
        return opened

    async def start(self, service: Service) -> None:
        await self._stack.enter_async_context(running(service))

    async def monitor(self, calendar: Callable[[], MarketCalendar] = chinese_calendar_of_markets) -> MonitorService:
        service = MonitorService(await self.another(), calendar=calendar)
        await self.start(service)
        return service


@pytest.fixture
async def place(connection: NatsConnection) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield Place(connection, stack)


def head(symbol: str, ts: int) -> tuple[str, str, str, int, int, int, int, int]:
    return (VENUE, symbol, "test", 1, ts % 10**6, ts, ts, ts)


def failed(ended: JobClaim) -> tuple[ClaimStatus, str]:
    return ended.status, ended.reason


# -- health --------------------------------------------------------------------------------------------------------


async def test_a_sweep_of_what_is_well_succeeds_and_says_what_it_saw(place: Place, desk: Desk) -> None:
    await place.monitor()
    await place.start(Service("worker", await place.another()))
    ended = await desk.run("health_sweep")
    assert failed(ended) == (ClaimStatus.SUCCEEDED, "")
    assert (ended.output["instances"], ended.output["unhealthy"], ended.output["problems"]) == (2, 0, [])


async def test_a_sweep_fails_and_names_what_is_unhealthy_and_what_is_full(place: Place, desk: Desk) -> None:
    await place.monitor()
    sick, tired, store = [Service(name, await place.another()) for name in ("worker", "helper", "storage")]

    async def broken() -> str:
        return "unhealthy: its tool is broken"

    async def slow() -> str:
        return "degraded: the certificate ends in 3 days"

    sick.http.check("tool", broken)
    tired.http.check("certificate", slow)
    store.metrics.gauges("store_disk_free_bytes", ("disk",), {("default",): 5.0})
    store.metrics.gauges("store_disk_bytes", ("disk",), {("default",): 100.0})
    for service in (sick, tired, store):
        await place.start(service)
    ended = await desk.run("health_sweep")
    assert ended.status is ClaimStatus.FAILED
    assert f"1 of 4 instances are not healthy: worker {sick.instance} is unhealthy: tool: " in ended.reason
    assert "its tool is broken" in ended.reason
    assert [(each["what"], each["where"]) for each in ended.output["problems"]] == [
        ("instance", f"worker {sick.instance}"),
        ("disk", "storage default"),
    ]
    assert ended.output["problems"][1]["text"] == "5% of it is free"
    assert [each["where"] for each in ended.output["warnings"]] == [f"helper {tired.instance}"]
    assert (await desk.run("health_sweep", {"least_free": 0.05})).output["problems"][1:] == []


# -- liquidations ----------------------------------------------------------------------------------------------------


def liquidation(n: int) -> Liquidation:
    return Liquidation(*head(f"C{n % 3}-USDT", time.time_ns()), "sell", Decimal("10.5"), Decimal(2), "average", True)


async def test_a_burst_of_liquidations_is_in_the_output_and_in_the_log(
    place: Place, desk: Desk, logs: list[MutableMapping[str, Any]]
) -> None:
    """Minutes of half a second: what the stream took cannot be dated back."""
    minute_ns = SECOND // 2

    async def boundary() -> int:
        begin = (time.time_ns() // minute_ns + 1) * minute_ns
        await asyncio.sleep((begin - time.time_ns()) / SECOND + 0.005)
        return begin

    service = Service("counter", await place.another())
    service.mount(LiquidationJob(await place.another(), minute_ns))
    await place.start(service)
    await desk.put(LIQUIDATION, liquidation(0))
    for _ in range(12):
        begin = await boundary()
    early = await desk.run("check_liquidations", due=begin, service="counter")
    assert (early.status, early.output["bursts"]) == (ClaimStatus.SUCCEEDED, [])
    begin = await boundary()
    await asyncio.gather(*(desk.put(LIQUIDATION, liquidation(n)) for n in range(12)))
    await boundary()
    await asyncio.gather(*(desk.put(LIQUIDATION, liquidation(n)) for n in range(5)))  # of the next minute
    ended = await desk.run("check_liquidations", due=begin + minute_ns + 1, service="counter")
    assert failed(ended) == (ClaimStatus.SUCCEEDED, "")
    (burst,) = ended.output["bursts"]
    assert (ended.output["until"], burst["venue"], burst["number"]) == (begin + minute_ns, VENUE, 12)
    assert Decimal(burst["total"]) == 12 * 21
    assert burst["z"] > 6
    assert [each["venue"] for each in logs if each["event"] == "liquidations.burst"] == [VENUE]
    higher = await desk.run("check_liquidations", {"burst_z": 6, "least": 13}, due=begin + minute_ns, service="counter")
    assert (higher.output["venues"][0]["number"], higher.output["bursts"]) == (12, [])


async def test_what_nobody_knows_the_usual_of_is_no_burst(place: Place, desk: Desk) -> None:
    await place.monitor()
    for n in range(20):
        await desk.put(LIQUIDATION, liquidation(n))
    due = (time.time_ns() // (60 * SECOND) + 1) * 60 * SECOND
    ended = await desk.run("check_liquidations", due=due)
    assert (ended.status, ended.output["bursts"]) == (ClaimStatus.SUCCEEDED, [])
    assert ended.output["venues"][0]["z"] is None


# -- funding ---------------------------------------------------------------------------------------------------------


async def funding(desk: Desk, symbol: str, ts_funding: int | None, hours: int = 8) -> None:
    await desk.put(FUNDING_RATE, FundingRate(*head(symbol, time.time_ns()), Decimal("0.01"), ts_funding, hours * 3600))


async def test_a_rate_of_funding_that_is_missing_is_named(place: Place, desk: Desk) -> None:
    await place.monitor()
    slot = (time.time_ns() // (8 * HOUR) + 1) * 8 * HOUR
    await funding(desk, "BTC-USDT-SWAP", slot)
    await funding(desk, "LTC-PERPETUAL", None)
    whole = await desk.run("check_funding", due=slot + 30 * SECOND)
    assert failed(whole) == (ClaimStatus.SUCCEEDED, "")
    assert (whole.output["instruments"], whole.output["slots"]) == (2, 2)
    await funding(desk, "ETH-USDT-SWAP", slot - 8 * HOUR)
    await funding(desk, "XRP-USDT-SWAP", slot + 8 * HOUR)  # the venue exchanges nothing at this instant
    ended = await desk.run("check_funding", due=slot + 30 * SECOND)
    assert failed(ended) == (ClaimStatus.FAILED, f"1 of 4 perpetuals lack a rate of funding: {VENUE}.ETH-USDT-SWAP")
    assert ended.output["missing"] == {VENUE: ["ETH-USDT-SWAP"]}
    assert (ended.output["slots"], ended.output["missing_total"]) == (3, 1)


async def test_what_began_after_an_instant_is_not_missing_then(place: Place, desk: Desk) -> None:
    await place.monitor()
    slot = time.time_ns() // HOUR * HOUR
    await funding(desk, "BTC-USDT-SWAP", slot - HOUR, hours=1)
    ended = await desk.run("check_funding", {"period_s": 3600})
    assert failed(ended) == (ClaimStatus.SUCCEEDED, "")
    assert (ended.output["instruments"], ended.output["slots"]) == (1, 0)


async def test_an_instant_from_before_the_stream_is_refused(place: Place, desk: Desk) -> None:
    await place.monitor()
    await funding(desk, "BTC-USDT-SWAP", 0)
    ended = await desk.run("check_funding", due=time.time_ns() - 48 * HOUR)
    assert ended.status is ClaimStatus.REFUSED
    assert "expected an instant that MARKET_DATA still holds rates of" in ended.reason
    wrong = await desk.run("check_funding", {"period_s": 1})
    assert (wrong.status, "period_s" in wrong.reason) == (ClaimStatus.REFUSED, True)


# -- open interest ---------------------------------------------------------------------------------------------------


async def test_open_interest_that_is_stale_is_named(place: Place, desk: Desk) -> None:
    await place.monitor()
    now = time.time_ns()

    async def interest(symbol: str, ts: int) -> None:
        await desk.put(OPEN_INTEREST, OpenInterest(*head(symbol, ts), Decimal(7)))

    await interest("BTC-USDT-SWAP", now - 60 * SECOND)
    await interest("QUIET-USDT-SWAP", now - 2 * HOUR)
    await desk.put(TICKER, Ticker(*head("QUIET-USDT-SWAP", now), Decimal(1), open_interest=Decimal(7)))
    await interest("BTC-OLD-C", now - 2 * HOUR)
    today = f"{datetime.fromtimestamp(now // SECOND, UTC):%Y%m%d}"
    terms = InstrumentRecord(*head("BTC-OLD-C", now), "BTC", "option", expire_day=today, status="trading")
    await desk.put(INSTRUMENT, terms)
    await publish_ack(desk.connection, f"market.{VENUE}.BROKEN.open_interest", b"\xc1")
    well = await desk.run("check_open_interest")
    assert failed(well) == (ClaimStatus.SUCCEEDED, "")
    assert (well.output["instruments"], well.output["over"], well.output["unreadable"]) == (3, 1, 1)
    await interest("ETH-USDT-SWAP", now - HOUR)
    ended = await desk.run("check_open_interest", due=now + SECOND * 60)
    assert failed(ended) == (
        ClaimStatus.FAILED,
        f"open interest of 1 of 4 instruments is older than 1800 s: {VENUE}.ETH-USDT-SWAP (3660 s)",
    )
    assert (ended.output["stale"], ended.output["oldest_s"]) == ({VENUE: ["ETH-USDT-SWAP"]}, 3660.0)
    assert (await desk.run("check_open_interest", {"oldest_s": 7_300})).status is ClaimStatus.SUCCEEDED


# -- what everything stands on ---------------------------------------------------------------------------------------


def ends_in(days: int) -> Callable[[], MarketCalendar]:
    known_to: date = china_date(time.time_ns()) + timedelta(days=days)
    return lambda: MarketCalendar(TradingDays((), known_to))


@pytest.mark.parametrize(
    ("days", "body", "status"),
    [
        (300, {}, ClaimStatus.SUCCEEDED),
        (10, {}, ClaimStatus.SUCCEEDED),
        (9, {}, ClaimStatus.FAILED),
        (9, {"least_days": 9}, ClaimStatus.SUCCEEDED),
        (100, {"least_days": 120}, ClaimStatus.FAILED),
    ],
)
async def test_a_calendar_that_ends_too_soon_is_told(
    place: Place, desk: Desk, days: int, body: dict[str, Any], status: ClaimStatus
) -> None:
    await place.monitor(ends_in(days))
    ended = await desk.run("check_calendar", body)
    assert (ended.status, ended.output["days"]) == (status, days)
    assert ("closed days are announced up to" in ended.reason) is (status is ClaimStatus.FAILED)


class Reader(Service):
    """A gateway, as far as its list of instruments goes."""

    answer = InstrumentList(True, 0.0)

    @rpc(INSTRUMENT_LIST)
    async def instrument_list(self, _: None) -> InstrumentList:
        """Whatever the test says."""
        return self.answer


async def test_a_gateway_whose_instruments_are_old_is_named(place: Place, desk: Desk) -> None:
    await place.monitor()
    reader = Reader("gateway", await place.another())
    reader.answer = InstrumentList(True, time.time() - 3_600)
    await place.start(reader)
    await reader.announce("active", group="one")
    ended = await desk.run("check_instruments")
    assert (ended.status, ended.output["gateways"]) == (ClaimStatus.SUCCEEDED, 1)
    reader.answer = InstrumentList(True, time.time() - 90_000)
    ended = await desk.run("check_instruments")
    assert ended.status is ClaimStatus.FAILED
    assert "instruments of 1 of 1 gateways: gateway.one: its list of instruments is 900" in ended.reason
    await reader.announce("active", connection="waiting")
    ended = await desk.run("check_instruments")
    assert (ended.status, ended.output["gateways"], ended.output["not_asked"]) == (ClaimStatus.SUCCEEDED, 0, 1)


async def test_a_gateway_that_cannot_say_it_is_named_too(place: Place, desk: Desk) -> None:
    await place.monitor()
    await place.start(Service("gateway", await place.another()))
    ended = await desk.run("check_instruments")
    assert ended.status is ClaimStatus.FAILED
    assert "does not say when it read its list of instruments" in ended.reason


async def test_a_source_of_a_venue_says_when_it_read_its_list() -> None:
    begun = time.time()
    async with venue("okx") as (_, source):
        answers = InstrumentAnswers(source, lambda: 5.0)
        assert await answers.instrument_list(None) == InstrumentList(True, 5.0)
        await source.connect()
        found = await answers.instrument_list(None)
    assert found.live
    assert begun <= found.read_at <= time.time()


# -- the documents ---------------------------------------------------------------------------------------------------


async def test_every_job_of_the_monitor_that_is_built_in_is_one_that_it_does(place: Place) -> None:
    monitor = await place.monitor()
    found = {each["name"] for each in await monitor.calls.call("monitor", "job_handlers")}
    documents = {name: each for name, each in BUILT_IN_JOBS.items() if each.command.startswith("monitor.")}
    assert {each.command.partition(".")[2] for each in documents.values()} == found
    for name, document in documents.items():
        made = job_of(name, document)
        assert document.note.endswith(".")
        await monitor.calls.call("monitor", "check_job", {"name": made.command.partition(".")[2], "body": {}})
