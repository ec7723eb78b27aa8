"""One query over hot and cold rows: the same answers before, during and after a move."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from marketprism_application.contracts.archive_records import UnitState
from marketprism_application.contracts.tiers import tiers_of
from tests.support.archive import answers, counted, fill, questions, scene_of


@pytest.mark.parametrize("seed", [1])
async def test_every_question_answers_the_same_before_during_and_after_a_move(tmp_path: Path, seed: int) -> None:
    async with scene_of(tmp_path) as scene:
        await fill(scene.store, seed)
        asked = questions(seed, 50)
        before, rows = await answers(scene, asked), await counted(scene)
        assert not any(map(tiers_of, before))
        moving = asyncio.create_task(scene.move_all())
        while not moving.done():
            for number, (table, again) in enumerate(zip(before, await answers(scene, asked), strict=True)):
                assert table.equals(again), number
        await moving
        after = await answers(scene, asked)
        assert len(before) == len(after)
        for number, (table, again) in enumerate(zip(before, after, strict=True)):
            assert table.equals(again), number
        for table in after:
            tiers = tiers_of(table)
            assert tiers is None or tiers.units or not table.num_rows, table
        assert sum(tiers_of(table) is not None for table in after) > 30
        assert await counted(scene) == rows
        assert await scene.hot.partitions() == []
        assert {record.state for record in scene.known.records.values()} == {UnitState.DROPPED}
