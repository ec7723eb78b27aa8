"""What follows `next` to its end has every row, once; and which rows belong to a trading day: the same in every store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, TICK
from marketprism_application.contracts.questions import (
    Continuous,
    Daily,
    Instruments,
    InstrumentSearch,
    Key,
    Names,
    Question,
    Records,
    Statistics,
    is_truncated,
    next_of,
)
from marketprism_application.errors import UnknownSymbolError
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

MINUTE = 60 * 10**9
NIGHT, DAY = at("2025-03-03 21:00:00"), at("2025-03-04 09:00:00")  # one trading day, 20250304
BEFORE = at("2025-03-03 14:00:00")
VENUES = ("binance", "okx")


def bar(symbol: str, opened: int, day: str, *, venue: str = "shfe", interval: str = "1m", length: int = MINUTE) -> Any:
    times = {"ts_open": opened, "ts_close": opened + length, "ts_event": opened + length, "seq": opened // 10**9}
    prices = {name: Decimal(100 + opened // MINUTE % 7) for name in ("open", "high", "low", "close")}
    named = {"venue": venue, "symbol": symbol, "interval": interval, "trading_day": day}
    return SAMPLES["bar"]._replace(**named, **times, **prices, volume=Decimal(1), turnover=Decimal(1), revision=0)


async def fill(pair: Pair) -> None:
    """Minutes of two days, a night with them, at one exchange; of three instruments; and one on two venues."""
    opens = [(BEFORE + n * MINUTE, "20250303") for n in range(20)]
    opens += [(NIGHT + n * MINUTE, "20250304") for n in range(20)] + [(DAY + n * MINUTE, "20250304") for n in range(20)]
    bars = [bar(symbol, opened, day) for symbol in ("rb2505", "rb2510") for opened, day in opens]
    bars += [bar("ru2505", opened, day) for opened, day in opens[::7]]
    crypto = at("2025-03-04 08:00:00")
    bars += [bar("BTC-USDT", crypto + n * MINUTE, "20250304", venue=venue) for venue in VENUES for n in range(0, 40, 1)]
    bars += [bar(symbol, BEFORE, "20250303", interval="1d", length=7 * 3600 * 10**9) for symbol in ("rb2505", "rb2510")]
    bars += [bar("rb2505", NIGHT, "20250304", interval="1d", length=18 * 3600 * 10**9)]
    await put(pair.store, BAR, bars)
    ticks = [
        tick(start + n // 2 * 10**9, 100 + n, n + 1, day=day, phase="continuous", **book(99, 101))._replace(
            seq=first + n
        )
        for start, day, first in ((BEFORE, "20250303", 1), (NIGHT, "20250304", 101), (DAY, "20250304", 201))
        for n in range(25)
    ]
    await put(pair.store, TICK, ticks, 1_000)
    gaps = [
        SAMPLES["gap"]._replace(
            venue="shfe", symbol="rb2505", ts_from=DAY, ts_to=DAY + n, ts_event=DAY, cause=cause, seq=1
        )
        for n, cause in enumerate(("disconnected", "restart", "sequence", "silence"))
    ]
    await put(pair.store, GAP, gaps, 2_000)
    terms = [
        SAMPLES["instrument"]._replace(venue=venue, symbol=f"{venue}{n}", ts_event=day, seq=day)
        for venue in VENUES
        for n in range(5)
        for day in (1, 2)
    ]
    await put(pair.store, INSTRUMENT, terms, 3_000)


PAGED = [
    Records("bar", "rb2505", interval="1m"),
    Records("bar", "rb2505", interval="3m"),
    Records("bar", "rb2505", interval="7m", ts_from=NIGHT, ts_to=DAY + 13 * MINUTE),
    Records("bar", "rb2505", interval="5m", made_of="ticks", ts_from=BEFORE, ts_to=DAY + 30 * MINUTE),
    Records("bar", "rb2505", interval="tick:4", ts_from=BEFORE, ts_to=DAY + 30 * MINUTE),
    Records("bar", "BTC-USDT", interval="1m"),
    Records("bar", "BTC-USDT", interval="4m"),
    Records("bar", "rb2505,ru2505,rb2510", interval="1m"),
    Records("bar", "r*", interval="2m"),
    Records("bar", "RB2505.SHFE", interval="1m"),
    Records("tick", "rb2505"),
    Records("gap", "rb2505"),
    Continuous("rb", interval="1m"),
    Continuous("rb", interval="3m", adjust="ratio"),
    Instruments(InstrumentSearch()),
]


def limited(question: Any, limit: int, after: Key | None) -> Any:
    if isinstance(question, Instruments):
        return Instruments(question.search._replace(limit=limit), after)  # type: ignore[arg-type]
    return msgspec.structs.replace(question, limit=limit, after=after)


def keys(table: pa.Table) -> list[tuple[Any, ...]]:
    """What tells rows from one another, in the order in which they came."""
    names = [
        name
        for name in ("symbol", "venue", "ts_open", "ts_event", "seq", "ts_to", "cause")
        if name in table.column_names
    ]
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


@pytest.mark.long_on("native", "remote")
async def test_following_next_to_its_end_gives_every_row_once(
    pair: Pair, calendar: MarketCalendar, subtests: pytest.Subtests
) -> None:
    await fill(pair)
    rules = ReadRules(calendar, ("1m", "1d"))
    for question in PAGED:
        whole = await answer_question(pair.reader, limited(question, 500, None), rules)
        assert not is_truncated(whole)
        assert whole.num_rows >= 3, question
        for limit in {max(1, whole.num_rows // 3), whole.num_rows}:
            with subtests.test(question=question, limit=limit):
                found: list[tuple[Any, ...]] = []
                after: Key | None = None
                pages = 0
                while True:
                    page = await answer_question(pair.reader, limited(question, limit, after), rules)
                    found += keys(page)
                    pages += 1
                    after = next_of(page)
                    assert is_truncated(page) == (after is not None)
                    if after is None:
                        break
                    assert page.num_rows
                assert sorted(found) == sorted(keys(whole))
                several = {"," in str(question), "*" in str(question)} - {False}
                assert pages > 1 or limit >= whole.num_rows or (several and limit > 50)


@pytest.mark.long_on("native")
async def test_the_newest_rows_say_that_there_are_older_ones(pair: Pair, calendar: MarketCalendar) -> None:
    await fill(pair)
    rules = ReadRules(calendar, ("1m", "1d"))
    for question in PAGED[:-1]:
        newest: Any = msgspec.structs.replace(question, limit=500, last=True)  # type: ignore[type-var]
        whole = await answer_question(pair.reader, newest, rules)
        assert not is_truncated(whole), question
        some = await answer_question(pair.reader, msgspec.structs.replace(newest, limit=2), rules)
        assert (is_truncated(some), next_of(some)) == (True, None), question
        assert set(keys(some)) <= set(keys(whole))
        if "," not in str(getattr(question, "symbol", "")) and "*" not in str(getattr(question, "symbol", "")):
            assert keys(some) == keys(whole)[-2:], question


DAYS: list[tuple[Question, int]] = [
    (Records("bar", "rb2505", interval="1d", from_day="2025-03-04", to_day="2025-03-04"), 1),
    (Records("bar", "rb2505", interval="1m", from_day="20250304", to_day="20250304"), 40),
    (Records("bar", "rb2505", interval="1m", to_day="2025-03-03"), 20),
    (Records("bar", "rb2505", interval="1m", from_day="2025-03-05"), 0),
    (Records("bar", "rb2505", interval="5m", from_day="2025-03-04", to_day="2025-03-04"), 8),
    (Records("bar", "rb2505", interval="5m", from_day="2025-03-04", ts_from=DAY), 4),
    (Records("bar", "rb2505", interval="1m", made_of="ticks", from_day="2025-03-04", to_day="2025-03-04"), 2),
    (Records("tick", "rb2505", from_day="2025-03-04", to_day="2025-03-04"), 50),
    (Records("gap", "rb2505", from_day="2025-03-04", to_day="2025-03-04"), 0),
    (Daily("rb2505", from_day="2025-03-04"), 1),
    (Statistics("rb2505", from_day="2025-03-04", to_day="2025-03-04"), 1),
    (Continuous("rb", interval="1m", from_day="2025-03-04", to_day="2025-03-04"), 40),
]


async def test_a_trading_day_has_its_night(pair: Pair, calendar: MarketCalendar, subtests: pytest.Subtests) -> None:
    await fill(pair)
    rules = ReadRules(calendar, ("1m", "1d"))
    for question, count in DAYS:
        with subtests.test(question=question):
            found = await answer_question(pair.reader, question, rules)
            if not isinstance(question, Records) or question.kind != GAP.name:
                assert found.num_rows == count
            if isinstance(question, Records) and count and question.kind == "tick":
                assert found.column("ts_event").to_pylist()[0] == NIGHT
    (row,) = (await answer_question(pair.reader, DAYS[-2][0], rules)).to_pylist()
    assert (row["bars"], row["ts_from"]) == (40, NIGHT)


async def test_names_are_what_rows_name(pair: Pair, calendar: MarketCalendar) -> None:
    await fill(pair)
    found = {(row["symbol"], row["venue"]): row["stored"] for row in (await read(pair, Names())).to_pylist()}
    assert found[("rb2505", "shfe")]
    assert found[("BTC-USDT", "okx")]
    assert found[("okx0", "okx")] is False
    rules = ReadRules(calendar, ("1m", "1d"))
    for text in ("rb2505", "RB2505", "shfe.rb2505", "rb2505.SHFE", "RB2505.XSGE"):
        answered = await answer_question(pair.reader, Records("bar", text, interval="1d"), rules)
        assert set(answered.column("symbol").to_pylist()) == {"rb2505"}, text
    one = await answer_question(pair.reader, Records("bar", "okx.btcusdt", interval="1m"), rules)
    assert set(one.column("venue").to_pylist()) == {"okx"}
    with pytest.raises(UnknownSymbolError, match="was 'rb5205'; the nearest: rb2505"):
        await answer_question(pair.reader, Daily("rb5205"), rules)
