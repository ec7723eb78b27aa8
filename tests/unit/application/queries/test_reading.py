"""What lies between a store and its readers: bars that are not in it yet, and answers that are kept."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records, StoreQuestion
from marketprism_application.ports.reading import StoreReader
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.bar_cache import CachedReader
from marketprism_application.queries.recent_bars import FreshReader, RecentBars
from marketprism_domain.errors import DomainError
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.test_codec import SAMPLES

ASKED = Records("bar", "rb2505", interval="1m", limit=1_000)


def bar(minute: int, close: int = 1, revision: int = 0, venue: str = "shfe") -> Bar:
    made: Bar = SAMPLES["bar"]._replace(
        venue=venue,
        symbol="rb2505",
        interval="1m",
        ts_open=minute * NANOS_PER_MINUTE,
        ts_close=(minute + 1) * NANOS_PER_MINUTE,
        ts_event=(minute + 1) * NANOS_PER_MINUTE,
        seq=minute,
        open=Decimal(close),
        high=Decimal(close),
        low=Decimal(close),
        close=Decimal(close),
        revision=revision,
    )
    return made


async def put(store: MemoryStore, first: int, bars: list[Bar]) -> None:
    places = [StreamPlace(first + n, 0) for n in range(len(bars))]
    await store.insert(BAR, bars, places, StreamRange("S", "x", first, first + len(bars) - 1), 1)


def keys(table: pa.Table) -> list[tuple[int, Decimal]]:
    rows = table.to_pylist()
    return [(row["ts_open"] // NANOS_PER_MINUTE, row["close"]) for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    stream=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=30),
    stored=st.integers(0, 30),
    told=st.integers(0, 30),
    limit=st.integers(1, 12),
    last=st.booleans(),
    window=st.tuples(st.integers(0, 9), st.integers(0, 10)),
)
async def test_the_answer_is_that_of_a_store_that_has_everything(
    stream: list[tuple[int, int]], stored: int, told: int, limit: int, last: bool, window: tuple[int, int]
) -> None:
    """Whatever part of the stream is stored, and whatever part of that the reader has heard of."""
    bars = [bar(minute, n + 1, revision) for n, (minute, revision) in enumerate(stream)]
    whole, part, recent = MemoryStore(), MemoryStore(), RecentBars()
    await put(whole, 1, bars)
    if stored:
        await put(part, 1, bars[:stored])
    for seq, made in enumerate(bars, 1):
        recent.add(seq, made)
    recent.stored_to(min(stored, told))
    start, end = (minute * NANOS_PER_MINUTE for minute in window)
    query = replace(ASKED, limit=limit, last=last, ts_from=start, ts_to=max(start, end))
    assert keys(await FreshReader(part, recent).answer(query)) == keys(await whole.answer(query))


async def test_a_bar_that_is_stored_between_the_look_and_the_query_is_not_missed() -> None:
    store, recent = MemoryStore(), RecentBars()
    recent.add(1, bar(5))

    class Slow:
        async def answer(self, question: StoreQuestion) -> pa.Table:
            found = await store.answer(question)
            await put(store, 1, [bar(5)])
            recent.stored_to(1)
            return found

    assert keys(await FreshReader(Slow(), recent).answer(ASKED)) == [(5, Decimal(1))]
    assert not len(recent)
    assert keys(await FreshReader(store, recent).answer(ASKED)) == [(5, Decimal(1))]


async def test_pages_hold_recent_bars_in_their_place() -> None:
    store, recent = MemoryStore(), RecentBars()
    await put(store, 1, [bar(n) for n in range(0, 10, 2)])
    for n in range(1, 10, 2):
        recent.add(10 + n, bar(n))
    reader, found, after = FreshReader(store, recent), [], None
    while page := keys(await reader.answer(replace(ASKED, limit=3, after=after))):
        found += page
        after = (page[-1][0] * NANOS_PER_MINUTE, page[-1][0])
    assert [minute for minute, _ in found] == list(range(10))


def test_memory_is_bounded_and_what_goes_is_counted() -> None:
    recent = RecentBars(most=10)
    for n in range(25):
        recent.add(n, bar(n))
    assert (len(recent), recent.dropped) == (10, 15)
    assert [made.ts_open // NANOS_PER_MINUTE for made in recent.wanted(ASKED)] == list(range(15, 25))
    assert [made.seq for made in recent.newest("rb2505", "1m")] == [24]
    recent.clear()
    assert not recent.wanted(ASKED)
    assert not recent.newest("rb2505", "1m")


def test_of_one_window_the_later_revision_stands_and_what_no_bar_can_be_is_not_taken() -> None:
    recent = RecentBars()
    for seq, made in enumerate((bar(1), bar(1, 3, revision=2), bar(1, 2, revision=1), bar(1, 4, revision=2))):
        recent.add(seq, made)
    assert [(made.close, made.revision) for made in recent.wanted(ASKED)] == [(4, 2)]
    for wrong in ({"high": Decimal(0)}, {"ts_close": 0}, {"volume": Decimal(-1)}):
        with pytest.raises(DomainError):
            recent.add(9, bar(2)._replace(**wrong))
    assert [made.ts_open // NANOS_PER_MINUTE for made in recent.wanted(ASKED)] == [1]
    assert len(recent) == 4


class Counting:
    """Counts the questions that reach the store; `pause` holds them up."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self.asked = 0
        self.pause: asyncio.Event | None = None

    async def answer(self, question: StoreQuestion) -> pa.Table:
        self.asked += 1
        found = await self._store.answer(question)
        if self.pause is not None:
            await self.pause.wait()
        return found


