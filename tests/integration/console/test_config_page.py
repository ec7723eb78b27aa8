"""The central configuration on the screen: seen by layers, changed, tried on one instance, taken back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from marketprism_sdk.messaging import REGISTRY, Registration
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.config_follower import Standing
from marketprism_services.platform.config_watch import metadata_of
from marketprism_services.settings.settings import Settings
from tests.integration.console.config_side import PASSWORD, Seat, at
from tests.integration.console.signed_side import faults, signed_in
from tests.support.console import Viewer

__all__ = ["at"]
pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(240)]
REASON = "<img src=x onerror=alert(1)> =1+1 \u202etoo few"


def _button(seen: Viewer, name: str) -> Any:
    return seen.page.get_by_role("button", name=name, exact=True)


def _open(seen: Viewer, name: str) -> None:
    seen.page.fill("input[type=search]", name)
    _button(seen, f"Set {name}").click()
    seen.page.wait_for_selector("#config-reason")


def _check(seen: Viewer, **fields: str) -> None:
    for name, text in fields.items():
        field = seen.page.locator(f"#config-{name}")
        if field.evaluate("each => each.tagName") == "SELECT":
            field.select_option(text)
        else:
            field.fill(text)
    _button(seen, "Check").click()


def _apply(seen: Viewer) -> None:
    """Once it was checked. On a machine that is busy an instance may be silent for two seconds: it is asked again."""
    shown = seen.page.locator("dialog.action :is(button:text-is('Apply'), .failed, #config-problem)").first
    for _ in range(3):
        shown.wait_for()
        if "no answer within 2 s" not in seen.page.inner_text("dialog.action"):
            break
        _button(seen, "Check").click()
        seen.page.locator("dialog.action .failed").wait_for(state="detached")
    assert _button(seen, "Apply").count(), seen.page.inner_text("dialog.action")
    _button(seen, "Apply").click()


def _row(seen: Viewer, name: str) -> Any:
    return seen.page.locator("table.settings tr", has=seen.page.locator(f"th code:text-is('{name}')"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("language", "theme", "width"),
    [("en", "light", 1440), ("zh", "dark", 390)],
)
def test_the_page_is_right(browser: Browser, at: Seat, language: str, theme: str, width: int) -> None:
    user = at.user("operator")
    with signed_in(browser, at, user, "/config", language=language, theme=theme, width=width) as seen:
        for view in ("settings", "instances", "history"):
            seen.page.locator(f"#tab-{view}").click()
            seen.settle()
            seen.page.wait_for_selector(f"#view-{view} table")
            assert seen.violations() == [], view
            for each in (1830 - width, width):  # neither on a phone nor on a screen
                seen.page.set_viewport_size({"width": each, "height": 900})
                assert seen.too_wide() == [], (view, each)
            seen.picture(f"config-{view}-{language}-{theme}-{width}")
        seen.page.locator("#tab-settings").click()
        seen.page.fill("input[type=search]", "log.level")
        seen.until("document.querySelectorAll('table.settings tbody tr').length === 1")
        seen.page.locator("table.settings button").last.click()
        seen.page.fill("#config-reason", "to see more")
        seen.page.select_option("#config-value", "debug")
        seen.page.locator("dialog button.main").click()
        seen.page.wait_for_selector("dialog table")
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture(f"config-dialog-{language}-{theme}-{width}")
        assert faults(seen) == []


def test_values_are_shown_with_their_layers_and_no_secret(browser: Browser, at: Seat) -> None:
    made = at.made
    with signed_in(browser, at, at.user("viewer"), "/config") as seen:
        page = seen.page
        row = _row(seen, "trace.every")
        row.get_by_text("500", exact=True).first.wait_for()
        text = row.inner_text()
        assert "one of so many raw messages" in text
        assert "Used by: gateway" in text
        assert made.one.key in text
        assert made.other.key in text
        assert "Default: 1000" in text
        assert row.locator(".badge").all_inner_texts() == ["central"]
        assert "at once" in text
        assert _row(seen, "log.level").locator(".badge").all_inner_texts() == ["default", "environment"]
        assert "error" in _row(seen, "log.level").inner_text()
        assert sorted(_row(seen, "ctp.password").locator(".badge").all_inner_texts()) == ["default", "file"]
        assert "the same ticks give the same bars" in _row(seen, "bars.grace_s").inner_text()
        assert PASSWORD not in page.content()
        assert page.locator("table.settings tbody tr").count() == len(at.ask("/settings")["settings"])
        page.fill("input[type=search]", "MESSAGES is followed")
        seen.until("document.querySelectorAll('table.settings tbody tr').length === 1")
        page.reload()  # what is looked for stands in the address
        seen.until("document.querySelectorAll('table.settings tbody tr').length === 1")
        page.fill("input[type=search]", "no such thing")
        page.get_by_text("No setting is like that").wait_for()
        page.fill("input[type=search]", "")
        page.get_by_label("Show").select_option("central")
        seen.until("document.querySelectorAll('table.settings tbody tr').length === 1")
        # Who may not change anything is shown no way to.
        assert "sys:operate" in page.inner_text("main")
        assert page.locator("main table button").count() == 0
        page.get_by_role("tab", name="History").click()
        page.locator("mp-config-history table").nth(1).wait_for()
        assert page.locator("mp-config-history table button").count() == 0
        assert faults(seen) == []


def test_what_is_wrong_is_shown_at_its_field_and_nothing_is_stored(browser: Browser, at: Seat) -> None:
    version, other = at.version, at.made.other
    with signed_in(browser, at, at.user("operator"), "/config") as seen:
        page = seen.page
        _open(seen, "trace.every")
        assert page.input_value("#config-value") == "500"
        _check(seen, value="7")  # without a reason nothing is sent
        assert page.evaluate("document.querySelector('#config-reason').matches(':invalid')")
        for field, given, text in (
            ("value", "-1", "greater than or equal to 0, was '-1'"),
            ("value", "13", f"{other.key} refuses: trace.every: expected a number that brings luck, was 13"),
            ("value", "{x", "Expected JSON: "),
            ("value", "500", "It is so already"),
            ("value", "secret:main", "was a reference to a secret, which it is not"),
        ):
            _check(seen, value=given, reason="try")
            page.locator(f".field:has(#config-{field}) #config-problem", has_text=text).wait_for()
            assert page.get_attribute(f"#config-{field}", "aria-invalid") == "true"
            assert page.evaluate("document.activeElement.id") == f"config-{field}"
            assert not _button(seen, "Apply").count()
        _check(seen, value="8", reason="   ")
        page.locator(".field:has(#config-reason) #config-problem", has_text="expected why it is changed").wait_for()
        assert page.input_value("#config-value") == "8"
        assert seen.violations() == []
        # What was looked at and is typed otherwise since is looked at again.
        _check(seen, value="8", reason="try")
        _button(seen, "Apply").wait_for()
        page.fill("#config-value", "9")
        _button(seen, "Check").wait_for()
        assert page.locator("dialog table").count() == 0
        page.keyboard.press("Escape")
        _open(seen, "ctp.password")
        assert page.input_value("#config-value") == "secret:"
        _check(seen, value=PASSWORD, reason="try")
        page.get_by_text("expected secret:<name>, for no secret is stored centrally").wait_for()
        assert faults(seen, 400) == []
    assert at.version == version
    assert not at.made.one.rates[1:]


def test_a_value_is_tried_on_one_instance_and_then_given_to_all(browser: Browser, at: Seat) -> None:
    one, other, before = at.made.one, at.made.other, at.version
    with signed_in(browser, at, at.user("operator"), "/config") as seen:
        page = seen.page
        _open(seen, "log.level")
        options = page.locator("#config-for option").all_inner_texts()
        assert options[0] == "all"
        assert {"gateway", one.key, other.key} < set(options)
        _check(seen, **{"for": one.key, "value": "debug", "reason": REASON})
        preview = page.locator("dialog table", has_text="log.level")
        assert [text.strip() for text in preview.locator("tbody tr").inner_text().split("\t")] == [
            "log.level",
            one.key,
            "–",
            "debug",
        ]
        assert at.version == before
        _apply(seen)
        page.locator("dialog", has_text=f"Version {before + 1} is in force.").wait_for()
        assert (one.levels[-1:], other.levels[-1:]) == (["debug"], [])
        page.locator("dialog").get_by_role("button", name=f"Give it to gateway: log.level, {one.key}").click()
        seen.until("document.querySelector('#config-reason')?.value === ''")
        assert page.input_value("#config-for") == "gateway"
        assert page.is_checked("dialog input[name=wider]")
        _check(seen, reason="it is right")
        _apply(seen)
        page.locator("dialog", has_text=f"Version {before + 2} is in force.").wait_for()
        assert (one.levels[-1:], other.levels[-1:]) == (["debug"], ["debug"])
        assert at.values == {"log.level@gateway": "debug", "trace.every": 500}
        _button(seen, "Close").click()
        page.get_by_role("tab", name="Instances").click()
        rows = page.locator("#view-instances tbody tr")
        seen.until(
            f"[...document.querySelectorAll('#view-instances tbody td:nth-child(2)')].every((each) => each.innerText === '{before + 2}')"
        )
        assert set(rows.locator(".badge").all_inner_texts()) == {"confirmed"}
        page.get_by_role("tab", name="Settings").click()
        # The table still names the one instance until it was read again.
        _button(seen, "Take log.level out, for gateway").click()
        page.wait_for_selector("#config-reason")
        _check(seen, reason="seen enough")
        _apply(seen)
        page.locator("dialog", has_text=f"Version {before + 3} is in force.").wait_for()
        assert at.values == {"trace.every": 500}
        assert faults(seen) == []


def test_versions_are_compared_and_gone_back_to(browser: Browser, at: Seat) -> None:
    first = at.version
    at.set("trace.every", 600, reason=REASON)
    at.set("store.keep_days", {"market_ticks": 30}, reason="disks", service="storage")
    operator = at.user("operator")
    with signed_in(browser, at, operator, "/config?view=history") as seen:
        page = seen.page
        versions = page.locator("mp-config-history table").last.locator("tbody tr")
        versions.first.get_by_text("in force").wait_for()
        assert "disks" in versions.first.inner_text()
        assert '{"market_ticks":30}' in versions.first.inner_text()
        assert REASON in versions.nth(1).inner_text()
        assert "ann" in versions.nth(1).inner_text()
        assert "Before the first change" in versions.last.inner_text()
        page.get_by_label("Version", exact=True).fill(str(first))
        _button(seen, "Show").click()
        page.get_by_text(f"From version {first} to {first + 2}").wait_for()
        compared = page.locator("mp-config-history table").first.inner_text()
        assert "store.keep_days" in compared
        assert "600" in compared
        assert f"first={first}" in page.url
        page.get_by_role("button", name=f"Back to version {first}", exact=True).click()
        page.wait_for_selector("#config-reason")
        _check(seen, reason="worse than before")
        page.locator("dialog table", has_text="store.keep_days").wait_for()
        assert seen.violations() == []
        assert at.version == first + 2
        _apply(seen)
        page.locator("dialog", has_text=f"Version {first + 3} is in force.").wait_for()
        assert at.values == {"trace.every": 500}
        _button(seen, "Close").click()
        versions.first.get_by_text(operator.id).wait_for()
        assert faults(seen) == []


def test_who_was_second_checks_again_and_nothing_is_lost(browser: Browser, at: Seat) -> None:
    with signed_in(browser, at, at.user("operator"), "/config") as seen:
        page = seen.page
        _open(seen, "trace.every")
        _check(seen, value="700", reason="mine")
        _button(seen, "Apply").wait_for()
        theirs = at.set("log.format", "json")
        _apply(seen)
        page.locator("dialog [role=alert]", has_text=f"version {theirs} is in force").wait_for()
        assert (page.input_value("#config-value"), page.input_value("#config-reason")) == ("700", "mine")
        _button(seen, "Check").click()
        _apply(seen)
        page.locator("dialog", has_text=f"Version {theirs + 1} is in force.").wait_for()
        assert faults(seen, 409) == []
    assert at.values == {"log.format": "json", "trace.every": 700}


@pytest.mark.long
def test_instances_that_do_not_follow_are_named(browser: Browser, at: Seat) -> None:
    registry = NatsKeyValue.existing(at.made.place.connection, REGISTRY)
    ghost = Registration(registry, "storage", "ghost", "0")
    refusing = Standing(0, (), (), "version 3: no room for it")
    with signed_in(browser, at, at.user("operator"), "/config?view=instances") as seen:
        page = seen.page
        page.get_by_text("all of them").wait_for()
        at.run(ghost.update(status="active", metadata=metadata_of(refusing)))
        page.get_by_text("1 of 4 instances do not have it").wait_for()
        row = page.locator("#view-instances tr", has_text="storage.ghost")
        assert "refused" in row.inner_text()
        assert "no room for it" in row.inner_text()
        assert seen.violations() == []
        at.run(ghost.update(status="active", metadata=metadata_of(Standing())))
        row.get_by_text("behind").wait_for()
        page.get_by_role("tab", name="Settings").click()
        page.get_by_text("storage.ghost does not say what it runs with").wait_for()
        _open(seen, "trace.every")
        _check(seen, value="800", reason="in spite of it")
        page.locator("dialog", has_text="silent: storage.ghost").wait_for()
        page.get_by_label("Pass over instances").check()
        _button(seen, "Check").click()
        page.locator("dialog dt", has_text="No answer").wait_for()
        _apply(seen)
        page.locator("dialog", has_text="is in force.").wait_for()
        assert at.values["trace.every"] == 800
        assert faults(seen, 503) == []
    at.run(ghost.leave())


def test_what_an_instance_cannot_take_is_taken_back_and_said(browser: Browser, at: Seat) -> None:
    def fail(settings: Settings) -> None:
        if settings.trace.every == 17:
            raise RuntimeError("no room for it")

    at.made.one.appliers.on("trace.every", fail)  # it has said yes, and then cannot
    before, was = at.version, at.values["trace.every"]
    with signed_in(browser, at, at.user("operator"), "/config") as seen:
        page = seen.page
        _open(seen, "trace.every")
        _check(seen, value="17", reason="luck")
        _apply(seen)
        page.locator("dialog .outcomes", has_text=f"taken back by version {before + 2}").wait_for()
        text = page.inner_text("dialog .outcomes")
        assert at.made.one.key in text
        assert "no room for it" in text
        assert faults(seen) == []
    assert at.values["trace.every"] == was


@pytest.mark.long
def test_it_is_all_done_with_the_keyboard(browser: Browser, at: Seat) -> None:
    before = at.version
    with signed_in(browser, at, at.user("operator"), "/me") as seen:
        page = seen.page
        page.keyboard.press("g")
        page.keyboard.press("f")
        page.wait_for_selector("table.settings")
        page.focus("input[type=search]")
        page.keyboard.type("query.cache_mb")
        seen.until("document.querySelectorAll('table.settings tbody tr').length === 1")
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.ariaLabel") == "Set query.cache_mb":
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("#config-value")
        for _ in range(4):
            if page.evaluate("document.activeElement.id") == "config-value":
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Control+a")
        page.keyboard.type("77")
        page.keyboard.press("Tab")
        page.keyboard.type("more memory")
        page.keyboard.press("Enter")
        page.locator("dialog table", has_text="query.cache_mb").wait_for()
        page.keyboard.press("Enter")
        page.locator("dialog", has_text=f"Version {before + 1} is in force.").wait_for()
        page.keyboard.press("Enter")
        seen.until("!document.querySelector('dialog[open]')")
        assert faults(seen) == []
    assert at.values["query.cache_mb"] == 77
