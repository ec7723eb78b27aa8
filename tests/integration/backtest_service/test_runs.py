"""Single runs of the backtest service on a real NATS server and a real store: results, bad input, and odd strategies."""

from __future__ import annotations

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import RemoteError
from tests.support.backtest_place import NET, Place, fork_servers, place
from tests.support.services import running

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("clickhouse"),
    pytest.mark.asyncio(loop_scope="module"),
]


async def test_a_run_has_the_reference_result_and_every_part_of_it(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection, workers=2)):
        await check_reference(at)


async def check_reference(at: Place) -> None:
    """Of a service that has done nothing before."""
    first, other = await asyncio.gather(at.submit(), at.submit())
    assert (first["cached"], other["cached"]) == (False, False)
    assert first["run_id"] == other["run_id"]  # one runs, the other follows it
    assert sorted([first["following"], other["following"]]) == [False, True]
    done = await at.ended(first["run_id"])
    assert (done["state"], Decimal(done["summary"]["net"]), done["rows"]) == ("done", Decimal(NET), 1035)
    again = await at.submit()
    assert (again["run_id"], again["cached"]) == (first["run_id"], True)
    of = {"id": first["run_id"]}
    rows = {part: await at.call("table", {**of, "part": part}) for part in ("fills", "orders", "positions", "equity")}
    assert {part: len(found) for part, found in rows.items()} == {
        "fills": 40,
        "orders": 40,
        "positions": 40,
        "equity": 4,
    }
    assert len(await at.call("table", {**of, "part": "fills", "offset": 38, "limit": 5})) == 2
    csv = await at.call("table", {**of, "part": "equity", "format": "csv"})
    assert csv["content"].decode().splitlines()[0].startswith('"date","trading_day"')
    assert {each["name"] for each in await at.call("table", {**of, "part": "stats"})} >= {"sharpe", "max_drawdown"}
    assert (await at.call("table", {**of, "part": "gaps"}))["minutes"] == 1035
    assert (await at.call("report", of))["content"].startswith(b"<!doctype html>")
    proved = await at.call("verify", of)
    assert (proved["fills"], proved["unproved"], proved["equal"]) == (40, [], True)
    rerun = await at.call("rerun", of)
    assert rerun["run_id"] != first["run_id"]
    await at.ended(rerun["run_id"])
    assert (await at.call("table", {"id": rerun["run_id"], "part": "rerun"}))["equal"] is True
    compared = await at.call("compare", {"ids": f"{first['run_id']},{rerun['run_id']}"})
    assert not [row["what"] for row in compared if row["differs"]]
    assert [each["run_id"] for each in await at.call("list", {"state": "done"})][-1] == first["run_id"]


@pytest.mark.long
async def test_ticks_and_other_code_parameters_or_settings_are_other_runs(at: Place) -> None:
    by_bars = await at.made()
    by_ticks = await at.made(mode="quote", interval="", params={"fast": 120, "slow": 480})
    assert by_ticks["rows"] == 116498
    assert Decimal(by_ticks["summary"]["net"]) == Decimal("-16770.3535")
    assert len({by_bars["digest"], by_ticks["digest"], (await at.made(params={"fast": 11}))["digest"]}) == 3


@pytest.mark.parametrize(
    ("changes", "code", "field", "text"),
    [
        ({"params": {"fast": 0}}, "INVALID_PARAMETER", "params.fast", "properties.fast.minimum"),
        ({"params": {"fst": 1}}, "INVALID_PARAMETER", "params.fst", "did you mean"),
        ({"instruments": ["ru190x"]}, "INVALID_PARAMETER", "instruments", "nearest: ru1901"),
        ({"instruments": []}, "INVALID_PARAMETER", "instruments", "expected 1 to"),
        ({"interval": "7x"}, "INVALID_PARAMETER", "interval", "like 1m"),
        ({"venue": "nowhere"}, "INVALID_PARAMETER", "instruments", "shfe"),
        ({"from": "2018-10-10", "to": "2018-10-09"}, "INVALID_PARAMETER", "from", "before to"),
        ({"from": "2031-01-01"}, "INVALID_PARAMETER", "from", "before to"),
        ({"from": "2001-01-01"}, "INVALID_PARAMETER", "from", "ten years"),
        ({"from": "2018-11-01", "to": "2018-11-02"}, "NO_DATA", "from", "2018-10-08"),
        ({"mode": "barr"}, "INVALID_PARAMETER", "fill", "did you mean"),
        ({"settings": {"slipage": 1}}, "INVALID_PARAMETER", "settings.slipage", "did you mean"),
        ({"strategy": "os:path"}, "INVALID_PARAMETER", "strategy", "examples, odd"),
        ({"strategy": "odd.none:X"}, "STRATEGY_IMPORT_FAILED", "strategy", "odd.none"),
        ({"strategy": "odd.ones:Quietly"}, "STRATEGY_IMPORT_FAILED", "strategy", "Quiet"),
        ({"strategy": "a.py:A", "source": "x = 1"}, "FORBIDDEN", "source", "uploads are off"),
    ],
)
async def test_what_is_wrong_is_said_with_its_field_before_anything_runs(
    at: Place, changes: dict[str, Any], code: str, field: str, text: str
) -> None:
    before = {each["run_id"] for each in await at.call("list", {})}
    with pytest.raises(RemoteError) as refused:
        await at.submit(**changes)
    assert (refused.value.code, refused.value.details.get("field")) == (code, field), refused.value
    assert text in refused.value.message
    assert {each["run_id"] for each in await at.call("list", {})} == before


