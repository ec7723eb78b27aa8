"""A datafeed of VeighNa as a history: its bars as rows, its words as errors."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets as chinese_calendar
from marketprism_adapters.downloads.datafeed import DatafeedHistory, datafeed_history, datafeed_named
from marketprism_application.contracts.kinds import BAR
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.integrity.dataset import Dataset
from tests.support.vnpy_datafeed import Feed, datafeed

CHINA = timezone(timedelta(hours=8))
DAYS = ("20240315", "20240318")  # a Friday; the night of the next day is that of the same Friday
SYMBOL = "rb2410"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp()) * 10**9


def dataset(interval: str = "1m", venue: str = "shfe", begin: str = "2024-03-14", end: str = "2024-03-19") -> Dataset:
    return Dataset(BAR.name, venue, SYMBOL, interval, ns(begin), ns(end))


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique: str) -> Feed:
    found = datafeed(tmp_path, monkeypatch, f"feed{unique.replace('-', '')}")
    schedule = chinese_calendar().schedule("shfe", SYMBOL)
    found.made.bars[:] = found.minutes(SYMBOL, schedule, DAYS, CHINA)
    return found


async def rows(feed: Feed, asked: Dataset) -> list[dict[str, Any]]:
    async with datafeed_history(feed.name, asked.venue, chinese_calendar()) as history:
        found: list[dict[str, Any]] = []
        for part in await history.plan(asked):
            fetched = await history.fetch(part)
            assert fetched.rows.schema == schema_of(BAR.name)
            found += fetched.rows.to_pylist()
        return found


async def test_minutes_are_rows_with_the_trading_day_of_the_calendar(feed: Feed) -> None:
    feed.made.bars[0].open_price = 3700.1  # the shortest text of the float, not what it is exactly
    found = await rows(feed, dataset())
    schedule = chinese_calendar().schedule("shfe", SYMBOL)
    expected = sum((s.ts_close - s.ts_open) // 60_000_000_000 for day in DAYS for s in schedule.sessions(day))
    assert len(found) == expected == 2 * 345
    assert [row["ts_open"] for row in found] == sorted({row["ts_open"] for row in found})
    monday = next(row for row in found if row["ts_open"] == ns("2024-03-15 21:00"))
    assert (monday["trading_day"], monday["ts_close"]) == ("20240318", ns("2024-03-15 21:01"))
    first = found[0]
    assert (first["open"], first["turnover"], first["open_interest"]) == (
        Decimal("3700.1"),
        Decimal("370010.5"),
        Decimal(500_000),
    )
    assert (first["source"], first["venue"], first["interval"]) == (f"datafeed:{feed.name}", "shfe", "1m")
    request = feed.made.asked[0]
    assert (request.symbol, request.exchange.value, request.interval.value) == (SYMBOL, "SHFE", "1m")
    assert request.start.utcoffset() == timedelta(hours=8)


async def test_a_bar_of_another_zone_lies_where_it_was(feed: Feed) -> None:
    bars = feed.made.bars
    before = await rows(feed, dataset())
    for bar in bars:
        bar.datetime = bar.datetime.astimezone(UTC)
    assert [row["ts_open"] for row in await rows(feed, dataset())] == [row["ts_open"] for row in before]


async def test_bars_of_days_bear_their_date(feed: Feed) -> None:
    feed.made.bars[:] = [
        feed.bar(SYMBOL, datetime(2024, 3, day, tzinfo=CHINA), 3700.5, "d", volume=9.0) for day in (15, 18)
    ]
    found = await rows(feed, dataset("1d"))
    assert [row["trading_day"] for row in found] == [*DAYS]
    assert found[1]["ts_open"] == ns("2024-03-15 21:00")
    assert found[0]["turnover"] == 0  # nobody has said any
    assert found[0]["open_interest"] is None or found[0]["open_interest"] == 0


async def test_a_day_that_opens_in_the_range_is_in_it_although_its_date_is_not(feed: Feed) -> None:
    feed.made.bars[:] = [feed.bar(SYMBOL, datetime(2024, 3, 18, tzinfo=CHINA), 3700.5, "d", volume=9.0)]
    friday = dataset("1d", begin="2024-03-15T20:00", end="2024-03-15T23:00")
    assert [row["trading_day"] for row in await rows(feed, friday)] == ["20240318"]
    assert await rows(feed, dataset("1d", begin="2024-03-15T21:01", end="2024-03-19")) == []


async def test_a_forming_bar_is_none_yet(feed: Feed) -> None:
    now = ns("2024-03-18 09:30") + 10**9
    history = DatafeedHistory("x", "shfe", datafeed_named(feed.name), chinese_calendar(), now_ns=lambda: now)
    parts = await history.plan(dataset())
    table = (await history.fetch(parts[-1])).rows
    assert table.column("ts_open").to_pylist()[-1] == ns("2024-03-18 09:29")
    history.close()


async def test_what_it_refuses_is_said_in_its_words(feed: Feed) -> None:
    feed.made.words, kept = "no permission for 1m", list(feed.made.bars)
    assert await rows(feed, dataset())  # with rows, a word is no failure
    feed.made.bars.clear()
    with pytest.raises(SourceError, match=rf"datafeed {feed.name}: expected bars: no permission for 1m"):
        await rows(feed, dataset())
    feed.made.words = ""
    assert await rows(feed, dataset()) == []
    feed.made.logged_in = False
    with pytest.raises(SourceError, match="expected to be logged in: wrong user or password"):
        await rows(feed, dataset())
    feed.made.logged_in = True
    feed.made.bars[:] = kept
    with pytest.raises(QueryError, match="interval: expected one of 1m, 1h, 1d, 1w, was '5m'"):
        await rows(feed, dataset("5m"))
    with pytest.raises(QueryError, match="venue: expected an exchange that vnpy has, was 'nowhere'"):
        await rows(feed, dataset(venue="nowhere"))


async def test_one_that_logs_in_with_each_question_needs_no_init(feed: Feed) -> None:
    feed.made.logged_in, feed.made.refusal = False, ""  # vnpy's own init answers this way
    assert len(await rows(feed, dataset())) == 690

    def raises(*_: object) -> bool:
        raise OSError("no route to host")

    feed.made.init = raises
    with pytest.raises(SourceError, match="expected to be logged in: no route to host"):
        await rows(feed, dataset())


@pytest.mark.parametrize("nothing", [math.nan, 0.0])
async def test_a_bar_that_stands_for_none_is_none(feed: Feed, nothing: float) -> None:
    when = feed.made.bars[5].datetime
    feed.made.bars[5] = feed.bar(SYMBOL, when, nothing, volume=0.0)
    found = await rows(feed, dataset())
    assert len(found) == 689
    feed.made.bars[:] = [feed.made.bars[5]]
    assert await rows(feed, dataset()) == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1.7976931348623157e308])
async def test_a_price_that_is_none_is_named(feed: Feed, wrong: float) -> None:
    feed.made.bars[5].high_price = wrong
    with pytest.raises(SourceError, match=r"2024-03-14 21:05:00.*: high: expected a number, was"):
        await rows(feed, dataset())


async def test_bars_of_one_time_that_differ_are_refused_and_the_same_one_again_is_counted(feed: Feed) -> None:
    bars = feed.made.bars
    bars.append(bars[0])
    async with datafeed_history(feed.name, "shfe", chinese_calendar()) as history:
        part = (await history.plan(dataset()))[0]
        assert (await history.fetch(part)).repeated == 1
        bars.append(feed.bar(SYMBOL, bars[0].datetime, 9999.0))
        with pytest.raises(SourceError, match="expected one bar of a time"):
            await history.fetch(part)


async def test_a_datafeed_that_raises_has_failed_this_part(feed: Feed) -> None:
    def raises(*_: object) -> None:
        raise KeyError("no field")

    feed.made.query_bar_history = raises
    with pytest.raises(SourceError, match=r"expected bars: .*no field"):
        await rows(feed, dataset())


def test_a_module_that_is_none_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryError, match=r"a Datafeed \(vnpy_nosuchfeed or nosuchfeed\), was 'nosuchfeed'"):
        datafeed_named("nosuchfeed")
    (tmp_path / "halffeed.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SourceError, match=r"datafeed halffeed: expected to be loaded: .*a_library_that_is_not_there"):
        datafeed_named("halffeed")
    with pytest.raises(QueryError, match="expected a module with a Datafeed"):
        datafeed_named("json")
