"""Klines that were lost or spoiled, and their repair from the venue."""

from __future__ import annotations

from random import Random

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.repairing.mending import UnexpectedChange
from marketprism_domain.integrity.verdicts import Verdict
from tests.support.downloads import LISTED, MINUTE
from tests.support.repairs import Mended, damaged, klines_of, put, spoiled_values, values


@pytest.mark.parametrize("seed", range(6))
async def test_a_repaired_series_is_the_undisturbed_one(seed: int) -> None:
    chance = Random(seed)
    async with klines_of(bars=chance.choice((700, 2_880)), share=0.2, seed=seed) as (_, dataset, witness, truth):
        count = truth.num_rows
        lost = {n for n in range(count) if chance.random() < 0.01}
        begin = chance.randrange(count)
        lost |= set(range(begin, min(count, begin + chance.randrange(1, 300))))
        if chance.random() < 0.3:
            lost |= set(range(chance.randrange(1, 100)))
        rows = truth.to_pylist()
        spoiled = {n: spoiled_values(rows[n], chance) for n in range(count) if chance.random() < 0.01 and n not in lost}
        store, calm = MemoryStore(), MemoryStore()
        await put(store, "kline", damaged(truth, sorted(lost), spoiled))
        await put(calm, "kline", truth)
        series = Mended(store, dataset, [witness])
        before = await series.report()
        assert before.missing == len(lost)
        recheck = await series.repairs.recheck(before)
        assert {each.verdict for each in recheck.judged} == {Verdict.OURS}
        assert recheck.counts["ours"] >= len(lost) + len(spoiled)
        plan = await series.repairs.plan(recheck)
        assert plan.bars == len(lost) + len(spoiled)
        assert plan.requests <= -(-count // 1000) + 1
        assert series.log.sent == []
        result = await series.repairs.repair(recheck, plan, job="j1", keep=series.keep)
        assert (result.error, result.undone) == ("", False)
        assert (result.inserted, result.revisions) == (len(lost), len(spoiled))
        assert (await series.report()).is_clean
        assert await series.stored() == await values(calm, dataset)
        assert series.pages


async def test_a_change_of_a_bar_without_a_defect_stops_a_repair() -> None:
    async with klines_of(bars=700) as (_, dataset, witness, truth):
        store = MemoryStore()
        rows = truth.to_pylist()
        other = rows[105]["volume"] * 2
        await put(
            store, "kline", damaged(truth, [100, 110], {105: {"volume": other, "turnover": rows[105]["turnover"] * 2}})
        )
        series = Mended(store, dataset, [witness])
        recheck = await series.repairs.recheck(await series.report())
        plan = await series.repairs.plan(recheck)
        assert [(each.ts_from, each.bars) for each in plan.ranges] == [(LISTED + 100 * MINUTE, 2)]
        with pytest.raises(UnexpectedChange, match="2 values would change") as caught:
            await series.repairs.repair(recheck, plan, job="j", keep=series.keep)
        assert caught.value.details["total"] == 2
        assert series.log.sent == []