async def test_an_end_that_is_still_to_come_is_now_and_said(at: Place) -> None:
    found = await at.submit(to="2099-01-01")
    assert "still to come" in found["remarks"][0]
    assert (await at.ended(found["run_id"]))["state"] == "done"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("Raises", "STRATEGY_FAILED", "ones.py:"),
        ("Loops", "LIMIT", "within 2 s"),
        ("Eats", "LIMIT", "memory"),
        ("Exits", "STRATEGY_FAILED", "exit code 7"),
        ("Calls", "STRATEGY_FAILED", "socket"),
        ("Writes", "STRATEGY_FAILED", "files to write"),
        ("Nan", "STRATEGY_FAILED", ""),
    ],
)
async def test_a_strategy_that_misbehaves_fails_alone(at: Place, name: str, code: str, text: str) -> None:
    odd, good = await asyncio.gather(
        at.made(strategy=f"odd.ones:{name}", params={}), at.made(params={"fast": 10, "slow": 30}, force=True)
    )
    assert (odd["state"], odd["code"]) == ("failed", code), odd
    assert text in odd["error"]
    assert (good["state"], Decimal(good["summary"]["net"])) == ("done", Decimal(NET))


async def test_what_there_is_of_a_failed_run_is_there_and_marked(at: Place) -> None:
    failed = await at.made(strategy="odd.ones:Raises", params={})
    document = await at.call("document", {"id": failed["run_id"]})
    assert (document["state"], document["error"]["code"]) == ("failed", "STRATEGY_FAILED")
    assert "2018-10-08T" in document["error"]["text"]  # the event's time


async def test_a_run_that_is_cancelled_ends_soon_and_leaves_its_slot(at: Place) -> None:
    slow = await at.submit(strategy="odd.ones:Slow", params={"n": 100})
    async with asyncio.timeout(30):
        while not (await at.call("get", {"id": slow["run_id"]}))["progress"]["now"]:
            await asyncio.sleep(0.05)
    before = asyncio.get_running_loop().time()
    await at.call("cancel", {"id": slow["run_id"]})
    ended = await at.ended(slow["run_id"])
    took_s = asyncio.get_running_loop().time() - before
    assert (ended["state"], ended["code"]) == ("cancelled", "CANCELLED")
    assert took_s < 20  # the number of the promise is in tests/chaos
    assert (await at.made())["state"] == "done"


@pytest.mark.long
async def test_a_run_that_went_with_what_its_process_was_a_fork_of_is_made_again(at: Place) -> None:
    morning = {"from": "2018-10-08", "to": "2018-10-08 12:00"}
    slow = await at.submit(strategy="odd.ones:Slow", params={"n": 8}, **morning)
    async with asyncio.timeout(60):
        while not (await at.call("get", {"id": slow["run_id"]}))["progress"]["now"]:
            await asyncio.sleep(0.05)
    (server,) = fork_servers()
    os.kill(server, signal.SIGKILL)
    ended = await at.ended(slow["run_id"])
    assert (ended["state"], ended["code"]) == ("done", "")
    assert fork_servers() not in ([], [server])


async def test_a_user_has_only_so_much_under_way(stored: str, tmp_path: Path, calendar: MarketCalendar) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection, most_rows=2_000)):
        with pytest.raises(RemoteError, match="rows x runs") as refused:
            await at.submit("sweep", space={"fast": [5, 10, 20]})
        assert refused.value.code == "TOO_MANY_REQUESTS"
        assert (await at.made())["state"] == "done"


async def test_an_uploaded_file_runs_where_that_is_allowed(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    source = "from marketprism_backtest import Strategy\nclass Mine(Strategy):\n    def on_bar(self, ctx, bar):\n        ctx.target(bar.symbol, 1)\n"
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection, allow_upload=True)):
        done = await at.made(strategy="mine.py:Mine", params={}, source=source)
        assert (done["state"], done["summary"]["fills"]) == ("done", 1)
        with pytest.raises(RemoteError, match="at most 262144 bytes"):
            await at.submit(strategy="mine.py:Mine", params={}, source=source + "#" * 262_144)


async def test_strategies_are_listed_with_the_schema_of_their_parameters(at: Place) -> None:
    found = {each["name"]: each for each in await at.call("strategies", {})}
    examples = ("double_average:DoubleAverage", "grid_maker:GridMaker", "portfolio:Portfolio", "range_break:RangeBreak")
    assert {f"examples.{name}" for name in (*examples, "top_gainer:TopGainer")} <= found.keys()
    assert found["examples.double_average:DoubleAverage"]["schema"]["properties"]["fast"]["minimum"] == 1
    assert "odd.ones:Raises" in found
