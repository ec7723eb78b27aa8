"""Backtests over HTTP with scopes and entitlements, by the client, and by the command line."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from marketprism_application.contracts.access_records import Grant
from marketprism_client import MarketClient, QueryFailed, SyncMarketClient
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.cli.app import app
from tests.integration.api.access_side import Gateway, gateway
from tests.support.backtest_place import NET, RUN, place
from tests.support.services import running

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse"), pytest.mark.long]

BACKTESTS = "/api/v1/backtests"


async def served(api: Gateway, key: str) -> None:
    async with asyncio.timeout(30):
        while (await api.ask("GET", BACKTESTS, key)).status != 200:
            await asyncio.sleep(0.05)


async def ended(api: Gateway, key: str, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := (await api.ask("GET", f"{BACKTESTS}/{run_id}", key)).data)["state"] in ("queued", "running"):
            await asyncio.sleep(0.05)
    return dict(found)


async def test_by_whom_may_run_strategies_and_for_whom_may_see_the_rows(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection)), gateway(at.url) as api:
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        quant = await api.key(await api.user("quant"), limits="bulk")
        await served(api, quant)
        assert (await api.ask("POST", BACKTESTS, viewer, RUN)).code == "FORBIDDEN"
        asked = await api.ask("POST", BACKTESTS, quant, RUN)
        assert (asked.status, asked.data["cached"]) == (202, False)
        run_id = asked.data["run_id"]
        done = await ended(api, quant, run_id)
        assert done["state"] == "done"
        older = await api.ask("POST", "/api/backtest", quant, RUN)
        assert older.status == 202
        again = await ended(api, quant, older.data["run_id"])
        # The known run, or where its rows were not read soon one that has the result of the other.
        assert older.data["run_id"] == run_id or again["cached"]
        report = await api.ask("GET", f"{BACKTESTS}/{run_id}/report.html", quant)
        assert report.headers["Content-Type"].startswith("text/html")
        assert "sandbox" in report.headers["Content-Security-Policy"]
        csv = await api.ask("GET", f"{BACKTESTS}/{run_id}/fills?format=csv", quant)
        assert csv.headers["Content-Type"].startswith("text/csv")
        assert csv.body["data"].count(b"\n") == 41
        await check_history_and_files(api, quant, run_id, done)
        stranger = await api.key(await api.user("quant"), limits="bulk", grants=(Grant(symbols=("cu*",)),))
        await served(api, stranger)
        assert (await api.ask("GET", BACKTESTS, stranger)).data == []  # neither his own, nor of rows that he may see
        assert (await api.ask("GET", f"{BACKTESTS}/{run_id}/fills", stranger)).code == "NOT_ENTITLED"
        assert (await api.ask("POST", BACKTESTS, stranger, RUN)).code == "NOT_ENTITLED"
        for wrong, status, code in (
            ({**RUN, "params": {"fast": 0}}, 400, "INVALID_PARAMETER"),
            ({**RUN, "from": "2018-11-01"}, 409, "NO_DATA"),
            ({**RUN, "strategy": "a.py:A", "source": "x"}, 403, "FORBIDDEN"),
            ({**RUN, "strategee": "x"}, 400, "INVALID_PARAMETER"),
        ):
            answer = await api.ask("POST", BACKTESTS, quant, wrong)
            assert (answer.status, answer.code) == (status, code)
        assert (await api.ask("GET", f"{BACKTESTS}/0000000000000000", quant)).status == 404
        document = (await api.ask("GET", "/api/v1/openapi.json")).body
        assert "paths" in document, document
        assert "202" in document["paths"][BACKTESTS]["post"]["responses"]


async def test_a_run_is_followed_as_events_by_who_may_see_its_rows(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection)), gateway(at.url) as api:
        quant = await api.key(await api.user("quant"), limits="bulk")
        other = await api.key(
            await api.user("quant"), limits="bulk", grants=(Grant(venues=("okx",), symbols=("*",), kinds=("*",)),)
        )
        await served(api, quant)
        slow = {**RUN, "strategy": "odd.ones:Trades", "params": {"n": 1}}
        run_id = (await api.ask("POST", BACKTESTS, quant, slow)).data["run_id"]
        path = f"{BACKTESTS}/{run_id}/events"
        assert (await api.ask("GET", path, other)).code == "NOT_ENTITLED"
        seen = []
        async with asyncio.timeout(60), api.session.get(api.base + path, headers={"X-API-Key": quant}) as answer:
            async for raw in answer.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "data":
                    seen.append(json.loads(value))
        *states, last = seen
        assert last == {}  # of the event `end`
        assert {each["run_id"] for each in states} == {run_id}
        assert (states[-1]["state"], states[-1]["progress"]["share"]) == ("done", 1.0)
        shares = [each["progress"]["share"] for each in states]
        assert shares == sorted(shares)
        equities = {Decimal(each["progress"]["equity"]) for each in states if each["progress"]["equity"]}
        days = (await api.ask("GET", f"{BACKTESTS}/{run_id}/equity", quant)).data
        assert len(equities) > 1
        assert all(abs(each - 1_000_000) < 50_000 for each in equities), equities  # no half of a position is seen
        assert Decimal(days[-1]["equity"]) != 1_000_000


async def check_history_and_files(api: Gateway, key: str, run_id: str, done: dict[str, Any]) -> None:
    """History by every field, also where fields are empty; parts in pages and as files."""
    empty = "?strategy=&state=&kind=&user=&before=0&after=0&limit=100"
    right = f"?strategy={quote(RUN['strategy'])}&state=done&kind=run&after={done['created_at'] - 1}"
    later = f"?after={done['created_at']}"
    for query, is_there in (("", True), (empty, True), (right, True), (later, False), ("?state=failed", False)):
        listed = (await api.ask("GET", f"{BACKTESTS}{query}", key)).data
        assert (run_id in [each["run_id"] for each in listed]) is is_there, query
    page = await api.ask("GET", f"{BACKTESTS}/{run_id}/fills?format=csv&offset=38&limit=5", key)
    assert page.body["data"].count(b"\n") == 3
    parquet = await api.ask("GET", f"{BACKTESTS}/{run_id}/fills?format=parquet", key)
    assert parquet.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(parquet.body["data"])).num_rows == 40
    assert (await api.ask("GET", f"{BACKTESTS}/{run_id}/fills?format=xml", key)).code == "INVALID_PARAMETER"


async def test_the_client_follows_a_run_by_either_door(stored: str, tmp_path: Path, calendar: MarketCalendar) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection)), gateway(at.url) as api:
        quant = await api.key(await api.user("quant"), limits="bulk")
        await served(api, quant)
        fields = {"interval": "1m", "params": RUN["params"], "settings": RUN["settings"]}
        async with MarketClient(at.url) as inside, MarketClient(api.base, key=quant) as outside:
            for market in (inside, outside):
                asked = await market.backtests.run(RUN["strategy"], "ru1901", **fields)
                seen = [each async for each in market.backtests.progress(asked.run_id)]
                assert seen[-1].state == "done"
                assert seen[-1].progress.share == 1
                assert Decimal(str(seen[-1].summary["net"])) == Decimal(NET)
                fills = await market.backtests.table(asked.run_id, "fills", limit=3)
                assert isinstance(fills, list)
                assert len(fills) == 3
                with pytest.raises(QueryFailed, match=r"properties\.fast\.minimum"):
                    await market.backtests.run(RUN["strategy"], "ru1901", **{**fields, "params": {"fast": 0}})
            swept = await outside.backtests.sweep(
                RUN["strategy"], "ru1901", {"fast": [5, 10]}, interval="1m", settings=RUN["settings"]
            )
            await outside.backtests.ended(swept.run_id)
            found = await outside.backtests.results(swept.run_id)
            assert next(iter(found)) == "overfitting"
            assert [each.kind for each in await inside.backtests.list(limit=1)] == ["sweep"]
            assert {each.kind for each in await outside.backtests.list()} == {"sweep", "run"}
            done = await outside.backtests.list(state="done", kind="run", strategy=RUN["strategy"])
            assert {each.kind for each in done} == {"run"}
            assert (await outside.backtests.cancel(swept.run_id)).state == "done"  # one that has ended stays as it is
            assert await outside.backtests.strategies() == await inside.backtests.strategies()

        def in_a_notebook() -> str:
            with SyncMarketClient(at.url) as market:
                return market.backtests.list(limit=1)[0].state

        assert await asyncio.to_thread(in_a_notebook) == "done"


async def test_the_command_line_gives_lists_shows_and_ends(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with place(stored, tmp_path, calendar) as at, running(at.service(at.connection)):

        async def cli(*words: str) -> tuple[int, object]:
            given = ["backtest", *words, "--json", "--nats-url", at.url]
            found = await asyncio.to_thread(CliRunner().invoke, app, given)
            assert found.exit_code in (0, 1, 2), found.output
            return found.exit_code, json.loads(found.stdout.splitlines()[-1]) if found.stdout.strip() else None

        words = ["submit", RUN["strategy"], "ru1901", "--interval", "1m"]
        more = [word for name, value in RUN["settings"].items() for word in ("--set", f"{name}={value}")]
        code, done = await cli(*words, "--param", "fast=10", "--param", "slow=30", *more, "--wait")
        assert isinstance(done, dict)
        assert (code, done["state"], Decimal(done["summary"]["net"])) == (0, "done", Decimal(NET))
        code, swept = await cli(*words, "--space", "fast=5:10:5", *more, "--wait")
        assert isinstance(swept, dict)
        assert (code, swept["done"]) == (0, 2)
        code, listed = await cli("list")
        assert isinstance(listed, list)
        assert [each["kind"] for each in listed] == ["sweep", "run"]
        code, shown = await cli("show", done["run_id"])
        assert isinstance(shown, dict)
        assert shown["run_id"] == done["run_id"]
        code, cancelled = await cli("cancel", done["run_id"])
        assert isinstance(cancelled, dict)
        assert cancelled["state"] == "done"
        code, _ = await cli(*words, "--param", "fast=0")
        assert code != 0
