"""When an instrument trades: sections of its days, however they are asked for."""

from __future__ import annotations

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Sessions
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from tests.fakes.ticks import at, tick

NOW = at("2025-03-05 11:00:00")
Row = dict[str, object]


@pytest.fixture
async def store() -> MemoryStore:
    """Of one future, and of one instrument that two venues have."""
    found = MemoryStore()
    places = (("shfe", "rb2505"), ("okx", "BTC-USDT"), ("binance", "BTC-USDT"))
    ticks = [tick(NOW, "1", n)._replace(venue=venue, symbol=symbol) for n, (venue, symbol) in enumerate(places)]
    await found.insert(TICK, ticks, [StreamPlace(n, 0) for n in range(3)], StreamRange("T", "x", 1, 3), 1)
    return found


async def ask(store: MemoryStore, calendar: MarketCalendar, question: Sessions) -> list[Row]:
    rules = ReadRules(calendar, ("1m",), now_ns=lambda: NOW)
    found: list[Row] = (await answer_question(store, question, rules)).to_pylist()
    return found


async def test_a_day_has_its_night_first_and_says_where_it_ends(store: MemoryStore, calendar: MarketCalendar) -> None:
    rows = await ask(store, calendar, Sessions("rb2505", from_day="2025-03-03", to_day="20250303"))
    assert [(row["number"], row["ts_open"], row["ts_close"], row["last"]) for row in rows] == [
        (0, at("2025-02-28 21:00:00"), at("2025-02-28 23:00:00"), False),  # Friday's night is Monday's
        (1, at("2025-03-03 09:00:00"), at("2025-03-03 10:15:00"), False),
        (2, at("2025-03-03 10:30:00"), at("2025-03-03 11:30:00"), False),
        (3, at("2025-03-03 13:30:00"), at("2025-03-03 15:00:00"), True),
    ]
    assert rows[0]["ts_auction"] == at("2025-02-28 20:55:00")
    assert {(row["venue"], row["symbol"], row["trading_day"], row["time_zone"]) for row in rows} == {
        ("shfe", "rb2505", "20250303", "Asia/Shanghai")
    }


async def test_without_days_it_is_those_around_now(store: MemoryStore, calendar: MarketCalendar) -> None:
    days = sorted({str(row["trading_day"]) for row in await ask(store, calendar, Sessions("rb2505"))})
    assert (days[0], days[-1], len(days)) == ("20250226", "20250312", 11)
    assert days[5] == "20250305"
    since = await ask(store, calendar, Sessions("rb2505", from_day="20250304"))
    assert {row["trading_day"] for row in since} == set(days[4:])
    until = await ask(store, calendar, Sessions("rb2505", to_day="20250304"))
    assert until[0]["trading_day"] == "20250225"
    early = await ask(store, calendar, Sessions("rb2505", from_day="20180108"))
    assert (early[0]["trading_day"], early[-1]["trading_day"]) == ("20180108", "20190211"), "400 days and no more"


async def test_a_span_of_time_takes_the_sections_that_it_touches(store: MemoryStore, calendar: MarketCalendar) -> None:
    span = Sessions("rb2505", ts_from=at("2025-02-28 22:59:00"), ts_to=at("2025-03-03 09:00:01"))
    assert [row["number"] for row in await ask(store, calendar, span)] == [0, 1]
    after = Sessions("rb2505", ts_from=at("2025-02-28 23:00:00"), ts_to=at("2025-03-03 08:00:00"))
    assert await ask(store, calendar, after) == []


async def test_a_market_that_never_closes_has_a_section_a_day(store: MemoryStore, calendar: MarketCalendar) -> None:
    rows = await ask(store, calendar, Sessions("BTC-USDT", from_day="20250301", to_day="20250302"))
    assert [(row["venue"], row["trading_day"]) for row in rows] == [
        ("binance", "20250301"),
        ("binance", "20250302"),
        ("okx", "20250301"),
        ("okx", "20250302"),
    ]
    assert {row["time_zone"] for row in rows} == {"UTC"}
    first = rows[0]
    assert (first["ts_open"], first["ts_close"]) == (at("2025-03-01 08:00:00"), at("2025-03-02 08:00:00"))
    one = await ask(store, calendar, Sessions("btcusdt", "okx", from_day="20250301", to_day="20250301"))
    assert [(row["venue"], row["symbol"]) for row in one] == [("okx", "BTC-USDT")]


async def test_what_an_exchange_changed_is_in_it(store: MemoryStore, calendar: MarketCalendar) -> None:
    told = calendar.copy()
    change = SessionChange("shfe", "rb", "20250303", at("2025-03-03 09:30:00"), at("2025-03-03 10:15:00"))
    told.overrule(change)
    rows = await ask(store, told, Sessions("rb2505", from_day="20250303", to_day="20250303"))
    assert rows[1]["ts_open"] == change.ts_open


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (Sessions("rb2505", from_day="soon"), "from_day: expected a trading day like"),
        (Sessions("rb2505", from_day="20250304", to_day="20250303"), "to_day: expected at or after from_day"),
        (Sessions("rb2505", from_day="99991231"), "from_day: expected a day of 1990 to 2100, was '99991231'"),
        (Sessions("rb2505", ts_from=1), "ts_from: expected a time of 1990 to 2100, was 1"),
        (Sessions("rb2505", ts_from=2, ts_to=1), "ts_to: expected at or after ts_from"),
        (
            Sessions("rb2505", from_day="20240101", to_day="20250204"),
            r"to_day: expected at most 400 days from the first \(20240101\) on, was 20250204",
        ),
        (Sessions("rb2505", "okx"), r"venue: expected one where rb2505 is stored \(shfe\), was 'okx'"),
    ],
)
async def test_what_cannot_be_answered_is_said_by_name(
    store: MemoryStore, calendar: MarketCalendar, question: Sessions, text: str
) -> None:
    with pytest.raises(QueryError, match=f"^{text}"):
        await ask(store, calendar, question)


async def test_an_instrument_that_nobody_knows_is_an_error_with_what_is_near(
    store: MemoryStore, calendar: MarketCalendar
) -> None:
    with pytest.raises(UnknownSymbolError, match=r"was 'rb2506'; the nearest: rb2505"):
        await ask(store, calendar, Sessions("rb2506"))
