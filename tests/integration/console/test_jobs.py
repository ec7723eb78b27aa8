"""Jobs: what is due when, run and paused by who may, and what became of their runs. A scheduler and a worker are real."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.nats.connection import NatsConnection
from tests.integration.api.access_side import gateway
from tests.integration.console.operating_side import Desk, Jobs, Source, at_desk
from tests.integration.console.signed_side import beside
from tests.support.console import Viewer
from tests.support.scheduled import Place, Worker, job_of
from tests.support.services import running

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]

BUILT_IN = {
    "note": job_of(trigger="manual", body={"text": "noted"}, note="What it is told is noted."),
    "hang": job_of(trigger="manual", command="worker.hang", timeout="10m"),
    "often": job_of(trigger="manual", body={"text": "often"}),
    "hourly": job_of(trigger="every 1h"),
    "lost": job_of(trigger="session nowhere.zz day_open"),
    "off": job_of(enabled=False),
}


class Hall(Desk):
    """A gateway with a scheduler and a worker behind it."""

    place: Place

    def job(self, name: str) -> Any:
        return self.ask("GET", f"/api/v1/scheduler/jobs/{name}").data

    def runs(self, name: str) -> list[Any]:
        return list(self.ask("GET", f"/api/v1/scheduler/runs?job={name}").data["runs"])


@asynccontextmanager
async def _hall(folder: Path) -> AsyncIterator[Hall]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="hall")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        stack.push_async_callback(connection.close)
        await streams.ensure_streams(connection)
        worker = Worker("worker", connection)
        made = await stack.enter_async_context(gateway(server.url))
        await stack.enter_async_context(running(worker))
        place = Place(connection, worker, stack)
        await place.scheduler(built_in=BUILT_IN)
        hall = Hall(
            asyncio.get_running_loop(), made, connection, Jobs("unused", connection), Source("none", connection)
        )
        hall.place = place
        yield hall


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with beside(_hall(tmp_path_factory.mktemp("hall"))) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/scheduler/jobs").status == 200)
        made.until(lambda: made.job("lost")["refused"])
        yield made


def row(seen: Viewer, name: str) -> Any:
    """A row of the list."""
    return seen.page.locator("mp-jobs-page tbody tr", has=seen.page.get_by_role("link", name=name, exact=True))


def fact(seen: Viewer, name: str) -> Any:
    """What stands beside a name in the facts of a job."""
    return seen.page.locator(f"mp-job dt:text-is('{name}') + dd")


def confirm(seen: Viewer, button: str, reason: str = "") -> None:
    """Do what the dialog asks for, and close it on its end."""
    dialog = seen.page.locator("dialog[open]")
    if reason:
        dialog.locator("textarea").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog.locator("[role=status]")).to_contain_text("Done")
    dialog.get_by_role("button", name="Close").click()


def ended(seen: Viewer, status: str) -> Any:
    """Rows of the history with a status."""
    return seen.page.get_by_role("region", name="History").locator("tbody tr", has_text=status)


@pytest.mark.long
def test_the_page_is_right_with_all_jobs_and_with_one(browser: Browser, hall: Hall) -> None:
    hall.ask("POST", "/api/v1/scheduler/jobs/note/run", json={})
    hall.until(lambda: hall.runs("note"))
    with at_desk(browser, hall, "/jobs") as seen:
        for path in ("/jobs", "/jobs/note"):
            seen.open(path)
            expect(seen.page.locator("mp-jobs-page tbody tr").first).to_be_visible()
            assert seen.faults_in_both(path) == []
        assert seen.problems == []


def test_jobs_are_listed_with_their_state_and_narrowed(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/events") as seen:
        seen.page.locator("#pages").get_by_role("link", name="Jobs").click()
        expect(seen.page.locator("mp-jobs-page tbody tr")).to_have_count(len(BUILT_IN))
        expect(row(seen, "hourly")).to_contain_text("every 1h")
        expect(row(seen, "hourly")).to_contain_text("idle")
        expect(row(seen, "off")).to_contain_text("disabled")
        expect(row(seen, "lost")).to_contain_text("refused")
        expect(row(seen, "lost")).to_contain_text("expected")
        seen.page.get_by_label("Find").fill("WORKER.hang")
        expect(seen.page.locator("mp-jobs-page tbody tr")).to_have_count(1)
        seen.page.get_by_label("Find").fill("zz top")
        expect(seen.page.locator("mp-jobs-page")).to_contain_text("No job holds these letters")
        assert seen.problems == []


def test_a_job_is_opened_by_the_keyboard_and_shows_when_it_is_due(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/jobs") as seen:
        link = row(seen, "hourly").get_by_role("link")
        link.focus()
        link.press("Enter")
        expect(seen.page).to_have_url(f"{hall.base}/jobs/hourly")
        due = fact(seen, "Due next").locator("div")
        expect(due).to_have_count(5)
        wanted = time.strftime("%Y-%m-%d %H:00:00", time.gmtime(time.time() + 9 * 3600))  # the exchange's zone
        assert due.first.inner_text() == wanted
        expect(seen.page.locator("mp-job")).to_contain_text("No run has ended yet")
        summary = seen.page.locator("mp-job summary", has_text="Definition")
        summary.press("Enter")
        expect(seen.page.locator("mp-job details pre")).to_contain_text('"trigger": "every 1h"')
        seen.page.get_by_role("link", name="All jobs").click()
        expect(row(seen, "hourly")).to_have_count(1)
        seen.open("/jobs/nothing")
        expect(seen.page.locator("mp-job .failed")).to_contain_text("expected one that is defined")


def test_run_now_leads_to_a_run_in_the_history(browser: Browser, hall: Hall) -> None:
    before = len(hall.runs("note"))
    with at_desk(browser, hall, "/jobs/note") as seen:
        seen.page.get_by_role("button", name="Run now").click()
        expect(seen.page.locator("dialog[open]")).to_contain_text("One run more, now")
        confirm(seen, "Run now")
        expect(ended(seen, "succeeded")).to_have_count(before + 1)
        newest = ended(seen, "succeeded").first
        expect(newest).to_contain_text(f"somebody · {hall.runs('note')[0]['by']}")
        newest.locator("summary").click()
        expect(newest.locator("pre")).to_contain_text('"noted": "noted"')
        assert seen.problems == []


def test_a_job_is_paused_with_a_reason_and_resumed(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/jobs/hourly") as seen:
        seen.page.get_by_role("button", name="Pause").click()
        confirm(seen, "Pause", "the exchange is closed")
        expect(fact(seen, "State")).to_contain_text("paused")
        written = hall.job("hourly")["written"]
        assert written["by"]
        expect(fact(seen, "Defined")).to_contain_text(f"paused by {written['by']}")
        expect(fact(seen, "Defined")).to_contain_text("the exchange is closed")
        seen.page.get_by_role("button", name="Resume").click()
        confirm(seen, "Resume")
        expect(fact(seen, "State")).to_contain_text("idle")
        assert not hall.job("hourly")["paused"]
        assert seen.problems == []


def test_a_run_that_hangs_is_cancelled(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/jobs/hang") as seen:
        seen.page.get_by_role("button", name="Run now").click()
        confirm(seen, "Run now")
        expect(fact(seen, "State")).to_contain_text("running")
        seen.page.get_by_role("button", name=re.compile("End the run of")).click()
        dialog = seen.page.locator("dialog[open]")
        expect(dialog).to_contain_text("The run ends as cancelled")
        assert seen.violations() == []
        confirm(seen, "End it")
        expect(ended(seen, "cancelled")).to_have_count(1)
        expect(ended(seen, "cancelled")).to_contain_text("cancelled by")
        expect(seen.page.locator("mp-job")).to_contain_text("None.")
        assert seen.problems == []


def test_what_is_refused_is_said_in_the_dialog(browser: Browser, hall: Hall) -> None:
    hall.until(lambda: not hall.job("hang")["open"])
    hall.ask("POST", "/api/v1/scheduler/jobs/hang/run", json={})
    hall.until(lambda: hall.job("hang")["open"])
    due = hall.job("hang")["open"][0]["due"]
    with at_desk(browser, hall, "/jobs/hang") as seen:
        seen.page.get_by_role("button", name=re.compile("End the run of")).click()
        hall.ask("POST", "/api/v1/scheduler/jobs/hang/cancel", json={"due": due})
        hall.until(lambda: not hall.job("hang")["open"])
        dialog = seen.page.locator("dialog[open]")
        dialog.get_by_role("button", name="End it", exact=True).click()
        expect(dialog.locator(".failed")).to_contain_text("expected that of a run that is not done")
        expect(dialog.locator(".failed code")).to_have_text("NOT_FOUND")


@pytest.mark.long
def test_older_runs_are_read_by_and_by(browser: Browser, hall: Hall) -> None:
    async def many() -> None:
        for _ in range(60):
            await hall.place.ask("run", job="often")
            await asyncio.sleep(0.02)  # those of one instant are one
        while len((await hall.place.ask("runs", job="often", limit=100))["runs"]) < 60:
            await asyncio.sleep(0.1)

    hall.run(many())
    with at_desk(browser, hall, "/jobs/often") as seen:
        expect(ended(seen, "")).to_have_count(50)
        seen.page.get_by_role("button", name="Older ones").click()
        expect(ended(seen, "")).to_have_count(60)
        expect(seen.page.get_by_role("button", name="Older ones")).to_have_count(0)
        assert seen.problems == []


def test_in_chinese_it_says_the_same(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/jobs", language="zh") as seen:
        expect(seen.page.locator("#pages")).to_contain_text("定时任务")
        expect(row(seen, "off")).to_contain_text("已停用")
        row(seen, "hourly").get_by_role("link").click()
        expect(fact(seen, "状态")).to_contain_text("空闲")
        expect(fact(seen, "定义")).to_contain_text("内置")
        seen.page.get_by_role("button", name="暂停").click()
        expect(seen.page.locator("dialog[open]")).to_contain_text("恢复之前不再安排运行")
        assert seen.problems == []


def test_who_may_only_see_is_offered_nothing(browser: Browser, hall: Hall) -> None:
    with at_desk(browser, hall, "/jobs/note", role="viewer") as seen:
        expect(seen.page.locator("mp-job")).to_contain_text("You may see jobs")
        expect(seen.page.locator("mp-job .facts")).to_contain_text("worker.note")
        expect(seen.page.locator("mp-job button:visible")).to_have_count(0)
        assert seen.problems == []
