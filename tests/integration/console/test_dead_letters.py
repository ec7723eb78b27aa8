"""Dead letters: seen, put back, thrown away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.integration.console.operating_side import Desk, at_desk, desk
from tests.support.console import Viewer

__all__ = ["desk"]
pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
PATH = "/dead-letters"


@pytest.fixture
def letters(desk: Desk) -> list[int]:
    """Three dead letters, and none beside them; the newest first."""
    for each in desk.ask("GET", "/api/v1/dead-letters").data["letters"]:
        desk.ask("DELETE", f"/api/v1/dead-letters/{each['seq']}")
    desk.jobs.refuses = True
    desk.jobs.done.clear()
    for name in ("first", "<b>second", "third"):
        assert desk.ask("POST", "/api/v1/commands/jobs/Start", json={"name": name}).code == "COMMAND_REFUSED"
    desk.jobs.refuses = False
    return [each["seq"] for each in desk.ask("GET", "/api/v1/dead-letters").data["letters"]]


def act(seen: Viewer, button: str, reason: str = "") -> None:
    """Fill the open dialog in and confirm it."""
    dialog = seen.page.locator("dialog[open]")
    if reason:
        dialog.locator("textarea").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()


def test_where_nothing_waits_it_says_so(browser: Browser, desk: Desk, letters: list[int]) -> None:
    for seq in letters:
        desk.ask("DELETE", f"/api/v1/dead-letters/{seq}")
    with at_desk(browser, desk, PATH) as seen:
        expect(seen.page.locator("mp-dead-commands .empty strong")).to_have_text("Nothing is waiting")
        assert seen.problems == []


@pytest.mark.long
def test_a_letter_is_opened_by_its_address(browser: Browser, desk: Desk, letters: list[int]) -> None:
    with at_desk(browser, desk, f"{PATH}?seq={letters[1]}") as seen:
        expect(seen.page.locator("mp-dead-letter pre").first).to_contain_text('"name": "<b>second"')
        expect(seen.page.locator("mp-dead-letter p.failed")).to_contain_text("expected a job that there is")
        expect(seen.page.locator("mp-dead-commands tbody tr")).to_have_count(3)
        assert seen.faults_in_both("dead-letters") == []
        assert seen.problems == []


def test_several_are_put_back_and_each_says_what_became_of_it(browser: Browser, desk: Desk, letters: list[int]) -> None:
    with at_desk(browser, desk, PATH) as seen:
        waits: list[Route] = []
        seen.page.route("**/api/v1/commands", lambda route: waits.extend((route,)))
        seen.page.reload()
        for seq in letters[:2]:
            seen.page.get_by_label(f"Choose {seq} jobs").check()
        seen.page.get_by_role("button", name="Put back…").click()
        dialog = seen.page.locator("dialog[open]")
        expect(dialog.locator("textarea")).to_be_visible()
        expect(dialog).not_to_contain_text("No instance")  # what services take is not read yet
        dialog.get_by_role("button", name="Cancel").click()
        with seen.page.expect_response("**/api/v1/commands"):
            for each in waits:
                each.continue_()
        seen.page.get_by_role("button", name="Put back…").click()
        expect(dialog).to_contain_text("It goes to the end of the queue of jobs")
        assert seen.violations() == []
        act(seen, "Put back", "the job is there now")
        done = dialog.locator(".outcomes li.done")
        expect(done).to_have_count(2)
        expect(done.first).to_contain_text("the service has done it")
        dialog.get_by_role("button", name="Close").click()
        expect(seen.page.locator("mp-dead-commands tbody tr")).to_have_count(1)
        assert sorted(job.name for job in desk.jobs.done) == ["<b>second", "third"]
        records = desk.ask("GET", "/api/v1/admin/audit?limit=20").data
        requeued = next(each for each in records if each["action"] == "command.requeue")
        assert requeued["after"]["reason"] == "the job is there now"
        assert seen.problems == []


def test_one_that_is_refused_again_says_why_and_is_a_letter_again(
    browser: Browser, desk: Desk, letters: list[int]
) -> None:
    desk.jobs.refuses = True
    with at_desk(browser, desk, f"{PATH}?seq={letters[0]}") as seen:
        seen.page.locator("mp-dead-letter").get_by_role("button", name="Put back…").click()
        act(seen, "Put back")
        refused = seen.page.locator("dialog[open] .outcomes li.refused")
        expect(refused).to_contain_text("expected a job that there is, was third (now dead letter")
        seen.page.locator("dialog[open]").get_by_role("button", name="Close").click()
        expect(seen.page.locator("mp-dead-letter")).to_contain_text("not there any more")
        expect(seen.page.locator("mp-dead-commands tbody tr")).to_have_count(3)


def test_one_is_thrown_away_and_who_was_later_is_told(browser: Browser, desk: Desk, letters: list[int]) -> None:
    with at_desk(browser, desk, PATH) as seen:
        seen.page.get_by_label("Choose all that are shown").check()
        seen.page.get_by_role("button", name="Throw away…").click()
        desk.ask("DELETE", f"/api/v1/dead-letters/{letters[0]}")  # somebody else is quicker
        act(seen, "Throw away", "no use")
        dialog = seen.page.locator("dialog[open]")
        expect(dialog.locator(".outcomes li.done")).to_have_count(2)
        expect(dialog.locator(".outcomes li.refused")).to_contain_text("NOT_FOUND")
        expect(dialog.locator(".outcomes li.refused")).to_contain_text("Request ")
        dialog.get_by_role("button", name="Close").click()
        expect(seen.page.locator("mp-dead-commands .empty strong")).to_have_text("Nothing is waiting")


def test_who_may_only_look_gets_no_buttons(browser: Browser, desk: Desk, letters: list[int]) -> None:
    with at_desk(browser, desk, f"{PATH}?seq={letters[0]}", "viewer") as seen:
        expect(seen.page.locator("mp-dead-letter pre").first).to_be_visible()
        expect(seen.page.locator("mp-dead-commands input[type=checkbox]")).to_have_count(0)
        assert seen.page.get_by_role("button", name="Put back…").count() == 0
        expect(seen.page.locator("mp-dead-commands")).to_contain_text("sys:operate")
        csrf = "(await (await fetch('/api/v1/me')).json()).data.csrf"
        sent = f"fetch('/api/v1/dead-letters/{letters[0]}', {{method: 'DELETE', headers: {{'X-MarketPrism-Csrf': {csrf}}}}})"
        assert seen.page.evaluate(f"(async () => (await {sent}).status)()") == 403
