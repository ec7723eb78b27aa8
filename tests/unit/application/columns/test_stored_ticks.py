"""Stored ticks through columns: the bars of the live builder, page by page, and what is refused."""

from __future__ import annotations

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import TICK
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.replay.stored import Span, rebuild_stored
from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_SECOND
from tests.fakes.ticks import at, tick
from tests.unit.application.columns.histories import rows_of

OPEN = at("2025-03-03 09:00:00")
BARS = BarSettings(("1m", "5m", "1d"))
NOW = at("2025-03-05 09:00:00")


def pushed() -> list[Tick]:
    """Two ticks a second for ten minutes; the 302nd came forty places late, behind a page's end."""
    ticks = [tick(OPEN + n * NANOS_PER_SECOND // 2, 100 + n % 7, 10 + n, seq=n) for n in range(1, 1_200)]
    late = ticks.pop(301)
    ticks.insert(341, late)
    return [each._replace(seq=n, verdict="valid") for n, each in enumerate(ticks, 1)]


async def stored(ticks: list[Tick]) -> MemoryStore:
    store = MemoryStore()
    places = [StreamPlace(n, 0) for n in range(len(ticks))]
    await store.insert(TICK, ticks, places, StreamRange("T", "x", 0, len(ticks)), 1)
    return store


async def test_pages_make_the_bars_of_the_live_builder(calendar: MarketCalendar) -> None:
    ticks = pushed()
    builder = BarBuilder("shfe", "rb2505", calendar.schedule("shfe", "rb2505"), BARS)
    bars = [bar for each in ticks for bar in builder.on_tick(each)] + builder.on_clock(NOW)
    bars.sort(key=lambda bar: (BARS.intervals.index(bar.interval), bar.ts_open, bar.revision))
    store = await stored(ticks)
    for rows in (20_000, 310, 31):
        found = await rebuild_stored(store, calendar, "rb2505", Span(), BARS, NOW, page_rows=rows)
        assert found.bars.to_pylist() == rows_of(bars)
        assert (found.ticks, found.late) == (len(ticks), builder.late)
        assert 0 < found.one_by_one < 10


async def test_a_range_is_of_openings_and_its_days_are_read_whole(calendar: MarketCalendar) -> None:
    store = await stored(pushed())
    span = Span(OPEN + 120 * NANOS_PER_SECOND, OPEN + 300 * NANOS_PER_SECOND)
    whole = (await rebuild_stored(store, calendar, "rb2505", Span(), BARS, NOW)).bars.to_pylist()
    found = (await rebuild_stored(store, calendar, "rb2505", span, BARS, NOW)).bars.to_pylist()
    assert found == [row for row in whole if span.ts_from <= row["ts_open"] < span.ts_to]  # type: ignore[operator]
    assert len(found) == 3


async def test_what_cannot_be_made_is_refused_by_its_name(calendar: MarketCalendar) -> None:
    store = await stored(pushed())
    with pytest.raises(UnknownSymbolError, match="symbol: expected an instrument with stored ticks, was 'rb9999'"):
        await rebuild_stored(store, calendar, "rb9999", Span(), BARS, NOW)
    with pytest.raises(UnknownSymbolError, match="stored ticks at dce, was 'rb2505'"):
        await rebuild_stored(store, calendar, "rb2505", Span(), BARS, NOW, venue="dce")
    with pytest.raises(QueryError, match="to: expected a time after from"):
        await rebuild_stored(store, calendar, "rb2505", Span(NOW, NOW), BARS, NOW)
    with pytest.raises(QueryError, match="from and to: expected a range with stored ticks of rb2505"):
        await rebuild_stored(store, calendar, "rb2505", Span(NOW, NOW + 1), BARS, NOW)
