"""Sweeps of the service with a kernel: the answers of one without it, for which a few sets are run by events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from marketprism_client import MarketClient
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import RemoteError
from marketprism_services.backtest.trials_file import Tried, remember, trials_before
from marketprism_services.cli.app import app
from tests.support.backtest_place import NET, RUN, Place, place
from tests.support.services import running

pytest.importorskip("numba", reason="the extra `fast` is not installed: make setup does")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("clickhouse"),
    pytest.mark.asyncio(loop_scope="module"),  # one service for the module
]

SPACE = {"fast": [5, 10, 15, 20], "slow": [30, 60]}
ROOT = Path(__file__).parents[3]
SIGNALS = f"""
import sys
import time
sys.path.append({str(ROOT)!r})
from examples.double_average import DoubleAverage

class Liar(DoubleAverage):
    @classmethod
    def signals(cls, table, params):
        return -super().signals(table, params)

class Silent(DoubleAverage):
    signals = None

class Loops(DoubleAverage):
    @classmethod
    def signals(cls, table, params):
        while params.fast == 10:
            time.sleep(0.01)
        return super().signals(table, params)

class Hangs(DoubleAverage):
    @classmethod
    def signals(cls, table, params):
        while True:
            try:
                time.sleep(0.01)
            except BaseException:
                pass

class Exits(DoubleAverage):
    @classmethod
    def signals(cls, table, params):
        import os
        os._exit(7)
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def at(stored: str, tmp_path_factory: pytest.TempPathFactory, calendar: MarketCalendar) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("kernel")
    async with place(stored, folder, calendar) as found:
        (found.strategies / "odd" / "signals.py").write_text(SIGNALS)
        async with running(found.service(found.connection, workers=2)):
            yield found


async def rows_of(at: Place, id_: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await at.call("sweep_results", {"id": id_, "limit": 1000, **more}))["rows"]
    return found


async def test_it_comes_to_what_a_sweep_of_events_comes_to(at: Place) -> None:
    await asyncio.to_thread(remember, at.folder, Tried(RUN["strategy"], "of the command line", 5))
    events = await at.made("sweep", space=SPACE)
    ranked = await at.made("sweep", space=SPACE, kernel=True)
    assert (ranked["runs"], ranked["done"], ranked["failed"], ranked["sweep"]["kernel"]) == (8, 8, 0, True)
    assert (events["digest"], events["summary"]["ranked_by_kernel"]) == (ranked["digest"], 0)
    summary = ranked["summary"]
    assert (summary["ranked_by_kernel"], summary["differ_from_kernel"]) == (3, 0)
    same = ("overfitting", "trials", "pbo", "deflated_sharpe", "objective", "runs", "failed")
    assert {name: summary[name] for name in same} == {name: events["summary"][name] for name in same}
    assert summary["trials"] == 8 + 5  # those of the command, and the same sweep once
    known = await asyncio.to_thread(trials_before, at.folder, RUN["strategy"], "another")
    assert known == 13  # so the command counts them
    best, other = summary["best"], events["summary"]["best"]
    assert {**best, "differs": None} == {**other, "differs": None}
    trusted = summary["overfitting"]
    dearer = {**RUN["settings"], "fee_rate": "0.00009", "slippage": "ticks:1"}
    single = await at.made(params=best["params"], settings=dearer)
    assert Decimal(trusted["net_at_double_costs"]) == Decimal(single["summary"]["net"])
    assert 0 <= trusted["plateau"] <= 1
    mine, theirs = [await rows_of(at, each["run_id"], sort="number") for each in (ranked, events)]
    for name in ("number", "params", "net", "fees", "orders", "lots", "days"):
        assert [row[name] for row in mine] == [row[name] for row in theirs]
    assert [Decimal(row["gross"]) for row in mine] == [Decimal(row["gross"]) for row in theirs]
    assert sorted(row["state"] for row in mine) == ["done"] * 5 + ["ranked"] * 3
    only = [row for row in mine if row["state"] == "ranked"]
    assert [row.get("run_id") for row in only] == [None] * 3
    for by in ("sharpe", "net", "max_drawdown"):
        grids = [await at.call("sweep_grid", {"id": each["run_id"], "by": by}) for each in (ranked, events)]
        values = [[row["value"] for row in grid["rows"]] for grid in grids]
        assert values[0] == pytest.approx(values[1])
        assert [row["params"] for row in grids[0]["rows"]] == [row["params"] for row in grids[1]["rows"]]
    by_sharpe = [row["number"] for row in await rows_of(at, ranked["run_id"])]
    assert by_sharpe == [row["number"] for row in await rows_of(at, events["run_id"])]


