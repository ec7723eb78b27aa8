"""BacktestResults: rows once by their key, in the highest version; what was written is in the next answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from marketprism_adapters.clickhouse.backtest_results import SqlBacktestResults, columns_of_results
from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.memory.backtest_results import MemoryBacktestResults
from marketprism_adapters.remote.backtest_results import RemoteBacktestResults, answer_results
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_rows import (
    file_rows,
    messages_of,
    part_of_rows,
    part_rows,
    record_of_row,
    record_rows,
    run_rows,
)
from marketprism_application.backtesting.result_tables import as_texts, fills_of, result_tables, run_document
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.contracts.backtest_rows import (
    FILES,
    PARTS,
    TABLES,
    RecordsAsked,
    Rows,
    RowsAsked,
    RunsAsked,
    TrialsAsked,
    WriteRows,
)
from marketprism_application.contracts.backtests import BacktestRecord, Kind, RunQuestion, RunState
from marketprism_application.errors import StoreError
from marketprism_application.ports.backtest_results import BacktestResults
from tests.contract.stores import ADAPTERS, empty_pair
from tests.support.backtests import IGNORE, RU, double_average, rows_of

FIRST, LAST = 0, 1 << 40


@pytest.fixture(params=ADAPTERS)
async def results(request: pytest.FixtureRequest) -> AsyncIterator[BacktestResults]:
    """Each adapter with nothing in it."""
    if request.param == "memory":
        yield MemoryBacktestResults()
        return
    engine, store = await empty_pair(request, request.param)
    found = SqlBacktestResults(engine)
    yield RemoteBacktestResults(lambda data: answer_results(found, data)) if request.param == "remote" else found
    await store.close()


async def put(results: BacktestResults, rows: Iterable[Rows], version: int = 1) -> None:
    for each in messages_of(rows):
        await results.write(WriteRows(version, each))


def record(id_: str, at: int, **changes: Any) -> BacktestRecord:
    question = RunQuestion(
        strategy="examples.double_average:DoubleAverage",
        code="c",
        params={"fast": 10, "名": "é\t'\\"},
        instruments=("ru1901",),
        venue="SHFE",
        interval="1m",
        ts_from=None,
        ts_to=5,
        options={"capital": "1000000"},
    )
    plain = BacktestRecord(
        id=id_, kind=Kind.RUN, state=RunState.DONE, user="u", key=f"k{at}", question=question, created_at=at, done=1
    )
    return msgspec.structs.replace(plain, **changes)


def test_the_migrations_make_these_columns() -> None:
    (made,) = [each for each in MIGRATIONS if each.number == 12]
    for table in TABLES:
        (text,) = [each for each in made.statements if f"EXISTS market.{table} (" in each]
        for name, kind in columns_of_results(table):
            assert f"  {name} {kind} CODEC" in text


@pytest.fixture(scope="module")
def result() -> RunResult:
    return double_average(rows_of(RU[:1], FillMode("bar"), fee="0.000045"), 10, 30, gap_policy=IGNORE)


async def test_a_runs_result_comes_back_as_it_was(results: BacktestResults, result: RunResult) -> None:
    tables = result_tables(result)
    for name, table in tables.items():
        await put(results, part_rows(name, table, "r1", 0))
        known = {each.name for each in TABLES[PARTS[name]]}
        assert not set(table.column_names) - known, name  # what is not known is kept as text, and nobody can ask for it
    for name, table in tables.items():
        stored = await results.answer(RowsAsked(table=PARTS[name], record="r1", until=LAST))
        assert stored.column("row").to_pylist() == list(range(table.num_rows))
        back = part_of_rows(stored)
        assert as_texts(back.select(table.column_names)).to_pylist() == as_texts(table).to_pylist(), name
    fills = part_of_rows(await results.answer(RowsAsked(table=PARTS["fills"], record="r1", until=LAST)))
    assert fills_of(fills) == fills_of(tables["fills"])
    page = await results.answer(RowsAsked(table=PARTS["fills"], record="r1", offset=3, until=5))
    assert page.column("row").to_pylist() == [3, 4]
    document = {**run_document(result), "outcome": "x"}
    await put(results, run_rows("r1", [(0, document, {"fills": len(result.fills)})]))
    (found,) = (await results.answer(RunsAsked(record="r1"))).to_pylist()
    counts = msgspec.json.decode(found["counts"])
    assert counts["fills"] == 10
    assert Decimal(msgspec.json.decode(found["document"])["net"]) == result.net
    stats = await results.answer(RowsAsked(table=PARTS["stats"], record="r1", until=LAST))
    assert stats.num_rows == counts["stats"]
    assert {"sharpe", "net"} <= set(stats.column("name").to_pylist())


async def test_written_again_a_row_is_there_once_in_its_highest_version(results: BacktestResults) -> None:
    table = pa.table({"ts": [1, 2, 3], "name": ["a", "b", "c"], "value": ["1", "2", "3"], "later": ["x", None, "z"]})
    other = table.set_column(2, "value", pa.array(["4", "5", "6"]))
    await put(results, part_rows("series", table, "r", 0), 5)
    await put(results, part_rows("series", other, "r", 0), 7)
    await put(results, part_rows("series", table, "r", 0), 6)  # of a worker that was taken for dead
    await put(results, part_rows("series", table, "r", 1), 6)
    back = part_of_rows(await results.answer(RowsAsked(table=PARTS["series"], record="r", until=LAST)))
    assert back.to_pylist() == other.to_pylist()  # with the column that no table has
    assert (await results.answer(RowsAsked(table=PARTS["series"], record="s", until=LAST))).num_rows == 0
    with pytest.raises((StoreError, KeyError)):
        await results.answer(RowsAsked(table="nowhere", record="r", until=LAST))


async def test_runs_are_in_the_order_of_a_statistic_what_has_none_at_the_end(results: BacktestResults) -> None:
    values: list[float | None] = [1.5, None, 3.0, -2.0, 9.0, float("inf"), 3.0]
    documents = [
        (number, {"state": "failed" if number == 4 else "done", "statistics": {"sharpe": value}, "net": "1.25"}, {})
        for number, value in enumerate(values)
    ]
    await put(results, run_rows("sweep", documents))
    ranked = (await results.answer(RunsAsked(record="sweep", sort="sharpe"))).column("run").to_pylist()
    assert ranked[:4] == [2, 6, 0, 3]
    assert set(ranked[4:]) == {1, 4, 5}
    assert (await results.answer(RunsAsked(record="sweep"))).column("run").to_pylist() == list(range(7))
    page = await results.answer(RunsAsked(record="sweep", sort="sharpe", offset=1, limit=2))
    assert page.column("run").to_pylist() == [6, 0]
    nothing = await results.answer(RunsAsked(record="sweep", sort="no'such"))
    assert nothing.num_rows == 7


async def test_records_are_found_by_what_they_are_the_newest_first(results: BacktestResults) -> None:
    a = record("a", 10, digest="d1")
    b = record("b", 20, state=RunState.FAILED, user="v")
    c = record("c", 30, digest="d1", same_as="a")
    for each in (b, a, c):
        await put(results, record_rows(each))
    await put(results, record_rows(a), 2)

    async def names(**asked: Any) -> list[str]:
        found: list[str] = (await results.answer(RecordsAsked(**asked))).column("record").to_pylist()
        return found

    assert await names() == ["c", "b", "a"]
    assert await names(state="done") == ["c", "a"]
    assert await names(user="v") == ["b"]
    assert await names(digest="d1", own=True, state="done") == ["a"]
    assert await names(before=30, after=10) == ["b"]
    assert await names(ids=("a", "c", "none")) == ["c", "a"]
    assert await names(key="k20") == ["b"]
    assert await names(strategy="x' OR 1") == []
    assert await names(offset=1, limit=1) == ["b"]
    (found,) = (await results.answer(RecordsAsked(ids=("a",)))).column("document").to_pylist()
    assert record_of_row(found) == a
    asked = TrialsAsked(strategy=a.question.strategy, before=30, but="b")
    assert (await results.answer(asked)).to_pylist() == [{"content": "d1", "done": 1}]
    again = record("d", 15, digest="d1")
    await put(results, record_rows(again))
    unnamed = record("e", 16)
    await put(results, record_rows(unnamed))
    found = (await results.answer(asked)).to_pylist()  # the same content once
    assert found == [{"content": "d1", "done": 1}, {"content": "e", "done": 1}]


async def test_a_file_of_any_size_comes_back(results: BacktestResults) -> None:
    text = "策略 \\ ' \t" * 200_000
    await put(results, file_rows("r", 0, {"report": text, "source": "x = 1"}))
    rows = (await results.answer(RowsAsked(table=FILES, record="r", until=LAST))).to_pylist()
    assert "".join(row["data"] for row in rows if row["name"] == "report") == text
    assert [row["data"] for row in rows if row["name"] == "source"] == ["x = 1"]
