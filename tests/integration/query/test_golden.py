"""Golden queries: bars that the database makes of stored ticks are the bars that the aggregator built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_adapters.venues.recordings.discovery import is_recording
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_application.contracts.kinds import GAP, TICK
from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.questions import Daily, Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.sources import MarketSource
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.contract.stores import empty_pair
from tests.support.bars import FIELDS
from tests.support.recordings import part_of

pytestmark = pytest.mark.timeout(480)

ON_THE_WAY = ("1m", "7m", "1d")  # where only the way of an answer is another: the engine is the same
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "7m", "1d")


class Built(NamedTuple):
    """A recording as the pipeline makes it: validated ticks, gaps and the bars of the aggregator."""

    ticks: list[Tick]
    gaps: list[Gap]
    bars: Sequence[Bar]
    of_venue: bool


async def built_of(paths: list[Path], calendar: MarketCalendar) -> Built:
    of_venue = is_recording(paths[0])
    source: MarketSource = VenueReplay(paths, checked=True) if of_venue else ReplaySource(paths, calendar, checked=True)
    await source.connect()
    ticks: list[Tick] = []
    gaps: list[Gap] = []

    def keep(packed: Packed) -> None:
        ticks.extend(packed.ticks)
        gaps.extend(gap for _, gap in packed.gaps)

    built = await rebuild(
        source.stream({}), calendar, bars=BarSettings(INTERVALS), rules=ValidationRules(), on_validated=keep
    )
    return Built(ticks, gaps, built.bars, of_venue)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(
            ("ctp/ticks/ru1901_20181008", "ctp/ticks/ru1901_20181009", "ctp/ticks/ru1901_20181010"),
            marks=pytest.mark.long,
        ),
        pytest.param(("ctp/ticks/AP010_2020080",), marks=pytest.mark.long),
        ("ctp/ticks/CFFEX_IF2101_20210104",),
        pytest.param(
            ("binance/usdm/hft_btcusdt_20230404", "binance/usdm/hft_btcusdt_20230405"), marks=pytest.mark.long
        ),
    ],
    ids=["ru1901", "AP", "IF", "BTC-USDT-PERP"],
)
@pytest.mark.xdist_group("clickhouse")
@pytest.mark.long_on("IF")
async def test_ticks_resampled_by_the_database_are_the_bars_of_the_aggregator(  # a recording is built once for all
    request: pytest.FixtureRequest,
    subtests: pytest.Subtests,
    tmp_path: Path,
    fixtures: Path,
    calendar: MarketCalendar,
    names: tuple[str, ...],
) -> None:
    paths = [path for name in names for path in sorted(fixtures.glob(f"{name}*"))]
    if not paths:
        pytest.skip(f"no recording {names} in the fixtures")
    if not is_recording(paths[0]):  # some rows of all their time: the bars are as many
        paths = [part_of(path, tmp_path, slice(0, None, 4)) for path in paths]
    built = await built_of(paths, calendar)
    for adapter in ("chdb", "clickhouse", "native"):
        engine, store = await empty_pair(request, adapter)
        reader = SqlReader(engine)
        try:
            with subtests.test(adapter=adapter):
                await put(store, built)
                await compare(reader, built, calendar, INTERVALS if adapter == "chdb" else ON_THE_WAY)
            if adapter == "chdb":  # and the same store, asked from afar
                with subtests.test(adapter="remote"):
                    await compare(RemoteReader(lambda data, sql=reader: answer(sql, data)), built, calendar, ON_THE_WAY)
        finally:
            await store.close()


async def put(store: SqlStore, built: Built) -> None:
    """Store the ticks and gaps of a recording."""
    ticks, gaps = built.ticks, built.gaps
    rows = [msgspec.msgpack.encode(tick) for tick in ticks]
    await store.insert_encoded(TICK, [EncodedRows(1, rows)], StreamRange("T", "x", 1, 1), 1)
    if gaps:
        places = [StreamPlace(n, 0) for n in range(len(gaps))]
        await store.insert(GAP, gaps, places, StreamRange("G", "x", 1, 1), 1)


async def compare(
    asked: SqlReader | RemoteReader, built: Built, calendar: MarketCalendar, intervals: tuple[str, ...]
) -> None:
    """Ask for bars made of the stored ticks, and hold each against the aggregator's."""
    ticks = built.ticks
    symbol = ticks[0].symbol
    first, last = min(tick.ts_event for tick in ticks), ticks[-1].ts_event
    rules = ReadRules(calendar, INTERVALS, now_ns=lambda: last + 60 * 10**9)
    await compare_days(asked, built, symbol)
    compared = 0
    for interval in intervals:
        wanted = {bar.ts_open: bar for bar in built.bars if bar.interval == interval and bar.symbol == symbol}
        question = Records(
            "bar",
            symbol,
            interval=interval,
            ts_from=first - 86_400 * 10**9,
            ts_to=last + 10**9,
            limit=20_000,
            made_of="ticks",
        )
        made = (await answer_question(asked, question, rules)).to_pylist()
        assert [row["ts_open"] for row in made] == sorted(wanted), interval
        for row in made:
            for name in FIELDS:
                assert row[name] == getattr(wanted[row["ts_open"]], name), (interval, row["ts_open"], name)
        compared += len(made)
    assert compared >= (10 if built.of_venue else 200)
    question = Records(
        "bar",
        symbol,
        interval="10s",
        ts_from=first - 60 * 10**9,
        ts_to=last + 10**9,
        limit=20_000,
        made_of="ticks",
    )
    tens = (await answer_question(asked, question, rules)).to_pylist()
    ones = [bar for bar in built.bars if bar.interval == "1m" and bar.symbol == symbol]
    assert sum(row["volume"] for row in tens) == sum(bar.volume for bar in ones)
    assert max(row["high"] for row in tens) == max(bar.high for bar in ones)
    assert all(row["ts_close"] - row["ts_open"] == 10 * 10**9 for row in tens)


async def compare_days(asked: SqlReader | RemoteReader, built: Built, symbol: str) -> None:
    """A day's prices are those of its bar, whoever is asked for them."""
    days = {row["trading_day"]: row for row in (await asked.answer(Daily(symbol))).to_pylist()}
    bars = [bar for bar in built.bars if bar.interval == "1d" and bar.symbol == symbol]
    assert bars or built.of_venue
    for bar in bars:
        day = days[bar.trading_day]
        found = (day["first"], day["high"], day["low"], day["last"])
        assert found == (bar.open, bar.high, bar.low, bar.close), bar.trading_day


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"interval": "7s"}, "interval: expected seconds that divide"),
        ({"interval": "1w"}, "interval: expected seconds"),
        ({"ts_from": None}, "from and to: expected both"),
        ({"ts_to": 10**19 // 2}, "to: expected at most 92 days"),
        ({"made_of": "bars"}, "made_of: expected ticks"),
    ],
)
async def test_bars_that_ticks_cannot_make_are_refused(
    tmp_path: Path, calendar: MarketCalendar, changed: dict[str, object], text: str
) -> None:
    from marketprism_adapters.memory.store import MemoryStore  # noqa: PLC0415

    asked = msgspec.structs.replace(Records("bar", "x", interval="1m", ts_from=1, ts_to=2, made_of="ticks"), **changed)
    with pytest.raises(QueryError, match=text):
        await answer_question(MemoryStore(), asked, ReadRules(calendar, ("1m",)))
