"""Rows laid over what is stored: every page has each bar once, whatever its size."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.questions import Records, key_of, next_of
from marketprism_application.repairing.checking import Overlay
from tests.support.repairs import Mended, as_bars, damaged, klines_of, put
from tests.unit.application.repairing.test_mending import longer_of, repaired
from tests.unit.application.repairing.test_verdicts import Given


@pytest.mark.parametrize("limit", [1, 7, 20, 1_000])
async def test_pages_with_rows_laid_over_them_are_the_whole_series(limit: int) -> None:
    async with klines_of(bars=100) as (_, dataset, _, truth):
        store = MemoryStore()
        await put(store, "kline", damaged(truth, [0, 6, 7, 20, 99], {50: {"high": Decimal(1)}}))
        series = Mended(store, dataset, [])
        overlay = Overlay(series.ask, dataset, truth.take([0, 6, 7, 20, 50, 99]))
        question = Records("kline", dataset.symbol, dataset.venue, dataset.ts_from, dataset.ts_to, "1m", limit)
        rows = []
        while True:
            page = await overlay(question)
            rows += page.to_pylist()
            after = next_of(page)
            if after is None and page.num_rows >= limit:
                after = key_of(KLINE, page)
            if after is None:
                break
            question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))
        assert [(row["ts_open"], row["high"]) for row in rows] == [
            (row["ts_open"], row["high"]) for row in truth.to_pylist()
        ]


async def test_a_longer_bar_of_minutes_with_a_hole_follows_its_repaired_minute() -> None:
    async with klines_of(bars=120) as (_, of_klines, _, truth):
        dataset, bars = as_bars(of_klines, truth)
        wrong = damaged(bars, [10], {20: {"volume": -bars.column("volume")[20].as_py()}})
        store = MemoryStore()
        await put(store, "bar", wrong)
        await put(store, "bar", longer_of(dataset, wrong, "1h"), seq=2)
        result = await repaired(Mended(store, dataset, [Given(bars)]))  # sparse: the hole is none
        assert (result.revisions, result.inserted, result.longer) == (1, 0, 1)
