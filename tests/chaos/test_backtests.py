"""The backtest service under fire: many kills, every run once; and the numbers that it promises."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.backtest_place import RUN, check_singles, fill_store, place
from tests.support.killed_backtests import outcomes, swept_while_killed
from tests.support.services import running

pytestmark = pytest.mark.timeout(3_600)

WORKERS = int(os.environ.get("CHAOS_BACKTEST_WORKERS", "50"))
COORDINATORS = int(os.environ.get("CHAOS_BACKTEST_COORDINATORS", "20"))
SPACE: dict[str, Any] = {"fast": {"from": 2, "to": 21}, "slow": list(range(30, 130, 10))}
RANKED: dict[str, Any] = {"fast": [5, 10, 15, 20], "slow": [30, 60]}


@pytest.fixture(scope="module")
def stored(clickhouse_url: str) -> str:
    fill_store(clickhouse_url)
    return clickhouse_url


async def test_every_run_is_in_the_results_once_whoever_is_killed(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at:
        async with running(at.service(at.connection)):
            whole = await at.made("sweep", space=SPACE)
            undisturbed = await at.call("sweep_results", {"id": whole["run_id"], "sort": "number", "limit": 1000})
        sweep = {**RUN, "space": SPACE, "force": True}
        found = await swept_while_killed(at, sweep, kills=WORKERS, coordinators=COORDINATORS)
        rows = await stored_runs(stored)
    expected = outcomes(undisturbed["rows"])
    assert [outcomes(rows) for rows in found.sweeps] == [expected] * len(found.sweeps)
    assert rows == [(200, 200)] * (len(found.sweeps) + 1)  # each number once, none is missing
    failovers = sorted(found.failovers)
    print(
        f"{found.workers} workers and {found.coordinators} coordinators killed during {len(found.sweeps)} sweeps of 200: "
        f"every run once, equal to the undisturbed ones; another one coordinated after "
        f"{failovers[len(failovers) // 2] * 1e3:.0f} ms (median), {failovers[-1] * 1e3:.0f} ms at most of {len(failovers)}"
    )
    assert len(failovers) == COORDINATORS
    assert failovers[-1] < 5


async def stored_runs(url: str) -> list[tuple[int, int]]:
    """Rows and numbers of runs of each sweep, as the tables have them."""
    engine = await ClickHouseEngine.open(url)
    found = await engine.fetch(
        "SELECT count() AS rows, uniqExact(run) AS runs FROM market.backtest_runs FINAL GROUP BY record"
    )
    await engine.close()
    return [(int(row["rows"]), int(row["runs"])) for row in found.to_pylist()]


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
        print(f"cancelled within {max(took):.2f} s, {sorted(took)[2]:.2f} s in the middle of 5")
        assert max(took) < 2, took


async def test_a_ranked_sweep_has_every_set_once_whoever_is_killed(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    asked = {**RUN, "space": RANKED, "kernel": True, "force": True}
    async with place(stored, tmp_path, calendar) as at:
        found = await swept_while_killed(at, asked, kills=max(1, WORKERS // 10), coordinators=1)
    for rows in found.sweeps:
        assert [row["number"] for row in rows] == list(range(8))
        assert sorted(row["state"] for row in rows) == ["done"] * 5 + ["ranked"] * 3
        assert [row["net"] for row in rows] == [row["net"] for row in found.sweeps[0]]
    assert len(found.failovers) == 1
