"""A counter's market data: conversation, ticks, losses and refusals, on fronts that play true recordings."""

from __future__ import annotations

import asyncio
import csv
import gzip
import importlib.util
import itertools
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.capture.settings import CaptureSettings
from marketprism_adapters.capture.tap import CaptureTap
from marketprism_adapters.counters.api.callback_queue import Bridge, Callback
from marketprism_adapters.counters.api.library import load
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.live.instruments import terms_of
from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.sources.captured import CaptureSource
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.queries.export import bars_csv
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.urls import Secret
from tests.support.recordings import part_of

pytestmark = pytest.mark.timeout(240)

NAMES = ("ru1901_20181009", "AP010_20200803", "AP101_20200804")  # the first with a night


def source_of(calendar: MarketCalendar, tmp_path: Path, *fronts: str, trader: str = "", **changed: Any) -> CtpSource:
    settings = CounterSettings(
        fronts,
        "9999",
        "user",
        Secret("secret"),
        (trader,) if trader else (),
        "app",
        Secret("0000"),
        **{"answer_s": 5.0, **changed},
    )
    return CtpSource(Counter("ctp", settings, tmp_path / "flow"), calendar, lambda front: simulated(front, calendar))


async def batches_of(source: CtpSource, listed: set[str] | None = None) -> list[SourceBatch]:
    await source.connect()
    if listed is not None:
        listed.update(terms.symbol for terms in await source.instruments())
    found = [batch async for batch in source.stream({})]
    await source.close()
    return found


def callback(tick: Tick) -> Tick:
    return tick._replace(source="", source_seq=0, ts_recv=0)


