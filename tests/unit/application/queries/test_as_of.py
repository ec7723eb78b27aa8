"""Bars as they stood, through the whole read side: made ones, those that are not stored yet, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import msgspec
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.bar_cache import CachedReader
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.recent_bars import FreshReader, RecentBars
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at

MINUTE = 60 * 10**9
OPENED = at("2025-03-03 09:00:00")
SAMPLE = cast("Bar", SAMPLES["bar"])
ASKED = Records("bar", "rb2505", interval="1m")


def bar(minute: int, close: int, published: int, revision: int = 0) -> Bar:
    opened = OPENED + minute * MINUTE
    return SAMPLE._replace(
        symbol="rb2505",
        venue="shfe",
        interval="1m",
        trading_day="20250303",
        ts_open=opened,
        ts_close=opened + MINUTE,
        ts_event=opened + MINUTE,
        ts_pub=published,
        open=Decimal(1),
        high=Decimal(100),
        low=Decimal(1),
        close=Decimal(close),
        seq=minute,
        revision=revision,
    )


@pytest.fixture
async def store() -> MemoryStore:
    """Seven minutes, the fifth of which was corrected."""
    memory = MemoryStore()
    rows = [*(bar(n, n + 1, 100) for n in range(7)), bar(4, 50, 200, 1)]
    await memory.insert(BAR, rows, [StreamPlace(n + 1, 0) for n in range(8)], StreamRange("B", "x", 1, 8), 1)
    return memory


@pytest.fixture
def rules(calendar: MarketCalendar) -> ReadRules:
    return ReadRules(calendar, ("1m", "1d"))


@pytest.mark.parametrize(("as_of", "close"), [(150, [5]), (200, [50]), (None, [50]), (99, [])])
async def test_bars_that_are_made_are_made_of_the_minutes_that_stood(
    store: MemoryStore, rules: ReadRules, as_of: int | None, close: list[int]
) -> None:
    asked = msgspec.structs.replace(ASKED, interval="5m", as_of=as_of, limit=1)
    found = await answer_question(store, asked, rules)
    assert [int(each) for each in found.column("close").to_pylist()] == close


async def test_a_correction_that_is_not_stored_yet_is_known_from_its_publication_on(store: MemoryStore) -> None:
    recent = RecentBars(10)
    recent.add(9, bar(6, 70, 300, 1))
    recent.add(10, bar(6, 71, 400, 2))
    reader = CachedReader(FreshReader(store, recent), lambda: True, 10**6)
    for _ in range(2):  # the second time from what is kept
        stood = [await reader.answer(msgspec.structs.replace(ASKED, as_of=as_of)) for as_of in (299, 300, 400, None)]
        assert [int(table.column("close")[-1].as_py()) for table in stood] == [7, 70, 71, 71]


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        (Records("tick", "rb2505", as_of=5), "as_of: expected with one of bar, kline, .* was with tick"),
        (msgspec.structs.replace(ASKED, as_of=5, made_of="ticks"), "as_of: expected bars as they are stored"),
        (msgspec.structs.replace(ASKED, as_of=5, interval="volume:10"), "as_of: expected bars as they are stored"),
        (msgspec.structs.replace(ASKED, as_of=5, interval="10s"), "as_of: expected an interval that is stored .* 10s"),
        (msgspec.structs.replace(ASKED, as_of=-1), "as_of: expected nanoseconds since 1970, was -1"),
    ],
)
async def test_what_has_no_revisions_is_refused(
    store: MemoryStore, rules: ReadRules, asked: Records, wrong: str
) -> None:
    with pytest.raises(QueryError, match=wrong):
        await answer_question(store, asked, rules)
