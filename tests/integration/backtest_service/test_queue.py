"""Whose turn it is on the queue of backtests, and what becomes of a task of which workers die."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.backtesting.options import DEFAULTS
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunQuestion, RunState, TaskRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.coordinator import Coordinator
from marketprism_services.backtest.service import BacktestService
from marketprism_services.backtest.sweeps import Conclusion
from marketprism_services.settings.backtest import BacktestSettings
from tests.support.backtests import calendar
from tests.support.behind import behind
from tests.support.services import running

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """One to a server of this test's own."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    found = await NatsConnection.open(server.url, name="queue-test")
    yield found
    await found.close()
    await server.stop()


def record(id_: str, user: str, at: int, kind: Kind = Kind.SWEEP, **changes: object) -> BacktestRecord:
    question = RunQuestion(
        strategy="examples.double_average:DoubleAverage",
        code="",
        params={},
        instruments=("ru1901",),
        venue="SHFE",
        interval="1m",
        ts_from=None,
        ts_to=None,
        options=dict(DEFAULTS),
    )
    plain = BacktestRecord(
        id=id_, kind=kind, state=RunState.QUEUED, user=user, key=id_, question=question, created_at=at, runs=10
    )
    return msgspec.structs.replace(plain, **changes)


async def test_who_asked_first_for_much_leaves_room_for_others(connection: NatsConnection) -> None:
    store = await BacktestStore.open(connection)
    for number, user in enumerate(("early", "early", "early", "late")):
        await store.create(record(f"{number:016x}", user, number + 1))

    async def conclude(_: BacktestRecord) -> Conclusion:
        return Conclusion()

    async def ended(_: BacktestRecord) -> None:
        return None

    coordinator = Coordinator(store, lambda: 2, 1.0, conclude, ended)
    work = asyncio.create_task(coordinator.run())
    under_way: Counter[str] = Counter()
    async with asyncio.timeout(60):
        while under_way.total() < 4:
            under_way = Counter()
            for each in await store.records():
                under_way[each.record.user] += len(each.record.parts)
            await asyncio.sleep(0.02)
    work.cancel()
    assert under_way == {"early": 2, "late": 2}  # of the tasks that two slots may have


async def test_a_task_of_which_three_workers_died_fails_and_its_slot_is_free(
    connection: NatsConnection, tmp_path: Path
) -> None:
    store = await BacktestStore.open(connection)
    id_ = "00000000000000aa"
    stuck = record(id_, "u", 1, Kind.RUN, runs=1, cut=1, tasks=1, parts=((0, 0, 1),))
    await store.create(stuck)
    task = TaskRecord(id=id_, number=0, first=0, count=1, state=RunState.RUNNING, attempt=3, worker="w3")
    await store.put_task(task)  # and it is on no queue: who led before died too
    service = BacktestService(connection, calendar, BacktestSettings(), tmp_path / "backtest", FileTables.read)
    async with running(service):
        end = time.monotonic() + 60
        while (found := await store.record(id_)) is None or not found.record.state.is_final:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.05)
        assert (found.record.state, found.record.code) == (RunState.FAILED, "WORKER_DIED")
        assert "w3" in found.record.error
        # Without a storage what has ended waits where it is, and is not lost.
        assert (await store.record(id_)) is not None


async def test_a_record_and_a_task_that_a_replica_lacks_are_there(connection: NatsConnection) -> None:
    late = await behind(connection.url)
    store = await BacktestStore.open(late)
    await store.create(record("first", "u", 1))
    late.ends |= {"KV_backtests": 1, "BACKTEST_TASKS": 1}
    await store.create(record("second", "u", 2))
    tasks = [TaskRecord(id="second", number=n, first=0, count=1, state=RunState.DONE) for n in range(2)]
    await store.put_task(tasks[0])
    for task in tasks:
        await store.queue.put(task)
    found = await store.record("second")
    assert found is not None
    assert found.record.id == "second"
    assert await store.record("third") is None
    assert (await store.task("second", 0), await store.task_latest("second", 0)) == (None, tasks[0])
    assert await store.queue.holds(tasks[1])
    await late.close()
