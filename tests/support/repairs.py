"""Stored series that a test has damaged, their witnesses, and everything that a repair needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.witnesses.histories import HistoryWitness
from marketprism_application.contracts.kinds import GAP, KINDS, KLINE
from marketprism_application.contracts.questions import Question, Records
from marketprism_application.errors import UnknownSymbolError
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.stored_check import StoredCheck, StoredSeries
from marketprism_application.ports.history import RawPage
from marketprism_application.ports.storage import StreamRange
from marketprism_application.ports.witnesses import Witness
from marketprism_application.queries.answering import answer_question
from marketprism_application.repairing.series_repairs import SeriesRepairs
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.marketdata.gap import Gap
from tests.support.bar_series import CALENDAR
from tests.support.downloads import DAY, LISTED, MINUTE, history_of, simulated, symbol_of
from tests.unit.application.history.test_importing import Log

NOW = LISTED + 400 * DAY
PRICES = ("open", "high", "low", "close")


class MemoryLedger:
    """Writes gaps where the memory store reads them, as the pipeline would."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.entries: list[tuple[int, int, str]] = []

    async def enter(self, dataset: Dataset, cause: str) -> None:
        self.entries.append((dataset.ts_from, dataset.ts_to, cause))
        row = Gap(
            dataset.venue,
            dataset.symbol,
            "data",
            1,
            len(self.entries),
            dataset.ts_from,
            NOW,
            NOW,
            dataset.ts_from,
            dataset.ts_to,
            cause,
            kind=dataset.kind,
        )
        number = 9_000 + len(self.entries)
        from marketprism_application.ports.storage import StreamPlace  # noqa: PLC0415

        await self._store.insert(GAP, [row], [StreamPlace(number, 0)], StreamRange("E", "e", number, number), 1)


@dataclass
class Mended:
    """One stored series in memory and what repairs it."""

    store: MemoryStore
    dataset: Dataset
    witnesses: Sequence[Witness]
    now_ns: int = NOW
    pages: list[RawPage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log, self.ledger = Log(self.store), MemoryLedger(self.store)

    async def ask(self, question: Question) -> pa.Table:
        return await answer_question(self.store, question)

    @property
    def repairs(self) -> SeriesRepairs:
        return SeriesRepairs(
            self.ask,
            CALENDAR,
            self.witnesses,
            self.log,
            self.ledger,
            reader=self.store,
            now_ns=lambda: self.now_ns,
            pause_s=0.0,
        )

    async def report(self, *witnesses: str, **asked: Any) -> IntegrityReport:
        dataset = self.dataset
        series = StoredSeries(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)
        bounds = {"ts_from": dataset.ts_from, "ts_to": dataset.ts_to}
        return await StoredCheck(
            self.ask, series, CALENDAR, CheckAsked(self.now_ns, **bounds, **asked), witnesses
        ).report()

    async def keep(self, page: RawPage) -> None:
        self.pages.append(page)

    async def stored(self, **more: Any) -> list[dict[str, Any]]:
        """The values of the series as they are read."""
        return await values(self.store, self.dataset, **more)


async def values(store: MemoryStore, dataset: Dataset, **more: Any) -> list[dict[str, Any]]:
    """Every value column of a stored series, by the times of its bars."""
    fields = ("ts_open", "ts_close", *HISTORY_KINDS[dataset.kind].compared)
    question = Records(
        dataset.kind, dataset.symbol, dataset.venue, dataset.ts_from, dataset.ts_to, dataset.interval, 20_000, **more
    )
    try:
        table = await answer_question(store, question)
    except UnknownSymbolError:
        return []
    rows: list[dict[str, Any]] = table.select(list(fields)).to_pylist()
    return rows


async def put(store: MemoryStore, kind: str, rows: pa.Table, seq: int = 1) -> None:
    """Rows as if they had been live."""
    covered = StreamRange(f"L{kind}", "x", seq, seq)
    await store.insert_columns(KINDS[kind], rows, seq, covered, 1)


def damaged(rows: pa.Table, lost: Sequence[int], spoiled: dict[int, dict[str, Any]]) -> pa.Table:
    """Rows without some of them and with other values in some."""
    kept = [
        {**row, **spoiled.get(number, {})} for number, row in enumerate(rows.to_pylist()) if number not in set(lost)
    ]
    return pa.Table.from_pylist(kept, schema=rows.schema)


def spoiled_values(row: dict[str, Any], chance: Random) -> dict[str, Any]:
    """Another value in one of its fields, such as a check finds by the row alone."""
    which = chance.choice(("high", "low", "turnover"))
    if which == "high":
        return {"high": min(row["open"], row["close"], row["low"]) / 2}
    if which == "low":
        return {"low": max(row["open"], row["close"], row["high"]) * 2}
    return {"turnover": row["turnover"] * Decimal(3)}


@asynccontextmanager
async def klines_of(
    market: str = "binance", bars: int = 2_880, **venue: Any
) -> AsyncIterator[tuple[Any, Dataset, HistoryWitness, pa.Table]]:
    """A simulated venue, a dataset of it, its history as a witness, and the rows of the undisturbed series."""
    async with (
        simulated(market, **venue) as server,
        simulated(market) as calm,
        history_of(market, server.rest_url, raw=True) as history,
        history_of(market, calm.rest_url) as truth,
    ):
        symbol = symbol_of(server)
        name = "binance" if market.startswith("binance") else market
        dataset = Dataset(KLINE.name, name, symbol, "1m", LISTED, LISTED + bars * MINUTE)
        rows = [(await truth.fetch(part)).rows for part in await truth.plan(dataset)]
        witness = HistoryWitness("kline", history, name, page=1000)
        yield server, dataset, witness, pa.concat_tables(rows)


def as_bars(dataset: Dataset, rows: pa.Table) -> tuple[Dataset, pa.Table]:
    """Klines as bars of ours."""
    from marketprism_application.queries.arrow_tables import schema_of  # noqa: PLC0415

    schema = schema_of("bar")
    made = [
        {
            **{name: row.get(name) for name in schema.names},
            "trading_day": "20240101",
            "ticks": 5,
            "revision": 0,
            "gap": False,
        }
        for row in rows.to_pylist()
    ]
    schedule = CALENDAR.schedule(dataset.venue, dataset.symbol)
    for row in made:
        row["trading_day"] = schedule.trading_day_of(row["ts_open"])
    return replace(dataset, kind="bar"), pa.Table.from_pylist(made, schema=schema)
