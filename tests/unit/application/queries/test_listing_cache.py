"""The list of the instruments is asked for seldom, prepared once a change, and nobody who types waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

import pyarrow as pa
import pytest

from marketprism_application.contracts.questions import Listing, Search, StoreQuestion
from marketprism_application.errors import StoreError
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.arrow_tables import LISTING
from marketprism_application.queries.instrument_index import InstrumentIndex
from marketprism_application.queries.listed_instruments import ListedInstrument
from marketprism_application.queries.listing_cache import KnownInstruments, ListingReader


class Store:
    """Lists `instruments`, after `may` is set, and takes `takes_s` for it."""

    def __init__(self, *instruments: ListedInstrument) -> None:
        self.instruments = list(instruments)
        self.asked = 0
        self.now = 0.0
        self.takes_s = 0.0
        self.may = asyncio.Event()
        self.may.set()
        self.error: StoreError | None = None

    async def answer(self, question: StoreQuestion) -> pa.Table:
        assert isinstance(question, Listing)
        self.asked += 1
        await self.may.wait()
        self.now += self.takes_s
        if self.error is not None:
            raise self.error
        return pa.Table.from_pylist([each._asdict() for each in self.instruments], LISTING)


class Preparing:
    """Makes indexes, and remembers in which threads."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def __call__(self, instruments: Iterable[ListedInstrument], today: str) -> InstrumentIndex:
        self.threads.append(threading.current_thread())
        return InstrumentIndex(instruments, today)


def listed(symbol: str, ts_last: int | None = 1) -> ListedInstrument:
    return ListedInstrument(symbol, "shfe", ts_last is not None, ts_last)


def reader_of(store: Store, preparing: Preparing | None = None, today: str = "20250303") -> ListingReader:
    return ListingReader(
        store, clock=lambda: store.now, today=lambda: today, prepare=preparing or InstrumentIndex, stale_s=60
    )


def symbols(known: KnownInstruments, text: str = "") -> list[str]:
    found: list[str] = known.found(Search(text)).column("symbol").to_pylist()
    return found


async def until_found(reader: ListingReader, expected: list[str]) -> None:
    """Until the list that was asked for in the background is there."""
    async with asyncio.timeout(10):
        while symbols(await reader.known()) != expected:
            await asyncio.sleep(0.005)


async def until_asked(store: Store, times: int) -> None:
    async with asyncio.timeout(10):
        while store.asked < times:
            await asyncio.sleep(0.005)


async def test_those_who_ask_together_are_answered_once_and_not_again_for_a_while() -> None:
    store = Store(listed("rb2505"))
    preparing = Preparing()
    reader = reader_of(store, preparing)
    first = await asyncio.gather(*(reader.known() for _ in range(5)))
    store.now = 5.0
    assert {id(each) for each in [*first, await reader.known()]} == {id(first[0])}
    assert (store.asked, len(preparing.threads)) == (1, 1)
    assert preparing.threads[0] is not threading.main_thread()


async def test_an_old_list_is_given_while_the_store_is_asked_and_a_very_old_one_is_waited_for() -> None:
    store = Store(listed("rb2505"))
    reader = reader_of(store)
    await reader.known()
    store.instruments.append(listed("rb2510", 2))
    store.now = 5.1
    store.may.clear()
    assert symbols(await reader.known()) == ["rb2505"]
    store.may.set()
    await until_found(reader, ["rb2510", "rb2505"])
    assert store.asked == 2
    store.instruments = [listed("cu2505")]
    store.now += 66
    assert symbols(await reader.known()) == ["cu2505"]


async def test_a_store_that_takes_long_is_asked_seldom() -> None:
    store = Store(listed("rb2505"))
    store.takes_s = 3.0
    reader = reader_of(store)
    await reader.known()
    store.now += 59.0  # 20 times what it took
    await reader.known()
    assert store.asked == 1
    store.now += 1.1
    await reader.known()
    await until_asked(store, 2)


async def test_only_other_words_or_another_day_are_prepared_anew() -> None:
    store, preparing = Store(listed("rb2505"), listed("cu2505")), Preparing()
    reader = reader_of(store, preparing)
    assert symbols(await reader.known()) == ["cu2505", "rb2505"]
    store.instruments = [listed("rb2505", 9), listed("cu2505", 3)]
    store.now = 100.0
    known = await reader.known()
    assert symbols(known) == ["rb2505", "cu2505"]
    assert known.found(Search("rb")).column("ts_last").to_pylist() == [9]
    assert len(preparing.threads) == 1
    store.instruments.append(listed("au2506", None))
    store.now = 200.0
    assert symbols(await reader.known()) == ["rb2505", "cu2505"]
    assert symbols(await reader.known(), "huangjin") == ["au2506"]
    assert len(preparing.threads) == 2


async def test_what_has_expired_since_yesterday_stands_behind() -> None:
    store, days = Store(listed("rb2502"), listed("rb2503")), iter(["20250228", "20250301"])
    reader = ListingReader(store, clock=lambda: store.now, today=lambda: next(days))
    assert symbols(await reader.known(), "rb") == ["rb2502", "rb2503"]
    store.now = 100.0
    assert symbols(await reader.known(), "rb") == ["rb2503", "rb2502"]


async def test_a_store_that_is_away_is_an_error_once_the_list_is_too_old() -> None:
    store = Store(listed("rb2505"))
    reader = reader_of(store)
    store.error = StoreError("away")
    with pytest.raises(StoreError, match="away"):
        await reader.known()
    store.error = None
    await reader.known()
    store.error, store.now = StoreError("away"), 10.0
    assert symbols(await reader.known()) == ["rb2505"]
    await until_asked(store, 3)
    store.now = 66.0
    with pytest.raises(StoreError, match="away"):
        await reader.known()
    store.error = None
    assert symbols(await reader.known()) == ["rb2505"]


async def test_an_empty_text_is_what_has_data_the_newest_first_within_what_is_visible() -> None:
    rows = [listed("rb2505", 3), listed("rb2510", 5), listed("cu2505", None), listed("au2506", 4)]
    rows.append(ListedInstrument("ag2506", "shfe", True, None))
    store = Store(*rows)
    for text in ("", "  ", "\u3000"):
        found = await answer_question(store, Search(text, limit=3))
        assert found.column("symbol").to_pylist() == ["rb2510", "au2506", "rb2505"]
    found = await answer_question(store, Search(venue="SHF", class_="future"))
    assert found.column("symbol").to_pylist() == ["rb2510", "au2506", "rb2505", "ag2506"]
    assert (await answer_question(store, Search(venue="dce"))).num_rows == 0
