"""Bars by activity, asked for as bars of any interval and made of the ticks that are stored."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import GAP, TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.bars.activity_bars import Activity, ActivityBarBuilder
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, book, tick

SECOND = 10**9
START = at("2025-03-03 09:00:00")
TICKS = [
    tick(START + n * SECOND, 100 + n % 7, 10 * (n + 1), **book(99, 108))._replace(seq=n + 1, verdict="valid")
    for n in range(1_000)
]
DAY = (at("2025-03-02 20:00:00"), at("2025-03-03 15:30:00"))


def asked(
    interval: str = "volume:450", ts_from: int | None = DAY[0], ts_to: int | None = DAY[1], **more: object
) -> Records:
    return Records("bar", "rb2505", None, ts_from, ts_to, interval, **more)  # type: ignore[arg-type]


@pytest.fixture
async def store() -> MemoryStore:
    filled = MemoryStore()
    places = [StreamPlace(n + 1, 0) for n in range(len(TICKS))]
    await filled.insert(TICK, TICKS, places, StreamRange("S", "x", 1, len(TICKS)), 1)
    hole = Gap(
        "shfe", "rb2505", "test", 0, 1, 0, 0, 0, START + 100 * SECOND, START + 105 * SECOND, "silence", "20250303"
    )
    await filled.insert(GAP, [hole], [StreamPlace(1, 0)], StreamRange("E", "x", 1, 1), 1)
    return filled


@pytest.mark.parametrize("interval", ["volume:450", "tick:64", "turnover:123456"])
async def test_they_are_the_builders_bars_of_the_stored_ticks(
    store: MemoryStore, calendar: MarketCalendar, interval: str
) -> None:
    builder = ActivityBarBuilder(calendar.schedule("shfe", "rb2505"), Activity.parse(interval))
    wanted = [*(bar for each in TICKS for bar in builder.on_tick(each)), *builder.close()]
    found = (await answer_question(store, asked(interval), ReadRules(calendar, ("1m",)))).to_pylist()
    for name in ("ts_open", "ts_close", "open", "high", "low", "close", "volume", "turnover", "ticks", "interval"):
        assert [row[name] for row in found] == [getattr(bar, name) for bar in wanted], name
    assert sum((row["volume"] for row in found), Decimal(0)) == TICKS[-1].volume
    flagged = [row for row in found if row["gap"]]
    assert flagged == [
        r for r in found if r["ts_open"] <= START + 105 * SECOND and r["ts_close"] > START + 100 * SECOND
    ]


async def test_a_part_of_the_range_is_the_same_part_of_the_bars(store: MemoryStore, calendar: MarketCalendar) -> None:
    rules = ReadRules(calendar, ("1m",))
    all_of = (await answer_question(store, asked(), rules)).to_pylist()
    part = asked(ts_from=all_of[2]["ts_open"], ts_to=all_of[5]["ts_open"])
    assert (await answer_question(store, part, rules)).to_pylist() == all_of[2:5]
    assert (await answer_question(store, asked(limit=2), rules)).to_pylist() == all_of[:2]
    assert (await answer_question(store, asked(limit=2, last=True), rules)).to_pylist() == all_of[-2:]


async def test_what_is_not_full_is_a_bar_when_its_trading_day_is_over(
    store: MemoryStore, calendar: MarketCalendar
) -> None:
    counts = [
        (await answer_question(store, asked("tick:300"), ReadRules(calendar, ("1m",), now_ns=lambda now=now: now)))  # type: ignore[misc]
        .column("ticks")
        .to_pylist()
        for now in (START + 1_000 * SECOND, DAY[1])
    ]
    assert counts == [[300, 300, 300], [300, 300, 300, 100]]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (asked(ts_from=None), "from and to: expected both"),
        (asked(ts_to=DAY[1] + 100 * 86_400 * SECOND), "at most 92 days"),
        (asked("hour:3"), "interval: expected tick:100, volume:1000 or turnover:1000000, was 'hour:3'"),
        (asked("volume:0"), "interval: expected tick:100, .*, was 'volume:0'"),
        (asked("volume:many"), "interval: expected tick:100, .*, was 'volume:many'"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    store: MemoryStore, calendar: MarketCalendar, question: Records, text: str
) -> None:
    with pytest.raises(QueryError, match=text):
        await answer_question(store, question, ReadRules(calendar, ("1m",)))
