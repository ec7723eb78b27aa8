"""The page of data with the data service: what is stored of a series, a check, its verdicts, a repair, jobs, forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.integration.console.data_side import HOLE, Office, office_in
from tests.integration.console.operating_side import at_desk
from tests.integration.console.signed_side import beside, faults
from tests.support.console import Viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]

DAY = "20190305"  # its night session begins with the hole
CHECK = {"venue": "shfe", "symbols": ["cu1905"], "interval": "1m"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Iterator[Office]:
    with beside(office_in(tmp_path_factory.mktemp("office"), fixtures)) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/data/jobs").status == 200)
        yield made


@pytest.fixture(autouse=True)
def _anew(office: Office) -> None:
    office.data.is_judged = office.data.is_undone = False


def begun(office: Office, what: str, **body: object) -> str:
    """The id of a job that somebody has asked for."""
    return str(office.ask("POST", f"/api/v1/data/{what}", json=body).data["id"])


def pressed(seen: Viewer, name: str) -> None:
    seen.page.get_by_role("button", name=name, exact=True).click()


def defects(seen: Viewer) -> Locator:
    return seen.page.get_by_role("region", name="Defects").locator("tbody tr")


@pytest.mark.long
def test_every_view_is_right(browser: Browser, office: Office) -> None:
    check = begun(office, "checks", **CHECK)
    office.ask("POST", f"/api/v1/data/checks/{check}/recheck", json={})
    plan = begun(office, f"checks/{check}/repairs", dry_run=True)
    repair = begun(office, f"checks/{check}/repairs", dry_run=False)
    download = begun(office, "downloads", **CHECK)
    read = begun(office, "imports", path="bars.csv", dry_run=True)
    jobs = [f"/data/jobs/{each}" for each in (check, plan, repair, download, read)]
    with at_desk(browser, office, "/data/series") as seen:
        for path in (
            "/data/series",
            "/data/series?in=2019",
            f"/data/series?in=2019-03&of=shfe.cu1905 bar 1m&day={DAY}",
            *("/data/check", "/data/download", "/data/import", "/data/jobs"),
            *jobs,
        ):
            seen.open(path)
            seen.until("document.querySelector('#content [role=tabpanel] > :not(.loading)')")
            seen.settle()
            assert seen.faults_in_both(path.replace(check, "check")) == [], path
        assert seen.problems == []


def test_the_hole_of_a_series_is_on_the_map_and_in_its_section(browser: Browser, office: Office) -> None:
    with at_desk(browser, office, "/data/series?in=2019-03") as seen:
        cell = seen.page.locator(f"td.day[aria-label*='{DAY[:4]}-{DAY[4:6]}-{DAY[6:]}']")
        expect(cell).to_have_class("day half")
        (day,) = [each for each in office.data.report.coverage if each.trading_day == DAY]
        assert day.expected - day.present == HOLE
        expect(cell).to_have_attribute(
            "aria-label",
            f"shfe.cu1905 bar 1m, 2019-03-05: {day.present / day.expected:.1%}, {day.present} of {day.expected} minutes",
        )
        seen.page.focus("td.day[tabindex='0']")
        seen.page.keyboard.press("Home")
        while DAY[6:] not in seen.page.evaluate("document.activeElement.ariaLabel")[-40:].split(":")[0]:
            seen.page.keyboard.press("ArrowRight")
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("mp-series-day .section-bar")).to_have_count(4)
        expect(seen.page.locator("mp-series-day .hole")).to_have_count(1)
        row = seen.page.get_by_role("region", name="What is missing").locator("tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("21:00 – 01:00")
        expect(row).to_contain_text("2019-03-04 21:00:00")
        expect(row).to_contain_text("2019-03-04 22:51:00")
        expect(row.locator("td").last).to_have_text(str(HOLE))
        seen.page.get_by_role("button", name="Whole year").click()
        expect(seen.page.locator(".coverage table.dense th[scope=colgroup]")).not_to_have_count(0)
        assert "in=2019" in seen.page.url
        seen.page.get_by_label("Month or year").fill("201903")
        seen.page.get_by_label("Month or year").press("Enter")
        expect(seen.page.locator("#content [role=alert]")).to_contain_text("Expected a month like 2025-06")
        seen.open("/data/series?venue=nowhere")
        expect(seen.page.locator("#content .empty")).to_contain_text("No stored series of this kind")
        assert seen.problems == []


def test_a_check_is_judged_planned_repaired_and_compared(browser: Browser, office: Office) -> None:
    report = office.data.report
    with at_desk(browser, office, "/data/check") as seen:
        page = seen.page
        page.get_by_label("Venue", exact=True).fill("shfe")
        page.get_by_label("Instruments", exact=True).fill("cu1905")
        page.get_by_label("From").fill("2019-03-01")
        page.get_by_label("To", exact=True).fill("2019-03-31")
        page.get_by_label("To", exact=True).press("Enter")
        expect(page.locator("mp-data-job h2")).to_contain_text("Check")
        asked = list(office.data.jobs.values())[-1].request
        assert (asked["ts_from"], asked["ts_to"]) == (1_551_369_600_000_000_000, 1_554_048_000_000_000_000)
        expect(page.locator(".tile", has_text="Score")).to_contain_text(f"{report.score} · {report.grade}")
        expect(page.locator(".tile", has_text="Missing")).to_contain_text(str(HOLE))
        expect(defects(seen)).to_have_count(len(report.defects))
        expect(defects(seen).first).to_contain_text("missing_range")
        with page.expect_download() as saved:
            pressed(seen, "JSON")
        assert json.loads(saved.value.path().read_text())["missing"] == HOLE
        with page.expect_download() as saved:
            pressed(seen, "CSV")
        assert saved.value.path().read_text().count("missing_range") == 1
        check = page.url
        pressed(seen, "Ask witnesses")
        expect(page.locator("mp-data-job h2")).to_contain_text("Recheck")
        expect(defects(seen).first).to_contain_text("ours")
        defects(seen).first.get_by_text("Witnesses: 1").click()
        expect(defects(seen).first).to_contain_text(f"asked 1 times, has {HOLE}, lacks 0.")
        page.goto(check)
        expect(page.get_by_text(f"ours {HOLE}")).to_be_visible()
        pressed(seen, "Plan a repair")
        expect(page.locator("mp-data-repair .panel")).to_contain_text(f"bars {HOLE}: requests 3, at least 1.5 s")
        pressed(seen, "Repair now")
        dialog = page.locator("dialog[open]")
        expect(dialog).to_contain_text("Each changed bar becomes a new revision")
        assert seen.violations() == []
        dialog.get_by_role("button", name="Repair now").click()
        rows = page.get_by_role("region", name="Repair shfe.cu1905 bar 1m").locator("tbody tr")
        expect(rows.nth(0)).to_have_text(f"Before{len(report.defects)}{HOLE}{report.score}{report.grade}")
        expect(rows.nth(1)).to_have_text("After00100A")
        expect(page.get_by_role("region", name="Changed values")).to_contain_text("50,120")
        assert seen.problems == []


def test_an_undone_repair_shows_its_difference(browser: Browser, office: Office) -> None:
    office.data.is_undone = True
    check = begun(office, "checks", **CHECK)
    repair = begun(office, f"checks/{check}/repairs", dry_run=False)
    with at_desk(browser, office, f"/data/jobs/{repair}") as seen:
        expect(seen.page.locator("mp-data-repair .failed")).to_contain_text("the proof found a new defect")
        expect(seen.page.get_by_role("region", name="Changed values")).to_contain_text("50,120")
        assert seen.problems == []


def test_a_job_is_followed_and_cancelled(browser: Browser, office: Office) -> None:
    with at_desk(browser, office, "/data/download", role="admin") as seen:
        seen.page.get_by_label("Instruments", exact=True).fill("BTC-USDT, ETH-USDT")
        pressed(seen, "Download")
        expect(seen.page.locator("mp-data-job h2")).to_contain_text("Download")
        assert list(office.data.jobs.values())[-1].request["symbols"] == ["BTC-USDT", "ETH-USDT"]
        expect(seen.page.locator(".data-job progress")).to_have_attribute("value", "1")
        expect(seen.page.locator(".data-job")).to_contain_text("1 min 30 s")
        pressed(seen, "Cancel the job")
        dialog = seen.page.locator("dialog[open]")
        dialog.get_by_role("button", name="Cancel the job", exact=True).click()
        dialog.get_by_role("button", name="Close").click()
        expect(seen.page.locator(".data-job .badge")).to_have_text("cancelled")
        expect(seen.page.get_by_role("button", name="Cancel the job")).to_have_count(0)
        seen.page.get_by_role("link", name="All jobs").click()
        seen.page.get_by_label("State").select_option("cancelled")
        expect(seen.page.locator("mp-data-jobs tbody tr")).to_have_count(1)
        assert seen.problems == []


def test_a_file_is_read_looked_at_and_then_imported(browser: Browser, office: Office) -> None:
    with at_desk(browser, office, "/data/import") as seen:
        page = seen.page
        page.get_by_label("File").fill("/etc/passwd")
        pressed(seen, "Read the file")
        expect(page.locator("#data-path")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#wrong-path")).to_contain_text("expected one below the import folder, was /etc/passwd")
        expect(page.locator("#data-path")).to_be_focused()
        page.get_by_label("File").fill("bars.csv")
        pressed(seen, "Read the file")
        mapping = page.get_by_role("region", name="Columns shfe.cu1905 bar 1m")
        expect(mapping).to_contain_text("Guessed by the names of the columns")
        expect(mapping.locator("tbody td:last-child")).to_have_text(["time", "open", "not taken"])
        assert list(office.data.jobs.values())[-1].request["dry_run"] is True
        pressed(seen, "Import now")
        page.locator("dialog[open]").get_by_role("button", name="Import now").click()
        expect(page.locator("mp-data-imported .panel")).to_have_count(0)
        assert "dry_run" not in list(office.data.jobs.values())[-1].request
        assert faults(seen, 400) == []


def test_what_is_wrong_stands_at_its_field(browser: Browser, office: Office) -> None:
    with at_desk(browser, office, "/data/check?symbols=cu1905&from=2019-03-05&to=2019-03-01") as seen:
        pressed(seen, "Check")
        expect(seen.page.locator("#wrong-to")).to_contain_text("expected after ts_from")
        seen.page.get_by_label("To", exact=True).fill("2019-03-06")
        seen.page.get_by_label("Venue", exact=True).fill("nowhere")
        pressed(seen, "Check")
        expect(seen.page.locator("#wrong-venue")).to_contain_text("expected one of shfe, was nowhere")
        assert seen.page.get_by_label("From").input_value() == "2019-03-05"
        assert seen.violations() == []
        seen.open("/data/jobs/nothing")
        expect(seen.page.locator("mp-data-job .failed")).to_contain_text("expected that of a job, was nothing")
        assert faults(seen, 400, 404) == []


def test_in_chinese_it_says_the_same(browser: Browser, office: Office) -> None:
    check = begun(office, "checks", **CHECK)
    with at_desk(browser, office, f"/data/jobs/{check}", language="zh") as seen:
        expect(seen.page.locator("mp-data-job h2")).to_contain_text("检查")
        expect(seen.page.get_by_role("region", name="缺陷")).to_contain_text("缺少连续K线")
        expect(seen.page.get_by_role("button", name="规划修复")).to_be_enabled()
        assert seen.problems == []


def test_who_may_only_see_is_told_why(browser: Browser, office: Office) -> None:
    check = begun(office, "checks", **CHECK)
    with at_desk(browser, office, f"/data/jobs/{check}", role="viewer") as seen:
        expect(seen.page.get_by_role("button", name="Plan a repair")).to_be_disabled()
        expect(seen.page.locator("mp-data-report")).to_contain_text("This needs the permission “sys:operate”.")
        seen.open("/data/download")
        expect(seen.page.get_by_role("button", name="Download", exact=True)).to_be_disabled()
        expect(seen.page.locator("mp-data-form form")).to_contain_text("This needs the permission “download:run”.")
        seen.open("/data/check")
        expect(seen.page.get_by_role("button", name="Check", exact=True)).to_be_enabled()
        assert seen.problems == []
