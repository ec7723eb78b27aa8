"""Intervals that nobody keeps, made of stored minutes: equal to those that the aggregator would have built."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.support.bars import FIELDS

MADE = ("4m", "7m", "45m", "3h", "1d")


async def stored(calendar: MarketCalendar, paths: list[Path]) -> tuple[MemoryStore, list[Bar]]:
    source = ReplaySource(paths, calendar, checked=True)
    await source.connect()
    built = await rebuild(source.stream({}), calendar, bars=BarSettings(("1m", *MADE)), rules=ValidationRules())
    store = MemoryStore()
    minutes = [bar for bar in built.bars if bar.interval == "1m"]
    places = [StreamPlace(n + 1, 0) for n in range(len(minutes))]
    await store.insert(BAR, minutes, places, StreamRange("S", "x", 1, len(minutes)), 1)
    return store, built.bars


async def test_made_bars_are_those_of_the_aggregator(
    fixtures: Path, calendar: MarketCalendar, subtests: pytest.Subtests
) -> None:
    paths = [fixtures / f"ctp/ticks/ru1901_{day}.csv.gz" for day in ("20181008", "20181009")]
    store, built = await stored(calendar, paths)
    for interval in MADE:
        with subtests.test(interval=interval):
            await compare(store, built, interval, ReadRules(calendar, ("1m",)))


async def compare(store: MemoryStore, built: list[Bar], interval: str, rules: ReadRules) -> None:
    wanted = {bar.ts_open: bar for bar in built if bar.interval == interval}
    made = (await answer_question(store, Records("bar", "ru1901", interval=interval, limit=5_000), rules)).to_pylist()
    assert [row["ts_open"] for row in made] == sorted(wanted)
    for row in made:
        for name in FIELDS:
            assert row[name] == getattr(wanted[row["ts_open"]], name), (row["ts_open"], name)
    # A part of the range is the same part of the bars, and so are the last ones.
    opens = sorted(wanted)
    part = Records("bar", "ru1901", ts_from=opens[1], ts_to=opens[-1], interval=interval, limit=5_000)
    assert [row["ts_open"] for row in (await answer_question(store, part, rules)).to_pylist()] == opens[1:-1]
    last = Records("bar", "ru1901", interval=interval, limit=1, last=True)
    assert [row["ts_open"] for row in (await answer_question(store, last, rules)).to_pylist()] == opens[-1:]


async def test_a_bar_that_is_still_being_made_is_not_shown(fixtures: Path, calendar: MarketCalendar) -> None:
    store, built = await stored(calendar, [fixtures / "ctp/ticks/ru1901_20181008.csv.gz"])
    rules = ReadRules(calendar, ("1m",))
    first = min((bar for bar in built if bar.interval == "45m"), key=lambda bar: bar.ts_open)
    half = Records("bar", "ru1901", ts_to=first.ts_open + 1, interval="45m")
    assert (await answer_question(store, half, rules)).column("ts_open").to_pylist() == [first.ts_open]
    early = MemoryStore()
    minutes = [bar for bar in built if bar.interval == "1m"][:44]
    await early.insert(BAR, minutes, [StreamPlace(n, 0) for n in range(44)], StreamRange("S", "x", 1, 44), 1)
    assert (await answer_question(early, Records("bar", "ru1901", interval="45m"), rules)).num_rows == 0
    for question, text in (
        (Records("bar", "ru1901", interval="90s"), "from and to: expected both"),
        (Records("bar", "ru1901", interval="7x"), "interval"),
    ):
        with pytest.raises(QueryError, match=text):
            await answer_question(store, question, rules)
