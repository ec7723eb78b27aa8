"""Bars and klines as they stood at an earlier time: every adapter answers with the revision that was known by then."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import msgspec
import pytest

from marketprism_application.contracts.kinds import BAR, KLINE, DataKind
from marketprism_application.contracts.questions import Records, key_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.kline import Kline
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES

BAR_SAMPLE, KLINE_SAMPLE = cast("Bar", SAMPLES["bar"]), cast("Kline", SAMPLES["kline"])
MINUTE = 60 * 10**9
OPENED = 1_740_787_200 * 10**9 // MINUTE * MINUTE


def bar(minute: int, close: int, published: int, *, revision: int = 0, venue: str = "shfe", gap: bool = False) -> Bar:
    opened = OPENED + minute * MINUTE
    return BAR_SAMPLE._replace(
        symbol="rb2505",
        venue=venue,
        interval="1m",
        ts_open=opened,
        ts_close=opened + MINUTE,
        ts_event=opened + MINUTE,
        ts_pub=published,
        close=Decimal(close),
        revision=revision,
        seq=minute,
        gap=gap,
    )


def kline(minute: int, close: int, published: int, *, closed: bool = True) -> Kline:
    opened = OPENED + minute * MINUTE
    return KLINE_SAMPLE._replace(
        symbol="BTC-USDT",
        interval="1m",
        ts_open=opened,
        ts_close=opened + MINUTE,
        ts_event=published,
        ts_pub=published,
        close=Decimal(close),
        seq=published,
        closed=closed,
    )


async def closes(pair: Pair, kind: DataKind, symbol: str, as_of: int | None, **more: object) -> list[int]:
    asked = msgspec.structs.replace(Records(kind.name, symbol, interval="1m", as_of=as_of), **more)
    found = await read(pair, asked)
    return [int(close) for close in found.column("close").to_pylist()]


@pytest.fixture
async def revised(pair: Pair) -> Pair:
    """Three minutes; the second was corrected twice, the third once, by a message that came again."""
    await put(pair.store, BAR, [bar(0, 1, 100), bar(1, 2, 100), bar(2, 3, 100)])
    await put(pair.store, BAR, [bar(1, 20, 200, revision=1), bar(2, 30, 250, revision=1)], first=4)
    again = [bar(2, 30, 250, revision=1), bar(1, 22, 300, revision=2)]
    await put(pair.store, BAR, again, first=6)
    await put(pair.store, BAR, again, first=6)
    return pair


@pytest.mark.parametrize(
    ("as_of", "wanted"),
    [
        (99, []),
        (100, [1, 2, 3]),
        (199, [1, 2, 3]),
        (200, [1, 20, 3]),
        (299, [1, 20, 30]),
        (300, [1, 22, 30]),
        (None, [1, 22, 30]),
    ],
)
async def test_a_bar_is_what_was_known_by_then(revised: Pair, as_of: int | None, wanted: list[int]) -> None:
    assert await closes(revised, BAR, "rb2505", as_of) == wanted


async def test_ranges_venues_and_pages_are_those_of_any_answer(revised: Pair) -> None:
    await put(revised.store, BAR, [bar(1, 7, 150, venue="ine")], first=8)
    span = {"ts_from": OPENED + MINUTE, "ts_to": OPENED + 2 * MINUTE}
    assert await closes(revised, BAR, "rb2505", 210, **span) == [7, 20]
    assert await closes(revised, BAR, "rb2505", 210, venue="shfe", **span) == [20]
    assert await closes(revised, BAR, "rb2505", 149, **span) == [2]
    assert await closes(revised, BAR, "rb2505", 210, limit=2, last=True) == [20, 3]
    assert await closes(revised, BAR, "rb2505", 210, from_day="20990101") == []
    page = await read(revised, Records("bar", "rb2505", interval="1m", as_of=210, limit=2))
    rest = await closes(revised, BAR, "rb2505", 210, after=key_of(BAR, page))
    assert [int(close) for close in page.column("close").to_pylist()] + rest == [1, 7, 20, 3]


async def test_a_correction_that_came_before_its_bar_is_the_newest_all_the_same(pair: Pair) -> None:
    """Of messages that were redriven, an older revision can be stored behind a newer one."""
    await put(pair.store, BAR, [bar(0, 10, 200, revision=1)])
    await put(pair.store, BAR, [bar(0, 1, 100)], first=2)
    assert [await closes(pair, BAR, "rb2505", as_of) for as_of in (100, 200, None)] == [[1], [10], [10]]


async def test_klines_stand_as_they_were_closed(pair: Pair) -> None:
    """While one is being made it is no kline yet; the venue may send one anew that it has closed."""
    running = [kline(0, 1, 10, closed=False), kline(0, 2, 20, closed=False)]
    await put(pair.store, KLINE, [*running, kline(0, 3, 60), kline(1, 4, 70, closed=False)])
    await put(pair.store, KLINE, [kline(0, 5, 500)], first=5)
    assert [await closes(pair, KLINE, "BTC-USDT", as_of) for as_of in (20, 60, 499, 500)] == [[], [3], [3], [5]]
    assert await closes(pair, KLINE, "BTC-USDT", None) == [5, 4]


async def test_every_column_is_that_of_the_revision(revised: Pair) -> None:
    await put(revised.store, BAR, [bar(5, 9, 400, gap=True)], first=9)
    wanted = bar(5, 9, 400, gap=True)._asdict()
    await put(revised.store, BAR, [bar(5, 90, 900, revision=1)._replace(open_interest=None, turnover=Decimal(1))], 10)
    found = (
        await read(revised, Records("bar", "rb2505", interval="1m", ts_from=OPENED + 5 * MINUTE, as_of=400))
    ).to_pylist()
    assert found == [wanted]
