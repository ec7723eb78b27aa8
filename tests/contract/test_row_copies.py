"""RowCopies: the rows of every table out of a store and into another, whichever engine has them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from marketprism_adapters.clickhouse.ledger import SqlLedger
from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.row_copies import LEDGERS, SqlRowCopies
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import DATABASE, REVISIONS, TABLES
from marketprism_application.archiving.digests import combined
from marketprism_application.contracts.backtest_rows import TABLES as RESULTS
from marketprism_application.contracts.kinds import GAP, KINDS, TICK
from marketprism_application.ports.archive import Measured
from marketprism_application.ports.backup import RowCopies
from marketprism_application.ports.storage import StoreMark
from tests.contract.stores import NATIVE, SERVER, empty_pair
from tests.support.archive import fill
from tests.support.backups import counted


@pytest.fixture(params=["chdb", SERVER, NATIVE])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """An engine with ticks and gaps, some of them twice, and with what a store says of itself."""
    opened, store = await empty_pair(request, request.param)
    await fill(store, 5, [TICK, GAP], days=2)
    await SqlLedger(opened).identity()
    await SqlLedger(opened).record("MARKET_TICKS", "2025", StoreMark(9, 8))
    yield opened
    await opened.close()


@pytest.mark.long_on("native", "chdb")
async def test_every_table_goes_out_and_comes_in_again_with_the_same_digests(engine: Engine) -> None:
    await fill(SqlStore(engine), 6, [kind for kind in KINDS.values() if kind not in (TICK, GAP)], days=2)
    copies: RowCopies = SqlRowCopies(engine, "any", 7)
    assert await copies.schema() == MIGRATIONS[-1].number
    shapes = await copies.shapes()
    assert set(shapes) == TABLES | REVISIONS.keys() | set(LEDGERS) | RESULTS.keys()
    assert (shapes["market_ticks"].span, shapes["market_bars"].span, shapes["store_progress"].span) == (
        "day",
        "month",
        "",
    )
    partitions = await copies.partitions()
    tables = [each.table for each in partitions]
    assert tables[: tables.index("store_progress") + 1] == ["store_identity", "store_progress"]  # they go first
    assert set(tables) == TABLES | REVISIONS.keys() | {"store_identity", "store_progress"}
    before = {
        (p.table, p.partition): await copies.measure(p.table, p.partition, shapes[p.table].columns) for p in partitions
    }
    assert sum(each.rows for each in before.values()) < sum(each.rows for each in partitions)  # some lie there twice

    taken = {}
    for key, measured in before.items():
        taken[key] = [each async for each in copies.slices(*key, shapes[key[0]].columns)]
        assert combined(each.measured for each in taken[key]) == measured
        assert all(each.rows.num_rows == each.measured.rows for each in taken[key])
    assert max(len(slices) for slices in taken.values()) > 3
    for table in shapes:
        await engine.execute(f"TRUNCATE TABLE {DATABASE}.{table}")
    assert await copies.partitions() == []
    for (table, _), slices in taken.items():
        for each in slices:
            await copies.put(table, shapes[table].columns, each.rows)
    again = {
        (p.table, p.partition): await copies.measure(p.table, p.partition, shapes[p.table].columns)
        for p in await copies.partitions()
    }
    assert again == before
    assert [
        tuple(place)[:3] if isinstance(place, tuple) else (place.stream, place.created, place.watermark)
        for place in await copies.places()
    ] == [("MARKET_TICKS", "2025", 9)]


@pytest.mark.long_on("native")
async def test_a_symbol_with_many_rows_is_cut_and_each_key_counts_once(engine: Engine) -> None:
    copies = SqlRowCopies(engine, "any", 2)
    columns = (await copies.shapes())[TICK.table].columns
    for partition in [each for each in await copies.partitions() if each.table == TICK.table]:
        slices = [each async for each in copies.slices(TICK.table, partition.partition, columns)]
        whole = await copies.measure(TICK.table, partition.partition, columns)
        assert combined(each.measured for each in slices) == whole
        assert len(slices) > 4


async def test_a_digest_shows_a_row_that_is_another(engine: Engine) -> None:
    copies = SqlRowCopies(engine, "any")
    before = await counted(copies)
    columns = (await copies.shapes())["gaps"].columns
    key = next(each for each in before if each[0] == "gaps")
    (slice_of,) = [each async for each in copies.slices(*key, columns)]
    await engine.execute(f"TRUNCATE TABLE {DATABASE}.gaps")
    cause = slice_of.rows.schema.get_field_index("cause")
    import pyarrow as pa  # noqa: PLC0415 (only here)

    names = slice_of.rows.column(cause).to_pylist()
    other = slice_of.rows.set_column(cause, "cause", pa.array(["another", *names[1:]], pa.string()))
    await copies.put("gaps", columns, other)
    found = await copies.measure(*key, columns)
    assert (found.rows, found.digest == before[key].digest) == (before[key].rows, False)
    assert await copies.measure("gaps", "", columns) == found  # all of it
    assert await copies.measure("gaps", "190001", columns) == Measured(0, "0" * 32)


def test_backups_know_every_table_that_a_migration_makes() -> None:
    import re  # noqa: PLC0415 (only here)

    made = {
        name
        for migration in MIGRATIONS
        for statement in migration.statements
        for name in re.findall(rf"CREATE TABLE IF NOT EXISTS {DATABASE}\.(\w+)", statement)
    }
    assert made == TABLES | REVISIONS.keys() | set(LEDGERS) | RESULTS.keys()  # a new one is of a kind, or has its turn