async def test_what_follows_from_the_rows_of_a_run_is_a_part_of_it(at: Place) -> None:
    """Slippage of a tick of 5 at each of 79 lots of 10; positions in groups, and no day with 60 days behind it."""
    made = await at.made(settings={**RUN["settings"], "slippage": "ticks:1"})
    assert Decimal(made["summary"]["slippage"]) == 79 * 5 * 10
    assert Decimal(made["summary"]["net"]) < Decimal(NET)
    positions = await at.call("table", {"id": made["run_id"], "part": "positions"})
    groups = await at.call("table", {"id": made["run_id"], "part": "groups"})
    profit = sum(Decimal(each["profit"]) - Decimal(each["fees"]) for each in positions)
    for by in ("side", "symbol", "session", "weekday", "hour"):
        mine = [each for each in groups if each["by"] == by]
        assert (sum(each["positions"] for each in mine), sum(Decimal(each["profit"]) for each in mine)) == (40, profit)
    assert [each["value"] for each in groups if each["by"] == "side"] == ["long", "short"]
    part = await at.call("table", {"id": made["run_id"], "part": "groups", "offset": 1, "limit": 2})
    assert part == groups[1:3]
    assert await at.call("table", {"id": made["run_id"], "part": "rolling"}) == []


async def test_signals_that_are_another_strategy_are_told(at: Place) -> None:
    made = await at.made("sweep", strategy="odd.signals:Liar", space=SPACE, objective="net", kernel=True)
    assert (made["state"], made["summary"]["differ_from_kernel"]) == ("done", 5)
    assert made["summary"]["best"]["state"] == "done"


async def test_a_walk_forward_ranks_in_its_child_too(at: Place) -> None:
    """With the choices of one by events alone; signals of another strategy choose otherwise, so that they were asked."""
    chosen = []
    for strategy in ("examples.double_average:DoubleAverage", "odd.signals:Silent", "odd.signals:Liar"):
        asked = {"strategy": strategy, "space": SPACE, "objective": "net", "train": 2, "test": 1}
        made = await at.made("walk_forward", **asked)
        assert made["state"] == "done", made["error"]
        chosen.append([(each["params"], each["net"]) for each in made["summary"]["chosen"]])
    assert chosen[0] == chosen[1]
    assert chosen[2] != chosen[1]


@pytest.mark.long
async def test_signals_have_the_limits_of_a_run(at: Place) -> None:
    """One that goes on for ever is run by events; one that cannot be ended, or ends its process, ends the sweep."""
    made = await at.made("sweep", strategy="odd.signals:Loops", space={"fast": [5, 10], "slow": [30]}, kernel=True)
    assert (made["state"], made["done"], made["summary"]["ranked_by_kernel"]) == ("done", 2, 0)
    for name, code in (("Hangs", "LIMIT"), ("Exits", "STRATEGY_FAILED")):
        dead = await at.made("sweep", strategy=f"odd.signals:{name}", space=SPACE, kernel=True)
        assert (dead["state"], dead["code"], dead["done"]) == ("failed", code, 0), dead["error"]


async def test_the_client_and_the_command_ask_for_a_kernel(at: Place) -> None:
    fields: dict[str, Any] = {"interval": "1m", "settings": RUN["settings"], "kernel": True, "force": True}
    async with MarketClient(at.url) as market:
        made = await market.backtests.sweep(RUN["strategy"], "ru1901", SPACE, **fields)
        seen = await market.backtests.ended(made.run_id)
    assert (seen.state, seen.summary["ranked_by_kernel"]) == ("done", 3)
    space = [word for name, value in SPACE.items() for word in ("--space", f"{name}={','.join(map(str, value))}")]
    options = [word for name, value in RUN["settings"].items() for word in ("--set", f"{name}={value}")]
    asked = ["backtest", "submit", RUN["strategy"], "ru1901", "--interval", "1m", *space, *options, "--kernel"]
    more = ["--force", "--wait", "--json", "--nats-url", at.url]
    found = await asyncio.to_thread(CliRunner().invoke, app, [*asked, *more])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout.splitlines()[-1])["summary"]["ranked_by_kernel"] == 3


async def test_a_ranking_that_is_cancelled_ends(at: Place) -> None:
    asked = await at.submit("sweep", strategy="odd.signals:Hangs", space=SPACE, kernel=True, force=True)
    while (await at.call("get", {"id": asked["run_id"]}))["state"] != "running":
        await asyncio.sleep(0.05)
    await at.call("cancel", {"id": asked["run_id"]})
    assert (await at.ended(asked["run_id"]))["state"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "changes", "field", "text"),
    [
        ("sweep", {"strategy": "odd.ones:Quiet", "params": {}, "space": {"n": [1, 2]}}, "kernel", "signals of Quiet"),
        ("sweep", {"objective": "win_rate"}, "kernel", "expected an objective of daily equity or a sum"),
        ("sweep", {"settings": {**RUN["settings"], "latency": "5"}}, "kernel", "expected no latency"),
        ("sweep", {"method": "tpe"}, "method", "tpe"),
        ("walk_forward", {"train": 2, "test": 1}, "kernel", "ranks by itself"),
    ],
)
async def test_what_a_kernel_cannot_rank_is_refused(
    at: Place, method: str, changes: dict[str, Any], field: str, text: str
) -> None:
    with pytest.raises(RemoteError, match=text) as refused:
        await at.call(method, {**RUN, "space": SPACE, "kernel": True, **changes})
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_PARAMETER", field)
