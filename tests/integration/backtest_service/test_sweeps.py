"""Sweeps and walk-forwards of the backtest service: equal to single runs, whoever is killed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.nats.connection import NatsConnection
from tests.support.backtest_place import RUN, Place, check_singles, place
from tests.support.killed_backtests import outcomes, swept_while_killed
from tests.support.services import running

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("clickhouse"),
    pytest.mark.asyncio(loop_scope="module"),
]

SLOW = [30, 40, 50, 60, 70, 80, 90, 100, 110, 120]
SOME = {"fast": {"from": 2, "to": 7}, "slow": SLOW}


async def results(at: Place, id_: str, **more: Any) -> Any:
    return await at.call("sweep_results", {"id": id_, "limit": 1000, **more})


async def test_a_sweep_is_its_single_runs_bit_for_bit(at: Place) -> None:
    done = await at.made("sweep", space=SOME)
    assert (done["state"], done["runs"], done["done"], done["failed"]) == ("done", 60, 60, 0)
    found = await results(at, done["run_id"], sort="number")
    assert [row["number"] for row in found["rows"]] == list(range(60))
    rows = found["rows"][::12]  # 200, and all of them, in tests/chaos
    await check_singles(at, rows)


@pytest.mark.long
async def test_how_far_the_best_can_be_trusted_stands_before_it(at: Place) -> None:
    first = await at.made("sweep", space={"fast": [8, 13], "slow": SLOW})  # which nobody else here tries
    second = await at.made("sweep", space={"fast": [9, 14], "slow": SLOW})
    trusted = await at.call("pbo", {"id": second["run_id"]})
    assert first["summary"]["trials"] >= 20
    assert trusted["trials"] == first["summary"]["trials"] + 20  # those of the sweep before count too
    assert 0 <= trusted["pbo"] <= 1
    assert 0 <= trusted["deflated_sharpe"] <= 1
    found = await results(at, second["run_id"])
    assert next(iter(found)) == "overfitting"
    sharpes = [row["statistics"]["sharpe"] for row in found["rows"]]
    assert sharpes == sorted(sharpes, reverse=True)
    assert second["summary"]["best"]["params"] == found["rows"][0]["params"]
    assert [row["number"] for row in (await results(at, second["run_id"], offset=18))["rows"]] == [
        row["number"] for row in found["rows"][18:]
    ]


async def test_every_run_of_a_sweep_has_one_value_in_its_grid(at: Place) -> None:
    made = await at.made("sweep", space={"fast": [5, 10], "slow": [20, 30]})
    found = await results(at, made["run_id"], sort="number")
    grid = await at.call("sweep_grid", {"id": made["run_id"]})
    assert grid["overfitting"] == found["overfitting"]
    assert grid["rows"] == [
        {"number": row["number"], "params": row["params"], "value": row["statistics"]["sharpe"]}
        for row in found["rows"]
    ]
    by_net = await at.call("sweep_grid", {"id": made["run_id"], "by": "net"})
    assert [row["value"] for row in by_net["rows"]] == [float(row["net"]) for row in found["rows"]]
    with pytest.raises(RemoteError) as refused:
        await at.call("sweep_grid", {"id": made["run_id"], "by": "luck"})
    assert (refused.value.code, refused.value.details) == ("INVALID_PARAMETER", {"field": "by"})


@pytest.mark.long
async def test_a_run_that_fails_or_kills_its_process_leaves_the_sweep_going_on(at: Place) -> None:
    for name, code in (("Raises", "STRATEGY_FAILED"), ("Loops", "LIMIT")):
        done = await at.made("sweep", strategy=f"odd.ones:{name}", params={}, space={"n": [1, 2, 4]}, objective="net")
        rows = (await results(at, done["run_id"], sort="number"))["rows"]
        assert (done["state"], done["failed"], [row["state"] for row in rows]) == (
            "done",
            1,
            ["failed", "done", "done"],
        )
        assert rows[0]["error"]["code"] == code
    dead = await at.made("sweep", strategy="odd.ones:Exits", params={}, space={"n": [1, 2]})
    assert (dead["state"], dead["code"]) == ("failed", "STRATEGY_FAILED")


@pytest.mark.long
async def test_a_walk_forward_chooses_and_chains(at: Place) -> None:
    asked = {"space": {"fast": [5, 10], "slow": [30, 60]}, "objective": "net", "train": 2, "test": 1}
    done = await at.made("walk_forward", **asked)
    assert (done["state"], done["summary"]["windows"]) == ("done", 2), done
    chosen = done["summary"]["chosen"]
    assert [each["train"] for each in chosen] == [["20181008", "20181009"], ["20181009", "20181010"]]
    assert [each["test"] for each in chosen] == [["20181010"] * 2, ["20181011"] * 2]
    best = await at.made(params=chosen[0]["params"], **{"from": "2018-10-08", "to": "2018-10-09 20:00"})
    others = [
        await at.made(params={"fast": fast, "slow": slow}, **{"from": "2018-10-08", "to": "2018-10-09 20:00"})
        for fast in (5, 10)
        for slow in (30, 60)
    ]
    nets = [float(each["summary"]["net"]) for each in others]
    assert float(best["summary"]["net"]) == max(nets) == pytest.approx(float(chosen[0]["in_sample"]["net"]))
    assert done["summary"]["net"] == pytest.approx(sum(float(each["net"]) for each in chosen))
    with pytest.raises(RemoteError, match="trading days"):
        await at.submit("walk_forward", **{**asked, "train": 9})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"space": {}}, "param"),
        ({"space": {"fst": [1]}}, "space.fst"),
        ({"space": {"fast": [0, 1]}}, "params.fast"),
        ({"objective": "sharp"}, "objective"),
        ({"constraint": "fast >"}, "constraint"),
        ({"constraint": "fast > slow"}, "constraint"),
        ({"method": "gird"}, "method"),
    ],
)
async def test_a_space_that_cannot_be_is_refused_with_its_field(at: Place, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await at.call("sweep", {**RUN, "space": {"fast": [5, 10], "slow": [30]}, **changes})
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_PARAMETER", field)


@pytest.mark.long
async def test_two_users_share_the_queue_and_two_instances_the_work(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at:
        other = await NatsConnection.open(at.url, name="second")
        first, second = at.service(at.connection, workers=1), at.service(other, workers=1)
        async with running(first), running(second):
            done = await at.made("sweep", space=SOME)
            assert done["done"] == 60
            assert {first.election.is_leader(), second.election.is_leader()} == {True, False}
        await other.close()


@pytest.mark.long
async def test_whoever_is_killed_every_run_is_in_the_results_once(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at:
        async with running(at.service(at.connection)):
            whole = await at.made("sweep", space=SOME)
            expected = outcomes((await results(at, whole["run_id"], sort="number"))["rows"])
        found = await swept_while_killed(at, {**RUN, "space": SOME, "force": True}, kills=1, coordinators=1)
    assert [outcomes(rows) for rows in found.sweeps] == [expected] * len(found.sweeps)
    assert len(found.failovers) == 1
