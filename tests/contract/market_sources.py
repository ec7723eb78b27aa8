"""Every class that fulfils `MarketSource`, opened without a network: what the contract suite runs over."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
)
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.capture.tap import CaptureSettings, CaptureTap
from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.sources.captured import CaptureSource
from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.ports.sources import MarketSource
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.urls import Secret
from tests.integration.venues.recordings_made import hour, lines
from tests.integration.venues.venue_side import FAST, venue
from tests.support.vnpy_gateways import scripted_gateway, setting

_PLAN = "seed=7,rate=0.1,days=1,instruments=rb2505+AP505"
_COUNTER_FILES = ("AP101_20200804", "AP010_20200804")
_LINES = 1_500  # of each of them: enough to be read in several batches


class Workplace(NamedTuple):
    """Where a source is opened; `fixtures` skips the test when there are none; `speed` None never waits."""

    folder: Path
    fixtures: Callable[[], Path]
    calendar: MarketCalendar
    speed: float | None = None


Opening = Callable[[Workplace], AbstractAsyncContextManager[MarketSource]]


class Case(NamedTuple):
    """One adapter. `seeks`: its `stream(after)` can go on behind a position."""

    adapter: type[MarketSource]
    opened: Opening
    without_input: Opening
    seeks: bool = False


def counter_recordings(at: Workplace) -> list[Path]:
    """The beginnings of two recordings of a counter, one instrument each."""
    found = []
    for name in _COUNTER_FILES:
        with gzip.open(at.fixtures() / f"ctp/ticks/{name}.csv.gz", "rb") as recording:
            beginning = b"".join(itertools.islice(recording, _LINES))
        found.append(at.folder / f"{name}.csv")
        found[-1].write_bytes(beginning)
    return found


def venue_recording(at: Workplace) -> Path:
    """A recording of a venue: a snapshot of one book, then its updates and trades."""
    path = at.folder / "spot_btcusdt.txt"
    path.write_bytes(lines(*hour()))
    return path


@asynccontextmanager
async def _recordings(at: Workplace) -> AsyncIterator[MarketSource]:
    yield ReplaySource(counter_recordings(at), at.calendar, speed=at.speed)


@asynccontextmanager
async def _no_recordings(at: Workplace) -> AsyncIterator[MarketSource]:
    yield ReplaySource([at.folder / "missing.csv.gz"], at.calendar)


@asynccontextmanager
async def _captured(at: Workplace) -> AsyncIterator[MarketSource]:
    folder = at.folder / "capture"
    if not folder.exists():
        tap = CaptureTap(CaptureSettings(), folder)
        tap.start()
        async for _ in SimulatedVenue(parse_plan(_PLAN), at.calendar, tap=tap).stream({}):
            pass
        await asyncio.to_thread(tap.stop)
    yield CaptureSource(folder, at.calendar, speed=at.speed)


@asynccontextmanager
async def _no_capture(at: Workplace) -> AsyncIterator[MarketSource]:
    yield CaptureSource(at.folder / "missing", at.calendar)


@asynccontextmanager
async def _venue_recording(at: Workplace) -> AsyncIterator[MarketSource]:
    yield VenueReplay([venue_recording(at)], speed=at.speed)


@asynccontextmanager
async def _no_venue_recording(at: Workplace) -> AsyncIterator[MarketSource]:
    yield VenueReplay([at.folder / "missing.txt"])


@asynccontextmanager
async def _made_up(at: Workplace) -> AsyncIterator[MarketSource]:
    yield SimulatedVenue(parse_plan(_PLAN), at.calendar, speed=at.speed)


@asynccontextmanager
async def _made_up_of_nothing(at: Workplace) -> AsyncIterator[MarketSource]:
    yield SimulatedVenue(parse_plan("instruments=unknown1"), at.calendar)


def counter(name: str, folder: Path, front: str) -> Counter:
    """Those of a counter whose market data and trader side are one front."""
    settings = CounterSettings(
        (front,), "9999", "user", Secret("secret"), (front,), app_id="app", auth_code=Secret("0000"), answer_s=5.0
    )
    return Counter(name, settings, folder / "flow")


@asynccontextmanager
async def _counter(at: Workplace) -> AsyncIterator[MarketSource]:
    files = ",".join(map(str, counter_recordings(at)))
    settings = counter("ctp", at.folder, f"sim:{files}")
    source = CtpSource(settings, at.calendar, lambda front: simulated(front, at.calendar))
    yield source
    await source.close()


@asynccontextmanager
async def _no_counter(at: Workplace) -> AsyncIterator[MarketSource]:
    settings = counter("ctp", at.folder, f"sim:{at.folder / 'missing.csv.gz'}")
    yield CtpSource(settings, at.calendar, lambda front: simulated(front, at.calendar))


@asynccontextmanager
async def _live_venue(_: Workplace) -> AsyncIterator[MarketSource]:
    async with venue("binance") as (_, source):
        yield source


@asynccontextmanager
async def _venue_away(_: Workplace) -> AsyncIterator[MarketSource]:
    row = MARKETS["binance"]
    async with SimulatedVenueServer(DIALECTS["binance"](("BTC",))) as server:
        urls = server.ws_url, server.rest_url
    source = VenueSource(row.make(*urls), replace(FAST, instruments=("BTC-USDT",)))
    yield source
    await source.close()


@asynccontextmanager
async def _vnpy_gateway(at: Workplace) -> AsyncIterator[MarketSource]:
    given = VnpySettings(setting=Secret(setting()), quiet_s=0.01, requests_per_second=100_000)
    with ExitStack() as stack:
        vnpy = await asyncio.to_thread(stack.enter_context, scripted_gateway(at.folder))
        vnpy.ScriptedGateway.ticking = True
        source = VnpySource(f"{vnpy.__name__}.ScriptedGateway", given, at.calendar)
        yield source
        await source.close()


@asynccontextmanager
async def _no_vnpy_gateway(at: Workplace) -> AsyncIterator[MarketSource]:
    yield VnpySource("vnpy_nowhere.NoGateway", VnpySettings(setting=Secret(setting())), at.calendar)


CASES = {
    "recordings": Case(ReplaySource, _recordings, _no_recordings, seeks=True),
    "captured frames": Case(CaptureSource, _captured, _no_capture, seeks=True),
    "venue recordings": Case(VenueReplay, _venue_recording, _no_venue_recording),
    "simulated market": Case(SimulatedVenue, _made_up, _made_up_of_nothing, seeks=True),
    "counter": Case(CtpSource, _counter, _no_counter),
    "live venue": Case(VenueSource, _live_venue, _venue_away),
    "vnpy gateway": Case(VnpySource, _vnpy_gateway, _no_vnpy_gateway),
}
