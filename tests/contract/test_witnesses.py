"""Witness: what every source of the same bars gives, whatever it has them of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.witnesses.files import FileWitness
from marketprism_adapters.witnesses.histories import HistoryWitness
from marketprism_adapters.witnesses.stored import TicksWitness, TradesWitness
from marketprism_application.contracts.kinds import TICK, TRADE
from marketprism_application.contracts.questions import Question
from marketprism_application.errors import SourceError, StoreError
from marketprism_application.ports.imports import FileHints
from marketprism_application.ports.storage import StreamPlace
from marketprism_application.ports.witnesses import Witness
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.integrity.dataset import Dataset
from tests.contract.stores import covered
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import tick
from tests.support.bar_series import CALENDAR
from tests.support.downloads import DAY, LISTED, MINUTE, history_of, simulated, symbol_of
from tests.support.import_files import spot_klines

NAMES = ("kline", "archive", "trade", "ticks", "file")
VALUES = ("open", "high", "low", "close", "volume")
NOW = LISTED + 400 * DAY


class Side(NamedTuple):
    """A witness, a range that it has bars of, and how to take its source away."""

    witness: Witness
    dataset: Dataset
    end: Callable[[], Awaitable[None]]


class _Store:
    """A memory store that may be away."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.is_away = False

    async def ask(self, question: Question) -> Any:
        if self.is_away:
            raise StoreError("the store is away")
        return await answer_question(self.memory, question, ReadRules(CALENDAR, ("1m",)))

    async def end(self) -> None:
        self.is_away = True

    async def put(self, kind: Any, rows: list[Any]) -> None:
        places = [StreamPlace(n + 1, 0) for n in range(len(rows))]
        await self.memory.insert(kind, rows, places, covered(1, len(rows)), 1)


async def _remote(stack: AsyncExitStack, name: str, folder: Path) -> Side:
    venue = await stack.enter_async_context(simulated("binance"))
    work = None if name == "kline" else folder
    history = await stack.enter_async_context(history_of("binance", venue.rest_url, work, raw=True))
    dataset = Dataset("kline", "binance", symbol_of(venue), "1m", LISTED + DAY, LISTED + DAY + 90 * MINUTE)
    witness = HistoryWitness(name, history, "binance", page=1000 if name == "kline" else 0)

    async def end() -> None:
        venue.inflict(("error",), share=1.0, most=10**6)

    return Side(witness, dataset, end)


async def _trades() -> Side:
    store = _Store()
    dataset = Dataset("bar", "binance", "BTC-USDT", "1m", LISTED + 10 * MINUTE, LISTED + 100 * MINUTE)
    rows = []
    for n in range(1, 1_000):
        price = Decimal(100 + n * 7 % 13)
        rows.append(
            SAMPLES["trade"]._replace(
                venue="binance",
                symbol="BTC-USDT",
                seq=n,
                trade_id=str(n),
                ts_event=LISTED + n * MINUTE // 9,
                price=price,
                quantity=Decimal(n % 5 + 1),
                first_id=None,
                last_id=None,
                off_book=False,
            )
        )
    await store.put(TRADE, rows)
    return Side(TradesWitness(store.ask, CALENDAR), dataset, store.end)


async def _ticks() -> Side:
    store = _Store()
    opened = CALENDAR.schedule("shfe", "cu1905").sessions("20190306")[1].ts_open
    rows = [
        tick(opened + n * 10**10, 50_000 + n % 7 * 10, n + 1, seq=n, symbol="cu1905", venue="shfe", verdict="passed")
        for n in range(1, 400)
    ]
    await store.put(TICK, [row._replace(seq=n + 1, phase="continuous") for n, row in enumerate(rows)])
    dataset = Dataset("bar", "shfe", "cu1905", "1m", opened, opened + 60 * MINUTE)
    return Side(TicksWitness(store.ask), dataset, store.end)


async def _file(folder: Path) -> Side:
    file = await asyncio.to_thread(lambda: open_rows_file(spot_klines(folder), FileHints()))
    series = file.facts.series[0]
    times = await asyncio.to_thread(file_times, file, series)
    dataset = Dataset("kline", series.venue, series.symbol, series.interval, times[0], times[-1] + MINUTE)
    witness = FileWitness(file, series, CALENDAR, NOW + 10**18)
    return Side(witness, dataset, _nothing)


def file_times(file: Any, series: Any) -> list[int]:
    return [ts for batch in file.batches(series) for ts in batch.column("ts_open").to_pylist()]


async def _nothing() -> None:
    """A file that was opened stays."""


@asynccontextmanager
async def side_of(name: str, folder: Path) -> AsyncIterator[Side]:
    async with AsyncExitStack() as stack:
        if name in ("kline", "archive"):
            yield await _remote(stack, name, folder)
        else:
            yield await {"trade": _trades, "ticks": _ticks}[name]() if name != "file" else await _file(folder)


