"""Intervals that nobody keeps, made of stored minutes: equal to those that the aggregator would have built."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.bars import FIELDS

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("rebuilt")]

MADE = ("4m", "7m", "45m", "3h", "1d")


@pytest.fixture
async def store(ru1901_bars: Sequence[Bar]) -> MemoryStore:
    """The one-minute bars of three days of ru1901."""
    found = MemoryStore()
    minutes = [bar for bar in ru1901_bars if bar.interval == "1m"]
    places = [StreamPlace(n + 1, 0) for n in range(len(minutes))]
    await found.insert(BAR, minutes, places, StreamRange("S", "x", 1, len(minutes)), 1)
    return found


async def test_made_bars_are_those_of_the_aggregator(
    store: MemoryStore, ru1901_bars: Sequence[Bar], calendar: MarketCalendar, subtests: pytest.Subtests
) -> None:
    for interval in MADE:
        with subtests.test(interval=interval):
            await compare(store, ru1901_bars, interval, ReadRules(calendar, ("1m",)))


async def compare(store: MemoryStore, built: Sequence[Bar], interval: str, rules: ReadRules) -> None:
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


async def test_a_bar_that_is_still_being_made_is_not_shown(
    store: MemoryStore, ru1901_bars: Sequence[Bar], calendar: MarketCalendar
) -> None:
    rules = ReadRules(calendar, ("1m",))
    first = min((bar for bar in ru1901_bars if bar.interval == "45m"), key=lambda bar: bar.ts_open)
    half = Records("bar", "ru1901", ts_to=first.ts_open + 1, interval="45m")
    assert (await answer_question(store, half, rules)).column("ts_open").to_pylist() == [first.ts_open]
    early = MemoryStore()
    minutes = [bar for bar in ru1901_bars if bar.interval == "1m"][:44]
    await early.insert(BAR, minutes, [StreamPlace(n, 0) for n in range(44)], StreamRange("S", "x", 1, 44), 1)
    assert (await answer_question(early, Records("bar", "ru1901", interval="45m"), rules)).num_rows == 0
    for question, text in (
        (Records("bar", "ru1901", interval="90s"), "from and to: expected both"),
        (Records("bar", "ru1901", interval="7x"), "interval"),
    ):
        with pytest.raises(QueryError, match=text):
            await answer_question(store, question, rules)
