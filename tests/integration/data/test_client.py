"""`MarketClient.data` by either door, and without a loop: work that is begun, followed, ended, and what it came to."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_client import DataJob, DataJobFailed, MarketClient, QueryFailed, SyncMarketClient
from marketprism_client._published import PUBLISHED
from marketprism_domain.integrity.report import Severity
from marketprism_domain.integrity.verdicts import Verdict
from marketprism_sdk.errors import NoResponders
from marketprism_services.platform.nats_users import accounts
from tests.integration.api.access_side import Gateway, gateway
from tests.integration.data.answering import PARTS, REPORTS, State, answering

pytestmark = pytest.mark.timeout(120)


async def served(api: Gateway, key: str) -> None:
    async with asyncio.timeout(30):
        while (await api.ask("GET", "/api/v1/data/jobs", key)).status != 200:
            await asyncio.sleep(0.05)


async def test_the_same_is_answered_by_either_door(nats_url: str) -> None:
    async with gateway(nats_url) as api, answering(nats_url):
        key = await api.key(await api.user("operator"), limits="bulk")
        await served(api, key)
        async with MarketClient(nats_url) as inside, MarketClient(api.base, key=key) as outside:
            found = []
            for market in (inside, outside):
                data = market.data
                report = await data.check(["cu1905", "cu1906"], venue="shfe", interval="1m")
                assert [each.dataset.symbol for each in report.series] == ["cu1905", "cu1905"]
                verdicts = await data.recheck(report)
                plan = await data.repair(report, dry_run=True)
                done = await data.repair(report)
                found.append(
                    (
                        report.series,
                        report.score,
                        verdicts,
                        plan.series,
                        done.series,
                        await data.coverage("cu1905", "2019-03-04", venue="shfe"),
                        await data.series("cu*"),
                        await data.revisions("cu1905", "2019-03-04T21:00", venue="shfe", interval="1m"),
                        await data.universe(top=3, day="20240506"),
                    )
                )
            assert found[0] == found[1]
            report = REPORTS["cu1905"]
            assert (found[0][0][0].missing, found[0][0][0].score) == (report.missing, report.score)
            assert [each.total for each in report.defects] == [each.count for each in found[0][0][0].defects]


async def test_a_report_is_typed_and_so_are_verdicts_and_repairs(nats_url: str) -> None:
    async with answering(nats_url), MarketClient(nats_url) as market:
        report = await market.data.check(["cu1905", "cu1906"], venue="shfe", interval="1m", witnesses=["kline"])
        assert (report.missing, report.expected, report.is_clean) == (4, 2 * REPORTS["cu1905"].expected, False)
        assert [each.code for each in report.defects] == ["missing_range", "missing_bar"]
        assert report.defects[0].severity is Severity.ERROR
        assert report.score == 99.92  # one of 99.83 and one without a defect, as long as it
        verdicts = await market.data.recheck(report, witnesses=["kline"])
        assert (verdicts.counts["ours"], [each.verdict for each in verdicts.judged]) == (2, [Verdict.OURS] * 2)
        assert verdicts.judged[0].testimonies[0].has == 1
        plan = await market.data.repair(report.id, dry_run=True)
        assert (plan.requests, plan.seconds, plan.defects_left, plan.series[0].after) == (1, 0.4, 2, None)
        done = await market.data.repair(report)
        assert (done.defects_left, done.series[0].inserted, done.series[0].changes[0].after) == (0, 3, "2")
        assert done.series[0].ledger[0].cause == "venue_missing"
        revised = await market.data.revisions("cu1905", "2019-03-04T21:00")
        assert [(each.revision, each.close) for each in revised] == [(0, Decimal(2)), (1, Decimal("1.75"))]
        assert len(await market.data.series()) == 1_500
        assert len(await market.data.series(limit=1_200)) == 1_200
        assert [job.action for job in await market.data.jobs()] == ["repair", "repair", "recheck", "check"]


async def test_a_job_is_followed_until_it_has_ended(nats_url: str) -> None:
    async with answering(nats_url) as state, MarketClient(nats_url) as market:
        job = await market.data.download("BTC-USDT", "2024-01-01", venue="binance", interval="1m")
        assert state.jobs[job.id].request["ts_from"] == 1_704_038_400_000_000_000  # China time, as the client's
        state.paused = True
        following = asyncio.create_task(_states(job))
        await asyncio.sleep(0.2)  # it is looked at many times, and stands where it was
        state.paused = False
        states = (await following)[1:]
        assert [each.parts_done for each in states] == list(range(1, PARTS + 1))
        assert (states[-1].stage, job.stage) == (JobStage.DONE, JobStage.DONE)
        assert (await job.wait()).rows == 10 * PARTS
        assert (await market.data.job(job.id)).shown == job.shown


async def _states(job: DataJob) -> list[JobShown]:
    return [shown async for shown in job.progress(every_s=0.01)]


async def test_a_service_that_is_away_is_waited_for_and_the_job_goes_on(nats_url: str) -> None:
    state = State()
    async with MarketClient(nats_url, timeout_s=2.0) as market:
        async with answering(nats_url, state):
            job = await market.data.download("BTC-USDT", venue="binance")
            state.paused = True
            following = asyncio.create_task(job.wait())
            await asyncio.sleep(0.3)
        await asyncio.sleep(0.5)  # nobody is there
        assert not following.done()
        state.paused = False
        async with answering(nats_url, state):
            assert (await following).stage is JobStage.DONE


async def test_who_asks_too_often_is_slowed_down_and_goes_on(nats_url: str) -> None:
    async with gateway(nats_url) as api, answering(nats_url) as state:
        key = await api.key(await api.user("operator"), limits="viewer")
        await served(api, key)
        async with MarketClient(api.base, key=key) as market:
            job = await market.data.download("BTC-USDT", venue="binance")
            state.paused = True
            following = asyncio.create_task(_states(job))
            async with asyncio.timeout(60):
                while (await api.ask("GET", "/api/v1/data/jobs", key)).code != "TOO_MANY_REQUESTS":
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.2)
            assert not following.done()
            state.paused = False
            assert (await following)[-1].stage is JobStage.DONE


async def test_what_fails_and_what_is_cancelled_is_raised_with_the_job(nats_url: str) -> None:
    state = State(fails=True)
    async with answering(nats_url, state), MarketClient(nats_url) as market:
        job = await market.data.download("BTC-USDT", venue="binance")
        with pytest.raises(DataJobFailed, match=r"was failed: shfe\.BTC-USDT: no room") as failed:
            await job.wait()
        assert failed.value.job.stage is JobStage.FAILED
        with pytest.raises(DataJobFailed, match="no room"):
            await market.data.check("cu1905")
        state.paused = True
        slow = await market.data.download("BTC-USDT", venue="binance")
        with pytest.raises(TimeoutError):
            await slow.wait(timeout_s=0.2)
        assert (await market.data.cancel(slow)).stage is JobStage.CANCELLED
        with pytest.raises(DataJobFailed, match="was cancelled"):
            await slow.wait()


async def test_what_is_wrong_is_a_query_that_failed_by_either_door(nats_url: str) -> None:
    async with gateway(nats_url) as api, answering(nats_url) as state:
        key = await api.key(await api.user("operator"), limits="bulk")
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        await served(api, key)
        async with MarketClient(nats_url) as inside, MarketClient(api.base, key=key) as outside:
            for market in (inside, outside):
                with pytest.raises(QueryFailed, match="venue: expected a market") as refused:
                    await market.data.download("BTC-USDT", venue="nowhere")
                assert refused.value.code == "INVALID_PARAMETER"
                with pytest.raises(QueryFailed, match="id: expected a job, was 'x'") as unknown:
                    await market.data.job("x")
                assert unknown.value.code == "NOT_FOUND"
                with pytest.raises(QueryFailed, match="symbol: expected at least one"):
                    await market.data.download(venue="okx")
                with pytest.raises(QueryFailed, match="end: expected at or after start"):
                    await market.data.check("cu1905", "2024-01-02", "2024-01-01")
            assert state.jobs == {}
        async with MarketClient(api.base, key=viewer) as outside:
            with pytest.raises(QueryFailed, match="download:run") as forbidden:
                await outside.data.download("BTC-USDT", venue="binance")
            assert forbidden.value.code == "FORBIDDEN"


async def test_nobody_there_is_said_as_for_every_service(nats_url: str) -> None:
    async with MarketClient(nats_url, timeout_s=2.0) as market:
        with pytest.raises(NoResponders):
            await market.data.jobs()


async def test_without_a_loop(nats_url: str) -> None:
    def in_a_notebook() -> tuple[int, int, bool, int]:
        with SyncMarketClient(nats_url) as market:
            job = market.data.download("BTC-USDT", venue="binance")
            states = list(job.progress(every_s=0.01))
            report = market.data.report(market.data.start_check("cu1905"))
            done = market.data.repair(report)
            verdicts = market.data.recheck(report)
            assert verdicts == market.data.verdicts(report)
            assert market.data.job(job.id).wait().id == job.id
            assert market.data.repaired(done).series == done.series
            return len(states), report.missing, done.defects_left == 0, len(market.data.jobs(action="download"))

    async with answering(nats_url):
        assert await asyncio.to_thread(in_a_notebook) == (PARTS, 4, True, 1)


def test_who_only_reads_on_nats_begins_no_work() -> None:
    found = accounts()
    asked = {subject for subject in found.users["reader"].publish if subject.startswith("rpc.data")}
    reading = {name for name, route in PUBLISHED["data"].items() if route.method == "GET"}
    assert asked == {f"rpc.data.{name}" for name in reading}
    assert asked == {subject for subject in found.exports.services if subject.startswith("rpc.data")}
