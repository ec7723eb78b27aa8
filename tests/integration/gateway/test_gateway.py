"""A counter's gateway as a service: life cycle, the calendar, operators, refusals; on a real NATS and a shared front."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.counters.simulated_front.markets import Recorded
from marketprism_adapters.counters.simulated_front.server import FrontOptions, FrontServer
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours
from marketprism_sdk.messaging import dead_letters, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Lapsed, while_leading
from marketprism_sdk.urls import Secret
from marketprism_services.gateway.service import GatewayService
from tests.fakes.ticks import at

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("gateway")]
Wait = Callable[..., Any]


class StreamPlace:
    """One NATS, one front, and gateways; events by name, in order."""

    def __init__(self, url: str, connection: NatsConnection, calendar: MarketCalendar, folder: Path) -> None:
        self._url, self.connection, self._calendar, self._folder = url, connection, calendar, folder
        self.events: list[Any] = []
        self.told: list[dict[str, Any]] = []
        self.ticks = 0
        self._running: list[tuple[asyncio.Event, asyncio.Task[int], NatsConnection]] = []
        self.front: FrontServer

    async def open(self, path: Path, options: FrontOptions) -> None:
        await streams.ensure_streams(self.connection)
        await self.connection.subscribe("market.event.>", lambda m: self.events.append(decode(EVENT, m.data)))
        await self.connection.subscribe("market.raw.*", self._raw)
        market = await asyncio.to_thread(Recorded, f"sim:{path}", self._calendar)
        self.front = FrontServer(market, options, self.told.append)
        await self.front.start()

    def _raw(self, message: Any) -> None:
        self.ticks += len(decode_packed(message.data).ticks)

    async def gateway(
        self, hours: ConnectionHours | None = None, now_ns: Callable[[], int] = time.time_ns, **changed: Any
    ) -> GatewayService:
        address = f"sim://127.0.0.1:{self.front.port}"
        given = {"answer_s": 5.0, "auth_code": Secret("0"), **changed}
        settings = CounterSettings((address,), "9999", "user", Secret("secret"), (address,), **given)
        source = CtpSource(
            Counter("ctp", settings, self._folder / "flow"),
            self._calendar,
            lambda spec: simulated(spec, self._calendar),
        )
        own = await NatsConnection.open(self._url, name="gateway")
        retry = RetryPolicy(0.1, 0.2, 3)
        made = GatewayService(
            own,
            source,
            lambda: TickPacker(self._calendar, lambda _: 0),
            self._calendar,
            group="ctp",
            retry=retry,
            hours=hours,
            now_ns=now_ns,
        )
        stop = asyncio.Event()
        self._running.append((stop, asyncio.create_task(made.run(stop)), own))
        return made

    def names(self) -> list[str]:
        return [event.name for event in self.events]

    async def close(self) -> None:
        for stop, task, own in self._running:
            stop.set()
            async with asyncio.timeout(20):
                await task
            await own.close()
        await self.front.stop()


@pytest.fixture
async def place(calendar: MarketCalendar, tmp_path: Path) -> AsyncIterator[StreamPlace]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    connection = await NatsConnection.open(server.url, name="test")
    made = StreamPlace(server.url, connection, calendar, tmp_path)
    yield made
    await made.close()
    await connection.close()
    await server.stop()


async def test_the_life_of_a_connection_is_told_in_order(place: StreamPlace, fixtures: Path, eventually: Wait) -> None:
    await place.open(fixtures / "ctp/ticks/AP101_20200804.csv.gz", FrontOptions(speed=300.0))
    await place.gateway()
    await eventually(lambda: "TradingSessionOpened" in place.names() and place.ticks > 50, 40)
    told = [name for name in place.names() if not name.startswith(("Trading", "Heartbeat", "PreMarket", "Holidays"))]
    assert told == [
        "GatewayInitialized",
        "MarketSourceConnected",
        "GatewayAuthenticationSucceeded",
        "ContractDataRequested",
        "ContractDataReceived",
        "InstrumentsLoaded",
        "SubscriptionRequested",
        "AllInstrumentsSubscribed",
        "MarketOpeningSequenceCompleted",
    ]
    await eventually(lambda: "HeartbeatReceived" in place.names())


async def test_a_refused_login_is_told_and_not_said_again_until_an_operator_says_so(
    place: StreamPlace, fixtures: Path, eventually: Wait
) -> None:
    await place.open(fixtures / "ctp/ticks/AP101_20200804.csv.gz", FrontOptions(refuse=(("login", 3),)))
    made = await place.gateway()
    await eventually(lambda: "GatewayAuthenticationFailed" in place.names())
    await asyncio.sleep(1.0)
    assert place.names().count("GatewayInitialized") == 1
    (refused,) = (event for event in place.events if event.name == "GatewayAuthenticationFailed")
    assert "error 3: wrong user or password" in refused.data["reason"]
    assert (await made.http.report())["dependencies"]["source"] == "unhealthy"
    place.front._refused.clear()
    await send_command(place.connection, "gateway", "ConnectToMarketSource", {"gateway": "ctp"}, issuer="operator")
    await eventually(lambda: place.ticks > 0, 40)
    assert (await made.http.report())["dependencies"]["source"] == "healthy"


async def test_a_front_that_is_away_is_tried_again_up_to_the_limit_and_then_an_operator_is_waited_for(
    place: StreamPlace, fixtures: Path, eventually: Wait
) -> None:
    await place.open(fixtures / "ctp/ticks/AP101_20200804.csv.gz", FrontOptions())
    await place.front.stop()
    made = await place.gateway(answer_s=0.4)
    await eventually(lambda: "ConnectionRetryExhausted" in place.names(), 40)
    names = place.names()
    assert names.count("ConnectionRetryScheduled") == 3
    assert names.count("MarketSourceConnected") == 0
    reasons = {event.data["reason"] for event in place.events if event.name == "MarketSourceDisconnected"}
    assert any("a connection to the trader front within 0.4 s, none came" in reason for reason in reasons)
    assert (await made.http.report())["dependencies"]["source"] == "unhealthy"


async def test_the_connection_follows_the_calendar_and_the_standby_is_logged_out(
    place: StreamPlace, fixtures: Path, calendar: MarketCalendar, eventually: Wait
) -> None:
    now = [at("2025-03-03 19:00:00")]
    await place.open(fixtures / "ctp/ticks/AP101_20200804.csv.gz", FrontOptions(speed=300.0))
    hours = ConnectionHours(calendar, (("shfe", "rb"),))
    first = await place.gateway(hours, lambda: now[0])
    second = await place.gateway(hours, lambda: now[0])
    await eventually(lambda: any(hasattr(g, "election") and g.election.is_leader() for g in (first, second)))
    await asyncio.sleep(0.5)
    assert not place.told, "nobody logs in before the warm-up"
    now[0] = at("2025-03-03 20:40:00")
    await eventually(lambda: place.ticks > 20, 40)
    assert [line["side"] for line in place.told if line["event"] == "login"] == ["td", "md"], "one of them alone"
    now[0] = at("2025-03-03 23:30:00")
    await eventually(lambda: "MarketClosingSequenceCompleted" in place.names())
    await eventually(lambda: [line["side"] for line in place.told if line["event"] == "left"].count("md") == 1)
    names = place.names()
    assert names.index("MarketOpeningSequenceCompleted") < names.index("MarketClosingSequenceCompleted")
    assert names[names.index("MarketClosingSequenceCompleted") + 1] == "MarketSourceDisconnected"


async def test_operators_disconnect_connect_and_change_what_is_subscribed(
    place: StreamPlace, fixtures: Path, eventually: Wait
) -> None:
    await place.open(fixtures / "ctp/ticks/AP101_20200804.csv.gz", FrontOptions(speed=60.0))
    await place.gateway(instruments=("nothing*",))

    async def order(name: str, issuer: str = "operator", **body: Any) -> None:
        await send_command(place.connection, "gateway", name, {"gateway": "ctp", **body}, issuer=issuer)

    await eventually(lambda: "SubscriptionRequested" in place.names(), 40)
    await order("UpdateSubscriptionList", instruments=["czce.AP101", "nope9"])
    await eventually(lambda: "SubscriptionUpdated" in place.names() and place.ticks > 5, 40)
    await eventually(lambda: ("InstrumentSubscribed", "AP101") in [(e.name, e.symbol) for e in place.events])
    await order("DisconnectFromMarketSource")
    await eventually(lambda: "MarketSourceDisconnected" in place.names())
    await eventually(lambda: not place.front._sessions)
    await order("ConnectToMarketSource")
    before = place.ticks
    await eventually(lambda: place.ticks > before + 5, 40)
    for name, body, issuer, text in (
        ("DisconnectFromMarketSource", {}, "system", "expected the issuer operator"),
        ("UpdateSubscriptionList", {"instruments": []}, "operator", "instruments: expected 1 to"),
        ("UpdateSubscriptionList", {"instruments": [""]}, "operator", "symbol: expected"),
        ("ConnectToMarketSource", {"gateway": "sopt"}, "operator", "expected the gateway ctp, was 'sopt'"),
    ):
        count = len(await dead_letters(place.connection))
        await order(name, issuer, **body)
        letters = []
        for _ in range(100):
            letters = await dead_letters(place.connection)
            if len(letters) > count:
                break
            await asyncio.sleep(0.05)
        assert text in letters[-1][1].reason


async def test_a_leader_whose_lease_lapses_logs_out_before_its_work_has_ended() -> None:
    order: list[str] = []
    leads = [True]

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            order.append("ended")

    async def log_out() -> None:
        order.append("logged out")

    asyncio.get_running_loop().call_later(0.1, leads.clear)
    with pytest.raises(Lapsed):
        await while_leading(work(), lambda: bool(leads), log_out)
    assert order == ["logged out", "ended"]

    async def done() -> int:
        return 7

    assert await while_leading(done(), lambda: True, log_out) == 7
