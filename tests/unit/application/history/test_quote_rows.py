"""Quotes of files as the best levels of a book: their numbers, their sides, and beside what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BOOK_TOP
from marketprism_application.errors import QueryError
from marketprism_application.history.file_rows import FileRows, rows_of
from marketprism_application.history.importing import Importer
from marketprism_application.history.quote_rows import QuoteNumbers
from marketprism_application.history.targets import target_of
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_domain.marketdata.orderbook import BookLevel, BookTop
from tests.support.bar_series import CALENDAR
from tests.support.import_files import T0, book_ticker, tardis_quotes
from tests.unit.application.history.test_importing import Log

NS = 10**6


def parts_of(path: Path, *, size: Decimal | None = None, block_rows: int = 32_768) -> list[FileRows]:
    file = open_rows_file(path)
    (series,) = file.facts.series
    target = target_of(file.facts, series, size=size)
    return list(rows_of(file, series, target, CALENDAR, CheckAsked(2 * 10**18), block_rows))


def level(price: str, quantity: str) -> BookLevel:
    return BookLevel(Decimal(price), Decimal(quantity))


def tops_of(part: FileRows) -> list[BookTop]:
    sides = ("bids", "asks")
    return [
        BookTop(**{**row, **{side: tuple(BookLevel(**each) for each in row[side]) for side in sides}})
        for row in part.table.to_pylist()
    ]


def test_a_quote_is_the_best_level_of_each_side_by_its_update_id(tmp_path: Path) -> None:
    (part,) = parts_of(book_ticker(tmp_path))
    tops: list[BookTop] = tops_of(part)
    assert [(top.seq, top.ts_event) for top in tops] == [(700 + 3 * n, (T0 + n) * NS) for n in range(3)]
    first = tops[0]
    assert (first.bids, first.asks) == ((level("42000", "2.5"),), (level("42001", "1.5"),))
    assert (first.valid, first.depth, first.epoch, first.source) == (True, 1, 0, "import:binance-vision")
    assert (first.venue, first.symbol) == ("binance", "BTC-USDT-PERP")
    assert part.given >= {"bids", "asks"}


def test_a_side_without_a_price_or_an_amount_is_empty(tmp_path: Path) -> None:
    rows = [f"1,0,0,42001,1.5,{T0},{T0}", f"2,42000,2,,,{T0},{T0}", f"3,42000,2,42001,1,{T0},{T0}"]
    (part,) = parts_of(book_ticker(tmp_path, rows))
    tops: list[BookTop] = tops_of(part)
    assert [(len(top.bids), len(top.asks)) for top in tops] == [(0, 1), (1, 0), (1, 1)]


def test_amounts_of_contracts_are_amounts_of_coins(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="is counted in contracts there"):
        parts_of(tardis_quotes(tmp_path))
    (part,) = parts_of(tardis_quotes(tmp_path), size=Decimal("0.01"))
    tops: list[BookTop] = tops_of(part)
    assert {(top.bids, top.asks) for top in tops} == {((level("42000", "0.02"),), (level("42001", "0.01"),))}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_quotes_without_a_number_are_told_apart_the_same_whatever_the_blocks(steps: list[int], cuts: list[int]) -> None:
    times, at = [], 10**15
    for step in steps:
        at += 1_000 * (step // 3)  # several of one microsecond
        times.append(at)
    table = pa.table({"ts_event": times, "number": pa.nulls(len(times), pa.int64())})

    def numbered(sizes: Iterator[int]) -> list[int]:
        numbers, found, begin = QuoteNumbers(), [], 0
        while begin < len(times):
            block = table.slice(begin, next(sizes, len(times)))
            found += numbers.of(block).to_pylist()
            begin += block.num_rows
        return found

    whole = numbered(iter([]))
    assert whole == numbered(iter(cuts))
    assert len(set(whole)) == len(times)
    assert whole == sorted(whole)
    assert all(0 <= number - ts < 1_000 for number, ts in zip(whole, times, strict=True))


async def test_what_came_live_with_more_levels_is_the_same_quote_and_another_best_is_none(tmp_path: Path) -> None:
    store = MemoryStore()
    live = BookTop("binance", "BTC-USDT-PERP", "binance", 3, 700, (T0 + 5) * NS, 1, 1, True, 2)
    both = {"bids": (level("42000.0", "2.50"), level("41999", "9")), "asks": (level("42001", "1.5"),)}
    rows = [
        live._replace(**both),
        live._replace(seq=703, bids=(level("42000.1", "7"),), asks=(level("42001.1", "1.5"),)),
    ]
    places = [StreamPlace(n + 1, 0) for n in range(2)]
    await store.insert(BOOK_TOP, rows, places, StreamRange("L", "x", 1, 2), 1)
    key = SeriesKey("book_top", "binance", "BTC-USDT-PERP", "")
    parts = await asyncio.to_thread(lambda: parts_of(book_ticker(tmp_path)))
    log = Log(store)
    result = await Importer(store, log, lambda _: None).run(key, iter(parts))
    assert (result.stored, result.same, result.conflicts) == (1, 1, 1)
    (conflict,) = result.sample
    assert (conflict.field, conflict.stored, conflict.of_file) == ("bids", "7 at 42000.1", "2.5 at 42000.1")
    assert result.missing == 0
    again = await Importer(store, log, lambda _: None).run(key, iter(parts))
    assert (again.stored, again.same, again.conflicts) == (0, 2, 1)