@pytest.mark.parametrize("name", NAMES)
async def test_bars_lie_in_the_range_in_order_each_once(name: str, tmp_path: Path) -> None:
    async with side_of(name, tmp_path) as side:
        assert (side.witness.name, side.witness.is_remote) == (name, name in ("kline", "archive"))
        assert side.witness.knows(side.dataset)
        found = await side.witness.bars(side.dataset)
        times = found.rows.column("ts_open").to_pylist()
        assert len(times) > 1
        assert times == sorted(set(times))
        assert all(side.dataset.ts_from <= ts < side.dataset.ts_to for ts in times)
        assert all(isinstance(row[each], Decimal) for row in found.rows.to_pylist() for each in VALUES)
        assert found.requests >= 1
        assert all(page.data and len(page.sha256) == 64 for page in found.pages)
        assert bool(found.pages) == side.witness.is_remote
        one = await side.witness.bars(replace(side.dataset, ts_from=times[1], ts_to=times[1] + MINUTE))
        assert one.rows.to_pylist() == [found.rows.to_pylist()[1]]


@pytest.mark.parametrize("name", NAMES)
async def test_outside_what_it_has_there_are_no_bars_and_no_error(name: str, tmp_path: Path) -> None:
    async with side_of(name, tmp_path) as side:
        ts_from = side.dataset.ts_from - 3_000 * DAY
        found = await side.witness.bars(replace(side.dataset, ts_from=ts_from, ts_to=ts_from + 10 * MINUTE))
        assert found.rows.num_rows == 0
        assert "ts_open" in found.rows.column_names


@pytest.mark.parametrize("name", NAMES)
async def test_a_series_that_it_has_nothing_of_is_not_known(name: str, tmp_path: Path) -> None:
    async with side_of(name, tmp_path) as side:
        trades = replace(side.dataset, kind="trade", interval="")
        assert not side.witness.knows(trades)
        if name in ("kline", "archive", "file"):
            assert not side.witness.knows(replace(side.dataset, venue="okx"))
            assert not side.witness.knows(replace(side.dataset, interval="7m"))


@pytest.mark.parametrize("name", NAMES)
async def test_asking_costs_something_and_more_of_a_longer_range(name: str, tmp_path: Path) -> None:
    async with side_of(name, tmp_path) as side:
        costs = [
            side.witness.cost(replace(side.dataset, ts_to=side.dataset.ts_from + minutes * MINUTE))
            for minutes in (1, 500, 5_000, 50_000)
        ]
        assert name == "archive" or costs == sorted(costs)  # a month has one file, a few days have one each
        assert min(requests for requests, _ in costs) >= 1
        assert all(seconds >= 0 for _, seconds in costs)
        if name == "kline":
            assert [requests for requests, _ in costs] == [1, 1, 5, 50]


@pytest.mark.parametrize("name", ["kline", "trade", "ticks"])
async def test_a_source_that_is_away_is_an_error_and_no_answer(name: str, tmp_path: Path) -> None:
    async with side_of(name, tmp_path) as side:
        await side.end()
        with pytest.raises(SourceError):
            await side.witness.bars(side.dataset)


async def test_bars_of_trades_are_only_where_the_tape_is_whole() -> None:
    side = await _trades()
    whole = await side.witness.bars(side.dataset)
    assert whole.rows.num_rows == 90
    first = whole.rows.to_pylist()[0]
    # Trades 90 to 98 lie in the tenth minute: 10 min * 9 a minute.
    prices = [Decimal(100 + n * 7 % 13) for n in range(90, 99)]
    amounts = [Decimal(n % 5 + 1) for n in range(90, 99)]
    assert [first[name] for name in VALUES] == [prices[0], max(prices), min(prices), prices[-1], sum(amounts)]
    assert first["turnover"] == sum(price * amount for price, amount in zip(prices, amounts, strict=True))
    before = await side.witness.bars(replace(side.dataset, ts_from=LISTED))
    assert before.rows.column("ts_open").to_pylist()[0] == LISTED + MINUTE  # the minute of the first trade is not whole
    beyond = await side.witness.bars(replace(side.dataset, ts_to=LISTED + 120 * MINUTE))
    assert beyond.rows.column("ts_open").to_pylist()[-1] == LISTED + 110 * MINUTE


async def test_a_number_that_is_missing_spoils_the_bars_beside_it() -> None:
    store = _Store()
    rows = [
        SAMPLES["trade"]._replace(
            venue="okx",
            symbol="BTC-USDT",
            seq=n,
            trade_id=str(n),
            ts_event=LISTED + n * MINUTE // 4,
            first_id=None,
            last_id=None,
        )
        for n in range(1, 200)
        if n not in (81, 82)
    ]
    await store.put(TRADE, rows)
    dataset = Dataset("bar", "okx", "BTC-USDT", "1m", LISTED + 15 * MINUTE, LISTED + 25 * MINUTE)
    found = await TradesWitness(store.ask, CALENDAR).bars(dataset)
    minutes = [(ts - LISTED) // MINUTE for ts in found.rows.column("ts_open").to_pylist()]
    assert minutes == [15, 16, 17, 18, 19, 21, 22, 23, 24]
