"""A repair: what is stored of it, what is undone, what of it reaches longer bars."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.witnesses.stored import TicksWitness
from marketprism_application.contracts.kinds import BAR, GAP, TICK
from marketprism_application.contracts.questions import Question, Records
from marketprism_application.contracts.repairs import Recheck, RepairPlan, RepairResult
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.ports.storage import StreamPlace
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.repairing.rendering import plain_plan, plain_repair
from marketprism_application.repairing.series_repairs import SeriesRepairs
from marketprism_domain.bars.cascade import Cascade, Minute, Window
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.verdicts import Verdict
from tests.contract.stores import covered
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import tick
from tests.support.bar_series import CALENDAR
from tests.support.downloads import LISTED, MINUTE
from tests.support.repairs import NOW, Mended, as_bars, damaged, klines_of, put, values
from tests.unit.application.repairing.test_verdicts import Given, series_of

HOUR = 60 * MINUTE


async def repaired(series: Mended, job: str = "j", **asked: Any) -> RepairResult:
    recheck = await series.repairs.recheck(await series.report(**asked))
    plan = await series.repairs.plan(recheck)
    return await series.repairs.repair(recheck, plan, job=job, keep=series.keep)


def longer_of(dataset: Dataset, bars: pa.Table, interval: str) -> pa.Table:
    """The longer bars that the aggregator makes of minutes."""
    cascade = Cascade((interval,), CALENDAR.schedule(dataset.venue, dataset.symbol))
    made: list[Minute] = []
    for row in bars.to_pylist():
        values = {name: row[name] for name in Minute._fields if name in row and name not in ("window", "revision")}
        window = Window(row["ts_open"], row["ts_close"], row["trading_day"])
        made += [bar for _, bar in cascade.add(Minute(window=window, revision=0, **values))]
    sample = bars.to_pylist()[0]
    rows = [
        {
            **sample,
            **bar._asdict(),
            "interval": interval,
            "ts_open": bar.window.ts_open,
            "ts_close": bar.window.ts_close,
            "ts_event": bar.window.ts_close,
            "trading_day": bar.window.trading_day,
        }
        for bar in made
    ]
    return pa.Table.from_pylist([{name: row[name] for name in bars.column_names} for row in rows], schema=bars.schema)


async def test_the_state_before_a_repair_can_be_asked_for() -> None:
    async with klines_of(bars=100) as (_, dataset, witness, truth):
        spoiled = {50: {"high": Decimal(1)}}
        series = await series_of(damaged(truth, [20], spoiled), dataset, witness)
        before = await series.stored()
        stamp = NOW - 1
        result = await repaired(series, "daily-7")
        assert [(each.field, each.before) for each in result.changes] == [("high", "1")]
        assert result.changes_total == 1
        assert result.before.rows == 3  # a bar that is not there, and one by two checks
        assert (result.after.rows, result.after.score, result.after.grade) == (0, 100.0, "A")  # type: ignore[union-attr]
        assert await series.stored(as_of=stamp) == before
        assert await series.stored() == await values(await store_of(truth), dataset)
        found = await series.store.answer(records_of(dataset))
        assert {row["source"] for row in found.to_pylist()} == {"download:binance", "repair:daily-7"}


async def store_of(rows: pa.Table) -> MemoryStore:
    store = MemoryStore()
    await put(store, "kline", rows)
    return store


def records_of(dataset: Dataset) -> Any:
    return Records(
        dataset.kind, dataset.symbol, dataset.venue, dataset.ts_from, dataset.ts_to, dataset.interval, 20_000
    )


async def test_a_repair_that_is_run_again_finds_nothing_to_do() -> None:
    async with klines_of(bars=100) as (_, dataset, witness, truth):
        series = await series_of(damaged(truth, [20, 21], {}), dataset, witness)
        recheck = await series.repairs.recheck(await series.report())
        plan = await series.repairs.plan(recheck)
        await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        sent = list(series.log.sent)
        again = await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        assert series.log.sent == sent
        assert (again.inserted, again.revisions) == (0, 0)
        assert again.is_proved


async def test_rows_that_would_bring_a_new_defect_are_not_written() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        rows = truth.to_pylist()
        series = await series_of(damaged(truth, [20, 21], {}), dataset, Given(truth))
        recheck = await series.repairs.recheck(await series.report())
        plan = await series.repairs.plan(recheck)
        # Judged by right rows, and fetched wrong ones: between the two the source has changed its mind.
        series.witnesses = [Given(damaged(truth, [], {21: {"high": rows[21]["low"] / 2}}))]
        result = await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        assert result.after is None
        assert "a new defect: ohlc 2024-01-01T00:21:00Z..2024-01-01T00:22:00Z" in result.error
        assert result.error.endswith("nothing is written")
        assert series.log.sent == []


async def test_a_proof_that_fails_puts_the_former_values_back() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        spoiled = {50: {"high": Decimal(1)}, 60: {"low": Decimal(10**9)}}
        series = await series_of(damaged(truth, [20], spoiled), dataset, Given(truth))
        before = await series.stored()
        publish = series.log.publish

        async def disturbed(data: bytes) -> None:  # somebody else spoils a bar while the repair is being stored
            await publish(data)
            await put(series.store, "kline", damaged(truth, [], {70: {"high": Decimal(2)}}).slice(70, 1), seq=10**6)

        series.log.publish = disturbed  # type: ignore[method-assign]
        result = await repaired(series)
        assert result.undone
        assert "repaired bars would have a new defect: ohlc" in result.error
        assert (result.revisions, result.inserted) == (2, 1)
        after = {row["ts_open"]: row for row in await series.stored()}
        for row in before:
            if row["ts_open"] != LISTED + 70 * MINUTE:
                assert after[row["ts_open"]] == row
        # What was inserted stays: nothing that is stored is taken out.
        assert after[LISTED + 20 * MINUTE]["close"] == truth.column("close")[20].as_py()


async def test_longer_bars_of_repaired_minutes_are_made_again() -> None:
    async with klines_of(bars=600) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        rows = bars.to_pylist()
        spoiled = damaged(bars, [], {n: {"volume": -rows[n]["volume"]} for n in (125, 310)})
        store = MemoryStore()
        await put(store, "bar", spoiled)
        hours = Mended(store, replace(dataset, interval="1h"), [])
        for number, interval in enumerate(("5m", "1h"), 2):
            await put(store, "bar", longer_of(dataset, spoiled, interval), seq=number)
        imported = longer_of(dataset, bars, "1h").slice(5, 1).to_pylist()[0] | {"volume": Decimal(7), "revision": 3}
        await put(store, "bar", pa.Table.from_pylist([imported], schema=bars.schema), seq=9)
        series = Mended(store, dataset, [Given(bars)])
        result = await repaired(series)
        assert (result.revisions, result.longer, result.error) == (2, 4, "")
        right = longer_of(dataset, bars, "1h").to_pylist()
        found = {row["ts_open"]: row for row in await hours.stored()}
        for row in right:
            assert {name: found[row["ts_open"]][name] for name in ("open", "high", "low", "close", "volume")} == {
                name: row[name] for name in ("open", "high", "low", "close", "volume")
            }
        table = await store.answer(records_of(replace(dataset, interval="1h")))
        revised = {row["ts_open"]: row["revision"] for row in table.to_pylist() if row["revision"]}
        assert revised == {LISTED + 2 * HOUR: 1, LISTED + 5 * HOUR: 4}


async def test_an_imported_day_is_not_made_of_some_of_its_minutes() -> None:
    async with klines_of(bars=600) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        rows = bars.to_pylist()
        store = MemoryStore()
        await put(store, "bar", damaged(bars, [], {125: {"high": rows[125]["low"] / 2}}))
        day = rows[0] | {
            "interval": "1d",
            "ts_close": LISTED + 24 * HOUR,
            "volume": Decimal(10**6),
            "source": "import:x",
        }
        await put(store, "bar", pa.Table.from_pylist([day], schema=bars.schema), seq=2)
        result = await repaired(Mended(store, dataset, [Given(bars)]))
        assert (result.revisions, result.longer) == (1, 0)


async def test_a_repaired_bar_in_a_gap_still_says_so() -> None:
    async with klines_of(bars=300) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        gapped = damaged(bars, [], {n: {"gap": True} for n in range(100, 104)})
        rows = bars.to_pylist()
        series = await series_of(
            damaged(
                gapped, [101], {102: {"high": rows[102]["low"] / 2, "gap": True}, 200: {"high": rows[200]["low"] / 2}}
            ),
            dataset,
            Given(bars),
        )
        gap = SAMPLES["gap"]._replace(
            venue=dataset.venue,
            symbol=dataset.symbol,
            ts_from=LISTED + 100 * MINUTE + 5,
            ts_to=LISTED + 103 * MINUTE + 5,
            cause="silence",
            kind="",
        )
        await series.store.insert(GAP, [gap], [StreamPlace(1, 0)], covered(1, 1), 1)
        result = await repaired(series, dense=True)
        assert (result.error, result.inserted, result.revisions) == ("", 1, 2)
        table = await series.store.answer(records_of(dataset))
        flags = {(row["ts_open"] - LISTED) // MINUTE for row in table.to_pylist() if row["gap"]}
        assert flags == {100, 101, 102, 103}
        assert (await series.report(dense=True)).is_clean


async def test_values_that_a_witness_does_not_have_stay() -> None:
    async with klines_of(bars=100) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        with_interest = damaged(bars, [], {n: {"open_interest": Decimal(n)} for n in range(100)})
        rows = with_interest.to_pylist()
        spoiled = damaged(with_interest, [], {50: {"high": rows[50]["low"] / 2, "open_interest": Decimal(50)}})
        theirs = bars.select(["ts_open", "ts_close", "open", "high", "low", "close", "volume"])
        series = await series_of(spoiled, dataset, Given(theirs, name="file", is_remote=False))
        assert (await repaired(series)).error == ""
        found = (await series.stored())[50]
        assert (found["high"], found["turnover"], found["open_interest"]) == (
            rows[50]["high"],
            rows[50]["turnover"],
            50,
        )


async def test_a_plan_asks_little_and_changes_nothing() -> None:
    async with klines_of(bars=2_880) as (server, dataset, witness, truth):
        lost = [5, 300, 900, 2_700, 2_701]
        series = await series_of(damaged(truth, lost, {}), dataset, witness)
        recheck = await series.repairs.recheck(await series.report())
        asked = server.asked.total()
        plan = await series.repairs.plan(recheck)
        assert [((each.ts_from - LISTED) // MINUTE, each.bars) for each in plan.ranges] == [(5, 3), (2_700, 2)]
        assert (plan.requests, plan.left) == (2, 0)
        assert plan_text(plan) == plan_text(msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=RepairPlan))
        assert (server.asked.total(), series.log.sent) == (asked, [])


def plan_text(plan: RepairPlan) -> bytes:
    return msgspec.json.encode(plain_plan(plan))


async def test_verdicts_and_results_travel_as_they_are() -> None:
    async with klines_of(bars=100) as (_, dataset, witness, truth):
        series = await series_of(damaged(truth, [20], {50: {"high": Decimal(1)}}), dataset, witness)
        recheck = await series.repairs.recheck(await series.report())
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(recheck), type=Recheck)
        assert again == recheck
        result = await series.repairs.repair(again, await series.repairs.plan(again), job="j", keep=series.keep)
        assert msgspec.json.decode(msgspec.json.encode(result), type=RepairResult) == result
        assert plain_repair(result)["inserted"] == 1


async def test_without_a_log_or_a_witness_nothing_is_repaired() -> None:
    async with klines_of(bars=100) as (_, dataset, witness, truth):
        series = await series_of(damaged(truth, [20], {}), dataset, witness)
        recheck = await series.repairs.recheck(await series.report())
        plan = await series.repairs.plan(recheck)
        none = SeriesRepairs(series.ask, CALENDAR, [witness], None, None, reader=series.store, now_ns=lambda: NOW)
        with pytest.raises(QueryError, match="expected a running pipeline"):
            await none.repair(recheck, plan, job="j", keep=series.keep)
        series.witnesses = []
        with pytest.raises(SourceError, match="witness kline: expected it to be there"):
            await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        assert (await series.repairs.plan(recheck)).left == 1


async def test_bars_that_should_not_be_there_are_ours_and_left() -> None:
    schedule = CALENDAR.schedule("shfe", "cu1905")
    day, night = schedule.sessions("20190306")[1], schedule.sessions("20190307")[0]
    sample = SAMPLES["bar"]._replace(venue="shfe", symbol="cu1905", interval="1m", trading_day="20190306", gap=False)
    rows = [
        sample._replace(ts_open=ts, ts_close=ts + MINUTE, ts_event=ts + MINUTE, revision=0)
        for ts in (*range(day.ts_open, day.ts_open + 10 * MINUTE, MINUTE), night.ts_open - 30 * MINUTE)
    ]
    store = MemoryStore()
    await store.insert(BAR, rows, [StreamPlace(n + 1, 0) for n in range(len(rows))], covered(1, len(rows)), 1)
    dataset = Dataset("bar", "shfe", "cu1905", "1m", day.ts_open, night.ts_open)
    theirs = (await store.answer(records_of(dataset))).slice(0, 10)
    series = Mended(store, dataset, [Given(theirs)])
    recheck = await series.repairs.recheck(await series.report())
    surplus = [each for each in recheck.judged if each.defect.code == "unexpected_bar"]
    assert [(each.verdict, each.witness) for each in surplus] == [(Verdict.OURS, "kline")]
    assert surplus[0].testimonies[0].text == "it has no such bar; what is stored is not taken out"
    assert (await series.repairs.plan(recheck)).left == 1


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.long_on(
    "10",
    "11",
    "12",
    "13",
    "14",
    "15",
    "16",
    "17",
    "18",
    "19",
    "20",
    "21",
    "22",
    "23",
    "24",
    "25",
    "26",
    "27",
    "28",
    "29",
)
async def test_random_damage_of_bars_of_ours_is_mended_to_the_last_digit(seed: int) -> None:
    chance = Random(seed * 7 + 1)
    async with klines_of(bars=480) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        rows = bars.to_pylist()
        lost = sorted({chance.randrange(480) for _ in range(chance.randrange(1, 30))})
        spoiled = {}
        for n in {chance.randrange(480) for _ in range(chance.randrange(1, 20))} - set(lost):
            row = rows[n]
            spoiled[n] = chance.choice(
                (
                    {"high": row["low"] / 2},
                    {"low": row["high"] * 2},
                    {"volume": -row["volume"]},
                    {"turnover": row["turnover"] * 5},
                    {name: row[name] * 9 for name in ("open", "high", "low", "close")},
                )
            )
        store, calm = MemoryStore(), MemoryStore()
        await put(store, "bar", damaged(bars, lost, spoiled))
        await put(calm, "bar", bars)
        for number, interval in enumerate(("5m", "1h"), 2):
            await put(store, "bar", longer_of(dataset, damaged(bars, lost, spoiled), interval), seq=number)
            await put(calm, "bar", longer_of(dataset, bars, interval), seq=number)
        series = Mended(store, dataset, [Given(bars)])
        result = await repaired(series, dense=True)
        assert (result.error, result.undone) == ("", False)
        assert await series.stored() == await values(calm, dataset)
        assert (await series.report(dense=True)).is_clean
        for interval in ("5m", "1h"):
            of = replace(dataset, interval=interval)
            assert await values(store, of) == await values(calm, of)


async def test_bars_of_a_chinese_contract_are_mended_from_its_ticks() -> None:
    day = CALENDAR.schedule("shfe", "cu1905").sessions("20190306")[1]
    ticks = [
        tick(
            day.ts_open + n * 15 * 10**9,
            50_000 + n % 7 * 10,
            n + 1,
            day="20190306",
            symbol="cu1905",
            verdict="passed",
            phase="continuous",
        )._replace(seq=n + 1)
        for n in range(240)
    ]
    store = MemoryStore()
    await store.insert(TICK, ticks, [StreamPlace(n + 1, 0) for n in range(240)], covered(1, 240), 1)
    dataset = Dataset("bar", "shfe", "cu1905", "1m", day.ts_open, day.ts_open + 60 * MINUTE)
    series = Mended(store, dataset, [])

    async def ask(question: Question) -> pa.Table:
        return await answer_question(store, question, ReadRules(CALENDAR, ("1m",)))

    witness = TicksWitness(ask)
    made = (await witness.bars(dataset)).rows
    assert made.num_rows == 60
    bars = pa.Table.from_pylist([{**row, "gap": False} for row in made.to_pylist()], schema=made.schema)
    await put(store, "bar", damaged(bars, [7, 8, 30], {40: {"high": Decimal(1)}}))
    series.witnesses = [witness]
    result = await repaired(series, dense=True)
    assert (result.error, result.inserted, result.revisions) == ("", 3, 1)
    names = ("open", "high", "low", "close", "volume", "turnover", "open_interest")
    table = await store.answer(records_of(dataset))
    assert table.select([*names, "ticks"]).to_pylist() == bars.select([*names, "ticks"]).to_pylist()
    assert (await series.report(dense=True)).is_clean