def cached(store: MemoryStore, live: list[bool], size: int = 2**20) -> tuple[CachedReader, Counting]:
    counting = Counting(store)
    return CachedReader(counting, lambda: live[0], size), counting


async def test_an_answer_is_kept_until_a_bar_comes_that_belongs_into_it() -> None:
    store = MemoryStore()
    await put(store, 1, [bar(n) for n in range(10)])
    reader, counting = cached(store, [True])
    closed = replace(ASKED, ts_from=0, ts_to=10 * NANOS_PER_MINUTE)
    for _ in range(3):
        assert len(keys(await reader.answer(closed))) == 10
        assert len(keys(await reader.answer(ASKED))) == 10
    assert (counting.asked, reader.hits, reader.misses) == (2, 4, 2)
    await put(store, 20, [bar(10)])
    reader.on_bar(bar(10))  # behind the closed range, inside the open one
    assert len(keys(await reader.answer(closed))) == 10
    assert len(keys(await reader.answer(ASKED))) == 11
    assert counting.asked == 3
    await put(store, 30, [bar(4, close=7, revision=1)])
    reader.on_bar(bar(4, close=7, revision=1))
    assert keys(await reader.answer(closed))[4] == (4, Decimal(7))
    assert counting.asked == 4
    reader.on_bar(bar(4)._replace(symbol="cu2505"))
    reader.on_bar(bar(4)._replace(interval="5m"))
    assert keys(await reader.answer(closed))[4] == (4, Decimal(7))
    assert counting.asked == 4


async def test_an_answer_that_was_overtaken_on_its_way_is_given_and_not_kept() -> None:
    store = MemoryStore()
    await put(store, 1, [bar(1)])
    reader, counting = cached(store, [True])
    counting.pause = asyncio.Event()
    asking = asyncio.create_task(reader.answer(ASKED))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await put(store, 2, [bar(2)])
    reader.on_bar(bar(2))
    counting.pause.set()
    assert len(keys(await asking)) == 1
    assert len(keys(await reader.answer(ASKED))) == 2


async def test_while_bars_are_not_heard_nothing_is_kept() -> None:
    store, live = MemoryStore(), [True]
    await put(store, 1, [bar(1)])
    reader, counting = cached(store, live)
    await reader.answer(ASKED)
    live[0] = False
    for _ in range(2):
        await reader.answer(ASKED)
    live[0] = True
    await reader.answer(ASKED)
    assert counting.asked == 4
    assert reader.bytes > 0


async def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    store = MemoryStore()
    await put(store, 1, [bar(n) for n in range(100)])
    one = (await store.answer(replace(ASKED, limit=50))).nbytes
    reader, counting = cached(store, [True], size=11 * one)
    for n in range(20):
        await reader.answer(replace(ASKED, limit=50, ts_from=n))
        await reader.answer(replace(ASKED, limit=50, ts_from=0))
    assert reader.bytes <= 11 * one
    before = counting.asked
    await reader.answer(replace(ASKED, limit=50, ts_from=0))
    assert counting.asked == before
    await reader.answer(replace(ASKED, limit=50, ts_from=1))
    assert counting.asked == before + 1
    assert (await CachedReader(store, lambda: True, 0).answer(ASKED)).num_rows == 100


async def test_an_answer_is_forgotten_when_rows_of_the_past_came_also_while_it_was_asked_for() -> None:
    store = MemoryStore()
    await put(store, 1, [bar(n) for n in range(10)])
    reader, _ = cached(store, [True])
    assert len(keys(await reader.answer(ASKED))) == 10
    await put(store, 20, [bar(10)])
    assert len(keys(await reader.answer(ASKED))) == 10
    reader.on_history()
    assert len(keys(await reader.answer(ASKED))) == 11

    class Slow:
        async def answer(self, question: StoreQuestion) -> pa.Table:
            table = await store.answer(question)
            late.on_history()  # behind the look, before the answer
            return table

    late = CachedReader(Slow(), lambda: True, 2**20)
    await late.answer(ASKED)
    await late.answer(ASKED)
    assert (late.hits, late.misses) == (0, 2)
