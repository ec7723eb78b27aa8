"""One's own account: what one may, keys, the password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.integration.api.access_side import PASSWORD
from tests.integration.console.signed_side import Doors, doors, faults, signed_in
from tests.support.console import viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
NAME = "=cmd|' /C calc'!A0 <b onclick=alert(1)>"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(tmp_path_factory.mktemp("doors")) as found:
        yield found


def test_a_key_is_made_shown_once_used_and_revoked(browser: Browser, at: Doors) -> None:
    ann = at.user("quant", rows_per_day=1_000)
    with signed_in(browser, at, ann) as seen:
        page = seen.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        seen.settle()
        assert "0 of 1,000 (0.00%)" in page.inner_text("mp-me-page .facts")
        assert "Take whole tables out" in page.inner_text("mp-me-page .words")
        page.get_by_role("button", name="New key").click()
        page.fill("#key-name", NAME)
        page.uncheck("dialog input[name=all]")
        assert page.locator("dialog input[value='admin:access']").count() == 0  # nobody gives what they do not have
        page.check("dialog input[value='keys:self']")
        page.get_by_role("button", name="Only some data").click()
        page.fill("dialog input[data-name=venues]", "shfe")
        page.fill("dialog input[data-name=symbols]", "rb*, ru*")
        page.fill("dialog input[data-name=delay_s]", "3.5")
        page.fill("#key-cidrs", "10.1.0.0/99")
        assert seen.violations() == []
        page.get_by_role("button", name="Make the key").click()
        page.get_by_text("expected networks like").wait_for()
        assert page.input_value("#key-name") == NAME  # nothing that was filled in is gone
        page.fill("#key-cidrs", "127.0.0.0/8")
        page.get_by_role("button", name="Make the key").click()
        key = page.locator("mp-secret input").input_value()
        assert seen.violations() == []
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == key
        me = at.run(at.gateway.ask("GET", "/api/v1/me", key))
        assert (me.data["scopes"], me.data["owner"]) == (["keys:self"], ann.id)
        granted = me.data["entitlements"]
        assert [(each["venues"], each["symbols"], each["delay_s"]) for each in granted] == [
            (["shfe"], ["rb*", "ru*"], 3.5)
        ]
        assert at.run(at.gateway.ask("GET", "/api/v1/symbols", key)).code == "FORBIDDEN"
        page.get_by_role("button", name="Close").click()
        row = page.locator("mp-me-page tr", has_text=key.split("_")[1])
        row.wait_for()
        assert NAME in row.inner_text()
        page.reload()
        row.wait_for()
        assert key not in page.content()
        row.get_by_role("button").click()
        page.locator("dialog button.grave").click()
        page.get_by_text("Request ").first.wait_for()
        assert at.run(at.gateway.ask("GET", "/api/v1/me", key)).code == "KEY_REVOKED"
        page.keyboard.press("Escape")
        row.get_by_text("revoked").wait_for()
        assert faults(seen, 400) == []


def test_a_password_is_changed_and_the_page_goes_on(browser: Browser, at: Doors) -> None:
    ann = at.user("viewer")
    with signed_in(browser, at, ann, language="zh") as seen:
        page = seen.page
        page.evaluate("window.stayed = true")
        page.get_by_role("button", name="修改密码").click()
        for field, text in (("now", "not that one"), ("new", "another battery"), ("again", "a better battery")):
            page.fill(f"#password-{field}", text)
        page.press("#password-again", "Enter")
        assert (
            page.evaluate("document.querySelector('#password-again').validationMessage") == "两次输入的新密码不一致。"
        )
        page.fill("#password-again", "another battery")
        page.press("#password-again", "Enter")
        page.locator("dialog.action .failed").wait_for()  # the present one is wrong: nobody is signed out by that
        assert not page.locator("mp-sign-in").count()
        page.fill("#password-now", PASSWORD)
        page.press("#password-again", "Enter")
        page.get_by_text("已完成").wait_for()
        assert seen.violations() == []
        page.get_by_role("button", name="关闭").click()
        seen.until("document.querySelector('.connection').classList.contains('live')")
        assert page.evaluate("window.stayed") is True
        assert faults(seen, 401) == []
    assert at.run(at.gateway.login(ann, "another battery")).status == 200


def test_where_nobody_signs_in_the_pages_say_so(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    with doors(tmp_path_factory.mktemp("local"), auth="local") as local, viewer(browser, local.base) as seen:
        seen.open("/me")
        seen.settle()
        seen.page.get_by_text("Nobody signs in here").wait_for()
        seen.page.get_by_role("link", name="How to have users sign in").click()
        seen.page.get_by_text("marketprism access init").wait_for()
        assert seen.page.locator("#content pre").inner_text() == '[api]\nauth = "on"'
        assert seen.violations() == []
        assert seen.problems == []