def recorded(path: Path, calendar: MarketCalendar) -> list[Tick]:
    return [callback(tick) for tick in Recording(path, calendar).rows()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.long_on("ru1901_20181009")
async def test_every_tick_of_a_recording_comes_through_the_api_as_it_is(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar, name: str
) -> None:
    path = part_of(fixtures / f"ctp/ticks/{name}.csv.gz", tmp_path, slice(0, None, 6))
    wanted = await asyncio.to_thread(recorded, path, calendar)
    source = source_of(calendar, tmp_path, f"sim:{path}", trader=f"sim:{path}")
    listed: set[str] = set()
    batches = await batches_of(source, listed)
    ticks = [tick for batch in batches for tick in batch.ticks]
    assert [callback(tick) for tick in ticks] == wanted
    assert batches[-1].finished
    assert not source.skipped
    assert all(first.source_seq < then.source_seq for first, then in itertools.pairwise(ticks))
    assert listed == {tick.symbol for tick in wanted}


async def test_a_loss_is_named_and_what_the_front_says_again_opens_nothing(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = part_of(fixtures / "ctp/ticks/ru1901_20181009.csv.gz", tmp_path, slice(6_000))
    source = source_of(calendar, tmp_path, f"sim:{path}?cut=5000:8193&back=0.2", instruments=("ru1901",))
    batches = await batches_of(source)
    gaps = [gap for batch in batches for _, gap in batch.gaps]
    wanted = await asyncio.to_thread(recorded, path, calendar)
    found = [callback(tick) for batch in batches for tick in batch.ticks]
    assert found == [*wanted[:5000], *wanted[5009:]], "the login brings the newest of what passed meanwhile"
    assert [(gap.cause, gap.ts_from, gap.ts_to) for gap in gaps] == [
        ("disconnected", wanted[4999].ts_event, wanted[5009].ts_event)
    ]


async def test_a_loss_in_which_nothing_passed_is_no_gap(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = part_of(fixtures / "ctp/ticks/ru1901_20181009.csv.gz", tmp_path, slice(6_000))
    source = source_of(calendar, tmp_path, f"sim:{path}?cut=5000:8193&back=0.2&lost=0", instruments=("ru1901",))
    batches = await batches_of(source)
    assert not [gap for batch in batches for _, gap in batch.gaps], "the login brought the snapshot we had"
    wanted = await asyncio.to_thread(recorded, path, calendar)
    assert [callback(tick) for batch in batches for tick in batch.ticks] == [
        *wanted[:5000],
        wanted[4999],
        *wanted[5000:],
    ]


async def test_a_second_front_hides_the_loss_of_the_first(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = fixtures / "ctp/ticks/AP101_20200804.csv.gz"
    source = source_of(
        calendar, tmp_path, f"sim:{path}?cut=300&back=0.3&speed=max", f"sim:{path}?speed=max", instruments=("AP101",)
    )
    batches = await batches_of(source)
    assert not [gap for batch in batches for _, gap in batch.gaps]
    wanted = await asyncio.to_thread(recorded, path, calendar)
    found = [callback(tick) for batch in batches for tick in batch.ticks]
    assert set(found) == set(wanted)
    assert len(found) < len(wanted) * 1.05


@pytest.mark.parametrize(
    ("front", "trader", "text", "again"),
    [
        ("sim:{}?refuse=login:3", "", "a login at the market-data front, error 3: wrong user or password", False),
        ("sim:{}?password=00", "", "a login at the market-data front, error 3: wrong user or password", False),
        (
            "sim:{}",
            "sim:{}?refuse=authenticate:63",
            "authentication, error 63: the authentication code or AppID",
            False,
        ),
        ("sim:{}", "sim:{}?refuse=login:59", "a login at the trader front, error 59: wrong broker or user", False),
        ("sim:{}", "sim:{}?refuse=settlement:68", "the settlement's confirmation, error 68: too many logins", True),
        ("sim:{}?silent=1", "", "a login at the market-data front within 0.5 s, none came", True),
        ("sim:{}", "sim:{}?silent=1", "authentication within 0.5 s, none came", True),
    ],
)
async def test_a_refusal_says_what_was_refused_and_whether_to_try_again(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar, front: str, trader: str, text: str, again: bool
) -> None:
    path = fixtures / "ctp/ticks/AP101_20200804.csv.gz"
    source = source_of(calendar, tmp_path, front.format(path), trader=trader.format(path), answer_s=0.5)
    with pytest.raises(SourceError) as caught:
        await source.connect()
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.retryable is again


async def test_malformed_messages_and_unknown_instruments_are_counted_and_the_rest_goes_on(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = fixtures / "ctp/ticks/AP101_20200804.csv.gz"
    wanted = await asyncio.to_thread(recorded, path, calendar)
    source = source_of(calendar, tmp_path, f"sim:{path}?broken=100", instruments=("AP101", "nope9"))
    batches = await batches_of(source)
    assert source.skipped["depth_malformed"] == len(wanted) // 100
    assert source.skipped["subscribe"] == 1
    assert sum(len(batch.ticks) for batch in batches) == len(wanted) - len(wanted) // 100


def test_single_messages_are_read_as_the_venues_mean_them(fixtures: Path, calendar: MarketCalendar) -> None:
    lines = (fixtures / "ctp/messages/ctp_ticks_single.jsonl").read_text().splitlines()
    reader = DepthReader(calendar, "ctp")
    seen = 0
    for line in lines:
        message = json.loads(line)
        data = message.get("data") or message.get("message") or message
        if not isinstance(data, dict) or "InstrumentID" not in data:
            continue
        tick = reader.tick({**dict.fromkeys(COLUMNS, 1.7976931348623157e308), **data}, 1)
        assert isinstance(tick, Tick)
        assert tick.trading_day == {"al2201": "20211119"}.get(tick.symbol, tick.trading_day)
        assert all(value is None or value < 10**15 for value in tick if isinstance(value, Decimal))
        seen += 1
    assert seen


COLUMNS = [f"{side}{what}{n}" for side in ("Bid", "Ask") for what in ("Price", "Volume") for n in range(1, 6)] + [
    "ClosePrice",
    "SettlementPrice",
    "AveragePrice",
    "PreOpenInterest",
    "PreClosePrice",
    "PreSettlementPrice",
    "UpperLimitPrice",
    "LowerLimitPrice",
    "OpenPrice",
    "HighestPrice",
    "LowestPrice",
    "OpenInterest",
    "Turnover",
]


def test_the_instrument_lists_become_terms(fixtures: Path) -> None:
    kinds: dict[str, int] = {}
    for path in ("ctp/reference/ctp_instruments_20250813.csv.gz", "sopt/sopt_instruments_20250813.csv.gz"):
        with gzip.open(fixtures / path, "rt", encoding="utf-8") as text:
            rows = list(csv.DictReader(text))
        made = [terms_of(row, "ctp", 1) for row in rows]
        for terms in made:
            kinds[terms.class_ if terms else "none"] = kinds.get(terms.class_ if terms else "none", 0) + 1
        assert len(rows) in (20_826, 4_469)
        first = next(terms for terms in made if terms is not None)
        assert first.multiplier and first.price_tick  # noqa: PT018
    assert kinds == {
        "future": 813 + 4,  # trades at settlement
        "combination": 1_137 + 698 + 15 + 40,
        "option": 18_124 + 1_020,
        "spot": 3_409,
        "none": 19 + 12 + 4,
    }


async def test_a_full_queue_counts_the_ticks_it_drops_and_keeps_the_rest_of_the_conversation() -> None:
    bridge = Bridge(asyncio.get_running_loop(), limit=10)
    depth = Callback("md", 0, "depth", {}, {}, True, 1)
    for _ in range(15):
        bridge.put(depth, droppable=True)
    bridge.put(depth._replace(name="front_disconnected"))
    assert (bridge.dropped, bridge.deepest) == (5, 11)
    assert [item.name for item in await bridge.take()] == ["depth"] * 10 + ["front_disconnected"]
    assert await bridge.take(timeout_s=0.01) == []


async def test_a_signal_that_comes_after_its_item_was_taken_is_no_arrival() -> None:
    loop = asyncio.get_running_loop()
    bridge = Bridge(loop)
    answer = Callback("md", 0, "login", {}, {}, True, 1)
    bridge.put(answer)
    assert await bridge.take() == [answer], "taken before the loop has run the signal"
    loop.call_later(0.2, bridge.put, answer)
    assert await bridge.take(1, 5.0) == [answer], "and the next one is waited for"


# In a process of its own: the vendors' library ends the process when it is let go of at the wrong moment.
_AT_A_CLOSED_PORT = """
import asyncio, sys
from pathlib import Path
from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.api.library import load
from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_application.errors import SourceError
from marketprism_sdk.urls import Secret

venue, folder = sys.argv[1:]
fronts = ("tcp://127.0.0.1:9",)
settings = CounterSettings(fronts, "9999", "user", Secret("secret"), fronts, answer_s=1.5)
source = CtpSource(Counter(venue, settings, Path(folder)), chinese_calendar_of_markets(), lambda _: load(venue))
try:
    asyncio.run(source.connect())
except SourceError as error:
    print(error.retryable, error, flush=True)
"""


@pytest.mark.parametrize("venue", ["ctp", "sopt"])
def test_the_compiled_api_at_a_closed_port_is_an_error_in_time(tmp_path: Path, venue: str) -> None:
    if importlib.util.find_spec(f"vnpy_{venue}") is None:
        with pytest.raises(SourceError, match=rf"install marketprism\[{venue}\]"):
            load(venue)
        pytest.skip(f"vnpy_{venue} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", _AT_A_CLOSED_PORT, venue, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    expected = f"True {venue}: expected a connection to the trader front within 1.5 s, none came"
    assert expected in done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("names", [("ru1901_20181008", "ru1901_20181009"), ("AP010_20200803",)])
async def test_the_bars_of_a_counter_are_those_of_its_recording(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar, names: tuple[str, ...]
) -> None:
    # Some of their rows, of all their time: the bars are as many.
    paths = [part_of(fixtures / f"ctp/ticks/{name}.csv.gz", tmp_path, slice(0, None, 9)) for name in names]
    replay = ReplaySource(paths, calendar, checked=True)
    front = f"sim:{','.join(map(str, paths))}"
    live = source_of(calendar, tmp_path, front, trader=front)
    made = []
    for source in (replay, live):
        await source.connect()
        built = await rebuild(source.stream({}), calendar, bars=BarSettings(("1m", "1d")), rules=ValidationRules())
        made.append(bars_csv(bar._replace(gap=False) for bar in built.bars))
        await source.close()
    assert made[0].count("\n") > 200
    assert made[0] == made[1]


async def test_captured_depth_messages_are_played_again_as_the_same_ticks(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = fixtures / "ctp/ticks/AP101_20200804.csv.gz"
    tap = CaptureTap(CaptureSettings(), tmp_path / "capture")
    tap.start()
    front = f"sim:{path}?broken=100"
    settings = CounterSettings((front,), "9999", "user", Secret("secret"), (front,))
    live = CtpSource(
        Counter("ctp", settings, tmp_path / "flow"), calendar, lambda spec: simulated(spec, calendar), tap=tap
    )
    first = [callback(tick) for batch in await batches_of(live) for tick in batch.ticks]
    await asyncio.to_thread(tap.stop)
    again = CaptureSource(tmp_path / "capture", calendar)
    assert [callback(tick) for batch in await _all(again) for tick in batch.ticks] == first
    assert again.skipped == {"depth_malformed": live.skipped["depth_malformed"]}


async def _all(source: CaptureSource) -> list[SourceBatch]:
    await source.connect()
    return [batch async for batch in source.stream({})]
