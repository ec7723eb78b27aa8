"""Signing in, and what becomes of a page whose session has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from marketprism_application.contracts.access_records import Role, User
from tests.integration.api.access_side import PASSWORD
from tests.integration.console.signed_side import Doors, doors, enter, faults, signed_in
from tests.support.console import viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]
LIVE = "document.querySelector('.connection').classList.contains('live')"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh", "dark")])
def test_nobody_sees_a_page_before_they_have_signed_in(browser: Browser, at: Doors, language: str, theme: str) -> None:
    ann = at.user("quant")
    with viewer(browser, at.base, language=language, theme=theme, width=390) as seen:
        seen.page.goto(at.base + "/me?x=1")
        seen.page.wait_for_selector("#sign-in-name")
        assert seen.page.evaluate("document.activeElement.id") == "sign-in-name"
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture(f"sign-in-{language}-{theme}")
        enter(seen, ann.id, "not that one")
        wrong = seen.page.locator("mp-sign-in [role=alert]:visible").inner_text()
        enter(seen, "nobody-like-this")
        seen.until("!document.querySelector('mp-sign-in form[aria-busy=true]')")
        assert seen.page.locator("mp-sign-in [role=alert]:visible").inner_text() == wrong
        assert ("Name or password" in wrong) == (language == "en")
        enter(seen, ann.id)
        seen.page.wait_for_selector("mp-me-page h1")
        assert seen.page.url == at.base + "/me?x=1"
        seen.until(LIVE)
        seen.settle()
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture(f"me-{language}-{theme}-phone")
        assert faults(seen, 401) == []
        seen.page.get_by_role("button", name="Sign out" if language == "en" else "退出登录").click()
        seen.page.wait_for_selector("section.sign-in")
        assert not seen.page.locator("mp-me-page").count()
        seen.page.reload()
        seen.page.wait_for_selector("section.sign-in")


@pytest.mark.long
def test_whoever_fails_too_often_sees_the_seconds_that_are_left(browser: Browser, at: Doors) -> None:
    ann = at.user("quant")
    with viewer(browser, at.base) as seen:
        seen.page.goto(at.base + "/me")
        for _ in range(8):
            enter(seen, ann.id, "not that one")
            seen.until("!document.querySelector('mp-sign-in form[aria-busy=true]')")
            if seen.page.locator(".waits").count():
                break
        expect(seen.page.locator(".waits")).to_have_count(1)
        assert seen.page.locator("mp-sign-in button.main").is_disabled()
        seen.page.get_by_text("You can try again now.").wait_for()
        seen.until("!document.querySelector('mp-sign-in button.main').disabled")
        enter(seen, ann.id)
        seen.page.wait_for_selector("mp-me-page h1")
        assert faults(seen, 401, 429) == []


def test_a_password_of_somebody_else_is_changed_first(browser: Browser, at: Doors) -> None:
    ann = at.user("quant", must_change=True)
    with viewer(browser, at.base) as seen:
        seen.page.goto(at.base + "/me")
        enter(seen, ann.id)
        seen.page.fill("#sign-in-new", "a better battery")
        seen.page.fill("#sign-in-again", "another battery")
        seen.page.press("#sign-in-again", "Enter")
        seen.page.get_by_text("not typed twice alike").wait_for()
        assert seen.violations() == []
        seen.page.reload()  # what was typed at the sign-in is not known any more
        seen.page.fill("#sign-in-password", "not that one")
        for field in ("new", "again"):
            seen.page.fill(f"#sign-in-{field}", "a better battery")
        seen.page.press("#sign-in-again", "Enter")
        seen.page.get_by_text("present password is not right").wait_for()
        seen.page.fill("#sign-in-password", PASSWORD)
        seen.page.fill("#sign-in-new", "short")
        seen.page.fill("#sign-in-again", "short")
        seen.page.press("#sign-in-again", "Enter")
        seen.page.get_by_text("expected 10 to").wait_for()
        for field in ("new", "again"):
            seen.page.fill(f"#sign-in-{field}", "a better battery")
        seen.page.press("#sign-in-again", "Enter")
        seen.page.wait_for_selector("mp-me-page h1")
        seen.until(LIVE)
        assert faults(seen, 400, 401) == []
    assert at.run(at.gateway.login(ann, "a better battery")).status == 200


@pytest.mark.long
def test_a_session_that_ends_leaves_the_page_and_goes_on_after_the_form(browser: Browser, at: Doors) -> None:
    ann, bob = at.user("quant"), at.user("viewer")
    with signed_in(browser, at, ann) as one, signed_in(browser, at, ann) as other:
        one.until(LIVE)
        one.settle()
        other.settle()
        rows = other.page.locator("mp-me-page table:has(caption:text-is('Sessions')) tbody tr")
        one.page.evaluate("window.stayed = true")
        assert rows.count() == 2
        rows.filter(has_not_text="this one").get_by_role("button").click()
        other.page.locator("dialog.action button.grave").click()
        began = time.monotonic()
        one.until("document.querySelector('dialog.sign-in')?.open")
        took = time.monotonic() - began
        assert took < 2, took
        other.page.get_by_text("Request ").first.wait_for()
        expect(one.page.locator("mp-me-page .facts")).to_have_count(1)
        expect(one.page.locator("main.ended")).to_have_count(1)
        assert not one.page.evaluate(LIVE)
        one.page.keyboard.press("Escape")
        one.page.keyboard.press("Escape")
        one.until("document.querySelector('dialog.sign-in')?.open")
        assert one.violations() == []
        one.picture("session-ended")
        asked = []
        one.page.on("request", lambda request: asked.append(request.url))
        one.page.wait_for_timeout(6000)  # longer than the page waits between two looks
        assert not [each for each in asked if "/api/v1/me/" in each]
        enter(one, ann.id)
        one.until("!document.querySelector('mp-sign-in')")
        one.until(LIVE)
        assert one.page.evaluate("window.stayed") is True
        one.until("document.querySelectorAll('mp-me-page td .badge.good').length > 0")
        assert faults(one, 401) == []
        assert faults(other) == []
        # Somebody else at the same browser begins anew.
        at.run(_end_all(at, ann))
        one.until("document.querySelector('dialog.sign-in')?.open")
        enter(one, bob.id)
        one.until(f"document.querySelector('mp-me-page .facts')?.innerText.includes('{bob.id}')")
        assert ann.id not in one.page.inner_text("body")


async def _end_all(at: Doors, user: User) -> None:
    stored = await at.gateway.store.read(User, user.id)
    assert stored is not None
    after = msgspec.structs.replace(stored.record, version=stored.record.version + 1)
    await at.gateway.store.write(after, stored.revision)


def test_a_role_that_loses_a_permission_hides_its_page_at_once(browser: Browser, at: Doors) -> None:
    at.run(at.gateway.store.write(Role(id="desk", scopes=("md:read", "md:stream", "keys:self", "admin:access")), 0))
    cat = at.user("desk")
    with signed_in(browser, at, cat, "/access") as seen:
        seen.until(LIVE)
        seen.page.locator("#pages a[href='/access']").wait_for()
        at.run(_set_scopes(at, "desk", ("md:read", "md:stream", "keys:self")))
        seen.until("!document.querySelector('#pages a[href=\"/access\"]')")
        seen.page.get_by_text("admin:access").first.wait_for()
        assert not seen.page.locator("mp-access-page table").count()
        status = seen.page.evaluate("fetch('/api/v1/admin/users').then((answer) => answer.status)")
        assert status == 403
        at.run(_set_scopes(at, "desk", ("md:read", "keys:self")))  # not even the stream: no loop of connections
        seen.until("document.querySelector('.connection').classList.contains('refused')")
        at.run(_set_scopes(at, "desk", ("md:read", "md:stream", "keys:self", "admin:access")))


async def _set_scopes(at: Doors, role: str, scopes: tuple[str, ...]) -> None:
    stored = await at.gateway.store.read(Role, role)
    assert stored is not None
    await at.gateway.store.write(msgspec.structs.replace(stored.record, scopes=scopes), stored.revision)


def test_a_page_that_the_browser_has_already_keeps_its_policy(at: Doors) -> None:
    page = at.run(at.gateway.ask("GET", "/me", headers={"Accept": "text/html"}))
    again = at.run(at.gateway.ask("GET", "/me", headers={"Accept": "text/html", "If-None-Match": page.headers["ETag"]}))
    assert again.status == 304
    for name in ("Content-Security-Policy", "Cache-Control", "Vary"):
        assert again.headers[name] == page.headers[name]
