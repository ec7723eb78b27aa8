"""Commands: a form of what a service takes, given by who may, followed to its end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_domain.commands import ConnectToMarketSource, DisconnectFromMarketSource, SubscribeInstrument
from tests.integration.console.faked_system import wrong
from tests.integration.console.operating_side import Desk, Job, at_desk, desk
from tests.support.console import Viewer

__all__ = ["desk"]
pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
START = "/commands?c=jobs/Start"


def give(seen: Viewer, button: str = "Give it") -> Any:
    """Send the form, confirm, and the dialog with what became of it."""
    seen.page.get_by_role("button", name="Give the command…").click()
    dialog = seen.page.locator("dialog[open]")
    dialog.get_by_role("button", name=button).click()
    return dialog


@pytest.mark.long
def test_the_page_is_right_with_a_form_and_without(browser: Browser, desk: Desk) -> None:
    with at_desk(browser, desk, "/commands") as seen:
        for path in ("/commands", START):
            seen.open(path)
            expect(seen.page.locator(".commands nav li")).to_have_count(4)
            assert seen.faults_in_both(path) == []
        assert seen.problems == []


def test_a_command_is_given_once_and_its_end_is_shown(browser: Browser, desk: Desk) -> None:
    desk.jobs.done.clear()
    with at_desk(browser, desk, START) as seen:
        seen.page.fill("#arg-name", "backfill")
        seen.page.fill("#arg-count", "3")
        seen.page.select_option("#arg-fast", "true")
        seen.page.fill("#arg-labels", '{"desk": "a"}')
        seen.page.get_by_role("button", name="Give the command…").click()
        dialog = seen.page.locator("dialog[open]")
        expect(dialog).to_contain_text("Start a job.")
        expect(dialog).to_contain_text('{"desk":"a"}')
        assert seen.violations() == []
        assert desk.jobs.done == []
        # The way back is cut: it is asked again under the same key, and done once.
        cut = []

        def once(route: Any) -> None:
            if cut:
                route.continue_()
            else:
                cut.append(route.fetch())
                route.abort()

        seen.page.route("**/commands/jobs/Start*", once)
        dialog.get_by_role("button", name="Give it").click()
        expect(dialog.locator(".outcomes li.done")).to_contain_text("jobs / Start", timeout=20_000)
        assert desk.jobs.done == [Job("backfill", 3, True, {"desk": "a"})]
        dialog.get_by_role("button", name="Close").click()
        expect(seen.page.locator("mp-command-history tbody tr").first).to_contain_text("done")


def test_what_is_wrong_is_said_beside_its_field(browser: Browser, desk: Desk) -> None:
    desk.jobs.done.clear()
    with at_desk(browser, desk, START) as seen:
        send = seen.page.get_by_role("button", name="Give the command…")
        send.click()
        expect(seen.page.locator("#wrong-name")).to_contain_text("This is needed")
        assert seen.page.evaluate("document.activeElement.id") == "arg-name"
        for name, text, words in (
            ("name", "x", "at least 2 characters"),
            ("count", "0", "at least 1"),
            ("count", "10", "at most 9"),
            ("count", "1.5", "a whole number"),
            ("count", "many", "a number"),
            ("labels", "[1]", "a JSON object"),
            ("labels", "{", "Expected JSON"),
        ):
            seen.page.fill("#arg-name", "good")
            seen.page.fill("#arg-count", "1")
            seen.page.fill("#arg-labels", "")
            seen.page.fill(f"#arg-{name}", text)
            send.click()
            expect(seen.page.locator(f"#wrong-{name}")).to_contain_text(words)
            expect(seen.page.locator("dialog[open]")).to_have_count(0)
        assert seen.violations() == []
        assert seen.problems == []
        # What only the service knows is said beside the field as well.
        seen.page.fill("#arg-labels", "")
        seen.page.fill("#arg-name", "odd")
        dialog = give(seen)
        expect(dialog.locator("li.refused")).to_contain_text("see the field")
        dialog.get_by_role("button", name="Close").click()
        expect(seen.page.locator("#wrong-name")).to_contain_text("expected one that is not odd")
        assert desk.jobs.done == []


def test_a_refusal_leads_to_its_dead_letter(browser: Browser, desk: Desk) -> None:
    desk.jobs.refuses = True
    try:
        with at_desk(browser, desk, START) as seen:
            seen.page.fill("#arg-name", "nothing")
            dialog = give(seen)
            expect(dialog.locator("li.refused")).to_contain_text("expected a job that there is, was nothing")
            expect(dialog.locator("li.refused")).to_contain_text("Request ")
            dialog.get_by_role("link", name="Dead letter").click()
            expect(seen.page.locator("mp-dead-letter pre").first).to_contain_text('"name": "nothing"')
    finally:
        desk.jobs.refuses = False


def test_a_gateway_is_disconnected_with_a_reason_and_connected(browser: Browser, desk: Desk) -> None:
    desk.source.done.clear()
    with at_desk(browser, desk, "/commands") as seen:
        gateways = seen.page.locator("mp-gateways")
        gateways.get_by_role("button", name="Disconnect", exact=True).click()
        dialog = seen.page.locator("dialog[open]")
        expect(dialog).to_contain_text("no market data comes in")
        dialog.locator("textarea").fill("maintenance")
        dialog.get_by_role("button", name="Give it").click()
        expect(dialog.locator("li.done")).to_have_count(1)
        dialog.get_by_role("button", name="Close").click()
        gateways.get_by_role("button", name="Connect", exact=True).click()
        dialog.get_by_role("button", name="Give it").click()
        expect(dialog.locator("li.done")).to_have_count(1)
        dialog.get_by_role("button", name="Close").click()
        assert desk.source.done == [DisconnectFromMarketSource(reason="maintenance"), ConnectToMarketSource()]
        # An instrument is subscribed by the form, which the search fills in.
        answer = {
            "success": True,
            "data": [{"venue": "shfe", "symbol": "rb2605", "name": "螺纹钢2605", "stored": True}],
        }
        seen.page.route("**/api/v1/search?*", lambda _: None)  # not answered yet
        gateways.get_by_role("button", name="Subscribe…", exact=True).click()
        search = seen.page.locator("mp-instrument-search input")
        with seen.page.expect_request("**/api/v1/search?*"):
            search.press_sequentially("lwg")
        with seen.page.expect_event("requestfailed", lambda request: "/api/v1/search?" in request.url):
            search.fill("")
        expect(seen.page.locator("mp-instrument-search small")).to_have_count(0)  # emptied, not unavailable
        seen.page.unroute("**/api/v1/search?*")
        seen.page.route("**/api/v1/search?*", lambda route: route.fulfill(json=answer))
        search.press_sequentially("lwg")
        seen.page.locator("[role=option]", has_text="螺纹钢").wait_for()
        search.press("Enter")
        expect(seen.page.locator("#arg-symbol")).to_have_value("rb2605")
        expect(give(seen).locator("li.done")).to_have_count(1)
        assert desk.source.done[2:] == [SubscribeInstrument("rb2605", "shfe")]
        assert wrong(seen) == []


def test_the_history_is_everybodys_for_who_may_read_the_audit_log(browser: Browser, desk: Desk) -> None:
    assert desk.ask("POST", "/api/v1/commands/jobs/Start", "operator", {"name": "history"}).status == 200
    with at_desk(browser, desk, "/commands", "admin") as seen:
        row = seen.page.locator("mp-command-history tbody tr", has_text='"name":"history"')
        expect(row).to_contain_text("done")
        row.locator("summary").click()
        row.get_by_role("button", name="Fill in again").click()
        expect(seen.page.locator("#arg-name")).to_have_value("history")
        seen.page.reload()
        expect(seen.page.locator("#arg-name")).to_have_value("history")
        assert seen.problems == []


def test_who_may_only_look_sees_commands_and_gives_none(browser: Browser, desk: Desk) -> None:
    desk.jobs.done.clear()
    with at_desk(browser, desk, START, "viewer") as seen:
        expect(seen.page.locator("#arg-name")).to_be_visible()
        assert seen.page.get_by_role("button", name="Give the command…").count() == 0
        expect(seen.page.locator("mp-gateways button")).to_have_count(0)
        expect(seen.page.locator("mp-command-form")).to_contain_text("sys:operate")
        assert seen.problems == []
        csrf = "(await (await fetch('/api/v1/me')).json()).data.csrf"
        headers = f"{{'X-MarketPrism-Csrf': {csrf}, 'Content-Type': 'application/json'}}"
        sent = f"fetch('/api/v1/commands/jobs/Start', {{method: 'POST', headers: {headers}, body: '{{\"name\": \"no\"}}'}})"
        assert seen.page.evaluate(f"(async () => (await {sent}).status)()") == 403
        assert desk.jobs.done == []
