"""Names are asked for once and prepared once, aside from the loop, and a store that is away is waited for once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence

import msgspec
import pyarrow as pa
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Latest, Names, Records, StoreQuestion, encode_question
from marketprism_application.errors import StoreError, UnknownSymbolError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.arrow_tables import NAMES
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.name_cache import NamesReader
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, book, tick

START = at("2025-03-03 09:00:00")


def table(symbols: Sequence[str]) -> pa.Table:
    return pa.Table.from_pylist([{"symbol": symbol, "venue": "shfe", "stored": True} for symbol in symbols], NAMES)


class Counting:
    """A store that counts how often it is asked for names, which are `symbols` where given."""

    def __init__(self, store: MemoryStore, symbols: Sequence[str] | None = None) -> None:
        self.store = store
        self.symbols = symbols
        self.asked = 0
        self.may = asyncio.Event()
        self.may.set()
        self.error: StoreError | None = None

    async def answer(self, question: StoreQuestion) -> pa.Table:
        if not isinstance(question, Names):
            return await self.store.answer(question)
        self.asked += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return table(self.symbols) if self.symbols is not None else await self.store.answer(question)


class Preparing:
    """Makes indexes, and remembers in which threads."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def __call__(self, names: Iterable[StoredName]) -> NameIndex:
        self.threads.append(threading.current_thread())
        return NameIndex(names)


async def filled(*symbols: str) -> MemoryStore:
    store = MemoryStore()
    ticks = [tick(START + n, 100, 1, **book(99, 108))._replace(symbol=each, seq=1) for n, each in enumerate(symbols)]
    places = [StreamPlace(n + 1, 0) for n in range(len(ticks))]
    await store.insert(TICK, ticks, places, StreamRange("S", "x", 1, len(ticks)), 1)
    return store


async def test_many_names_are_prepared_once_and_not_on_the_loop(calendar: MarketCalendar) -> None:
    store, now, preparing = Counting(MemoryStore(), [f"s{n}" for n in range(16_000)]), [0.0], Preparing()
    names = NamesReader(store, 5.0, lambda: now[0], preparing)
    rules = ReadRules(calendar, ("1m",))

    async def unknown(symbol: str) -> str:
        with pytest.raises(UnknownSymbolError) as caught:
            await answer_question(store, Records("tick", symbol), rules, names)
        return str(caught.value)

    first, *others = await asyncio.gather(unknown("S15999x"), *[unknown("zz") for _ in range(20)])
    assert "the nearest: s15999" in first
    assert set(others) == {"symbol: expected one that is stored, was 'zz'; 16000 others are stored"}
    assert (await answer_question(store, Records("tick", "S7"), rules, names)).num_rows == 0
    assert (await answer_question(store, Latest("tick", ("S7", "s8")), rules, names)).num_rows == 0
    assert (store.asked, len(preparing.threads)) == (1, 1)
    now[0] = 6.0
    assert (await names.index()).venues_of("s7") == {"shfe"}
    assert (store.asked, len(preparing.threads)) == (2, 1)
    store.symbols, now[0] = ["s7"], 12.0
    assert len((await names.index()).names) == 1
    assert (store.asked, len(preparing.threads)) == (3, 2)
    assert threading.current_thread() not in preparing.threads


async def test_a_pattern_by_trading_day_asks_once_for_the_names(calendar: MarketCalendar) -> None:
    store = Counting(await filled(*(f"rb25{n:02}" for n in range(1, 13))))
    asked = Records("tick", "rb25*", from_day="2025-03-03", to_day="2025-03-03", limit=10)
    preparing = Preparing()
    names = NamesReader(store, -1.0, prepare=preparing)
    assert (await answer_question(store, asked, ReadRules(calendar, ("1m",)), names)).num_rows == 12
    assert (store.asked, len(preparing.threads)) == (1, 1)
    bracket = msgspec.structs.replace(asked, symbol="rb25[01]1")
    assert (await answer_question(store, bracket, ReadRules(calendar, ("1m",)))).num_rows == 2


async def test_a_store_that_is_away_is_waited_for_once_by_all() -> None:
    store = Counting(MemoryStore(), ["s1"])
    store.error = StoreError("store: away", retryable=True)
    store.may.clear()
    names = NamesReader(store)
    waiting = [asyncio.create_task(names.index()) for _ in range(10)]
    hasty = asyncio.create_task(names.index())
    while not store.asked:
        await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    store.may.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert found == [store.error] * 10
    assert store.asked == 1
    store.error = None
    assert len((await names.index()).names) == 1
    assert store.asked == 2


async def test_of_several_symbols_the_error_of_one_is_the_answer(calendar: MarketCalendar) -> None:
    store = await filled("ru1901")
    question = encode_question(Records("tick", "ru1901,nosuch"))
    found = await answer(store, question, ReadRules(calendar, ("1m",)))
    assert Code.UNKNOWN_SYMBOL.encode() in found
    assert b"'nosuch'; stored: ru1901" in found
    with pytest.raises(UnknownSymbolError):
        await answer_question(store, Records("tick", "ru1901,nosuch"), ReadRules(calendar, ("1m",)))
