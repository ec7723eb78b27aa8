"""The coverage calendar, the ledger and the quality of many instruments, as the read side answers them."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, QUALITY
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import Question, next_of
from marketprism_application.errors import QueryError
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.quality_overview import width_for
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.stores import put
from tests.contract.test_codec import SAMPLES
from tests.contract.test_market_reading import NEXT, OPEN, bar, gap, terms
from tests.fakes.ticks import at

LONG_AFTER = at("2026-03-03 09:00:00")
DAY = ("20250303", "20250304")


async def store_of(calendar: MarketCalendar, now: int = LONG_AFTER) -> tuple[MemoryStore, ReadRules]:
    """Two futures with bars on one day, one of them with terms, and a coin."""
    store = MemoryStore()
    await put(store, BAR, [bar("shfe", "rb2505", n, "3300", gap=n == 1) for n in range(3)])
    await put(store, BAR, [bar("shfe", "cu2505", 0, "70000"), bar("okx", "BTC-USDT", 0, "1")], 20)
    await put(
        store, BAR, [bar("okx", "BTC-USDT", 0, "1", trading_day="20250302", ts_open=OPEN - 1440 * 6 * 10**10)], 30
    )
    await put(store, GAP, [gap("shfe", "rb2505", OPEN + NANOS_PER_MINUTE, 7, "silence")], 40)
    await put(store, INSTRUMENT, [terms("shfe", "cu2505", 1, "cu", "future", list_day="20250304", expire_day="")], 50)
    return store, ReadRules(calendar, ("1m",), now_ns=lambda: now)


async def rows(reading: tuple[MemoryStore, ReadRules], question: Question) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await answer_question(reading[0], question, reading[1])).to_pylist()
    return found


async def test_a_day_without_data_is_there_where_the_calendar_has_sessions(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    found = await rows(reading, Coverage("rb2505", from_day="20250228", to_day="20250304"))
    assert [(row["trading_day"], row["bars"], row["gap_bars"], row["gaps"], row["gap_ns"]) for row in found] == [
        ("20250228", 0, 0, 0, 0),  # the weekend has no rows
        ("20250303", 3, 1, 1, 7),
        ("20250304", 0, 0, 0, 0),
    ]
    assert {row["minutes"] for row in found} == {345}
    assert [row["complete"] for row in found] == [0.0, round(3 / 345, 4), 0.0]
    coins = await rows(reading, Coverage("BTC*", from_day="20250301", to_day="20250303"))
    assert [(row["trading_day"], row["minutes"]) for row in coins] == [(f"2025030{n}", 1440) for n in (1, 2, 3)]


async def test_days_before_a_contract_is_listed_are_not_missing(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    found = await rows(reading, Coverage("cu2505", from_day="20250228", to_day="20250304"))
    assert [(row["trading_day"], row["bars"], row["minutes"]) for row in found] == [
        ("20250303", 1, None),  # there is something all the same: it is shown
        ("20250304", 0, pytest.approx(465)),
    ]


async def test_without_days_the_newest_are_shown(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    assert {row["trading_day"] for row in await rows(reading, Coverage(days=1))} == {"20250303"}
    found = await rows(reading, Coverage("BTC-USDT,rb2505", days=2))
    assert {(row["symbol"], row["trading_day"]) for row in found} == {
        ("BTC-USDT", "20250302"),
        ("BTC-USDT", "20250303"),
        ("rb2505", "20250303"),
    }
    soon = await store_of(calendar, at("2025-03-05 09:10:00"))
    running = [row for row in await rows(soon, Coverage("rb2505")) if row["trading_day"] == "20250305"]
    assert [(row["bars"], row["minutes"]) for row in running] == [(0, 130)]  # the night, and ten minutes of the day
    assert await rows(reading, Coverage("zz9999")) == []
    await put(reading[0], BAR, [bar("okx", "ETH-USDT", 0, "1", trading_day="20200101", ts_open=OPEN - 10**17)], 90)
    asked = await rows(reading, Coverage(days=20))  # what lies years before is of another time
    assert {row["symbol"] for row in asked} == {"BTC-USDT", "cu2505", "rb2505"}
    assert min(row["trading_day"] for row in asked) == "20250302"


async def test_a_page_is_so_many_instruments(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    asked = Coverage(from_day=DAY[0], to_day=DAY[1], limit=2)
    first = await answer_question(reading[0], asked, reading[1])
    assert {row["symbol"] for row in first.to_pylist()} == {"BTC-USDT", "cu2505"}
    key = next_of(first)
    assert key == ("shfe", "cu2505")
    rest = await answer_question(reading[0], Coverage(from_day=DAY[0], to_day=DAY[1], after=key), reading[1])
    assert {row["symbol"] for row in rest.to_pylist()} == {"rb2505"}
    assert next_of(rest) is None
    only = await rows(reading, Coverage(venue="SHFE", product="RB", from_day=DAY[0], to_day=DAY[1]))
    assert {row["symbol"] for row in only} == {"rb2505"}


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Coverage(from_day="20240101", to_day="20250304"), "to_day: expected at most 400 days"),
        (Coverage(from_day="x"), "from_day: expected a trading day"),
        (Coverage(days=0), "days: expected 1 to 400, was 0"),
        (Coverage(limit=201), "limit: expected 1 to 200, was 201"),
        (GapLedger(limit=0), "limit: expected 1 to 20000, was 0"),
        (QualityOverview(names=("x",) * 1001), "names: expected at most 1000, was 1001"),
        (Coverage("a,,b"), "symbol: expected one between commas"),
    ],
)
async def test_what_cannot_be_answered_is_refused(calendar: MarketCalendar, question: Question, text: str) -> None:
    reading = await store_of(calendar)
    with pytest.raises(QueryError, match=f"^{text}"):
        await answer_question(reading[0], question, reading[1])


async def test_holes_say_how_many_bars_they_touch(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    break_begins = at("2025-03-03 10:14:30")
    over_break = gap("shfe", "rb2505", break_begins, 17 * NANOS_PER_MINUTE, "restart")
    of_trades = gap("okx", "BTC-USDT", OPEN, 5, "sequence", kind="trade")
    await put(reading[0], GAP, [over_break, of_trades], 60)
    found = await rows(reading, GapLedger(limit=5))
    assert [(row["symbol"], row["cause"], row["bars"]) for row in found] == [
        ("rb2505", "restart", 3),  # 10:14, and behind the break 10:30 and 10:31
        ("rb2505", "silence", 1),
        ("BTC-USDT", "sequence", None),
    ]
    page = await answer_question(reading[0], GapLedger(limit=1), reading[1])
    assert next_of(page) == (break_begins, "rb2505", "shfe", "restart", "")
    (only,) = await rows(reading, GapLedger("rb*", product="rb", cause="silence", limit=5))
    assert only["ts_from"] == OPEN + NANOS_PER_MINUTE
    assert await rows(reading, GapLedger("zz*", limit=5)) == []


async def test_quality_has_spans_as_wide_as_the_range_needs(calendar: MarketCalendar) -> None:
    reading = await store_of(calendar)
    window = SAMPLES["quality"]._replace(venue="shfe", symbol="rb2505", ts_from=OPEN, ts_to=OPEN + 1, score=50, ticks=2)
    await put(reading[0], QUALITY, [window, window._replace(symbol="cu2505", ts_from=NEXT)], 70)
    (row,) = await rows(reading, QualityOverview("rb2505", ts_from=OPEN, ts_to=OPEN + 5 * NANOS_PER_MINUTE, width_ns=1))
    assert (row["ts_from"], row["ts_to"], row["score"]) == (OPEN, OPEN + NANOS_PER_MINUTE, 50.0)
    (wide,) = await rows(reading, QualityOverview("rb2505", ts_from=0, ts_to=NEXT))
    assert (NEXT - 0) / (wide["ts_to"] - wide["ts_from"]) <= 100
    assert width_for(None, None, 0) == 15 * NANOS_PER_MINUTE
    assert width_for(0, 100 * 1441 * NANOS_PER_MINUTE, 0) == 2 * 1440 * NANOS_PER_MINUTE
