"""One query over hot and cold rows: the same answers before, during and after a move."""

from __future__ import annotations

import asyncio
from itertools import cycle, islice
from pathlib import Path

import pytest

from marketprism_application.contracts.archive_records import UnitState
from marketprism_application.contracts.tiers import tiers_of
from tests.support.archive import answers, counted, fill, questions, scene_of


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
async def test_every_question_answers_the_same_before_during_and_after_a_move(tmp_path: Path, seed: int) -> None:
    async with scene_of(tmp_path) as scene:
        await fill(scene.store, seed)
        asked = questions(seed, 50)
        each_before = [await answers(scene, [question]) for question in asked]
        before, rows = [table for tables in each_before for table in tables], await counted(scene)
        assert not any(map(tiers_of, before))
        turns = cycle(range(len(asked)))
        for unit in await scene.hot.partitions():  # each question in turn while a unit is moved, and again with another
            moving = asyncio.create_task(scene.mover.move(unit.table, unit.partition, unit.bytes))
            for number in islice(turns, 2):
                for table, again in zip(each_before[number], await answers(scene, [asked[number]]), strict=True):
                    assert table.equals(again), (unit, number)
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
