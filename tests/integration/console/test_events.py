"""Events as they happen, lines of the logs, and the audit log."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_domain.events.registry import (
    DataGapDetected,
    FrameRefused,
    MarketBarGenerated,
    MarketSourceConnected,
    MarketSourceDisconnected,
)
from tests.integration.console.operating_side import Desk, at_desk, desk
from tests.support.console import LANGUAGES

__all__ = ["desk"]
pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
ROWS = "mp-live-events tbody tr"
FROM = 1_539_047_100_000_000_000  # 2018-10-09 09:05 China time


def gap(symbol: str) -> DataGapDetected:
    return DataGapDetected("shfe", symbol, FROM, FROM + 60_000_000_000, "disconnected")


@pytest.mark.parametrize("language", LANGUAGES)
def test_events_are_named_in_both_languages(browser: Browser, desk: Desk, language: str) -> None:
    desk.say(MarketSourceConnected("day", "ctp"), gap("ru1901"))
    with at_desk(browser, desk, "/events", language=language) as seen:
        row = seen.page.locator(ROWS, has_text="ru1901").first
        words = ("Data missing", "disconnected.") if language == "en" else ("数据缺口", "的数据：disconnected。")
        for each in words:
            expect(row).to_contain_text(each)
        connected = "Gateway day is connected to ctp." if language == "en" else "网关 day 已连接 ctp。"
        expect(seen.page.locator(ROWS, has_text=connected).first).to_be_visible()
        if language == "en":  # from there it is looked at in both
            assert seen.faults_in_both("events") == []
        assert seen.problems == []


def test_events_come_live_and_lead_to_their_instrument_at_that_instant(browser: Browser, desk: Desk) -> None:
    with at_desk(browser, desk, "/events") as seen:
        seen.page.wait_for_selector(".connection.live")
        seen.settle()
        desk.say(MarketSourceDisconnected("night", "ctp", "front gone"), gap("live1"))
        desk.say_aloud("storage", "LeaseAcquired", {"key": "storage", "holder": "b", "epoch": 7, "takeover_s": 1.25})
        expect(seen.page.locator(ROWS, has_text="night to ctp ended: front gone")).to_have_count(1)
        expect(seen.page.locator(ROWS, has_text="b leads storage, epoch 7")).to_contain_text("New leader")
        link = seen.page.locator(ROWS, has_text="live1").locator("a")
        assert link.get_attribute("href") == "/market/shfe.live1?t=2018-10-09T01%3A05%3A00.000Z"
        assert seen.page.locator(".density rect.grave").count() > 0
        # While it is paused nothing moves; what has come meanwhile is counted and then shown.
        seen.page.get_by_role("button", name="Pause").click()
        desk.say(gap("paused1"))
        expect(seen.page.locator("mp-live-events [role=status]").first).to_contain_text("1 more")
        expect(seen.page.locator(ROWS, has_text="paused1")).to_have_count(0)
        seen.page.get_by_role("button", name="Go on").click()
        expect(seen.page.locator(ROWS, has_text="paused1")).to_have_count(1)
        assert seen.problems == []


@pytest.mark.long
def test_filters_stand_in_the_address_and_survive_a_reload(browser: Browser, desk: Desk) -> None:
    desk.say(gap("kept1"), gap("other1"), MarketBarGenerated("shfe", "kept1", "1m", FROM, 0), source="aggregator")
    with at_desk(browser, desk, "/events") as seen:
        seen.page.locator("mp-filters select").select_option("symbol")
        seen.page.fill("mp-filters input", "kept1")
        seen.page.press("mp-filters input", "Enter")
        seen.page.locator(ROWS, has_text="kept1").first.get_by_role("button", name="Data missing").click()
        for _ in range(2):
            expect(seen.page.locator(".chip")).to_have_count(2)
            assert re.search(r"/events\?(symbol=kept1&name=DataGapDetected)$", seen.page.url)
            expect(seen.page.locator(ROWS)).to_have_count(1)
            desk.say(gap("other1"), MarketSourceConnected("x", "y"))
            seen.page.reload()
        seen.page.get_by_role("button", name="Remove the filter Event").click()
        seen.page.get_by_label("Routine events too").check()
        expect(seen.page.locator(ROWS, has_text="Bar closed")).to_have_count(1)
        seen.page.goto(f"{desk.base}/events?symbol=nothing")
        expect(seen.page.locator("mp-live-events .empty")).to_contain_text("0 of 0 shown")
        desk.say(gap("other1"))
        expect(seen.page.locator("mp-live-events .empty")).to_contain_text("0 of 1 shown")
        seen.page.get_by_role("button", name="Show everything").click()
        expect(seen.page.locator(ROWS).first).to_be_visible()
        assert seen.problems == []


def test_a_flood_is_sampled_on_the_screen_and_whole_in_the_file(browser: Browser, desk: Desk) -> None:
    with at_desk(browser, desk, "/events?routine=yes&service=flood") as seen:
        seen.page.wait_for_selector(".connection.live")
        seen.settle()
        desk.say(
            *[MarketBarGenerated("shfe", f"f{n}", "1m", FROM, 0) for n in range(500)], gap("f-gap"), source="flood"
        )
        expect(seen.page.locator("mp-live-events [role=status]").first).to_contain_text("a second: one of")
        expect(seen.page.locator(ROWS, has_text="f-gap")).to_have_count(1)
        assert seen.page.locator(ROWS).count() <= 256
        with seen.page.expect_download() as saved:
            seen.page.get_by_role("button", name="Download").click()
        lines = [json.loads(line) for line in saved.value.path().read_text().splitlines() if line]
        assert len({each["symbol"] for each in lines}) == 501
        assert seen.page.locator(ROWS).count() <= 200
        assert seen.problems == []


def test_hostile_events_are_only_text(browser: Browser, desk: Desk) -> None:
    name = "<img src=x onerror=alert(1)>" + "長" * 200
    desk.say(FrameRefused("evil", "=cmd()", name, 3), source="\u202egnp.exe")
    desk.say_aloud("odd", "<b>What</b>", ["no", {"object": 1}])
    with at_desk(browser, desk, "/events?venue=evil", width=390) as seen:
        expect(seen.page.locator(ROWS)).to_contain_text("<img src=x")
        expect(seen.page.locator(f"{ROWS} img")).to_have_count(0)
        assert seen.too_wide() == []
        assert seen.problems == []


def test_the_audit_log_is_for_who_may_read_it(browser: Browser, desk: Desk) -> None:
    with at_desk(browser, desk, "/events", "operator") as seen:
        expect(seen.page.get_by_role("tab")).to_have_count(2)
        seen.open("/events?tab=audit")
        expect(seen.page.locator("#view-audit")).to_contain_text("audit:read")
        assert seen.problems == []
    desk.ask("POST", "/api/v1/commands/jobs/Start", "operator", {"name": "audited"})
    with at_desk(browser, desk, "/events?tab=audit&action=command.give", "admin") as seen:
        rows = seen.page.locator("mp-audit tbody tr")
        expect(rows.first).to_contain_text("command.give")
        assert rows.count() == 2
        rows.first.locator("summary").click()
        expect(rows.first.locator("pre")).to_contain_text('"name": "audited"')
        assert seen.violations() == []
        seen.page.get_by_role("button", name="Remove the filter Action").click()
        expect(seen.page.locator("mp-audit tbody tr", has_text="access.login").first).to_be_visible()
        seen.picture("audit")
        assert seen.problems == []


def line(seq: int, level: str, event: str, **fields: Any) -> dict[str, Any]:
    named = {"level": level, "service": "gateway", "instance": "g-1", "event": event}
    return {"seq": seq, "ts": FROM + seq * 1_000_000, **named, "fields": fields}


def test_lines_of_logs_are_tailed_searched_and_copied(browser: Browser, desk: Desk) -> None:
    lines = [line(n, "info", "tick.counted", n=n) for n in range(1, 4)] + [
        line(4, "error", "source.lost", why="x" * 400)
    ]
    with at_desk(browser, desk, "/about") as seen:
        asked: list[str] = []

        def answer(route: Any) -> None:
            asked.append(route.request.url)
            data = {"lines": lines, "more": False, "silent": [{"service": "storage", "instance": "s-9"}]}
            route.fulfill(json={"success": True, "data": data})

        seen.page.route("**/api/v1/logs?*", answer)
        seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        seen.open("/events?tab=logs")
        items = seen.page.locator("mp-logs li")
        expect(items).to_have_count(4)
        expect(items.first).to_contain_text("source.lost")
        expect(seen.page.locator("mp-logs")).to_contain_text("storage s-9")
        lines[:] = [line(4, "error", "source.lost", why="x" * 400), line(5, "warning", "disk.slow", ms=900)]
        expect(items).to_have_count(5)
        assert "since=15390471000" in asked[-1]
        seen.page.get_by_role("searchbox").fill("SLOW")
        expect(items).to_have_count(1)
        seen.page.get_by_role("button", name="Copy lines").click()
        expect(seen.page.locator("mp-logs [role=status]").first).to_contain_text("1 lines copied")
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied == "2018-10-09T01:05:00.005Z warning gateway g-1 disk.slow ms=900"
        seen.page.reload()
        expect(items).to_have_count(1)
        seen.page.get_by_role("searchbox").fill("")
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture("logs")
        assert seen.problems == []
