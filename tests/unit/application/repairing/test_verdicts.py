"""Verdicts: what witnesses say of each defect, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.witnesses.stored import TradesWitness
from marketprism_application.contracts.kinds import TRADE
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.ports.storage import StreamPlace
from marketprism_application.ports.witnesses import Witness, WitnessRows
from marketprism_application.repairing.rendering import plain_recheck
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.verdicts import JudgedDefect, Verdict
from tests.contract.stores import covered
from tests.contract.test_codec import SAMPLES
from tests.support.bar_series import CALENDAR
from tests.support.downloads import LISTED, MINUTE
from tests.support.repairs import Mended, as_bars, damaged, klines_of, put

HOUR_MS = 3_600_000
LISTED_MS = LISTED // 1_000_000


class Given:
    """A witness that answers with given rows: one table for each time it is asked, the last one from then on."""

    def __init__(self, *answers: pa.Table | Exception, name: str = "kline", is_remote: bool = True) -> None:
        self.name, self.is_remote = name, is_remote
        self._answers = list(answers)
        self.asked: list[tuple[int, int]] = []

    def knows(self, dataset: Dataset) -> bool:
        return dataset.kind in ("bar", "kline")

    async def bars(self, dataset: Dataset) -> WitnessRows:
        self.asked.append((dataset.ts_from, dataset.ts_to))
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        times = answer.column("ts_open").to_numpy()
        return WitnessRows(answer.filter(pa.array((times >= dataset.ts_from) & (times < dataset.ts_to))))

    def cost(self, dataset: Dataset) -> tuple[int, float]:
        return max(1, (dataset.ts_to - dataset.ts_from) // (1_000 * MINUTE)), 0.5


def told(judged: Sequence[JudgedDefect]) -> list[tuple[str, int, str, str]]:
    return [(each.defect.code, each.defect.total, each.verdict.value, each.witness) for each in judged]


async def series_of(rows: pa.Table, dataset: Dataset, *witnesses: Witness, **more: Any) -> Mended:
    store = MemoryStore()
    await put(store, dataset.kind, rows)
    return Mended(store, dataset, witnesses, **more)


async def test_a_hole_of_the_venue_is_an_entry_of_the_ledger_and_never_asked_about_again() -> None:
    hole = (LISTED_MS + 5 * HOUR_MS, LISTED_MS + 5 * HOUR_MS + 10 * 60_000)
    async with klines_of(bars=700, holes=[hole]) as (server, dataset, witness, truth):
        series = await series_of(damaged(truth, [10, *range(298, 312)], {}), dataset, witness)
        before = await series.report()
        assert [(each.code, each.total) for each in before.defects] == [("missing_bar", 1), ("missing_range", 14)]
        recheck = await series.repairs.recheck(before)
        assert told(recheck.judged) == [
            ("missing_bar", 1, "ours", "kline"),
            ("missing_range", 2, "ours", "kline"),
            ("missing_range", 10, "venue", "kline"),
            ("missing_range", 2, "ours", "kline"),
        ]
        (testimony,) = recheck.judged[2].testimonies
        assert (testimony.asked, testimony.has, testimony.lacks) == (3, 0, 10)
        entry = (LISTED + 300 * MINUTE, LISTED + 310 * MINUTE, "venue_missing")
        assert [tuple(each) for each in recheck.ledger] == series.ledger.entries == [entry]
        plan = await series.repairs.plan(recheck)
        assert plan.bars == 5
        result = await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        assert (result.inserted, result.error) == (5, "")
        after = await series.report()
        assert after.is_clean
        assert [(each.code, each.total) for each in after.notices if each.code == "known_hole"] == [("known_hole", 10)]
        assert (after.missing, after.expected) == (0, before.expected - 10)
        asked = server.asked.total()
        again = await series.repairs.recheck(after)
        old = await series.repairs.recheck(before)  # of a report from before: nothing is wrong any more
        assert again.judged == ()
        assert {each.verdict for each in old.judged} == {Verdict.VANISHED}
        assert old.counts["vanished"] == 15
        assert server.asked.total() == asked
        assert len(series.ledger.entries) == 1


async def test_the_ledger_of_one_kind_says_nothing_of_another() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        series = await series_of(damaged(truth, range(40, 50), {}), dataset)
        hole = replace(dataset, ts_from=LISTED + 40 * MINUTE, ts_to=LISTED + 45 * MINUTE)
        await series.ledger.enter(replace(hole, kind="bar"), "venue_missing")
        await series.ledger.enter(hole, "silence")
        assert (await series.report()).missing == 10
        await series.ledger.enter(hole, "venue_missing")
        report = await series.report()
        assert [(each.code, each.total) for each in report.defects] == [("missing_range", 5)]


async def test_a_hole_that_is_too_young_is_unknown_until_a_day_has_passed() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        empty = Given(truth.slice(0, 0))
        now = LISTED + 100 * MINUTE + MINUTE
        series = await series_of(damaged(truth, [50], {}), dataset, empty, now_ns=now)
        (judged,) = (await series.repairs.recheck(await series.report())).judged
        assert (judged.verdict, judged.witness) == (Verdict.UNKNOWN, "")
        assert judged.testimonies[0].text == "too young to be judged, from 2024-01-02T00:51:00Z on it can be"
        assert series.ledger.entries == []
        series.now_ns = LISTED + 51 * MINUTE + 86_400 * 10**9 - 1
        assert (await series.repairs.recheck(await series.report())).judged[0].verdict is Verdict.UNKNOWN
        series.now_ns += 1
        assert (await series.repairs.recheck(await series.report())).judged[0].verdict is Verdict.VENUE


async def test_a_remote_witness_is_asked_three_times_before_it_is_believed() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        none = truth.slice(0, 0)
        for answers, verdict in (((none, none, truth), Verdict.OURS), ((none, none, none, truth), Verdict.VENUE)):
            witness = Given(*answers)
            series = await series_of(damaged(truth, [50, 52], {}), dataset, witness)
            recheck = await series.repairs.recheck(await series.report())
            assert {each.verdict for each in recheck.judged} == {verdict}
            assert witness.asked == [(LISTED + 50 * MINUTE, LISTED + 53 * MINUTE)] * 3
        near = Given(none, name="ticks", is_remote=False)
        series = await series_of(damaged(truth, [50], {}), dataset, near)
        (judged,) = (await series.repairs.recheck(await series.report())).judged
        assert len(near.asked) == 1
        # What is not stored here either says nothing of the venue.
        assert judged.verdict is Verdict.UNKNOWN
        assert judged.testimonies[0].text == "that it has no such bar says nothing of the venue"


async def test_values_are_the_venues_ours_or_wrong_at_both() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        rows = truth.to_pylist()
        wrong = {"high": rows[20]["low"] / 2}
        stored = damaged(truth, [], dict.fromkeys((20, 40, 60), wrong))
        theirs = damaged(truth, [], {20: wrong, 60: {"high": rows[60]["low"] / 4}})
        series = await series_of(stored, dataset, Given(theirs))
        recheck = await series.repairs.recheck(await series.report())
        found = {
            (each.defect.ts_from - LISTED) // MINUTE: each.verdict
            for each in recheck.judged
            if each.defect.code == "ohlc"
        }
        assert found == {20: Verdict.VENUE, 40: Verdict.OURS, 60: Verdict.BOTH}
        # Another witness, asked behind the first, has the right row.
        series = await series_of(stored, dataset, Given(theirs), Given(truth, name="file", is_remote=False))
        recheck = await series.repairs.recheck(await series.report())
        ohlc = [each for each in recheck.judged if each.defect.code == "ohlc"]
        assert [(each.verdict.value, each.witness) for each in ohlc] == [
            ("venue", "kline"),
            ("ours", "kline"),
            ("ours", "file"),
        ]
        assert series.ledger.entries == []  # a value is no hole


async def test_a_jump_that_the_venue_has_is_real() -> None:
    async with klines_of(bars=600) as (_, dataset, _, truth):
        rows = truth.to_pylist()
        far = {name: rows[300][name] * 2 for name in ("open", "high", "low", "close")} | {
            "turnover": rows[300]["turnover"] * 2
        }
        jumped = damaged(truth, [], {300: far})
        for theirs, verdict in ((jumped, "venue"), (truth, "ours")):
            series = await series_of(jumped, dataset, Given(theirs))
            recheck = await series.repairs.recheck(await series.report())
            assert told(recheck.judged) == [("jump", 1, verdict, "kline")]


async def test_what_is_right_by_now_has_vanished() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        series = await series_of(damaged(truth, [5, 6, 7, 50], {}), dataset, Given(SourceError("away")))
        report = await series.report()
        await put(series.store, "kline", truth.slice(6, 1), seq=2)
        recheck = await series.repairs.recheck(report)
        assert told(recheck.judged) == [
            ("missing_bar", 1, "unknown", ""),
            ("missing_bar", 1, "vanished", ""),
            ("missing_bar", 1, "unknown", ""),
            ("missing_bar", 1, "unknown", ""),
        ]
        assert recheck.judged[0].testimonies[0].text == "away"


async def test_without_a_witness_nothing_is_known_and_it_says_so() -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        series = await series_of(damaged(truth, [5], {}), dataset)
        recheck = await series.repairs.recheck(await series.report())
        assert told(recheck.judged) == [("missing_bar", 1, "unknown", "")]
        assert recheck.judged[0].testimonies[0].text == "no witness has bars of this series"
        plain = plain_recheck(recheck)
        assert plain["counts"] == {"ours": 0, "venue": 0, "both": 0, "vanished": 0, "unknown": 1}
        with pytest.raises(QueryError, match="witness: expected one of none, was 'klin'"):
            await series.repairs.recheck(await series.report(), ["klin"])


async def test_bars_of_ours_are_mended_from_klines_only_where_no_trades_are_stored() -> None:
    async with klines_of(bars=120) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        series = await series_of(damaged(bars, [20, 80], {}), dataset)
        tape = [
            SAMPLES["trade"]._replace(
                venue=dataset.venue,
                symbol=dataset.symbol,
                seq=n,
                trade_id=str(n),
                ts_event=LISTED + n * MINUTE // 2,
                price=Decimal(100),
                quantity=Decimal(1),
                first_id=None,
                last_id=None,
            )
            for n in range(1, 100)
        ]
        places = [StreamPlace(n + 1, 0) for n in range(len(tape))]
        await series.store.insert(TRADE, tape, places, covered(1, len(tape)), 1)
        series.witnesses = [Given(truth), TradesWitness(series.ask, CALENDAR)]
        recheck = await series.repairs.recheck(await series.report(dense=True))
        assert told(recheck.judged) == [("missing_bar", 1, "ours", "trade"), ("missing_bar", 1, "ours", "kline")]


async def test_a_minute_without_a_trade_is_no_defect_of_a_sparse_series() -> None:
    async with klines_of(bars=120) as (_, of_klines, _, truth):
        idle = damaged(truth, [], {n: {"volume": Decimal(0)} for n in (30, 31)})
        dataset, bars = as_bars(of_klines, truth)
        series = await series_of(damaged(bars, [30, 31, 32], {}), dataset, Given(idle))
        assert (await series.report()).is_clean
        await put(series.store, "kline", truth)  # another source has volume in all three
        report = await series.report("kline")
        recheck = await series.repairs.recheck(report)
        assert told(recheck.judged) == [("missing_range", 2, "venue", "kline"), ("missing_bar", 1, "ours", "kline")]


async def test_flags_and_numbers_of_trades_are_left_with_the_reason() -> None:
    async with klines_of(bars=120) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        series = await series_of(damaged(bars, [], {7: {"gap": True}}), dataset, Given(truth))
        recheck = await series.repairs.recheck(await series.report())
        assert told(recheck.judged) == [("gap_unknown", 1, "unknown", "")]
        assert "gap ledger" in recheck.judged[0].testimonies[0].text
