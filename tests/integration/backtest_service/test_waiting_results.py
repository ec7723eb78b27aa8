"""Results that the storage does not take are counted until it has them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_application.backtesting.result_rows import run_rows
from marketprism_application.contracts.backtest_rows import ResultsQuestion, WriteRows
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunQuestion, RunState
from marketprism_application.errors import StoreError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.ended_records import EndedRecords
from marketprism_services.backtest.stored_results import StoredResults

pytestmark = pytest.mark.timeout(60)


class Away:
    """A storage that refuses until it is `there`."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.asked = asyncio.Event()
        self.rows: list[WriteRows] = []

    async def write(self, rows: WriteRows) -> None:
        self.asked.set()
        if not self.there.is_set():
            raise StoreError("the store is away")
        self.rows.append(rows)

    async def answer(self, question: ResultsQuestion) -> pa.Table:
        raise StoreError(f"nothing is asked for here, was {question}")


def record(number: int) -> BacktestRecord:
    question = RunQuestion(
        strategy="a.b:C",
        code="",
        params={},
        instruments=("ru1901",),
        venue="shfe",
        interval="1m",
        ts_from=None,
        ts_to=None,
        options={},
    )
    return BacktestRecord(
        id=f"{number:016x}",
        kind=Kind.RUN,
        state=RunState.DONE,
        user="",
        key=str(number),
        question=question,
        created_at=number,
        ended_at=number,
    )


async def test_a_result_waits_from_its_first_refusal_to_its_end() -> None:
    storage = Away()
    results = StoredResults(storage)
    writing = asyncio.create_task(results.write(lambda: run_rows("a", [(0, {"state": "done"}, {})]), 1))
    await storage.asked.wait()
    while results.waiting != 1:
        await asyncio.sleep(0)
    storage.there.set()
    await writing
    assert (results.waiting, len(storage.rows)) == (0, 1)
    storage.there.clear()
    writing = asyncio.create_task(results.write(lambda: run_rows("a", [(0, {"state": "done"}, {})]), 1))
    while results.waiting != 1:
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    assert results.waiting == 0


async def test_records_that_have_ended_wait_all_together(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    connection = await NatsConnection.open(server.url, name="waiting")
    try:
        store, storage = await BacktestStore.open(connection), Away()
        for number in (1, 2, 3):
            await store.create(record(number))
        ended = EndedRecords(store, StoredResults(storage))
        moving = asyncio.create_task(ended.run())
        while ended.waiting != 3:
            await asyncio.sleep(0.01)
        storage.there.set()
        ended.add()
        while await store.records() or ended.waiting:
            await asyncio.sleep(0.01)
        assert [len(each.rows) for each in storage.rows] == [1, 1, 1]
        moving.cancel()
        await asyncio.wait({moving})
    finally:
        await connection.close()
        await server.stop()
