"""Jobs of the data service on a real nats-server, storage and read side: downloads, checks, repairs, bad input."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.data_jobs import JobStage
from marketprism_sdk.errors import RemoteError
from tests.integration.api.access_side import gateway
from tests.integration.data.data_side import DataSide, data_side_of
from tests.support.downloads import LISTED, MINUTE, symbol_of
from tests.support.killed_data_services import rounds

pytestmark = pytest.mark.timeout(180)
MINUTES = 3_000
SPAN = {"ts_from": LISTED, "ts_to": LISTED + MINUTES * MINUTE}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[DataSide]:
    async with data_side_of(tmp_path, services=2) as made:
        yield made


async def downloaded(side: DataSide) -> str:
    symbol = symbol_of(side.venue)
    begun = await side.begun("downloads", venue="binance", symbols=[symbol], interval="1m", **SPAN)
    job = await side.ended(begun.id)
    assert (job.stage, job.error) == (JobStage.DONE, "")
    assert (job.rows, job.tasks_done) == (MINUTES, 1)
    return symbol


async def test_a_download_is_in_the_store_once_and_a_check_of_it_is_clean(side: DataSide) -> None:
    symbol = await downloaded(side)
    assert await side.side.count("klines") == MINUTES
    begun = await side.begun("checks", venue="binance", symbols=[symbol], kind="kline", interval="1m", **SPAN)
    job = await side.ended(begun.id)
    assert (job.stage, job.error) == (JobStage.DONE, "")
    (series,) = job.series
    assert series.result["present"] == MINUTES
    assert series.result["clean"] is True
    report = await side.ask("report", id=job.id, number=0)
    assert (report["expected"], report["present"], report["missing"]) == (MINUTES, MINUTES, 0)
    page = await side.ask("report", id=job.id, number=0, format="html")
    assert page["text"].startswith("<!doctype html>")
    assert f"<h1>binance.{symbol} 1m</h1>" in page["text"]
    text = await side.ask("report", id=job.id, number=0, format="md")
    assert text["format"] == "md"
    assert symbol in text["text"]
    covered = await side.ask(
        "coverage",
        symbol=symbol,
        venue="binance",
        kind="kline",
        interval="1m",
        **{"from": SPAN["ts_from"], "to": SPAN["ts_to"]},
    )
    assert covered["missing"] == 0
    assert [each["id"] for each in await side.ask("jobs", action="check")] == [job.id]


async def test_what_is_missing_is_judged_ours_and_repaired(side: DataSide) -> None:
    symbol = symbol_of(side.venue)
    halves = ((0, 1_000), (1_200, MINUTES))
    for first, last in halves:
        span = {"ts_from": LISTED + first * MINUTE, "ts_to": LISTED + last * MINUTE}
        begun = await side.begun("downloads", venue="binance", symbols=[symbol], interval="1m", **span)
        assert (await side.ended(begun.id)).stage is JobStage.DONE
    begun = await side.begun("checks", venue="binance", symbols=[symbol], kind="kline", interval="1m", **SPAN)
    check = await side.ended(begun.id)
    assert check.series[0].result["missing"] == 200
    asked = {"symbol": symbol, "venue": "binance", "kind": "kline", "from": SPAN["ts_from"], "to": SPAN["ts_to"]}
    covered = await side.ask("coverage", **asked)
    assert covered["ranges"] == [
        {"ts_from": LISTED + first * MINUTE, "ts_to": LISTED + last * MINUTE, "bars": last - first}
        for first, last in halves
    ]
    rechecked = await side.ended((await side.begun("recheck", id=check.id)).id)
    assert (rechecked.stage, rechecked.error) == (JobStage.DONE, "")
    verdicts = await side.ask("verdicts", id=check.id)
    assert (verdicts["recheck"], verdicts["counts"]["ours"]) == (rechecked.id, 200)
    dry = await side.ended((await side.begun("repair", id=check.id, dry_run=True)).id)
    (planned,) = (await side.ask("repaired", id=dry.id))["series"]
    assert (planned["plan"]["bars"], planned["after"]) == (200, None)
    assert await side.side.count("klines") == MINUTES - 200
    repaired = await side.ended((await side.begun("repair", id=check.id)).id)
    assert repaired.error == ""
    assert repaired.stage is JobStage.DONE
    (done,) = (await side.ask("repaired", id=repaired.id))["series"]
    assert (done["inserted"], done["after"]["missing"], done["undone"]) == (200, 0, False)
    series = f"binance {symbol} kline 1m"
    counts = {"series": 1, "defects": check.series[0].result["defects"], "left": check.series[0].result["defects"]}
    of_check = await side.told(check.id)
    assert of_check["DefectsFound"] == {"job": check.id, "action": "check", **counts, "first": series}
    assert list(of_check) == ["DefectsFound", "DataJobEnded"]
    assert list(await side.told(dry.id)) == ["DataJobEnded"]
    of_repair = await side.told(repaired.id)
    replaced = {"series": 1, "revisions": 0, "inserted": 200, "undone": 0, "first": series}
    assert of_repair["BarsReplaced"] == {"job": repaired.id, "action": "repair", **replaced}
    ended = of_repair["DataJobEnded"]
    assert (ended["state"], ended["tasks"], ended["failed"], ended["error"]) == ("done", 1, 0, "")
    assert await side.side.count("klines") == MINUTES


REFUSED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("downloads", {"venue": "binanze"}, "venue", "binance"),
    ("downloads", {"symbols": ["BTCUSDX"]}, "symbols", ""),
    ("downloads", {"symbols": []}, "symbols", ""),
    ("downloads", {"interval": "7m"}, "interval", ""),
    ("downloads", {"ts_from": LISTED + MINUTE, "ts_to": LISTED}, "to", ""),
    ("downloads", {"ts_from": time.time_ns() + 3_600 * 10**9}, "from", ""),
    ("downloads", {"ts_from": 0, "ts_to": time.time_ns()}, "from", ""),
    ("checks", {"venue": "nowhere"}, "venue", ""),
    ("checks", {"symbols": ["NOTHING"], "venue": ""}, "symbols", ""),
    ("checks", {"interval": "x"}, "interval", ""),
    ("checks", {"witnesses": ["klime"]}, "witnesses", "kline"),
)


async def test_what_cannot_be_is_refused_by_its_field(side: DataSide, subtests: pytest.Subtests) -> None:
    for name, values, field, near in REFUSED:
        with subtests.test(name=name, values=values):
            given = {"venue": "binance", "symbols": [symbol_of(side.venue)], "interval": "1m", **SPAN, **values}
            with pytest.raises(RemoteError) as refused:
                await side.ask(name, **given)
            assert refused.value.code == "INVALID_PARAMETER"
            assert refused.value.details["field"] == field
            assert near in refused.value.message
            assert await side.ask("jobs") == []


@pytest.mark.long
async def test_a_job_is_cancelled_within_a_second_and_its_rows_stay(tmp_path: Path) -> None:
    async with data_side_of(tmp_path, share=0.2) as side:
        span = {"ts_from": LISTED, "ts_to": LISTED + 400_000 * MINUTE}
        begun = await side.begun("downloads", venue="binance", symbols=[symbol_of(side.venue)], interval="1m", **span)
        await side.until(begun.id, lambda job: job.rows > 0)
        await side.ask("cancel", id=begun.id)
        job = await side.ended(begun.id)
        assert job.stage is JobStage.CANCELLED
        assert 0 < job.parts_done < job.parts
        assert await side.side.count("klines") >= job.rows


@pytest.mark.long
async def test_a_service_that_is_killed_leaves_its_task_to_another(tmp_path: Path) -> None:
    found = await rounds(tmp_path, 12_000, kills=1, seed=3, longest_s=1.0)
    assert found.killed == 1
    assert found.finished >= 1


async def test_an_end_in_the_future_is_cut_and_said(side: DataSide) -> None:
    span = {"ts_from": time.time_ns() - 100 * MINUTE, "ts_to": time.time_ns() + 10**15}
    begun = await side.begun("downloads", venue="binance", symbols=[symbol_of(side.venue)], interval="1m", **span)
    assert list(begun.remarks) == ["to lies in the future: cut to now"]
    assert begun.series[0].ts_to <= time.time_ns()
    await side.ask("cancel", id=begun.id)
    await side.ended(begun.id)


async def test_the_gateway_hands_requests_on_and_holds_to_scopes(side: DataSide) -> None:
    async with gateway(side.side.url) as api:
        operator = await api.key(await api.user("operator"), limits="bulk")
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        async with asyncio.timeout(30):
            while (await api.ask("GET", "/api/v1/data/jobs", viewer)).status != 200:
                await asyncio.sleep(0.05)
        body = {"venue": "binance", "symbols": [symbol_of(side.venue)], "interval": "1m", **SPAN}
        path = "/api/v1/data/downloads"
        assert (await api.ask("POST", path, viewer, body)).status == 403
        wrong = await api.ask("POST", path, operator, {**body, "venue": "binanze"})
        assert wrong.status == 400
        begun = await api.ask("POST", path, operator, body)
        assert begun.status == 202, begun
        name = (await api.ask("GET", "/api/v1/data/jobs", viewer)).data[0]["id"]
        job = await side.ended(name)
        assert (job.stage, job.rows) == (JobStage.DONE, MINUTES)
        assert job.by
        shown = (await api.ask("GET", f"/api/v1/data/jobs/{name}", viewer)).data
        assert [each["symbol"] for each in shown["series"]] == [symbol_of(side.venue)]
        assert (await api.ask("DELETE", f"/api/v1/data/jobs/{name}", viewer)).status == 403
        assert (await api.ask("GET", "/api/v1/data/jobs/nothing", viewer)).status == 404


async def test_the_day_before_is_checked_judged_and_repaired(side: DataSide) -> None:
    symbol = symbol_of(side.venue)
    for first, last in ((0, 1_000), (1_200, MINUTES)):
        span = {"ts_from": LISTED + first * MINUTE, "ts_to": LISTED + last * MINUTE}
        begun = await side.begun("downloads", venue="binance", symbols=[symbol], interval="1m", **span)
        assert (await side.ended(begun.id)).stage is JobStage.DONE
    day = datetime.fromtimestamp((LISTED + 1_100 * MINUTE) / 1e9, UTC).strftime("%Y%m%d")
    job = await side.ended((await side.begun("daily", day=day)).id)
    assert (job.stage, job.error, job.tasks) == (JobStage.DONE, "", 1)
    result = job.series[0].result
    assert result["counts"]["ours"] == 200  # type: ignore[index]
    assert result["inserted"] == 200
    assert await side.side.count("klines") == MINUTES
    again = await side.ended((await side.begun("daily", day=day)).id)
    assert (again.series[0].result["clean"], again.series[0].result["missing"]) == (True, 0)
    with pytest.raises(RemoteError, match="day: expected a day like 20260131"):
        await side.ask("daily", day="2026-1-1")


async def test_who_may_see_another_instrument_only_sees_nothing_of_this_one(side: DataSide) -> None:
    symbol = await downloaded(side)
    begun = await side.begun("checks", venue="binance", symbols=[symbol], kind="kline", interval="1m", **SPAN)
    check = (await side.ended(begun.id)).id
    series = {"venue": "binance", "kind": "kline", "interval": "1m"}
    async with gateway(side.side.url) as api:
        every = await api.key(await api.user("quant"), limits="bulk")
        other = await api.key(await api.user("quant", grants=(Grant(symbols=("ETH*",)),)), limits="bulk")
        async with asyncio.timeout(30):
            while (await api.ask("GET", "/api/v1/data/series", every)).status != 200:
                await asyncio.sleep(0.05)
        span = f"from={SPAN['ts_from']}&to={SPAN['ts_to']}"
        for path in (
            f"coverage/{symbol}?venue=binance&kind=kline&{span}",
            f"revisions/{symbol}?venue=binance&kind=kline&at={LISTED}",
            f"checks/{check}",
            f"checks/{check}/reports/0",
            f"checks/{check}/verdicts",
            f"jobs/{check}",
        ):
            assert (await api.ask("GET", f"/api/v1/data/{path}", every)).status == 200, path
            refused = await api.ask("GET", f"/api/v1/data/{path}", other)
            assert (refused.status, refused.code) == (403, "NOT_ENTITLED"), path
        body = {**series, "symbols": [symbol], **SPAN}
        assert (await api.ask("POST", "/api/v1/data/checks", other, body)).code == "NOT_ENTITLED"
        for path in ("series", "jobs", "universe?day=20240101"):
            assert (await api.ask("GET", f"/api/v1/data/{path}", other)).data == [], path
        assert len((await api.ask("GET", "/api/v1/data/series", every)).data) == 1


async def test_a_job_that_is_not_there_is_not_found(side: DataSide) -> None:
    for name in ("job", "cancel", "checked", "repaired", "verdicts"):
        with pytest.raises(RemoteError, match="NOT_FOUND"):
            await side.ask(name, id="check-nothing")
