"""The backtest service under fire: many kills, every run once; and the numbers that it promises."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.backtest_place import RUN, check_singles, fill_store, place
from tests.support.killed_backtests import outcomes, swept_while_killed
from tests.support.services import running

pytestmark = [pytest.mark.timeout(1_800), pytest.mark.xdist_group("clickhouse")]

SPACE: dict[str, Any] = {"fast": {"from": 2, "to": 21}, "slow": list(range(30, 130, 10))}


@pytest.fixture(scope="module")
def stored(clickhouse_url: str) -> str:
    fill_store(clickhouse_url)
    return clickhouse_url


@pytest.mark.parametrize("kills", [20, 50])
async def test_every_run_is_in_the_results_once_whoever_is_killed(
    stored: str, tmp_path: Path, calendar: MarketCalendar, kills: int
) -> None:
    async with place(stored, tmp_path, calendar) as at:
        async with running(at.service(at.connection)):
            whole = await at.made("sweep", space=SPACE)
            found = await at.call("sweep_results", {"id": whole["run_id"], "sort": "number", "limit": 1000})
        rows = await swept_while_killed(at, {**RUN, "space": SPACE, "force": True}, kills=kills)
    assert outcomes(rows) == outcomes(found["rows"])


async def test_a_sweep_of_200_is_200_single_runs(stored: str, tmp_path: Path, calendar: MarketCalendar) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection, workers=2)):
        done = await at.made("sweep", space=SPACE)
        found = await at.call("sweep_results", {"id": done["run_id"], "sort": "number", "limit": 1000})
        assert len(found["rows"]) == 200
        await check_singles(at, found["rows"])


async def test_one_worker_and_four_have_the_same_results(stored: str, tmp_path: Path, calendar: MarketCalendar) -> None:
    space = {"fast": [5, 10, 15, 20], "slow": [30, 60, 90]}
    found = []
    for workers in (1, 4):
        folder = tmp_path / str(workers)
        async with place(stored, folder, calendar) as at, running(at.service(at.connection, workers=workers)):
            done = await at.made("sweep", space=space)
            answer = await at.call("sweep_results", {"id": done["run_id"], "sort": "number", "limit": 1000})
        found.append((outcomes(answer["rows"]), [row["run_id"] for row in answer["rows"]]))
    assert len(found[0][1]) == 12
    assert found[0] == found[1]


async def test_a_cancel_is_seen_within_two_seconds(stored: str, tmp_path: Path, calendar: MarketCalendar) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection)):
        took = []
        for number in range(5):
            slow = await at.submit(strategy="odd.ones:Slow", params={"n": 100 + number})
            while not (await at.call("get", {"id": slow["run_id"]}))["progress"]["now"]:
                await asyncio.sleep(0.05)
            before = time.monotonic()
            await at.call("cancel", {"id": slow["run_id"]})
            await at.ended(slow["run_id"])
            took.append(time.monotonic() - before)
        assert max(took) < 2, took
