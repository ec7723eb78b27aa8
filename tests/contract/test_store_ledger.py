"""StoreLedger: one suite over memory, chDB and a ClickHouse server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_application.contracts.kinds import BAR, GAP, TICK, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import NO_MESSAGE, StoreLedger, StoreMark
from tests.contract.stores import SERVER, empty_pair, engine_of, put
from tests.contract.test_codec import SAMPLES


class Book(NamedTuple):
    """A store's ledger, again as another process sees it, and a way to store a row of a kind."""

    ledger: StoreLedger
    again: StoreLedger
    store_row: Callable[[DataKind], Awaitable[None]]


@pytest.fixture(params=["memory", "chdb", SERVER])
async def book(request: pytest.FixtureRequest) -> AsyncIterator[Book]:
    if request.param == "memory":
        memory = MemoryLedger()

        async def count(kind: DataKind) -> None:
            memory.rows[kind.name] = 1

        yield Book(memory, memory, count)
        return
    engine, store = await empty_pair(request, request.param)
    yield Book(SqlLedger(engine), SqlLedger(engine), lambda kind: put(store, kind, [SAMPLES[kind.name]]))
    await store.close()


async def test_a_store_has_one_name_for_ever(book: Book) -> None:
    name = await book.ledger.identity()
    assert name
    assert [await book.ledger.identity(), await book.again.identity()] == [name, name]


async def test_a_watermark_is_what_was_recorded_last_of_this_stream_of_this_age(book: Book) -> None:
    assert await book.ledger.watermark("MARKET_TICKS", "2025") is None
    taken = 1_741_000_000_123_456_789  # to the nanosecond
    for mark in (StoreMark(5, taken), StoreMark(9, NO_MESSAGE), StoreMark(7, taken + 1)):
        await book.ledger.record("MARKET_TICKS", "2025", mark)
        assert await book.again.watermark("MARKET_TICKS", "2025") == mark
    await book.ledger.record("MARKET_TICKS", "2026", StoreMark(1, taken))
    await book.ledger.record("MARKET_BARS", "2025", StoreMark(0))
    found = [
        await book.ledger.watermark(*of)
        for of in (
            ("MARKET_TICKS", "2025"),
            ("MARKET_TICKS", "2026"),
            ("MARKET_BARS", "2025"),
            ("MARKET_BARS", "2026"),
        )
    ]
    assert found == [StoreMark(7, taken + 1), StoreMark(1, taken), StoreMark(0), None]


@pytest.mark.parametrize("name", ["chdb", SERVER])
async def test_a_record_of_old_names_no_message(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    """As migration 9 left the table: its rows are there behind the next one, and say that the time is not known."""
    engine = await engine_of(request, name, tmp_path / "db")
    store = SqlStore(engine)
    await store.migrate()
    await engine.execute("ALTER TABLE market.store_progress DROP COLUMN ts_message")
    await engine.execute("ALTER TABLE market.schema_migrations DELETE WHERE number = 10 SETTINGS mutations_sync = 2")
    await engine.execute("INSERT INTO market.store_progress (stream, created, watermark) VALUES ('OLD', '2024', 8)")
    assert await store.migrate() == ["0010 which message was stored"]
    assert await SqlLedger(engine).watermark("OLD", "2024") == StoreMark(8)
    await store.close()


async def test_a_stream_is_held_where_any_of_its_tables_has_a_row(book: Book) -> None:
    streams = [TICK.stream, BAR.stream, GAP.stream, "NOBODY"]
    assert [await book.ledger.holds(stream) for stream in streams] == [False] * 4
    await book.store_row(TICK)
    assert [await book.ledger.holds(stream) for stream in streams] == [True, False, False, False]
    await book.store_row(GAP)
    assert [await book.again.holds(stream) for stream in streams] == [True, False, True, False]


@pytest.mark.parametrize("name", ["chdb", SERVER])
async def test_a_record_that_is_done_late_does_not_stand_above_the_next(
    request: pytest.FixtureRequest, name: str
) -> None:
    """Its answer was lost, it was asked for again, the next one followed; then the first is done."""
    engine, store = await empty_pair(request, name)
    late: list[tuple[str, dict[str, object]]] = []

    class Late:
        """An engine that puts the first record off."""

        async def fetch(self, *asked: object) -> object:
            return await engine.fetch(*asked)  # type: ignore[arg-type]

        async def execute(self, statement: str, parameters: dict[str, object]) -> None:
            if late:
                await engine.execute(statement, parameters)
            else:
                late.append((statement, parameters))

    ledger = SqlLedger(Late())  # type: ignore[arg-type]
    for seq in (38, 38, 51):
        await ledger.record("MARKET_TICKS", "2026", StoreMark(seq))
    await engine.execute(*late[0])
    assert await ledger.watermark("MARKET_TICKS", "2026") == StoreMark(51)
    behind = SqlLedger(engine, now_ns=lambda: 5)  # the next leader's clock is far behind
    await behind.watermark("MARKET_TICKS", "2026")
    await behind.record("MARKET_TICKS", "2026", StoreMark(60))
    assert await ledger.watermark("MARKET_TICKS", "2026") == StoreMark(60)
    with pytest.raises(StoreError, match="how far MARKET_TICKS is in it is recorded by who leads"):
        await SqlLedger(engine, leads=lambda: False).record("MARKET_TICKS", "2026", StoreMark(7))
    assert await ledger.watermark("MARKET_TICKS", "2026") == StoreMark(60)
    await store.close()
