"""The shared front and what a source makes of it: order and pace of the conversation, phases, callbacks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.counters.api.callback_queue import Bridge, Callback
from marketprism_adapters.counters.api.callbacks import spi_class
from marketprism_adapters.counters.api.library import COUNTERS, load
from marketprism_adapters.counters.live.settings import Account, Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.counters.simulated_front.markets import Crowd, Recorded
from marketprism_adapters.counters.simulated_front.server import FrontOptions, FrontServer
from marketprism_adapters.counters.simulated_front.wire import Frames, frame
from marketprism_application.errors import SourceError
from marketprism_application.gateway.outages import Losses
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.events.registry import AllInstrumentsSubscribed, SubscriptionFailed, TradingHoursOverruled
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.urls import Secret
from tests.fakes.ticks import at, tick
from tests.integration.counters.test_ctp import callback, recorded

pytestmark = pytest.mark.timeout(120)

AP = "ctp/ticks/AP101_20200804.csv.gz"


class Line:
    """A front with one market; sources that talk to it."""

    def __init__(self, calendar: MarketCalendar, folder: Path) -> None:
        self._calendar, self._folder = calendar, folder
        self.told: list[dict[str, Any]] = []
        self.fronts: list[FrontServer] = []

    async def open(self, market: Any, **options: Any) -> str:
        front = FrontServer(market, FrontOptions(**options), self.told.append)
        await front.start()
        self.fronts.append(front)
        return f"sim://127.0.0.1:{front.port}"

    def source(self, address: str, **changed: Any) -> CtpSource:
        given = {"answer_s": 5.0, "td_fronts": (address,), "auth_code": Secret("0"), **changed}
        settings = CounterSettings((address,), "9999", "u", Secret("p"), **given)
        return CtpSource(
            Counter("ctp", settings, self._folder / "flow"),
            self._calendar,
            lambda spec: simulated(spec, self._calendar),
        )


@pytest.fixture
async def line(calendar: MarketCalendar, tmp_path: Path) -> AsyncIterator[Line]:
    made = Line(calendar, tmp_path)
    yield made
    for front in made.fronts:
        await front.stop()


async def test_every_tick_comes_over_a_shared_front_as_it_was_recorded(
    line: Line, fixtures: Path, calendar: MarketCalendar
) -> None:
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", calendar)
    source = line.source(await line.open(market, speed=50_000.0))
    await source.connect()
    batches = [batch async for batch in source.stream({})]
    await source.close()
    wanted = await asyncio.to_thread(recorded, fixtures / AP, calendar)
    assert [callback(each) for batch in batches for each in batch.ticks] == wanted
    assert AllInstrumentsSubscribed("ctp", 1) in [event for batch in batches for event in batch.events]
    assert [entry["side"] for entry in line.told if entry["event"] == "login"] == ["td", "md"]


@pytest.mark.parametrize(("pace", "cut"), [(600, False), (3_000, True)])
async def test_subscribing_faster_than_the_counter_allows_is_cut_and_our_pace_is_not(
    line: Line, fixtures: Path, eventually: Callable[..., Any], pace: int, *, cut: bool
) -> None:
    listed = fixtures / "ctp/reference/ctp_instruments_20250813.csv.gz"
    market = await asyncio.to_thread(Crowd, listed, 10, 1.0, 60.0, at("2025-08-13 09:01:00"))
    source = line.source(
        await line.open(market, per_second=1_000),
        instruments=("*",) if cut else ("m*", "SR*", "i*", "c*", "TA*"),
        subscribe_per_second=pace,
    )
    await source.connect()
    wanted = len(await source.instruments())
    assert wanted > 1_200
    complete: list[Any] = []

    async def read() -> None:
        async for batch in source.stream({}):
            complete.extend(event for event in batch.events if isinstance(event, AllInstrumentsSubscribed))

    reading = asyncio.create_task(read())
    await eventually(lambda: complete or any("within a second" in str(entry.get("reason")) for entry in line.told), 30)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await source.close()
    assert bool(complete) is not cut
    assert not complete or complete[0].instruments == wanted


@pytest.mark.long
async def test_a_second_brokers_front_hides_the_loss_of_the_first(
    line: Line, fixtures: Path, calendar: MarketCalendar
) -> None:
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", calendar)
    first, second = await line.open(market, speed=2_000.0), await line.open(market, speed=2_000.0)
    other = Account((second,), "8888", "elsewhere", Secret("p"))
    source = line.source(first, others=(other,))
    await source.connect()
    found: list[SourceBatch] = []
    async for batch in source.stream({}):
        found.append(batch)
        if sum(len(each.ticks) for each in found) > 2_000 and len(line.fronts) == 2:
            await line.fronts.pop(0).stop()  # and it does not come back
        if sum(len(each.ticks) for each in found) > 4_000:
            break
    await source.close()
    assert not [gap for batch in found for _, gap in batch.gaps]
    assert {entry["user"] for entry in line.told if entry["event"] == "login"} == {"u", "elsewhere"}
    wanted = await asyncio.to_thread(recorded, fixtures / AP, calendar)
    ticks = [callback(each) for batch in found for each in batch.ticks]
    assert set(wanted[:3_900]) <= set(ticks)


async def test_the_venues_phases_overrule_the_table_in_the_ticks_of_a_source(
    line: Line, fixtures: Path, calendar: MarketCalendar
) -> None:
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", calendar)
    source = line.source(await line.open(market))
    await source.connect()
    put = source._talk.bridge.put
    row = next(iter(market.rows()))[1]
    phases = [("1", "15:00:00", "2020-08-04 15:00:01"), ("2", "21:00:00", "2020-08-04 21:00:01")]
    for code, entered, when in (*phases, ("9", "21:00:00", phases[1][2]), ("2", "later", phases[1][2])):
        data = {"ExchangeID": "CZCE", "InstrumentID": "AP", "InstrumentStatus": code, "EnterTime": entered}
        put(Callback("td", 0, "status", data, {}, True, at(when)))
    night = {**row, "TradingDay": "20200804", "ActionDay": "20200804", "UpdateTime": "21:00:05", "LastPrice": 8_000.0}
    for volume in (10, 11):
        put(Callback("md", 0, "depth", {**night, "Volume": volume}, {}, True, at("2020-08-04 21:00:05")))
    found: list[SourceBatch] = []
    async for batch in source.stream({}):
        found.append(batch)
        if sum(len(each.ticks) for each in found) >= 2:
            break
    await source.close()
    ticks = [each for batch in found for each in batch.ticks if each.volume in (10, 11)]
    assert [each.trading_day for each in ticks] == ["20200805", "20200805"], "a night belongs to the next trading day"
    (change,) = (change for batch in found for _, change in batch.changes)
    assert (change.product, change.ts_open) == ("AP", at("2020-08-04 21:00:00"))
    assert any(isinstance(event, TradingHoursOverruled) for batch in found for event in batch.events)
    assert source.skipped["status_malformed"] == 2


async def test_an_unknown_instrument_is_an_event_and_the_others_flow(
    line: Line, fixtures: Path, calendar: MarketCalendar
) -> None:
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", calendar)
    source = line.source(await line.open(market, speed=5_000.0), td_fronts=(), instruments=("AP101", "nope9"))
    await source.connect()
    events: list[Any] = []
    async for batch in source.stream({}):
        events += batch.events
        if batch.ticks and any(isinstance(event, AllInstrumentsSubscribed) for event in events):
            break
    await source.close()
    (failed,) = (event for event in events if isinstance(event, SubscriptionFailed))
    assert (failed.symbol, "error 16" in failed.reason) == ("nope9", True)
    assert AllInstrumentsSubscribed("ctp", 1) in events


def test_a_callback_that_is_given_nonsense_says_so_and_raises_nothing(calendar: MarketCalendar) -> None:
    heard: list[Callback] = []
    api = simulated("sim://127.0.0.1:1", calendar)
    spi = spi_class(api.md, "md")(lambda item, **_: heard.append(item), 3)
    spi.onRtnDepthMarketData(17)
    spi.onRspUserLogin({}, "not a map", 0, True)
    spi.onHeartBeatWarning(12)
    assert [(item.name, item.front) for item in heard] == [
        ("callback_failed", 3),
        ("callback_failed", 3),
        ("heartbeat_late", 3),
    ]
    assert "TypeError" in str(heard[0].data["reason"])


async def test_what_a_full_queue_drops_is_a_gap_of_its_instrument(calendar: MarketCalendar) -> None:
    bridge = Bridge(asyncio.get_running_loop(), limit=2)
    for number in range(4):
        bridge.put(Callback("md", 0, "depth", {"InstrumentID": "rb2505"}, {}, True, 10 + number), droppable=True)
    assert bridge.lost == {"rb2505": 12}
    losses = Losses(calendar, "ctp")
    times = ("2025-03-03 09:00:01", "2025-03-03 09:00:02", "2025-03-03 09:00:05", "2025-03-03 09:00:06")
    made = [tick(when, 100, 1, ts_recv=recv) for when, recv in zip(times, (10, 11, 14, 15), strict=True)]
    gaps = [losses.before(each, each.ts_recv, bridge.lost, each.symbol) for each in made]
    assert [gap and (gap.cause, gap.ts_from, gap.ts_to) for gap in gaps] == [
        None,
        None,
        ("queue_full", at(times[1]), at(times[2])),
        None,
    ]


@pytest.mark.parametrize("venue", sorted(COUNTERS))
def test_what_stands_in_for_the_api_has_its_methods_and_no_others(calendar: MarketCalendar, venue: str) -> None:
    try:
        real = load(venue)
    except SourceError as missing:
        pytest.skip(str(missing))
    api = simulated("sim://127.0.0.1:1", calendar, venue=venue)
    for side, ours, theirs in (("md", api.md, real.md), ("td", api.td, real.td)):
        assert issubclass(ours, theirs)
        names = {name for name in dir(spi_class(ours, side)) if name.startswith(("req", "on", "create", "register"))}
        assert names - set(dir(theirs)) <= {"onEnd"}


async def test_a_close_that_is_cancelled_logs_out_all_the_same(
    line: Line, fixtures: Path, calendar: MarketCalendar, eventually: Callable[..., Any]
) -> None:
    market = await asyncio.to_thread(Recorded, f"sim:{fixtures / AP}", calendar)
    source = line.source(await line.open(market))
    await source.connect()
    closing = asyncio.create_task(source.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await eventually(lambda: sorted(entry["side"] for entry in line.told if entry["event"] == "left") == ["md", "td"])


def test_what_is_no_front_is_refused_by_name(calendar: MarketCalendar) -> None:
    for text in ("sim://nowhere", "sim://host:port"):
        with pytest.raises(SourceError, match="expected sim://host:port, was"):
            simulated(text, calendar)
    with pytest.raises(SourceError, match="expected a message of at most"):
        Frames().feed(b"\xff\xff\xff\xff....")
    with pytest.raises(SourceError, match="expected a MessagePack array"):
        Frames().feed(b"\x00\x00\x00\x01\xc1")
    assert Frames().feed(frame("beat", 1) + frame("end", 2)[:3]) == [["beat", 1]]


@pytest.mark.parametrize(
    ("venue", "listed", "listed_count"),
    [
        ("ctp", "ctp/reference/ctp_instruments_20250813.csv.gz", 20_791),  # 1 854 of them combinations
        ("sopt", "sopt/sopt_instruments_20250813.csv.gz", 4_469),  # 40 of them combinations
    ],
)
async def test_a_counters_whole_list_becomes_terms_and_its_ticks_find_their_venue(
    line: Line, fixtures: Path, calendar: MarketCalendar, tmp_path: Path, venue: str, listed: str, listed_count: int
) -> None:
    market = await asyncio.to_thread(Crowd, fixtures / listed, 40, 2.0, 30.0, at("2025-08-13 10:00:00"))
    address = await line.open(market)
    given = CounterSettings(
        (address,),
        "9999",
        "u",
        Secret("p"),
        (address,),
        auth_code=Secret("0"),
        subscribe_per_second=800,
        instruments=tuple(str(item["InstrumentID"]) for item in market.instruments[:40]),
    )
    source = CtpSource(Counter(venue, given, tmp_path), calendar, lambda spec: simulated(spec, calendar, venue=venue))
    await source.connect()
    terms = source._talk.terms
    assert len(terms) == listed_count
    options = [each for each in terms.values() if each.class_ == "option"]
    assert len(options) == {"ctp": 18_124, "sopt": 1_020}[venue]
    assert all(each.underlying and each.strike and each.option_type and each.expire_day for each in options)
    assert all(
        each.multiplier and each.price_tick and each.name for each in terms.values() if each.class_ != "combination"
    )
    seen: dict[str, str] = {}
    async for batch in source.stream({}):
        seen.update({each.symbol: each.venue for each in batch.ticks})
        if len(seen) == len(await source.instruments()):
            break
    await source.close()
    assert seen == {symbol: terms[symbol].venue for symbol in seen}
    assert set(seen.values()) <= (
        {"sse", "szse"} if venue == "sopt" else {"shfe", "ine", "dce", "czce", "cffex", "gfex"}
    )
    assert not source.skipped.get("depth_malformed")


async def test_a_cancelled_take_ends_at_whatever_moment_something_arrives() -> None:
    for turns in range(6):
        bridge = Bridge(asyncio.get_running_loop())
        taking = asyncio.create_task(bridge.take(timeout_s=5.0))
        await asyncio.sleep(0.001)
        bridge.put(Callback("md", 0, "depth", {}, {}, True, 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked = taking.cancel()
        await asyncio.wait([taking], timeout=1.0)
        assert taking.cancelled() is asked, f"{turns} turns after the arrival"
