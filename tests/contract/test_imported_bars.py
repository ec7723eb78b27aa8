"""Minutes without ticks and without longer bars, as an import leaves them: what is asked of them is answered, in every
store, beside the bars that were made live."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import Daily, Key, Records, Symbols, next_of
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.stores import Pair, put, read
from tests.contract.test_pages import MINUTE, bar
from tests.fakes.ticks import at, tick

DAYS = ("20250303", "20250304", "20250305")
LIVE, MIXED = DAYS[1:]  # of the first day everything is imported, of the last one the morning
LIVE_FROM = at("2025-03-05 10:30:00")
HOUR = 60 * MINUTE


def minutes(calendar: MarketCalendar) -> list[Bar]:
    """Those of three days, night sessions with them, but one that nobody traded in."""
    schedule = calendar.schedule("shfe", "rb2505")
    opens = [
        (opened, day)
        for day in DAYS
        for session in schedule.sessions(day)
        for opened in range(session.ts_open, session.ts_close, MINUTE)
    ]
    return [bar("rb2505", opened, day) for opened, day in opens if opened != at("2025-03-03 14:59:00")]


async def everything(pair: Pair, rules: ReadRules, asked: Records, limit: int) -> list[dict[str, Any]]:
    """Rows of all pages of so many."""
    rows: list[dict[str, Any]] = []
    after: Key | None = None
    while True:
        page = await answer_question(pair.reader, msgspec.structs.replace(asked, limit=limit, after=after), rules)
        rows += page.to_pylist()
        after = next_of(page)
        if after is None:
            return rows


@pytest.mark.parametrize("interval", ["1h", "1d"])
@pytest.mark.long_on("native")
async def test_minutes_serve_a_stored_interval_where_it_has_no_bar(
    pair: Pair, calendar: MarketCalendar, interval: str
) -> None:
    await put(pair.store, BAR, minutes(calendar))
    bare, rules = ReadRules(calendar, ("1m",)), ReadRules(calendar, ("1m", interval))
    asked = Records("bar", "rb2505", interval=interval, ts_to=at("2025-03-08 00:00:00"))
    rows = await everything(pair, bare, asked, 500)
    assert rows
    assert await everything(pair, rules, asked, 500) == rows
    live = [
        Bar(**row)._replace(ticks=7)
        for row in rows
        if row["trading_day"] == LIVE or (row["trading_day"] == MIXED and row["ts_open"] >= LIVE_FROM)
    ]
    await put(pair.store, BAR, live, first=10_000)
    stored = {each.ts_open for each in live}
    expected = [row | {"ticks": 7} if row["ts_open"] in stored else row for row in rows]
    for limit in (500, 4):
        assert await everything(pair, rules, asked, limit) == expected
    for count in (2, len(rows)):
        newest = msgspec.structs.replace(asked, last=True, limit=count)
        assert (await answer_question(pair.reader, newest, rules)).to_pylist() == expected[-count:]
    span = msgspec.structs.replace(asked, ts_from=rows[len(rows) // 2]["ts_open"], ts_to=rows[-1]["ts_open"])
    assert await everything(pair, rules, span, 500) == expected[len(rows) // 2 : -1]


async def test_a_window_that_is_not_over_is_no_bar_beside_stored_ones(pair: Pair, calendar: MarketCalendar) -> None:
    first = at("2025-03-04 09:00:00")
    await put(pair.store, BAR, [bar("rb2505", first + n * MINUTE, LIVE) for n in range(70)])
    hour = bar("rb2505", first, LIVE, interval="1h", length=HOUR)
    await put(pair.store, BAR, [hour], first=1_000)
    found = await answer_question(
        pair.reader, Records("bar", "rb2505", interval="1h"), ReadRules(calendar, ("1m", "1h"))
    )
    assert found.column("ts_open").to_pylist() == [first]


async def test_spans_have_the_first_and_the_last_minute(pair: Pair) -> None:
    first = at("2025-03-04 09:00:00")
    await put(pair.store, BAR, [bar("rb2505", first + n * MINUTE, LIVE) for n in (5, 8, 59, 60)])
    rows = (await read(pair, MinuteSpans("rb2505", width_ns=HOUR))).to_pylist()
    spans = [(first + 5 * MINUTE, first + 59 * MINUTE), (first + HOUR, first + HOUR)]
    assert [(row["ts_first"], row["ts_last"]) for row in rows] == spans
    assert {(row["venue"], row["trading_day"]) for row in rows} == {("shfe", LIVE)}
    newest = await read(pair, MinuteSpans("rb2505", "shfe", width_ns=HOUR, limit=1, last=True))
    assert newest.to_pylist() == rows[1:]
    cut = await read(pair, MinuteSpans("rb2505", None, first + 6 * MINUTE, first + HOUR, LIVE, LIVE))
    assert cut.column("ts_first").to_pylist() == [first + 8 * MINUTE]
    assert (await read(pair, MinuteSpans("rb2505", "dce"))).num_rows == 0


async def test_days_and_names_of_bars_alone(pair: Pair, calendar: MarketCalendar) -> None:
    stored = minutes(calendar)
    whole = bar("rb2505", at("2025-03-05 21:00:00"), "20250306", interval="1d", length=18 * HOUR)
    wide = bar("rb2505", at("2025-03-05 21:00:00"), "20250306", interval="1w", length=90 * HOUR)
    await put(pair.store, BAR, [*stored, whole, wide])
    await put(pair.store, TICK, [tick(at("2025-03-04 09:00:01"), 250, 1, day=LIVE, phase="continuous")], 10_000)
    rows = {row["trading_day"]: row for row in (await read(pair, Daily("rb2505"))).to_pylist()}
    assert list(rows) == [*DAYS, "20250306"]
    of_day = [each for each in stored if each.trading_day == DAYS[0]]
    day = rows[DAYS[0]]
    assert (day["ticks"], day["bars"]) == (0, len(of_day))
    assert (day["ts_first"], day["ts_last"]) == (of_day[0].ts_open, of_day[-1].ts_close)
    prices = (of_day[0].open, max(b.high for b in of_day), min(b.low for b in of_day), of_day[-1].close)
    assert (day["first"], day["high"], day["low"], day["last"]) == prices
    assert day["volume"] == day["turnover"] == Decimal(len(of_day))
    assert (rows[LIVE]["ticks"], rows[LIVE]["last"]) == (1, Decimal(250))  # where there are ticks, a day is of them
    alone = rows["20250306"]
    assert (alone["bars"], alone["first"], alone["ts_last"]) == (0, whole.open, whole.ts_close)
    (name,) = (await read(pair, Symbols())).to_pylist()
    assert (name["ticks"], name["bars"]) == (1, len(stored) + 2)
    assert name["ts_first"] == name["ts_last"] == at("2025-03-04 09:00:01")
    await put(pair.store, BAR, [bar("ru2505", stored[0].ts_open, DAYS[0])], 20_000)
    other = (await read(pair, Symbols())).to_pylist()[1]
    assert (other["ticks"], other["ts_first"], other["ts_last"]) == (0, stored[0].ts_open, stored[0].ts_close)
